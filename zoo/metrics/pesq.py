"""PESQ (ITU-T P.862 narrow band, P.862.2 wide band), by the C code of the `pesq` package."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, ClassVar

from zoo.errors import MediaError
from zoo.metrics.speech_pairs import Signal, SpeechPairMetric, as_signal
from zoo.metrics.values import Quantity
from zoo.tasks import SpeechLike

# band -> rates the standard allows
_RATES = {"wb": (16_000,), "nb": (8_000, 16_000)}


class PESQ(SpeechPairMetric):
    """Predicted listening quality of degraded speech; does not depend on its level.

    Args:
        band: "wb" or "nb"; they are different numbers (lip-to-speech papers of one group report
            nb at 8 kHz, others wb).
        sample_rate: Hz; 16000 for wb, 8000 or 16000 for nb. None: 16000 for wb, 8000 for nb.
    """

    name: ClassVar[str] = "pesq"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "perceptual evaluation of speech quality, MOS-LQO"
    unit: ClassVar[str] = "MOS-LQO"
    higher_is_better: ClassVar[bool | None] = True

    def __init__(self, band: str = "wb", sample_rate: int | None = None) -> None:
        rate = sample_rate or (16_000 if band == "wb" else 8_000)
        if rate not in _RATES.get(band, ()):
            raise TypeError(f"PESQ {band!r} at {rate} Hz: use wb at 16000, nb at 8000 or 16000")
        self.band = band
        self.sample_rate = rate

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """One score."""
        options = {"band": self.band, "rate": self.sample_rate if self.band == "nb" else None}
        return (Quantity("pesq", f"PESQ-{self.band.upper()}", self.unit, True, options),)

    def available(self) -> str | None:
        """Needs the `pesq` package."""
        return None if find_spec("pesq") else "the package pesq is not installed; pip install pesq"

    def pair(self, prediction: SpeechLike, reference: SpeechLike) -> tuple[Signal, Signal]:
        """(generated, reference) at the score's rate; to 8 kHz by scipy's polyphase filter.

        The filter matters: the score of noisy speech moves by 0.3 with another one.
        """
        from scipy.signal import resample_poly

        found = [as_signal(speech, 16_000) for speech in (prediction, reference)]
        size = min(map(len, found))
        if self.sample_rate == 16_000:
            return found[0][:size], found[1][:size]
        halves = [resample_poly(signal[:size], 1, 2) for signal in found]
        return halves[0], halves[1]

    def score_sample(self, prediction: SpeechLike, reference: SpeechLike) -> dict[str, float]:
        """MOS-LQO of one pair; one without an utterance counts as missing."""
        generated, original = self.pair(prediction, reference)
        return {"pesq": pesq_score(original, generated, self.sample_rate, self.band)}

    def details(self) -> dict[str, Any]:
        """Rate and resampling."""
        to_8k = "scipy resample_poly from 16000" if self.sample_rate == 8_000 else None
        return {"sample_rate": self.sample_rate, "resampling": to_8k or "soxr HQ"}


def pesq_score(reference: Signal, degraded: Signal, sample_rate: int, band: str) -> float:
    """PESQ of two signals (S,).

    Raises:
        MediaError: no utterance is found (silence), or the clip is too short.
    """
    import pesq

    try:
        return float(pesq.pesq(sample_rate, reference, degraded, band))
    except (pesq.PesqError, ValueError) as error:
        message = error.args[0] if error.args else type(error).__name__
        text = message.decode() if isinstance(message, bytes) else str(message)
        raise MediaError(f"PESQ is not defined for this pair: {text}") from error
