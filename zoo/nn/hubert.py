"""HuBERT (arXiv 2106.07447) on `transformers`, with every hidden state and fairseq's frame mask.

The layers are those of `transformers.HubertModel`. What is ours is the walk through them: official
code of the papers that build on HuBERT ran fairseq, whose frame mask differs from the one of
transformers, and whose hidden states are the raw layer outputs (no final norm, see `hidden_states`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import HubertConfig as TransformersHubertConfig
from transformers.models.hubert.modeling_hubert import HubertModel

from zoo.nn.hubert_config import HuBERTConfig

WAVEFORM_EPS = 1e-5  # F.layer_norm's default, which fairseq uses on the waveform


@dataclass(frozen=True)
class HuBERTOutput:
    """What one pass yields.

    Attributes:
        hidden_states: num_layers + 1 tensors (B, T, D); entry 0 is the input of layer 1, entry i
            the raw output of layer i, also for the last layer of a pre-norm model.
        frame_mask: (B, T) bool, True = the frame holds at least one real sample.
    """

    hidden_states: tuple[Tensor, ...]
    frame_mask: Tensor


class HuBERT(nn.Module):
    """Waveform in, hidden states of all layers out; parameter names are those of transformers."""

    def __init__(self, config: HuBERTConfig) -> None:
        super().__init__()
        self.config = config
        model = HubertModel(_transformers_config(config))
        self.feature_extractor = model.feature_extractor
        self.feature_projection = model.feature_projection
        self.encoder = model.encoder

    def forward(
        self,
        waveform: Tensor,
        lengths: Tensor | None = None,
        *,
        last_layer: int | None = None,
        hide: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> HuBERTOutput:
        """Encode a zero-padded batch.

        Args:
            waveform: (B, S) float, 16 kHz, amplitude in [-1, 1], zero beyond each length.
            lengths: (B,) int64 valid samples; None treats every sample as valid.
            last_layer: stop after this layer (1-based); None runs all.
            hide: what pretraining does to the frames (B, T, D) before the transformer, given
                their mask (B, T).

        Raises:
            ValueError: S is shorter than the receptive field (400 samples in released models).
        """
        if waveform.shape[-1] < self.config.receptive_field:
            raise ValueError(
                f"waveform of {waveform.shape[-1]} samples is shorter than the "
                f"{self.config.receptive_field} that one frame needs; pad it with zeros"
            )
        if self.config.normalize_waveform:
            waveform = normalize_waveform(waveform, lengths)
        x = self.feature_extractor(waveform).transpose(1, 2)
        x = self.feature_projection(x)
        mask = fairseq_frame_mask(waveform.shape, lengths, x.shape[1], x.device)
        if hide is not None:
            x = hide(x, mask)
        states = self._encode(x, None if lengths is None else mask, last_layer)
        return HuBERTOutput(states, mask)

    def final_norm(self, last_hidden_state: Tensor) -> Tensor:
        """fairseq's encoder output: the LayerNorm that ends a pre-norm stack, else unchanged."""
        if not self.config.pre_norm:
            return last_hidden_state
        return torch.as_tensor(self.encoder.layer_norm(last_hidden_state))

    def _encode(self, x: Tensor, mask: Tensor | None, last_layer: int | None) -> tuple[Tensor, ...]:
        keys = None
        if mask is not None:
            # parity: padded frames are zeroed here and masked as keys, never again afterwards
            x = x.masked_fill(~mask.unsqueeze(-1), 0.0)
            keys = mask[:, None, None, :].expand(-1, 1, x.shape[1], -1)
        x = x + self.encoder.pos_conv_embed(x)
        if not self.config.pre_norm:
            x = self.encoder.layer_norm(x)
        states = [self.encoder.dropout(x)]
        for layer in self.encoder.layers[:last_layer]:
            states.append(layer(states[-1], attention_mask=keys))
        return tuple(states)


def fairseq_frame_mask(
    shape: torch.Size, lengths: Tensor | None, num_frames: int, device: torch.device
) -> Tensor:
    """Valid frames by fairseq's rule: (B, T) bool, True = valid.

    fairseq trims the padded sample axis to a multiple of T, cuts it into T equal chunks and calls a
    frame padded only if its whole chunk is. The conv-length formula of transformers can differ by
    one frame, and attention then differs everywhere.
    """
    batch, samples = shape
    if lengths is None:
        return torch.ones(batch, num_frames, dtype=torch.bool, device=device)
    starts = torch.arange(num_frames, device=device) * (samples // num_frames)
    return starts < lengths.to(device).unsqueeze(1)


def normalize_waveform(waveform: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Zero mean and unit variance of each row over its valid samples; padding stays zero.

    Args:
        waveform: (B, S) float.
        lengths: (B,) int64 valid samples; None means all.
    """
    if lengths is None:
        return F.layer_norm(waveform, waveform.shape[-1:], eps=WAVEFORM_EPS)
    valid = torch.arange(waveform.shape[1], device=waveform.device) < lengths.unsqueeze(1)
    count = lengths.unsqueeze(1).to(waveform.dtype)
    mean = (waveform * valid).sum(1, keepdim=True) / count
    centred = (waveform - mean) * valid
    variance = centred.square().sum(1, keepdim=True) / count
    return centred * torch.rsqrt(variance + WAVEFORM_EPS)


def _transformers_config(config: HuBERTConfig) -> TransformersHubertConfig:
    options: dict[str, Any] = {
        "conv_dim": list(config.conv_channels),
        "conv_kernel": list(config.conv_kernels),
        "conv_stride": list(config.conv_strides),
        "conv_bias": config.conv_bias,
        "feat_extract_norm": config.conv_norm,
        "hidden_size": config.hidden_size,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "intermediate_size": config.ffn_size,
        "num_conv_pos_embeddings": config.position_kernel,
        "num_conv_pos_embedding_groups": config.position_groups,
        "do_stable_layer_norm": config.pre_norm,
        "hidden_dropout": config.dropout,
        "feat_proj_dropout": config.dropout,
        "attention_dropout": config.attention_dropout,
        "activation_dropout": 0.0,
        "layerdrop": 0.0,
        "mask_time_prob": 0.0,  # no masking, hence no mask embedding among the parameters
        "mask_feature_prob": 0.0,
        "attn_implementation": "sdpa",
    }
    return TransformersHubertConfig(**options)
