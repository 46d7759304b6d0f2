"""What the metrics that compare two recordings share: both at one rate, cut to the shorter."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo.metrics.values import MeanMetric
from zoo.tasks import SpeechLike

Signal = NDArray[np.float64]


def as_signal(speech: SpeechLike, sample_rate: int) -> Signal:
    """Mono samples (S,) float64 at `sample_rate` (soxr HQ).

    Raises:
        MediaError: the recording cannot be read or is empty.
    """
    from zoo.audio import as_waveform

    return as_waveform(speech, sample_rate).double().cpu().numpy()


class SpeechPairMetric(MeanMetric):
    """Generated speech against a recording of the same words, without alignment in time."""

    needs: ClassVar[tuple[str, ...]] = ("speech", "reference_speech")
    sample_rate: int = 16_000

    def pair(self, prediction: SpeechLike, reference: SpeechLike) -> tuple[Signal, Signal]:
        """(generated, reference), each (S,) float64, cut to the shorter one."""
        found = [as_signal(speech, self.sample_rate) for speech in (prediction, reference)]
        size = min(map(len, found))
        return found[0][:size], found[1][:size]
