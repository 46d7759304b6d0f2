"""Pitch: error, correlation and voicing of the fundamental frequency.

Contours of other extractors give other numbers, so the extractor is part of the name. `harvest`
is WORLD's (pyworld); `yin` is the method of de Cheveigné and Kawahara (2002), here without a
package.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo.metrics.speech_pairs import Signal, SpeechPairMetric
from zoo.metrics.values import Quantity
from zoo.tasks import SpeechLike

Contour = NDArray[np.float64]  # (T,) Hz, 0 where unvoiced
LOWEST_HZ, HIGHEST_HZ = 60.0, 500.0
_PERIOD_MS = 5.0
_YIN_FRAME = 1024
_YIN_THRESHOLD = 0.15
_GROSS_ERROR = 0.2  # of the reference: beyond it a voiced frame is wrong (FFE)


def compare_contours(reference: Contour, generated: Contour) -> dict[str, float]:
    """Errors of a pitch contour, frame by frame; NaN where no frame is voiced in both.

    Returns:
        `rmse` and `mae` in Hz, `log_rmse` (natural logarithm) and `corr` (Pearson) over frames
        voiced in both; `vuv_error`: share of frames voiced in one only; `ffe`: share of frames
        with that or with an error above 20 %.
    """
    size = min(len(reference), len(generated))
    wanted, found = reference[:size], generated[:size]
    both = (wanted > 0) & (found > 0)
    mismatch = (wanted > 0) != (found > 0)
    a, b = wanted[both], found[both]
    gross = np.abs(b - a) > _GROSS_ERROR * a
    values = {
        "vuv_error": float(mismatch.mean()) if size else np.nan,
        "ffe": float((mismatch.sum() + gross.sum()) / size) if size else np.nan,
    }
    if not len(a):
        return {**dict.fromkeys(("rmse", "mae", "log_rmse", "corr"), np.nan), **values}
    spread = len(a) > 1 and a.std() > 0 and b.std() > 0
    return {
        "rmse": float(np.sqrt(((a - b) ** 2).mean())),
        "mae": float(np.abs(a - b).mean()),
        "log_rmse": float(np.sqrt((np.log(a / b) ** 2).mean())),
        "corr": float(np.corrcoef(a, b)[0, 1]) if spread else np.nan,
        **values,
    }


def harvest(signal: Signal, sample_rate: int) -> Contour:
    """Pitch every 5 ms by WORLD's harvest."""
    import pyworld

    contour, _ = pyworld.harvest(
        signal, sample_rate, f0_floor=LOWEST_HZ, f0_ceil=HIGHEST_HZ, frame_period=_PERIOD_MS
    )
    return np.asarray(contour)


def yin(signal: Signal, sample_rate: int) -> Contour:
    """Pitch every 5 ms by YIN: the first deep dip of the normalised difference function."""
    hop = round(_PERIOD_MS * sample_rate / 1000)
    padded = np.pad(signal, (_YIN_FRAME // 2, _YIN_FRAME))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _YIN_FRAME)[::hop]
    frames = frames[: len(signal) // hop + 1]
    lags = slice(int(sample_rate / HIGHEST_HZ), int(sample_rate / LOWEST_HZ) + 1)
    difference = _normalized_difference(frames, lags.stop + 1)
    return np.array([_pitch(row, lags, sample_rate) for row in difference])


def _normalized_difference(frames: NDArray[np.float64], longest: int) -> NDArray[np.float64]:
    """(T, longest) squared difference at each lag over its mean at the shorter lags."""
    width = frames.shape[1] - longest
    size = 1 << (frames.shape[1] + width - 1).bit_length()
    head = np.fft.rfft(frames[:, :width], size)
    whole = np.fft.rfft(frames, size)
    products = np.fft.irfft(whole * np.conj(head), size)[:, :longest]
    energy = np.cumsum(np.pad(frames**2, ((0, 0), (1, 0))), axis=1)
    moving = energy[:, width : width + longest] - energy[:, :longest]
    difference = np.maximum(moving[:, :1] + moving - 2 * products, 0.0)
    average = np.cumsum(difference[:, 1:], axis=1) / np.arange(1, longest)
    with np.errstate(divide="ignore", invalid="ignore"):
        normal = np.where(average > 1e-9, difference[:, 1:] / average, 1.0)
    return np.pad(normal, ((0, 0), (1, 0)), constant_values=1.0)


def _pitch(row: NDArray[np.float64], lags: slice, sample_rate: int) -> float:
    deep = np.flatnonzero(row[lags] < _YIN_THRESHOLD)
    if not len(deep):
        return 0.0
    lag = lags.start + int(deep[0])
    while lag + 1 < lags.stop and row[lag + 1] < row[lag]:
        lag += 1
    left, middle, right = row[lag - 1 : lag + 2]
    bend = left - 2 * middle + right
    return float(sample_rate / (lag + (0.5 * (left - right) / bend if bend > 0 else 0.0)))


class F0(SpeechPairMetric):
    """Pitch errors of generated speech, frame-aligned, 16 kHz.

    Args:
        extractor: "yin" or "harvest".
    """

    name: ClassVar[str] = "f0"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "fundamental frequency: error, correlation, voicing"
    unit: ClassVar[str] = "Hz"
    higher_is_better: ClassVar[bool | None] = False

    def __init__(self, extractor: str = "yin") -> None:
        if extractor not in ("yin", "harvest"):
            raise TypeError(f"extractor {extractor!r}: use 'yin' or 'harvest'")
        self.extractor = extractor

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Error first."""
        options = {"extractor": self.extractor}
        return (
            Quantity("f0_rmse", "F0 RMSE", "Hz", False, options),
            Quantity("f0_mae", "F0 MAE", "Hz", False, options),
            Quantity("f0_log_rmse", "log F0 RMSE", "ln", False, options),
            Quantity("f0_corr", "F0 correlation", "-1..1", True, options),
            Quantity("f0_vuv_error", "voicing errors", "%", False, options, 100.0),
            Quantity("f0_ffe", "F0 frame errors", "%", False, options, 100.0),
        )

    def available(self) -> str | None:
        """`harvest` needs pyworld."""
        if self.extractor == "harvest" and find_spec("pyworld") is None:
            return "the extractor harvest needs pyworld; pip install pyworld"
        return None

    def score_sample(self, prediction: SpeechLike, reference: SpeechLike) -> dict[str, float]:
        """All numbers of one pair."""
        extract = harvest if self.extractor == "harvest" else yin
        generated, original = self.pair(prediction, reference)
        found = compare_contours(
            extract(original, self.sample_rate), extract(generated, self.sample_rate)
        )
        return {f"f0_{name}": value for name, value in found.items()}

    def details(self) -> dict[str, Any]:
        """Range and frames."""
        return {
            "extractor": self.extractor,
            "range_hz": [LOWEST_HZ, HIGHEST_HZ],
            "frame_period_ms": _PERIOD_MS,
            "alignment": "none",
        }
