"""Mel-cepstral distortion, in three alignments and two kinds of cepstra.

MCD = 10 / ln 10 * sqrt(2 * sum_k (c_k - c'_k)^2), mean over frames. `cut`: frame by frame, cut to
the shorter; `dtw`: along the dynamic time warping path; `sl`: the latter times the ratio of the
lengths (V2C-Net). Values of different cepstra must not be compared: `world` is WORLD's spectral
envelope as mel-cepstrum (pyworld and pysptk); `mel` is the cosine transform of an 80-band log mel
spectrum, which needs no package but is only a fallback.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo.metrics.dtw import distances, warp
from zoo.metrics.speech_pairs import Signal, SpeechPairMetric, as_signal
from zoo.metrics.values import Quantity
from zoo.tasks import SpeechLike

Cepstra = NDArray[np.float64]  # (T, 1 + order), c0 first
_FACTOR = 10.0 / np.log(10.0) * np.sqrt(2.0)
_LOUDNESS_FLOOR = 1e-5
_PERIOD_MS = 5.0


def mcd_cut(reference: Cepstra, generated: Cepstra, *, include_c0: bool = False) -> float:
    """MCD in dB, frame by frame, cut to the shorter."""
    first = 0 if include_c0 else 1
    size = min(len(reference), len(generated))
    difference = reference[:size, first:] - generated[:size, first:]
    return float(_FACTOR * np.linalg.norm(difference, axis=1).mean())


def mcd_dtw(
    reference: Cepstra, generated: Cepstra, *, include_c0: bool = False
) -> tuple[float, list[tuple[int, int]]]:
    """MCD in dB along the warping path (Euclidean on the same coefficients), and that path."""
    first = 0 if include_c0 else 1
    cost = distances(reference[:, first:], generated[:, first:])
    path = warp(cost)
    index = np.array(path)
    return float(_FACTOR * cost[index[:, 0], index[:, 1]].mean()), path


def length_ratio(reference: Cepstra, generated: Cepstra) -> float:
    """Longer over shorter length, the weight of MCD-SL."""
    sizes = len(reference), len(generated)
    return max(sizes) / min(sizes)


def mel_cepstra(signal: Signal, order: int) -> Cepstra:
    """Cosine transform of the log mel spectrum (25 ms frames, 5 ms hop, 80 bands) at 16 kHz."""
    import torch
    from scipy.fft import dct

    from zoo.audio.mel import mel_filterbank

    bank = mel_filterbank(sample_rate=16_000, n_fft=512, num_mels=80).double().numpy()
    samples = torch.from_numpy(signal)
    window = torch.hann_window(400, dtype=torch.float64)
    spectrum = torch.stft(
        samples, 512, 80, 400, window, pad_mode="constant", return_complex=True
    ).abs()
    mel = np.log(np.maximum(bank @ spectrum.numpy(), _LOUDNESS_FLOOR))
    # norm: coefficients of a log spectrum's cosine series, the scale of mel-cepstra
    series: Cepstra = dct(mel, type=2, axis=0).T[:, : order + 1] / len(bank)
    return series


def world_cepstra(signal: Signal, order: int, alpha: float) -> Cepstra:
    """Mel-cepstra of WORLD's envelope (harvest 40-800 Hz, CheapTrick 1024, 5 ms) at 16 kHz."""
    import pysptk
    import pyworld

    scaled = signal * 32_768.0
    contour, times = pyworld.harvest(
        scaled, 16_000, f0_floor=40.0, f0_ceil=800.0, frame_period=_PERIOD_MS
    )
    envelope = pyworld.cheaptrick(scaled, contour, times, 16_000, fft_size=1024)
    return np.asarray(pysptk.sp2mc(envelope, order=order, alpha=alpha))


class MCD(SpeechPairMetric):
    """Mel-cepstral distortion at 16 kHz, frames of 5 ms.

    Args:
        cepstra: "mel" or "world".
        order: highest coefficient.
        include_c0: count the energy coefficient too (ESPnet and versa do).
        alpha: warping of the `world` cepstra (0.42 is usual at 16 kHz, versa takes 0.466).
    """

    name: ClassVar[str] = "mcd"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "mel-cepstral distortion: cut, warped, warped and length-weighted"
    unit: ClassVar[str] = "dB"
    higher_is_better: ClassVar[bool | None] = False

    def __init__(
        self,
        cepstra: str = "mel",
        order: int = 24,
        include_c0: bool = False,
        alpha: float = 0.42,
    ) -> None:
        if cepstra not in ("mel", "world"):
            raise TypeError(f"cepstra {cepstra!r}: use 'mel' or 'world'")
        self.cepstra, self.order = cepstra, int(order)
        self.include_c0, self.alpha = bool(include_c0), float(alpha)

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Warped first, as most dubbing papers report it."""
        options = {"cepstra": self.cepstra, "order": self.order}
        options |= {"c0": "yes" if self.include_c0 else None}
        if self.cepstra == "world":
            options |= {"alpha": self.alpha}
        return (
            Quantity("mcd_dtw", "MCD-DTW", self.unit, False, options),
            Quantity("mcd_sl", "MCD-SL", self.unit, False, options),
            Quantity("mcd", "MCD", self.unit, False, options),
        )

    def available(self) -> str | None:
        """`world` needs pyworld and pysptk."""
        lacking = [name for name in ("pyworld", "pysptk") if find_spec(name) is None]
        if self.cepstra == "world" and lacking:
            return f"MCD of WORLD cepstra needs {' and '.join(lacking)}; pip install them"
        return None

    def extract(self, speech: SpeechLike) -> Cepstra:
        """Cepstra (T, 1 + order) of a recording."""
        signal = as_signal(speech, self.sample_rate)
        if self.cepstra == "world":
            return world_cepstra(signal, self.order, self.alpha)
        return mel_cepstra(signal, self.order)

    def score_sample(self, prediction: SpeechLike, reference: SpeechLike) -> dict[str, float]:
        """All three numbers of one pair."""
        ours, theirs = self.extract(prediction), self.extract(reference)
        warped, _ = mcd_dtw(theirs, ours, include_c0=self.include_c0)
        return {
            "mcd_dtw": warped,
            "mcd_sl": warped * length_ratio(theirs, ours),
            "mcd": mcd_cut(theirs, ours, include_c0=self.include_c0),
        }

    def details(self) -> dict[str, Any]:
        """How cepstra are made."""
        return {"cepstra": self.cepstra, "order": self.order, "frame_period_ms": _PERIOD_MS}
