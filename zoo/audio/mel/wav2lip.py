"""The mel of Wav2Lip and of the models built on it: decibels in [-4, 4], 80 frames a second.

Source: sheet `wav2lip_syncnet`, sections 4 and 6 (`audio.py` and `hparams.py` of the official
code). The released weights were trained with mirrored ends; newer librosa versions pad zeros.
"""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.audio.mel.front_end import MelConfig, MelFrontEnd
from zoo.audio.mel.spectrum import PadMode
from zoo.errors import MediaError

PRE_EMPHASIS = 0.97
WINDOW = 16  # mel frames a window, 0.2 s
FRAMES_A_SECOND = 80.0
_MIN_DB = -100.0
_REFERENCE_DB = 20.0
_MAX_ABS = 4.0
_FLOOR = 1e-5  # = _MIN_DB as an amplitude


class Wav2LipMel(MelFrontEnd):
    """(B, S) at 16 kHz -> (B, 80, 1 + S // 200) in [-4, 4].

    The computation is in double precision like the official one; the result is float32.
    """

    compute_dtype = torch.float64

    def __init__(self, pad_mode: PadMode = "reflect", min_hz: float = 55.0) -> None:
        """Build the front-end.

        Args:
            pad_mode: "reflect" (the released weights) or "constant" (librosa 0.10 and later).
            min_hz: 55 for all voices; Speech2Lip takes 95 for a woman's.
        """
        config = MelConfig(
            sample_rate=16_000,
            n_fft=800,
            hop_length=200,
            num_mels=80,
            min_hz=min_hz,
            max_hz=7600.0,
            padding=400,
            pad_mode=pad_mode,
        )
        super().__init__(config)

    def magnitude(self, waveform: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Magnitudes (B, 401, T) of the pre-emphasised `waveform` (B, S)."""
        return super().magnitude(pre_emphasis(waveform.double()), lengths)

    def compress(self, mel: Tensor) -> Tensor:
        """Amplitudes to decibels, mapped linearly so that [-100, 0] dB fills [-4, 4]."""
        decibel = 20.0 * mel.clamp(min=_FLOOR).log10() - _REFERENCE_DB
        scaled = 2 * _MAX_ABS * (decibel - _MIN_DB) / -_MIN_DB - _MAX_ABS
        return scaled.clamp(-_MAX_ABS, _MAX_ABS)

    def linear(self, waveform: Tensor) -> Tensor:
        """The normalised spectrogram (B, 401, T) before the mel bands."""
        return self.compress(self.magnitude(waveform)).float()


def pre_emphasis(waveform: Tensor) -> Tensor:
    """y[n] = x[n] - 0.97 x[n-1] along the last axis, with y[0] = x[0]."""
    before = torch.cat([torch.zeros_like(waveform[..., :1]), waveform[..., :-1]], dim=-1)
    return waveform - PRE_EMPHASIS * before


def to_decibel(mel: Tensor) -> Tensor:
    """Undo the mapping of `Wav2LipMel`: values in [-4, 4] back to decibels in [-100, 0]."""
    return (mel.clamp(-_MAX_ABS, _MAX_ABS) + _MAX_ABS) * (-_MIN_DB / (2 * _MAX_ABS)) + _MIN_DB


def window_starts(frames: Tensor, fps: float = 25.0) -> Tensor:
    """Mel frame at which the window of each video frame starts: floor(80 i / fps), int64."""
    return (FRAMES_A_SECOND * frames.double() / fps).floor().long()


def training_starts(first: Tensor, count: int = 5) -> Tensor:
    """Window starts (N, count) of clips of `count` frames beginning at frames `first` (N,).

    parity: in training each window begins one video frame before its frame, so a clip that begins
    at frame 0 has none; its row is -1.
    """
    frames = first[:, None] + torch.arange(count, device=first.device) - 1
    return window_starts(frames).masked_fill(first[:, None] < 1, -1)


def inference_starts(mel_frames: int, fps: float = 25.0) -> Tensor:
    """Window starts of a whole recording; the last window is the last 16 mel frames.

    Args:
        mel_frames: length of the mel.
        fps: frame rate of the video to be made.
    """
    step = FRAMES_A_SECOND / fps
    starts = (torch.arange(int(mel_frames / step) + 2).double() * step).floor().long()
    whole = starts[starts + WINDOW <= mel_frames]
    return torch.cat([whole, torch.tensor([max(0, mel_frames - WINDOW)])])


def cut_windows(mel: Tensor, starts: Tensor) -> Tensor:
    """Windows (N, 80, 16) of `mel` (80, T) that begin at frames `starts` (N,).

    Raises:
        MediaError: a window reaches beyond the mel.
    """
    if int(starts.min()) < 0 or int(starts.max()) + WINDOW > mel.shape[-1]:
        raise MediaError(
            f"mel: windows of {WINDOW} frames from {int(starts.min())} to {int(starts.max())} do "
            f"not fit into {mel.shape[-1]} frames; the sound is shorter than the video"
        )
    return mel[:, starts[:, None] + torch.arange(WINDOW, device=mel.device)].transpose(0, 1)
