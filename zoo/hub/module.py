"""The base class of every model of the zoo: a LightningModule that loads and saves itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from lightning import LightningModule

from zoo.errors import ConfigError
from zoo.hub.config import ZooConfig
from zoo.hub.paths import PathLike
from zoo.hub.report import LoadReport
from zoo.hub.usage import Usage
from zoo.training.recipe import Recipe


class ZooModule(LightningModule):
    """A paper's network with its training, its task methods and its weights.

    A subclass sets `slug` and `Config` and builds its network in `__init__`, which must also work
    under `torch.device("meta")`: what is learned lives in parameters and persistent buffers, and
    everything else is recomputed by `reset_buffers`.
    """

    slug: ClassVar[str]
    Config: ClassVar[type[ZooConfig]]
    batch_invariant: ClassVar[bool] = True
    """False where the official implementation lets padding reach valid frames."""
    float32_keys: ClassVar[tuple[str, ...]] = ()
    """Regexes of tensors kept in float32 when saving in half precision."""
    training_only: ClassVar[tuple[str, ...]] = ()
    """Regexes of tensors that are never saved: discriminators and the like, which exist only while
    their stage is trained."""
    made_anew: ClassVar[tuple[str, ...]] = ()
    """Regexes of tensors that a stage makes anew, so that a model can start from weights in which
    they have another shape."""

    usage: ClassVar[Usage | None] = None
    """What the card says about the use of a model that does none of the tasks."""

    def __init__(self, config: ZooConfig) -> None:
        super().__init__()
        self.config = config
        self.side_files: dict[str, bytes] = {}
        """Files saved beside the weights (vocabularies, tokenizers), by relative name."""
        self.provenance: dict[str, Any] = {}
        """`tag`, `training`, `converter`, `preprocess`: further keys of config.json."""
        self.load_report: LoadReport | None = None

    @classmethod
    def recipe(cls, config: Any) -> Recipe:
        """How `zoo train` trains this model: stages, data, what is monitored.

        Raises:
            ConfigError: the model is not trained by the zoo.
        """
        raise ConfigError(f"{cls.__name__} cannot be trained: it has no recipe")

    @classmethod
    def does_its_task(cls, config: Any) -> bool:
        """Whether a configuration has all parts that the task methods of the class need."""
        return True

    def initialise_pretrained(self) -> None:
        """Load the published weights that training from scratch starts from; none by default."""

    def configure_gradient_clipping(
        self,
        optimizer: Any,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip as the Trainer's flags say, under FSDP as well, where Lightning refuses norms."""
        from zoo.training.sharding import clip_norm, is_sharded

        if is_sharded(self.trainer) and gradient_clip_val and gradient_clip_algorithm != "value":
            clip_norm(self.trainer, gradient_clip_val)
            return
        self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def reset_buffers(self) -> None:
        """Recompute the non-persistent buffers; calls `reset_buffers` of every submodule."""
        for module in self.modules():
            reset = getattr(module, "reset_buffers", None)
            if module is not self and callable(reset):
                reset()

    @classmethod
    def from_pretrained(
        cls,
        source: PathLike,
        *,
        revision: str | None = None,
        cache_dir: PathLike | None = None,
        local_files_only: bool | None = None,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
        strict: bool = True,
        token: str | bool | None = None,
    ) -> Self:
        """Load a checkpoint of this class; see `zoo.from_pretrained` for the arguments.

        Raises:
            CheckpointError: the source holds another model, or cannot be had or loaded.
            SourceError: the source is not understood.
        """
        from zoo.hub.load import load_as

        return load_as(
            cls,
            source,
            revision=revision,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            device=device,
            dtype=dtype,
            strict=strict,
            token=token,
        )

    def save_pretrained(
        self,
        folder: PathLike,
        *,
        dtype: str | torch.dtype | None = None,
        max_shard_size: str | int = "5GB",
        card: Any = None,
        overwrite: bool = False,
    ) -> Path:
        """Write config.json, the weights as safetensors, the side files and the model card.

        Args:
            folder: made if absent.
            dtype: floating type of the stored tensors (`float32_keys` excepted); None keeps them.
            max_shard_size: larger weights are split into shards with an index.
            card: what the model card says beyond the obvious, see `zoo.hub.card`.
            overwrite: replace a checkpoint that is already there.

        Returns:
            The folder.

        Raises:
            CheckpointError: the folder holds a checkpoint already, or a value overflows `dtype`.
        """
        from zoo.hub.save import save

        return save(
            self,
            folder,
            dtype=dtype,
            max_shard_size=max_shard_size,
            card=card,
            overwrite=overwrite,
        )

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        token: str | bool | None = None,
        commit_message: str = "Upload with zoo",
        create_pr: bool = False,
        **options: Any,
    ) -> str:
        """Upload to a Hub repository (made if absent); returns the address of the commit."""
        from zoo.hub.push import push_to_hub

        return push_to_hub(
            self,
            repo_id,
            private=private,
            token=token,
            commit_message=commit_message,
            create_pr=create_pr,
            **options,
        )
