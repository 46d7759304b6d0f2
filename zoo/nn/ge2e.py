"""GE2E speaker encoder (Wan et al. 2018) as in Resemblyzer and Real-Time-Voice-Cloning.

Also the chain around it: volume, removal of silence, cutting into 1.6 s pieces. Embeddings have
no negative coordinates, so cosines lie in 0..1.
"""

from __future__ import annotations

from importlib.util import find_spec
from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

SAMPLE_RATE = 16_000
HOP = 160
PARTIAL_FRAMES = 160
"""Mel frames (10 ms) of a piece."""
TARGET_DBFS = -30.0
_FULL_SCALE = 32_767
_VAD_WINDOW = 480  # 30 ms
_VAD_MODE = 3
_VAD_SMOOTHING = 8  # windows that are averaged
_VAD_DILATION = 7  # windows, so that gaps of up to six survive


class GE2E(nn.Module):
    """LSTM over mel frames; the last layer's final state, projected, rectified, unit length.

    Args:
        num_mels: bands.
        hidden_size: of the LSTM.
        num_layers: of the LSTM.
        embedding_size: of the result.
    """

    def __init__(
        self, num_mels: int, hidden_size: int, num_layers: int, embedding_size: int
    ) -> None:
        super().__init__()
        self.lstm = nn.LSTM(num_mels, hidden_size, num_layers, batch_first=True)
        self.projection = nn.Linear(hidden_size, embedding_size)

    def forward(self, mel: Tensor) -> Tensor:
        """Power mel spectra (B, T, C) -> unit vectors (B, D)."""
        _, (hidden, _) = self.lstm(mel)
        return F.normalize(F.relu(self.projection(hidden[-1])), dim=1, eps=0.0)


def partial_starts(num_samples: int, rate: float = 1.3, min_coverage: float = 0.75) -> list[int]:
    """First mel frames of the pieces an utterance is cut into; there is always one.

    Args:
        num_samples: length at 16 kHz.
        rate: pieces a second.
        min_coverage: the last piece is kept when this share of it lies in the utterance.

    Raises:
        ValueError: pieces at this rate leave gaps, or `min_coverage` is not in (0, 1].
    """
    step = round(SAMPLE_RATE / rate / HOP)
    if not 0 < step <= PARTIAL_FRAMES:
        raise ValueError(f"rate {rate}: use at least {SAMPLE_RATE / HOP / PARTIAL_FRAMES} a second")
    if not 0 < min_coverage <= 1:
        raise ValueError(f"min_coverage {min_coverage} is not in (0, 1]")
    frames = ceil((num_samples + 1) / HOP)
    starts = list(range(0, max(1, frames - PARTIAL_FRAMES + step + 1), step))
    inside = num_samples - starts[-1] * HOP
    if len(starts) > 1 and inside / (PARTIAL_FRAMES * HOP) < min_coverage:
        starts.pop()
    return starts


def raise_volume(waveform: Tensor, target_dbfs: float = TARGET_DBFS) -> Tensor:
    """A quiet waveform (S,) brought up to `target_dbfs`; a louder or silent one as it is."""
    power = waveform.double().square().mean()
    if float(power) == 0.0:
        return waveform
    change = target_dbfs - 10.0 * float(torch.log10(power))
    return waveform * 10.0 ** (change / 20.0) if change > 0 else waveform


def vad_lacking() -> str | None:
    """None where the voice activity detector is installed, else what to install."""
    if find_spec("webrtcvad") is None:
        return "webrtcvad is not installed; pip install webrtcvad-wheels"
    return None


def remove_silence(waveform: Tensor) -> Tensor:
    """Cut out pauses longer than 0.2 s, by WebRTC's detector in its strictest mode.

    Args:
        waveform: (S,) at 16 kHz.

    Returns:
        (S',); an incomplete last window of 30 ms is dropped.
    """
    import webrtcvad

    samples = waveform.detach().cpu().numpy()
    samples = samples[: len(samples) - len(samples) % _VAD_WINDOW]
    coded = np.round(samples * _FULL_SCALE).clip(-32_768, 32_767).astype("<i2")
    detector = webrtcvad.Vad(mode=_VAD_MODE)
    voiced = [
        detector.is_speech(window.tobytes(), sample_rate=SAMPLE_RATE)
        for window in coded.reshape(-1, _VAD_WINDOW)
    ]
    keep = np.repeat(_smooth(np.array(voiced, dtype=np.float64)), _VAD_WINDOW)
    return torch.from_numpy(samples[keep]).to(waveform.device)


def _smooth(flags: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Majority over eight windows, then a margin of three windows around speech."""
    from scipy.ndimage import binary_dilation

    if not len(flags):
        return np.zeros(0, dtype=bool)
    padded = np.pad(flags, ((_VAD_SMOOTHING - 1) // 2, _VAD_SMOOTHING // 2))
    mean = np.convolve(padded, np.ones(_VAD_SMOOTHING) / _VAD_SMOOTHING, mode="valid")
    return np.asarray(binary_dilation(np.round(mean) > 0, np.ones(_VAD_DILATION)))
