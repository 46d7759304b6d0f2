"""The positions that the hypotheses of a beam search go through, stored once an utterance.

Hypotheses share most of their past. Instead of a cache for each, which would be copied whenever
the beam is re-ordered, an utterance keeps one set of positions, and each hypothesis a row of bits
saying which of them are its own; positions that no hypothesis goes through any more are thrown
away from time to time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.nn.attention import KeysValues

_SLACK = 8  # beams of unused positions that are let stand


@dataclass(frozen=True)
class Survivors:
    """Which hypotheses a search goes on with, and by which token each has grown.

    Attributes:
        utterances: (B',) those of the batch that are not finished, in order; None: all of them.
        parents: (B', K') hypothesis of the same utterance that each new one continues.
        tokens: (B', K') the new tokens.
    """

    utterances: Tensor | None
    parents: Tensor
    tokens: Tensor

    def of(self, values: Tensor) -> Tensor:
        """Values (B, K, ...) of the hypotheses as (B', K', ...)."""
        return take(values, self.utterances, self.parents)


def take(values: Tensor, utterances: Tensor | None, places: Tensor) -> Tensor:
    """Of values (B, K, ...) those of some utterances (B'), at their places (B', K'), in order."""
    if utterances is not None:
        values = values.index_select(0, utterances)
    index = places.view(*places.shape, *[1] * (values.ndim - 2))
    return values.take_along_dim(index, dim=1)


class PathCache:
    """Keys and values of a decoder's layers, for all hypotheses of each utterance."""

    def __init__(self, num_layers: int) -> None:
        self.layers: list[KeysValues | None] = [None] * num_layers
        self.paths: Tensor | None = None  # (B, K, P) bool
        self.visible: Tensor | None = None  # (B, P) bool
        self._limit = 0

    def extend(self, visible: Tensor) -> Tensor:
        """Add a position to every hypothesis.

        Args:
            visible: (B, K) bool: False hides the new position from attention.

        Returns:
            (B, 1, K, P + K) bool: the positions that each hypothesis may attend to, new ones last.
        """
        batch, beam = visible.shape
        own = torch.eye(beam, dtype=torch.bool, device=visible.device).expand(batch, -1, -1)
        if self.paths is None or self.visible is None:
            self.paths, self.visible = own, visible
        else:
            self.paths = torch.cat([self.paths, own], dim=2)
            self.visible = torch.cat([self.visible, visible], dim=1)
        return (self.paths & self.visible.unsqueeze(1)).unsqueeze(1)

    def select(self, survivors: Survivors) -> None:
        """Go on with some of the hypotheses."""
        assert self.paths is not None and self.visible is not None
        self.paths = survivors.of(self.paths)
        if survivors.utterances is not None:
            self.visible = self.visible.index_select(0, survivors.utterances)
            self.layers = [
                None if pair is None else pair.select(survivors.utterances) for pair in self.layers
            ]
        if self.paths.shape[2] > self._limit:
            self._forget()

    def _forget(self) -> None:
        """Drop positions on no path; utterances with fewer keep some that nobody sees."""
        assert self.paths is not None and self.visible is not None
        used = self.paths.any(dim=1)
        count = int(used.sum(dim=1).amax())
        kept = (~used).to(torch.uint8).argsort(dim=1, stable=True)[:, :count]
        self.paths = self.paths.take_along_dim(kept.unsqueeze(1), dim=2)
        self.visible = self.visible.take_along_dim(kept, dim=1)
        self.layers = [None if pair is None else pair.gather(kept) for pair in self.layers]
        self._limit = count + _SLACK * self.paths.shape[1]
