"""DNSMOS P.835: predicted speech, background and overall quality without a reference.

The networks come with the package `speechmos` and run in onnxruntime; windows of 9.01 s every
second, short clips repeated, as its own code does. The package's module is not imported (it needs
librosa for one spectrogram, which is computed here).
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo.metrics.speech_pairs import as_signal
from zoo.metrics.values import MeanMetric, Quantity
from zoo.tasks import SpeechLike

_RATE = 16_000
_SECONDS = 9.01
_WINDOW = int(_SECONDS * _RATE)
_MODELS = {"p835": "sig_bak_ovr.onnx", "p808": "model_v8.onnx"}
# the published mapping of raw outputs to scores, highest power first
_MAPPINGS = {
    "dnsmos_sig": (-0.08397278, 1.22083953, 0.0052439),
    "dnsmos_bak": (-0.13166888, 1.60915514, -0.39604546),
    "dnsmos_ovrl": (-0.06766283, 1.11546468, 0.04602535),
}
_P808_FFT, _P808_HOP, _P808_MELS = 321, 160, 120
_DYNAMIC_RANGE_DB = 80.0


class DNSMOS(MeanMetric):
    """DNSMOS P.835 (overall, speech, background) and P.808 of generated speech."""

    name: ClassVar[str] = "dnsmos"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "predicted quality without a reference (P.835 and P.808)"
    needs: ClassVar[tuple[str, ...]] = ("speech",)
    judge: str | None = "speechmos (DNSMOS P.835 sig_bak_ovr, P.808 model_v8)"
    unit: ClassVar[str] = "MOS"
    higher_is_better: ClassVar[bool | None] = True

    def __init__(self) -> None:
        self._sessions: dict[str, Any] = {}

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Overall first."""
        return (
            Quantity("dnsmos_ovrl", "DNSMOS OVRL", self.unit, True),
            Quantity("dnsmos_sig", "DNSMOS SIG", self.unit, True),
            Quantity("dnsmos_bak", "DNSMOS BAK", self.unit, True),
            Quantity("dnsmos_p808", "DNSMOS P.808", self.unit, True),
        )

    def available(self) -> str | None:
        """Needs onnxruntime and the package `speechmos`."""
        if find_spec("onnxruntime") is None or _folder() is None:
            return "DNSMOS needs speechmos and onnxruntime; pip install 'avspeech-zoo[metrics]'"
        return None

    def setup(self) -> None:
        """Load the two networks."""
        import onnxruntime

        folder = _folder()
        assert folder is not None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        for name, file in _MODELS.items():
            self._sessions[name] = onnxruntime.InferenceSession(str(folder / file), options)

    def score_sample(self, prediction: SpeechLike, reference: object = None) -> dict[str, float]:
        """Means over the windows of one recording; louder than full scale is clipped."""
        if not self._sessions:
            self.setup()
        signal = np.clip(as_signal(prediction, _RATE), -1.0, 1.0)
        scores = [self._window(window) for window in cut_windows(signal)]
        return {name: float(np.mean([s[name] for s in scores])) for name in scores[0]}

    def _window(self, window: NDArray[np.float64]) -> dict[str, float]:
        samples = window.astype(np.float32)[None]
        raw = self._sessions["p835"].run(None, {"input_1": samples})[0][0]
        mel = p808_features(window[:-160]).astype(np.float32)[None]
        values = {
            name: float(np.polyval(mapping, float(value)))
            for (name, mapping), value in zip(_MAPPINGS.items(), raw, strict=True)
        }
        p808 = self._sessions["p808"].run(None, {"input_1": mel})[0][0][0]
        return {**values, "dnsmos_p808": float(p808)}

    def details(self) -> dict[str, Any]:
        """Windows."""
        return {"window_s": 9.01, "hop_s": 1.0, "personalized": False}


def _folder() -> Path | None:
    found = find_spec("speechmos")
    for place in (found.submodule_search_locations or []) if found else []:
        folder = Path(place) / "dnsmos_models"
        if all((folder / file).is_file() for file in _MODELS.values()):
            return folder
    return None


def cut_windows(signal: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Windows of 9.01 s, one a second; a shorter recording is doubled until it is long enough."""
    while len(signal) < _WINDOW:
        signal = np.concatenate([signal, signal])
    count = int(len(signal) // _RATE - _SECONDS) + 1
    # parity: the official end of a window is rounded down, and a window that loses a sample by
    # that is left out
    cuts = [(i * _RATE, int((i + _SECONDS) * _RATE)) for i in range(count)]
    return [signal[a:b] for a, b in cuts if b - a == _WINDOW and b <= len(signal)]


def p808_features(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T, 120) mel spectrum in decibels below its peak, scaled as the P.808 network takes it."""
    from zoo.audio.mel import mel_filterbank

    bank = mel_filterbank(sample_rate=_RATE, n_fft=_P808_FFT, num_mels=_P808_MELS).double().numpy()
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_P808_FFT) / _P808_FFT)
    padded = np.pad(signal, _P808_FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _P808_FFT)[::_P808_HOP]
    mel = np.abs(np.fft.rfft(frames * window)) ** 2 @ bank.T
    decibel = 10.0 * np.log10(np.maximum(mel, 1e-10))
    relative = decibel - 10.0 * np.log10(max(1e-10, float(mel.max())))
    scaled: NDArray[np.float64] = (np.maximum(relative, -_DYNAMIC_RANGE_DB) + 40.0) / 40.0
    return scaled
