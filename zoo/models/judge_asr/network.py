"""The recogniser: log-mel bands, convolutions, a bidirectional GRU, characters by CTC."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from zoo.audio.mel import MelConfig, MelFrontEnd
from zoo.models.judge_asr.config import JudgeASRConfig

HOP = 160
"""Samples from mel frame to mel frame, at 16 kHz."""
STRIDE = 3
"""Mel frames to an output: 33 outputs a second."""
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


class ConvBlock(nn.Module):
    """Convolution over time, batch norm, ReLU; added to its input where it keeps the length."""

    def __init__(self, in_size: int, out_size: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv1d(in_size, out_size, 5, stride, padding=2)
        self.norm = nn.BatchNorm1d(out_size)

    def forward(self, x: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, N), (B,) valid frames -> (B, C', N / stride), zero in padding, (B,) frames."""
        frames = (frames + self.stride - 1) // self.stride
        y = F.relu(self.norm(self.conv(x)))
        y = y + x if self.stride == 1 else y
        return y * valid_frames(frames, y.shape[-1])[:, None], frames


class Recogniser(nn.Module):
    """Features (B, N, C) to log probabilities of characters, one output for `STRIDE` mel frames.

    Args:
        config: sizes.
        num_outputs: characters and the blank.
    """

    def __init__(self, config: JudgeASRConfig, num_outputs: int) -> None:
        super().__init__()
        size = config.hidden_size
        more = (ConvBlock(size, size, 1) for _ in range(config.num_convolutions - 1))
        self.convolutions = nn.ModuleList([ConvBlock(config.num_mels, size, STRIDE), *more])
        self.recurrent = nn.GRU(
            size,
            size,
            config.num_layers,
            batch_first=True,
            bidirectional=True,
            dropout=config.dropout,
        )
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Linear(2 * size, num_outputs)

    def forward(self, features: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Recognise.

        Args:
            features: (B, N, C).
            frames: (B,) valid ones.

        Returns:
            Log probabilities (B, L, V) and the valid outputs (B,).
        """
        x = features.transpose(1, 2)
        for block in self.convolutions:
            x, frames = block(x, frames)
        # packed, so that the backward direction begins at each item's own end
        packed = pack_padded_sequence(
            x.transpose(1, 2), frames.cpu(), batch_first=True, enforce_sorted=False
        )
        states, _ = pad_packed_sequence(
            self.recurrent(packed)[0], batch_first=True, total_length=x.shape[-1]
        )
        return self.out(self.dropout(states)).float().log_softmax(dim=-1), frames
