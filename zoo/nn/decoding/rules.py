"""What the beam searches of ESPnet and fairseq do differently, as two sets of rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from torch import Tensor

from zoo.nn.decoding.hypothesis import Hypothesis

_HOPELESS: Final = 10.0  # nats behind the best, ESPnet's end detection
_LENGTHS: Final = 3  # that many lengths in a row must be hopeless


class SearchRules(Protocol):
    """Rules of a beam search.

    Attributes:
        closes_at_limit: hypotheses that reach the greatest length get the end token unscored
            (else the limit allows nothing but the end).
        spare: candidates a step beyond the beam, in beams.
    """

    @property
    def closes_at_limit(self) -> bool: ...  # noqa: D102

    @property
    def spare(self) -> int: ...  # noqa: D102

    def allow(self, scores: Tensor, step: int, at_limit: Tensor, end: int) -> Tensor:
        """Scores (B, K, V) with what may not follow at this step set to minus infinity.

        Args:
            scores: the weighted sum of all scorers.
            step: number of tokens that hypotheses have, without the start.
            at_limit: (B,) bool, the utterance is at its greatest length.
            end: id of the end token.
        """
        ...

    def final_score(self, score: float, length: int) -> float:
        """Score of a finished hypothesis of `length` tokens, the end included."""
        ...

    def has_room(self, finished: Sequence[Hypothesis], beam: int) -> bool:
        """Whether one more finished hypothesis is collected."""
        ...

    def is_finished(self, finished: Sequence[Hypothesis], step: int, beam: int) -> bool:
        """Whether, after a step, an utterance needs no further ones."""
        ...


@dataclass(frozen=True)
class EspnetRules:
    """ESPnet's `BatchBeamSearch`: raw sums, stopped once longer texts only get worse."""

    detect_end: bool = True
    closes_at_limit: bool = True
    spare: int = 0

    def allow(self, scores: Tensor, step: int, at_limit: Tensor, end: int) -> Tensor:
        """Everything may follow."""
        return scores

    def final_score(self, score: float, length: int) -> float:
        """The sum, whatever the length."""
        return score

    def has_room(self, finished: Sequence[Hypothesis], beam: int) -> bool:
        """There always is."""
        return True

    def is_finished(self, finished: Sequence[Hypothesis], step: int, beam: int) -> bool:
        """Whether the best of each of the last lengths is far behind the best of all."""
        if not self.detect_end or not finished:
            return False
        best = max(one.score for one in finished)
        for length in range(step - _LENGTHS + 1, step + 1):
            # parity: lengths count the start token too
            scores = [one.score for one in finished if len(one.tokens) + 1 == length]
            if not scores or max(scores) - best >= -_HOPELESS:
                return False
        return True


@dataclass(frozen=True)
class FairseqRules:
    """fairseq's `SequenceGenerator`: scores by length, stopped at as many texts as the beam.

    Args:
        length_penalty: the sum is divided by length to this power.
        min_length: no end before that many tokens.
        pad: id of the padding token, which never follows.
    """

    length_penalty: float = 1.0
    min_length: int = 1
    pad: int = 1
    closes_at_limit: bool = False
    spare: int = 1

    def allow(self, scores: Tensor, step: int, at_limit: Tensor, end: int) -> Tensor:
        """No padding, no early end, and nothing but the end at the limit."""
        scores = scores.clone()
        scores[..., self.pad] = float("-inf")
        ends = scores[..., end].clone()
        scores = scores.masked_fill(at_limit[:, None, None], float("-inf"))
        scores[..., end] = ends if step >= self.min_length else float("-inf")
        return scores

    def final_score(self, score: float, length: int) -> float:
        """The sum by the length."""
        return score / float(length**self.length_penalty)

    def has_room(self, finished: Sequence[Hypothesis], beam: int) -> bool:
        """For as many as the beam is wide."""
        return len(finished) < beam

    def is_finished(self, finished: Sequence[Hypothesis], step: int, beam: int) -> bool:
        """Whether there are as many as the beam is wide."""
        return len(finished) >= beam
