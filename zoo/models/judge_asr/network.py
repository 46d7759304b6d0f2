"""The recogniser: log-mel bands, an encoder of attention and convolution, characters by CTC."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.audio.mel import MelConfig, MelFrontEnd
from zoo.models.judge_asr.config import JudgeASRConfig

HOP = 160
"""Samples from mel frame to mel frame, at 16 kHz."""
STRIDE = 4
"""Mel frames to an encoder frame: 25 encoder frames a second."""
_WINDOW = 640


def valid_frames(lengths: Tensor, size: int) -> Tensor:
    """Mask (B, T) of the frames before `lengths` (B,), True = valid."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]


class SpeechFeatures(nn.Module):
    """Log-mel bands that do not depend on level, noise floor or a fixed colour of the sound.

    What lies more than `dynamic_range` below the utterance's peak is raised to there, then every
    band's mean over the utterance is taken away.
    """

    def __init__(self, num_mels: int, dynamic_range: float) -> None:
        super().__init__()
        self.dynamic_range = dynamic_range
        config = MelConfig(
            sample_rate=16_000,
            n_fft=_WINDOW,
            hop_length=HOP,
            num_mels=num_mels,
            max_hz=8000.0,
            padding=(_WINDOW - HOP) // 2,
            pad_mode="constant",
            log_floor=1e-5,
        )
        self.mel = MelFrontEnd(config)

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, S) at 16 kHz, (B,) samples -> (B, N, C) features, zero in padding, (B,) frames."""
        log_mel = self.mel(waveform, lengths).transpose(1, 2)
        frames = self.mel.num_frames(lengths)
        valid = valid_frames(frames, log_mel.shape[1])[..., None]
        peak = log_mel.masked_fill(~valid, -torch.inf).amax(dim=(1, 2), keepdim=True)
        heard = torch.maximum(log_mel, peak - self.dynamic_range) * valid
        centred = (heard - heard.sum(dim=1, keepdim=True) / frames[:, None, None]) * valid
        return centred, frames


class Attention(nn.Module):
    """Multi-head self-attention; places are known from the convolutions before it."""

    def __init__(self, size: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm = nn.LayerNorm(size)
        self.projection = nn.Linear(size, 3 * size)
        self.out = nn.Linear(size, size)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """(B, T, C), mask (B, T) -> (B, T, C)."""
        batch, frames, size = x.shape
        parts = self.projection(self.norm(x)).view(batch, frames, 3, self.num_heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, valid[:, None, None])
        attended: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, frames, size))
        return attended


class Convolution(nn.Module):
    """Gated depthwise convolution over time."""

    def __init__(self, size: int, kernel_size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.gate = nn.Linear(size, 2 * size)
        self.depthwise = nn.Conv1d(size, size, kernel_size, padding=kernel_size // 2, groups=size)
        self.inner_norm = nn.LayerNorm(size)
        self.out = nn.Linear(size, size)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """(B, T, C), mask (B, T) -> (B, T, C)."""
        gated = F.glu(self.gate(self.norm(x)), dim=-1) * valid[..., None]
        spread = self.depthwise(gated.transpose(1, 2)).transpose(1, 2)
        convolved: Tensor = self.out(F.silu(self.inner_norm(spread)))
        return convolved


class FeedForward(nn.Sequential):
    """Norm, linear, SiLU, linear."""

    def __init__(self, size: int, inner_size: int) -> None:
        super().__init__(
            nn.LayerNorm(size), nn.Linear(size, inner_size), nn.SiLU(), nn.Linear(inner_size, size)
        )


class Block(nn.Module):
    """Convolution, attention, feed-forward, each added to its input."""

    def __init__(self, config: JudgeASRConfig) -> None:
        super().__init__()
        self.convolution = Convolution(config.hidden_size, config.kernel_size)
        self.attention = Attention(config.hidden_size, config.num_heads)
        self.feed_forward = FeedForward(config.hidden_size, config.ffn_size)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """(B, T, C), mask (B, T) -> (B, T, C)."""
        x = x + self.dropout(self.convolution(x, valid))
        x = x + self.dropout(self.attention(x, valid))
        added: Tensor = x + self.dropout(self.feed_forward(x))
        return added


class Recogniser(nn.Module):
    """Features (B, N, C) to log probabilities of characters.

    Args:
        config: sizes.
        num_outputs: characters and the blank.
    """

    def __init__(self, config: JudgeASRConfig, num_outputs: int) -> None:
        super().__init__()
        self.num_outputs, self.outputs_per_frame = num_outputs, config.outputs_per_frame
        sizes = (config.num_mels, config.hidden_size, config.hidden_size)
        self.subsampling = nn.ModuleList(
            nn.Conv1d(before, after, 5, stride=2, padding=2)
            for before, after in zip(sizes, sizes[1:])
        )
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_blocks))
        self.norm = nn.LayerNorm(config.hidden_size)
        self.out = nn.Linear(config.hidden_size, num_outputs * config.outputs_per_frame)

    def forward(self, features: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Recognise.

        Args:
            features: (B, N, C).
            frames: (B,) valid ones.

        Returns:
            Log probabilities (B, L, V) and the valid outputs (B,).
        """
        x = features.transpose(1, 2)
        for convolution in self.subsampling:
            frames = (frames + 1) // 2
            x = F.gelu(convolution(x))
            x = x * valid_frames(frames, x.shape[-1])[:, None]
        x = x.transpose(1, 2)
        valid = valid_frames(frames, x.shape[1])
        for block in self.blocks:
            x = block(x, valid)
        logits = self.out(self.norm(x)).view(len(x), -1, self.num_outputs)
        return logits.float().log_softmax(dim=-1), frames * self.outputs_per_frame
