"""WavLM-Large + ECAPA-TDNN speaker vectors from UniSpeech's file `wavlm_large_finetune.pth`.

`unverified`: nothing here can prove that it gives the published numbers. The file holds a WavLM in
the names of its own code and the small ECAPA on top; transformers runs the former. All sizes come
from the shapes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from zoo.errors import CheckpointError, ZooError
from zoo.hub.keymap import KeyMap, Rule, drop
from zoo.metrics.judges import official_file
from zoo.tasks import SpeechLike

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.nn.ecapa import ECAPA

FILE: Final = "wavlm_large_finetune.pth"
VARIABLE: Final = "ZOO_WAVLM_ECAPA"
ENTRY: Final = "judge.wavlm-large-ecapa"
_SAMPLE_RATE: Final = 16_000
_STRIDES: Final = (5, 2, 2, 2, 2, 2, 2)

_FROM, _LAYER, _OURS = (
    r"feature_extract\.model\.",
    r"encoder\.layers\.(\d+)\.",
    r"encoder.layers.\1",
)
_WB: Final = "(weight|bias)"
_MAP: Final = KeyMap(
    [
        Rule(f"{_FROM}mask_emb", "wavlm.masked_spec_embed"),
        Rule(
            rf"{_FROM}feature_extractor\.conv_layers\.(\d+)\.0\.{_WB}",
            r"wavlm.feature_extractor.conv_layers.\1.conv.\2",
        ),
        Rule(
            rf"{_FROM}feature_extractor\.conv_layers\.(\d+)\.2\.1\.{_WB}",
            r"wavlm.feature_extractor.conv_layers.\1.layer_norm.\2",
        ),
        Rule(rf"{_FROM}layer_norm\.{_WB}", r"wavlm.feature_projection.layer_norm.\1"),
        Rule(rf"{_FROM}post_extract_proj\.{_WB}", r"wavlm.feature_projection.projection.\1"),
        Rule(rf"{_FROM}encoder\.pos_conv\.0\.bias", "wavlm.encoder.pos_conv_embed.conv.bias"),
        Rule(
            rf"{_FROM}encoder\.pos_conv\.0\.weight_g",
            "wavlm.encoder.pos_conv_embed.conv.parametrizations.weight.original0",
        ),
        Rule(
            rf"{_FROM}encoder\.pos_conv\.0\.weight_v",
            "wavlm.encoder.pos_conv_embed.conv.parametrizations.weight.original1",
        ),
        Rule(
            rf"{_FROM}{_LAYER}self_attn\.([kqv]|out)_proj\.{_WB}",
            rf"wavlm.{_OURS}.attention.\2_proj.\3",
        ),
        Rule(
            rf"{_FROM}{_LAYER}self_attn\.grep_linear\.{_WB}",
            rf"wavlm.{_OURS}.attention.gru_rel_pos_linear.\2",
        ),
        Rule(rf"{_FROM}{_LAYER}self_attn\.grep_a", rf"wavlm.{_OURS}.attention.gru_rel_pos_const"),
        Rule(
            rf"{_FROM}{_LAYER}self_attn\.relative_attention_bias\.weight",
            rf"wavlm.{_OURS}.attention.rel_attn_embed.weight",
        ),
        Rule(rf"{_FROM}{_LAYER}self_attn_layer_norm\.{_WB}", rf"wavlm.{_OURS}.layer_norm.\2"),
        Rule(rf"{_FROM}{_LAYER}fc1\.{_WB}", rf"wavlm.{_OURS}.feed_forward.intermediate_dense.\2"),
        Rule(rf"{_FROM}{_LAYER}fc2\.{_WB}", rf"wavlm.{_OURS}.feed_forward.output_dense.\2"),
        Rule(rf"{_FROM}{_LAYER}final_layer_norm\.{_WB}", rf"wavlm.{_OURS}.final_layer_norm.\2"),
        Rule(rf"{_FROM}encoder\.layer_norm\.{_WB}", r"wavlm.encoder.layer_norm.\1"),
        drop(r"loss_calculator\..*", "the classifier of the training speakers"),
        Rule(
            r"((?:feature_weight|layer\d|conv|pooling|bn|linear)(?:\..*)?)",
            r"ecapa.\1",
        ),
    ],
    "wavlm_ecapa",
)


def lacking(source: str | None) -> str | None:
    """None where the file is here, else what to do."""
    path = find_file(source)
    if path is not None and path.is_file():
        return None
    given = f"{path} is not there; " if path is not None else ""
    return (
        f"{given}the encoder wavlm_ecapa needs {FILE} of microsoft/UniSpeech (speaker "
        f"verification): download it, then name it as judge= or in ${VARIABLE}, or save it as "
        f"DIR/{ENTRY}/{FILE} and set ZOO_MODELS=DIR"
    )


def find_file(source: str | None) -> Path | None:
    """The checkpoint, from the argument, the environment or the catalogue."""
    given = source or os.environ.get(VARIABLE)
    if not given:
        try:
            return official_file(ENTRY)
        except ZooError:
            return None
    path = Path(given)
    return path / FILE if path.is_dir() else path


class WavLMECAPA:
    """A speaker encoder.

    Args:
        source: the file, or the folder that holds it.
        device: where it runs.

    Raises:
        CheckpointError: the file is missing, or is another one.
    """

    def __init__(self, source: str | None, device: str | None = None) -> None:
        from zoo.hub.raw import RawCheckpoint

        reason = lacking(source)
        path = find_file(source)
        if reason is not None or path is None:
            raise CheckpointError(reason or FILE)
        state = _MAP.to_ours(RawCheckpoint.open(path, place="model").tensors).state
        parts: dict[str, dict[str, Tensor]] = {"wavlm": {}, "ecapa": {}}
        for key, tensor in state.items():
            part, _, name = key.partition(".")
            parts[part][name] = tensor
        try:
            wavlm, ecapa = _wavlm(parts["wavlm"]), _ecapa(parts["ecapa"])
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(f"{path}: not {FILE}: {error}") from error
        self._wavlm = wavlm.eval().to(device or "cpu")
        self._ecapa = ecapa.eval().to(device or "cpu")

    def embed(self, speech: SpeechLike) -> Tensor:
        """Vector (256,) of a recording, not normalised; the whole of it, pauses included."""
        import torch
        from torch.nn import functional as F

        from zoo.audio import as_waveform

        waveform = as_waveform(speech, _SAMPLE_RATE).to(self._wavlm.device)
        with torch.inference_mode():
            # WavLM-Large was trained on waveforms of mean 0 and variance 1
            scaled = F.layer_norm(waveform, waveform.shape)
            states = self._wavlm(scaled[None], output_hidden_states=True).hidden_states
            vector: Tensor = self._ecapa(states)[0]
        return vector.cpu()


def _wavlm(state: Mapping[str, Tensor]) -> Any:
    """The encoder; what masks in training is off, so nothing here is random."""
    from transformers import WavLMConfig, WavLMModel

    layers = _count(state, "encoder.layers.")
    convs = _count(state, "feature_extractor.conv_layers.")
    kernels = [state[f"feature_extractor.conv_layers.{i}.conv.weight"] for i in range(convs)]
    position = state["encoder.pos_conv_embed.conv.parametrizations.weight.original1"]
    buckets, heads = state["encoder.layers.0.attention.rel_attn_embed.weight"].shape
    size = len(state["encoder.layer_norm.weight"])
    config = WavLMConfig(
        hidden_size=size,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=len(state["encoder.layers.0.feed_forward.intermediate_dense.bias"]),
        conv_dim=tuple(len(kernel) for kernel in kernels),
        conv_kernel=tuple(kernel.shape[2] for kernel in kernels),
        conv_stride=_STRIDES[:convs],
        conv_bias="feature_extractor.conv_layers.0.conv.bias" in state,
        num_conv_pos_embeddings=position.shape[2],
        num_conv_pos_embedding_groups=size // position.shape[1],
        num_buckets=buckets,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        apply_spec_augment=False,
    )
    model: Any = WavLMModel(config)
    model.load_state_dict(dict(state))
    return model


def _ecapa(state: Mapping[str, Tensor]) -> ECAPA:
    from zoo.nn.ecapa import ECAPA

    channels, state_size, _ = state["layer1.conv.weight"].shape
    model = ECAPA(
        num_states=len(state["feature_weight"]),
        state_size=state_size,
        channels=channels,
        embedding_size=len(state["linear.bias"]),
        scale=_count(state, "layer2.Res2Conv1dReluBn.convs.") + 1,
        bottleneck=len(state["pooling.linear1.bias"]),
    )
    model.load_state_dict(dict(state))
    return model


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    places = {key.removeprefix(prefix).split(".")[0] for key in state if key.startswith(prefix)}
    return len(places)
