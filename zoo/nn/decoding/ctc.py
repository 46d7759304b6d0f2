"""CTC: log probability of text prefixes for a beam search, and the best alignment of a text.

The prefix score follows Watanabe et al. (hybrid CTC/attention, 2017, algorithm 2) as ESPnet
computes it. Its recursions over frames become cumulative sums in double precision.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.nn.decoding.paths import Survivors

LOG_ZERO: Final = -1e10  # parity: what ESPnet gives an impossible continuation
_NEVER: Final = -1e4  # log probability of a token on a padded frame


class CtcPrefixScorer:
    """Scores of continuations of K hypotheses an utterance.

    Args:
        log_probs: (B, T, V) log probabilities of frames.
        lengths: (B,) valid frames; None: all.
        blank: id of the blank.
        end: id of the token that ends a text.
    """

    name = "ctc"

    def __init__(
        self, log_probs: Tensor, lengths: Tensor | None = None, blank: int = 0, end: int = -1
    ) -> None:
        self.blank, self.end = blank, end % log_probs.shape[2]
        self._frames = _padded(log_probs.double(), lengths, blank)
        self._probs = self._frames.exp()
        # of the prefixes: log probability of the frames so far, with the last one a token or blank
        self._with_blank = self._frames[..., blank].cumsum(dim=1).unsqueeze(1)
        self._with_token = torch.full_like(self._with_blank, float("-inf"))
        self._prefix = self._with_blank.new_zeros(self._with_blank.shape[:2])
        self._last = torch.full_like(self._prefix, -1, dtype=torch.long)
        self._scores = self._prefix.unsqueeze(-1)
        self._length = 0

    def step(self, allowed: Tensor | None = None) -> Tensor:
        """What each token adds to the log probability of its prefix: (B, K, V) float32.

        Args:
            allowed: (B, K, V) bool tokens worth scoring; others, the end excepted, get nothing.
        """
        first = self._first()
        either = torch.logaddexp(self._with_token, self._with_blank)
        scores = _log_dot(either[..., first - 1 : -1], self._probs[:, first:])
        if self._length:
            again = self._after_itself(first)
            scores = scores.scatter(2, self._last.unsqueeze(-1), again.unsqueeze(-1))
        else:
            scores = torch.logaddexp(scores, self._frames[:, :1])
        if allowed is not None:
            scores = scores.masked_fill(~allowed, LOG_ZERO)
        scores[..., self.end] = either[..., -1]
        scores[..., self.blank] = LOG_ZERO
        self._scores = scores.clamp(min=LOG_ZERO)
        return (self._scores - self._prefix.unsqueeze(-1)).float()

    def select(self, survivors: Survivors) -> None:
        """Go on with some of the hypotheses, each longer by a token."""
        first, tokens = self._first(), survivors.tokens
        blank, either = survivors.of(self._with_blank), survivors.of(self._with_token)
        either = torch.logaddexp(either, blank)
        repeated = (tokens == survivors.of(self._last)).unsqueeze(-1)
        self._prefix = survivors.of(self._scores).take_along_dim(tokens.unsqueeze(-1), 2)[..., 0]
        if survivors.utterances is not None:
            self._frames = self._frames.index_select(0, survivors.utterances)
            self._probs = self._probs.index_select(0, survivors.utterances)
        emitted = self._frames.transpose(1, 2).take_along_dim(tokens.unsqueeze(-1), dim=1)
        seed = emitted[..., :1] if self._length == 0 else torch.full_like(emitted[..., :1], _ZERO)
        before = torch.where(repeated, blank, either)
        self._with_token = _recursion(seed, before, emitted, first)
        silent = self._frames[..., self.blank].unsqueeze(1).expand_as(emitted)
        nothing = torch.full_like(seed, _ZERO)
        self._with_blank = _recursion(nothing, self._with_token, silent, first)
        self._last = tokens
        self._length += 1

    def _first(self) -> int:
        """First frame on which the next token can come (its own first frame aside)."""
        return max(self._length, 1)

    def _after_itself(self, first: int) -> Tensor:
        """Log probability (B, K) of the last token once more, for which a blank must come first."""
        index = self._last.unsqueeze(1)
        frames = self._frames.take_along_dim(index, dim=2)[:, first:].transpose(1, 2)
        return (self._with_blank[..., first - 1 : -1] + frames).logsumexp(dim=-1)


_ZERO: Final = float("-inf")


def _padded(frames: Tensor, lengths: Tensor | None, blank: int) -> Tensor:
    """Frames on which, behind the length, only the blank can come, for certain."""
    if lengths is None:
        return frames
    beyond = torch.arange(frames.shape[1], device=frames.device) >= lengths.unsqueeze(1)
    silence = torch.full_like(frames[0, 0], _NEVER)
    silence[blank] = 0.0
    return torch.where(beyond.unsqueeze(-1), silence, frames)


def _log_dot(logs: Tensor, probs: Tensor) -> Tensor:
    """log of the sum over frames of exp(logs) (B, K, T) times probs (B, T, V): (B, K, V)."""
    if not logs.shape[-1]:
        return logs.new_full((*logs.shape[:2], probs.shape[2]), _ZERO)
    largest = logs.amax(dim=-1, keepdim=True).clamp(min=LOG_ZERO)
    return ((logs - largest).exp() @ probs).log() + largest


def _recursion(seed: Tensor, before: Tensor, emitted: Tensor, first: int) -> Tensor:
    """r with r[t] = logaddexp(r[t - 1], before[t - 1]) + emitted[t] from `first` on: (B, K, T).

    `seed` (B, K, 1) is r[first - 1]; earlier ones are impossible. Without the emissions, whose
    running sum comes off before and on afterwards, it is a cumulative sum.
    """
    start = first - 1
    running = F.pad(emitted[..., first:].cumsum(dim=-1), (1, 0))
    terms = torch.cat([seed, before[..., start:-1] - running[..., :-1]], dim=-1)
    return F.pad(terms.logcumsumexp(dim=-1) + running, (start, 0), value=_ZERO)
