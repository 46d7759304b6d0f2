"""SpeechCLIP as a LightningModule: training stages, validation, and what it does for its users."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence
from torch.optim.lr_scheduler import LambdaLR

from zoo.audio import as_waveform
from zoo.errors import ConfigError, MediaError
from zoo.hub.module import ZooModule
from zoo.models.speechclip import vocabulary
from zoo.models.speechclip.config import SpeechCLIPConfig, TrainingConfig
from zoo.models.speechclip.network import EncodedSpeech, SpeechCLIPNetwork, SpeechOutput
from zoo.models.speechclip.retrieval import ValidationSet
from zoo.nn.clip import CLIP_VOCABULARY, image_transform
from zoo.nn.clip_vocabulary import Vocabulary, caption_words
from zoo.nn.contrastive import masked_contrastive_loss
from zoo.nn.keyword_vq import cosine_scores
from zoo.tasks import ImageLike, Keyword, Speech, SpeechLike
from zoo.training.recipe import Recipe, Stage
from zoo.video import as_image

logger = logging.getLogger(__name__)

StageName = Literal["clip", "speech"]
Batch = dict[str, Any]


class SpeechCLIP(ZooModule):
    """Speech and pictures in one space (arXiv 2210.00705).

    Args:
        config: sizes, branch and training.
        stage: what `fit` trains: "speech" (the paper's) or "clip" (the towers of a tiny model,
            which has no pretrained ones).
    """

    slug: ClassVar[str] = "speechclip"
    Config: ClassVar[type[SpeechCLIPConfig]] = SpeechCLIPConfig
    batch_invariant: ClassVar[bool] = False  # GroupNorm and fairseq's masks see the padding
    float32_keys: ClassVar[tuple[str, ...]] = (
        r".*batch_norm\..*",
        r".*quantizer\.temperature",
        r"log_scale",
    )

    def __init__(self, config: SpeechCLIPConfig, stage: StageName = "speech") -> None:
        super().__init__(config)
        self.config: SpeechCLIPConfig = config
        self.stage = stage
        self.network = SpeechCLIPNetwork(config)
        # the logarithm of the inverse temperature, as in the official checkpoints
        theta = torch.tensor(math.log(1 / config.temperature))
        self.log_scale = nn.Parameter(theta) if config.learn_temperature else None
        self._validation = ValidationSet()
        self._choose_trainable()

    # Training

    @classmethod
    def recipe(cls, config: SpeechCLIPConfig) -> Recipe:
        """Stages of `zoo train`: CLIP first where there is no pretrained one, then the paper's."""
        from zoo.data.speech_image import SpeechImageDataModule

        names = ["speech"] if config.clip_training is None else ["clip", "speech"]
        sections = {"clip": "clip_training", "speech": "training"}
        return Recipe(
            stages=tuple(
                Stage(
                    name=name,
                    monitor="val/recall_mean_10",
                    mode="max",
                    max_steps=f"{sections[name]}.total_steps",
                    gradient_clip=f"{sections[name]}.gradient_clip",
                )
                for name in names
            ),
            datamodule=SpeechImageDataModule,
            links={
                "clip.image_size": "image_size",
                "training.batch_size": "batch_size",
                "training.crop_seconds": "crop_seconds",
                "training.bucket": "bucket",
            },
            prepare=vocabulary.size_from_corpus,
        )

    @property
    def training_config(self) -> TrainingConfig:
        """The settings of the stage being trained."""
        if self.stage == "speech":
            return self.config.training
        if self.config.clip_training is None:
            raise ConfigError("this configuration has no stage 'clip': its CLIP is pretrained")
        return self.config.clip_training

    def initialise_pretrained(self) -> None:
        """Load the published HuBERT and CLIP of the configuration, if it names any.

        Raises:
            CheckpointError: they cannot be had.
        """
        from zoo.models.speechclip import backbones

        if self.config.pretrained_hubert is not None:
            backbones.load_hubert(self.network, self.config.pretrained_hubert)
        if self.config.pretrained_clip is not None:
            backbones.load_clip(self.network, self.config.pretrained_clip)

    def setup(self, stage: str) -> None:
        """Fill in what comes from the training captions, unless loaded weights brought it."""
        if stage != "fit":
            return
        if not vocabulary.is_set(self.network.vocabulary_ids):
            ids = vocabulary.corpus_ids(self.trainer.datamodule)  # type: ignore[attr-defined]
            self.adopt_vocabulary(ids)
        branch = self.network.cascaded_branch
        if branch is not None and int(branch.batch_norm.num_batches_tracked or 0) == 0:
            branch.initialise_batch_norm(self.network.clip.token_embedding)

    def adopt_vocabulary(self, ids: Tensor) -> None:
        """Make the rows of the token table those of the CLIP ids (V,).

        Raises:
            ConfigError: the model was built for another number of rows.
        """
        vocabulary.check_size(ids, self.config)
        self.network.vocabulary_ids.copy_(ids)
        self.network.clip.take_rows(ids)

    def _choose_trainable(self) -> None:
        self.requires_grad_(False)
        if self.stage == "clip":
            self.network.clip.model.requires_grad_(True)
            return
        self.network.speech_encoder.requires_grad_(True)
        self.network.speech_encoder.hubert.requires_grad_(self.config.speech.trainable)
        branch = self.network.parallel_branch or self.network.cascaded_branch
        assert branch is not None
        branch.requires_grad_(True)
        if self.log_scale is not None:
            self.log_scale.requires_grad_(True)

    def train(self, mode: bool = True) -> SpeechCLIP:
        """Switch modes; a frozen HuBERT stays in eval mode if the configuration says so."""
        super().train(mode)
        speech = self.config.speech
        if speech.frozen_eval and not speech.trainable:
            self.network.speech_encoder.hubert.eval()
        return self

    @property
    def scale(self) -> Tensor | float:
        """Factor on the cosines in the contrastive loss of the stage."""
        if self.stage == "clip":
            return self.network.clip.logit_scale
        return 1 / self.config.temperature if self.log_scale is None else self.log_scale.exp()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Masked contrastive loss over the global batch of all processes."""
        if self.stage == "clip":
            queries = self._embed_captions(batch["caption"])
            images = self.network.encode_image(batch["image"])
        else:
            speech = self.network.encode_speech(batch["wav"], batch["wav_len"])
            queries = speech.embedding
            self._log_keywords(speech)
            with torch.no_grad():
                images = self.network.encode_image(batch["image"])
        loss = masked_contrastive_loss(
            self._gather(queries), self._gather(images), self.scale, self._gather(batch["id"])
        )
        self.log("train/loss", loss, prog_bar=True, batch_size=len(images))
        return loss

    def _gather(self, x: Tensor) -> Tensor:
        """Rows of all processes, in rank order, through which gradients flow back."""
        if self._trainer is None or self.trainer.world_size == 1:
            return x
        rows = self.all_gather(x, sync_grads=x.requires_grad)
        return cast(Tensor, rows).flatten(0, 1)

    def _log_keywords(self, speech: SpeechOutput) -> None:
        if speech.keywords is not None:
            self.log("train/code_perplexity", speech.keywords.choice.code_perplexity)
            self.log("train/prob_perplexity", speech.keywords.choice.prob_perplexity)

    def configure_optimizers(self) -> Any:
        """Adam; per step linear growth, then linear decay."""
        settings = self.training_config
        trainable = [p for p in self.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(trainable, lr=settings.lr, weight_decay=settings.weight_decay)
        schedule = LambdaLR(optimizer, lambda step: warmup_decay(step, settings))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    # Validation

    def on_validation_epoch_start(self) -> None:
        """Start collecting."""
        self._validation = ValidationSet()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect the embeddings of captions (spoken; written in stage "clip") and new pictures."""
        if self.stage == "clip":
            queries = self._embed_captions(batch["caption"])
        else:
            queries = self.network.encode_speech(batch["wav"], batch["wav_len"]).embedding
        self._validation.add(queries, batch["id"])
        new = self._validation.new_images(batch["id"])
        if len(new):
            images = self.network.encode_image(batch["image"][new])
            self._validation.add_images(images, batch["id"][new])

    def on_validation_epoch_end(self) -> None:
        """Log recall of both directions and their mean, in percent."""
        if not self._validation.captions:
            return
        recall = self._validation.recall()
        names = {
            f"val/recall_{way}_{k}": recall[f"{key}/recall@{k}"]
            for way, key in (
                ("mean", "mean"),
                ("s2i", "speech_to_image"),
                ("i2s", "image_to_speech"),
            )
            for k in (1, 5, 10)
        }
        for name, value in names.items():
            self.log(name, value, prog_bar=name == "val/recall_mean_10")

    # Use

    @property
    def has_keywords(self) -> bool:
        """Whether the model names what it hears (cascaded branch)."""
        return self.network.cascaded_branch is not None

    @property
    def vocabulary(self) -> Vocabulary:
        """The sub-words of the token table."""
        ids = self.network.vocabulary_ids
        if not vocabulary.is_set(ids):
            raise ConfigError(
                "this model has no vocabulary yet: it is read from the captions when training "
                "starts, and comes with the weights of a trained or converted model"
            )
        return Vocabulary(ids)

    def image_transform(self) -> Callable[[Image.Image], Tensor]:
        """CLIP's preprocessing at this model's picture size."""
        return image_transform(self.config.clip.image_size)

    def embed_speech(
        self, speech: SpeechLike | Sequence[SpeechLike], *, batched: bool = False
    ) -> Tensor:
        """Unit-norm embeddings (N, D) of spoken descriptions.

        Args:
            speech: one or several recordings.
            batched: encode all as one padded batch, as the official `encode_speech` does with a
                list; faster, but padding reaches the valid frames and moves the result a little.

        Raises:
            MediaError: a recording cannot be used.
        """
        outputs = [self._encode(waves) for waves in self._batches(speech, batched)]
        return torch.cat([output.embedding for output in outputs])

    def embed_image(self, image: ImageLike | Sequence[ImageLike]) -> Tensor:
        """Unit-norm embeddings (N, D) of pictures.

        Raises:
            MediaError: a picture cannot be used.
        """
        transform = self.image_transform()
        pixels = [transform(as_image(item)) for item in _as_list(image)]
        with _evaluation(self):
            rows = [self.network.encode_image(self._to_device(x).unsqueeze(0)) for x in pixels]
        return torch.cat(rows).float()

    def keywords(
        self, speech: SpeechLike | Sequence[SpeechLike], top_k: int = 5, *, quantized: bool = False
    ) -> list[list[Keyword]]:
        """Sub-words heard, best first within each slot; one inner list an utterance.

        Args:
            speech: one or several recordings.
            top_k: candidates a slot.
            quantized: list the neighbours of the chosen sub-word's embedding (the official hit
                rate) instead of those of the slot's own vector. The first candidate is the same.

        Raises:
            NotImplementedError: the model is a parallel one.
        """
        self._require_keywords()
        words = self.vocabulary
        found = [self._encode(waves) for waves in self._batches(speech, batched=False)]
        return [self._candidates(output, words, top_k, quantized) for output in found]

    @torch.inference_mode()
    def _candidates(
        self, output: SpeechOutput, words: Vocabulary, top_k: int, quantized: bool
    ) -> list[Keyword]:
        branch, keywords = self.network.cascaded_branch, output.keywords
        assert branch is not None and keywords is not None
        scores = keywords.scores
        if quantized:
            scores = cosine_scores(keywords.embeddings, self.network.clip.token_embedding)
        allowed = scores.shape[-1] - len(branch.quantizer.forbidden)
        best = branch.quantizer.mask(scores)[0].topk(min(top_k, allowed))
        return [
            Keyword(words.word(row), score, slot)
            for slot, (values, rows) in enumerate(zip(*(x.tolist() for x in best), strict=True))
            for score, row in zip(values, rows, strict=True)
        ]

    def caption_tokens(self, text: str) -> list[str]:
        """The sub-words of a written caption in the form in which `keywords` names them."""
        return caption_words(text)

    def encode_text(self, text: str | Sequence[str]) -> Tensor:
        """Unit-norm embeddings (N, D) of written captions, by CLIP's text tower.

        Sub-words outside the vocabulary are left out with a warning, unless the model keeps CLIP's
        whole token table.
        """
        texts = [text] if isinstance(text, str) else list(text)
        with _evaluation(self):
            return self._embed_captions(texts, warn=True).float()

    def attention_weights(self, speech: SpeechLike | Sequence[SpeechLike]) -> list[Tensor]:
        """Where each keyword slot looks: one (heads, K, K + T) an utterance, T frames.

        Raises:
            NotImplementedError: the model is a parallel one.
        """
        branch = self._require_keywords()
        with _evaluation(self):
            encoded = [self._listen(waves) for waves in self._batches(speech, batched=False)]
            return [branch.attention_weights(x)[0] for x in encoded]

    def hidden_states(self, speech: SpeechLike | Sequence[SpeechLike]) -> list[tuple[Tensor, ...]]:
        """HuBERT's states, then the branch's layers, each (T, C): one tuple an utterance."""
        result = []
        with _evaluation(self):
            for waves in self._batches(speech, batched=False):
                encoded = self._listen(waves)
                states = [*encoded.hidden_states, *self.network.branch_states(encoded)]
                result.append(tuple(state[0] for state in states))
        return result

    def _require_keywords(self) -> Any:
        if self.network.cascaded_branch is None:
            raise NotImplementedError(
                "this SpeechCLIP has the parallel branch, which names no keywords; load a cascaded "
                "one, such as speechclip.tiny-cascaded"
            )
        return self.network.cascaded_branch

    def _batches(
        self, speech: SpeechLike | Sequence[SpeechLike], batched: bool
    ) -> Iterator[list[Tensor]]:
        waves = (self._waveform(item) for item in _as_list(speech))
        if batched:
            yield list(waves)
        else:
            yield from ([wave] for wave in waves)

    def _waveform(self, item: SpeechLike) -> Tensor:
        wave = as_waveform(item)
        shortest = self.config.speech.hubert.receptive_field
        if len(wave) < shortest:
            name = item if isinstance(item, str | Path) else "speech"
            raise MediaError(
                f"{name}: {len(wave)} samples are too short, one frame needs {shortest} at 16 kHz"
            )
        return self._to_device(wave)

    def _to_device(self, x: Tensor) -> Tensor:
        return x.to(self.device, self.network.clip.token_embedding.dtype)

    def _listen(self, waves: list[Tensor]) -> EncodedSpeech:
        lengths = torch.tensor([len(wave) for wave in waves], device=self.device)
        encoded = self.network.speech_encoder(pad_sequence(waves, batch_first=True), lengths)
        return cast(EncodedSpeech, encoded)

    def _encode(self, waves: list[Tensor]) -> SpeechOutput:
        with _evaluation(self):
            output = self.network.read_speech(self._listen(waves))
        return SpeechOutput(output.embedding.float(), output.keywords)

    def _embed_captions(self, captions: Sequence[str], *, warn: bool = False) -> Tensor:
        full = self.network.clip.full_token_embedding is not None
        words = Vocabulary(range(CLIP_VOCABULARY)) if full else self.vocabulary
        rows, last, unknown = words.encode(captions, self.config.clip.context_length)
        if unknown and warn:
            logger.warning("not in the vocabulary, left out: %s", ", ".join(sorted(set(unknown))))
        vectors = self.network.clip.encode_text(
            rows.to(self.device), last.to(self.device), full_vocabulary=full
        )
        return F.normalize(vectors, dim=-1)


def warmup_decay(step: int, settings: TrainingConfig) -> float:
    """Factor on the learning rate at a step (from 0): linear growth, then linear decay."""
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    floor = settings.final_lr / settings.lr
    left = (settings.total_steps - step) / max(1, settings.total_steps - settings.warmup_steps)
    return max(floor, floor + (1 - floor) * left)


def _as_list(items: Any) -> list[Any]:
    """A list of inputs; a single path, tensor, recording or picture is a list of one."""
    single = isinstance(items, str | Path | Tensor | Speech | Image.Image)
    if single or not isinstance(items, Sequence):
        return [items]
    return list(items)


@contextmanager
def _evaluation(module: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; puts the modes back afterwards."""
    training = [m for m in module.modules() if m.training]
    try:
        if training:
            module.eval()
        with torch.inference_mode():
            yield
    finally:
        for m in training:
            m.training = True
