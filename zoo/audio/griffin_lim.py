"""Sound from mel bands without a network: the floor that every vocoder has to beat.

Fast Griffin-Lim (Perraudin, Balazs, Søndergaard 2013): start with random phases, go to samples and
back, keep the magnitudes, push the phases on by a momentum.
"""

from __future__ import annotations

import torch
from torch import Tensor

ITERATIONS = 60
_MOMENTUM = 0.99
_SEED = 0
_SMALL = 1e-9


def through_mel(waveform: Tensor, front_end: str = "tacotron16k") -> Tensor:
    """What is left of speech (S,) in its mel bands, as speech (S,) again."""
    from zoo.audio.mel import mel_front_end

    mel = mel_front_end(front_end)(waveform)
    sound = invert_mel(mel, front_end)[: len(waveform)]
    return torch.nn.functional.pad(sound, (0, len(waveform) - len(sound)))


def invert_mel(mel: Tensor, front_end: str = "tacotron16k", iterations: int = ITERATIONS) -> Tensor:
    """Speech (S,) of log mel bands (M, T), at the rate of the front-end.

    Args:
        mel: natural logarithms of magnitudes, as the front-end gives them.
        front_end: a name of `zoo.audio.mel` with frames padded to their centres.
        iterations: of Griffin-Lim.
    """
    from zoo.audio.mel import mel_front_end

    front = mel_front_end(front_end)
    config = front.config
    magnitude = (torch.linalg.pinv(front.bank) @ mel.exp()).clamp_min(0.0)
    return griffin_lim(magnitude, config.n_fft, config.hop_length, iterations)


def griffin_lim(
    magnitude: Tensor, n_fft: int, hop_length: int, iterations: int = ITERATIONS
) -> Tensor:
    """A waveform (S,) whose spectrum has about these magnitudes (F, T); the same at every call."""
    window = torch.hann_window(n_fft, device=magnitude.device)
    draw = torch.Generator().manual_seed(_SEED)
    turns = torch.rand(magnitude.shape, generator=draw).to(magnitude.device) * 2 * torch.pi
    phases = torch.polar(torch.ones_like(magnitude), turns)
    before = torch.zeros_like(phases)
    for _ in range(iterations):
        sound = torch.istft(magnitude * phases, n_fft, hop_length, window=window)
        rebuilt = torch.stft(
            sound, n_fft, hop_length, window=window, pad_mode="reflect", return_complex=True
        )
        rebuilt = _fit(rebuilt, magnitude.shape[-1])
        ahead = rebuilt - (_MOMENTUM / (1 + _MOMENTUM)) * before
        phases, before = ahead / ahead.abs().clamp_min(_SMALL), rebuilt
    return torch.istft(magnitude * phases, n_fft, hop_length, window=window)


def _fit(spectrum: Tensor, frames: int) -> Tensor:
    """(F, T') cut or padded to (F, frames)."""
    lacking = frames - spectrum.shape[-1]
    if lacking > 0:
        return torch.nn.functional.pad(spectrum, (0, lacking))
    return spectrum[:, :frames]
