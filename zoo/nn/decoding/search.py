"""Beam search over a batch of utterances, all hypotheses of all utterances at once.

One search serves every model: what is added up are `Scorer`s, and where published searches differ
their `SearchRules` say how. An utterance that is finished leaves the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from zoo.nn.decoding.ctc import CtcPrefixScorer
from zoo.nn.decoding.hypothesis import Hypothesis
from zoo.nn.decoding.paths import Survivors, take
from zoo.nn.decoding.rules import SearchRules
from zoo.nn.decoding.scorers import Scorer

_NEVER: Final = float("-inf")
_SHARE_SCORED: Final = 1.5  # ESPnet scores that many beams of tokens by CTC


@dataclass(frozen=True)
class CtcTerm:
    """CTC as a part of the score.

    Attributes:
        scorer: the prefix scorer.
        weight: factor on its scores.
        preselect: name of the scorer whose best tokens alone are worth scoring; None: all are.
    """

    scorer: CtcPrefixScorer
    weight: float
    preselect: str | None = "decoder"


@dataclass
class _Beam:
    """Running hypotheses of the utterances that are not finished; dead ones score -infinity.

    Attributes:
        utterances: number of each in the batch the search was given.
        tokens: (B, K, 1 + L) with the start token.
        scores: (B, K) sums of everything.
        history: (B, K, L, S) unweighted scores of the tokens by each of S scorers.
    """

    utterances: list[int]
    tokens: Tensor
    scores: Tensor
    history: Tensor


@dataclass(frozen=True)
class _Candidates:
    """Best continuations of a step: parents, tokens and scores (B, C), new history (B, C, S)."""

    parents: Tensor
    tokens: Tensor
    scores: Tensor
    parts: Tensor


class BeamSearch:
    """Search for the best texts of a batch of utterances.

    Args:
        scorers: what is added up; each knows its weight and its utterances.
        rules: whose search it is.
        beam: hypotheses an utterance.
        start: id of the token that texts start with.
        end: id of the token that ends them.
        ctc: the CTC part, if there is one.
    """

    def __init__(
        self,
        scorers: Sequence[Scorer],
        rules: SearchRules,
        beam: int,
        start: int,
        end: int,
        ctc: CtcTerm | None = None,
    ) -> None:
        if beam < 1:
            raise ValueError(f"beam must be 1 or more, not {beam}")
        self.scorers = [scorer for scorer in scorers if scorer.weight != 0]
        self.ctc = ctc if ctc is not None and ctc.weight != 0 else None
        if not self.scorers and self.ctc is None:
            raise ValueError("nothing to add up: every scorer has the weight 0")
        self.rules, self.beam, self.start, self.end = rules, beam, start, end
        self.names = [scorer.name for scorer in self.scorers]
        if self.ctc is not None:
            self.names.append(self.ctc.scorer.name)

    @torch.inference_mode()
    def search(self, max_lengths: Tensor) -> list[list[Hypothesis]]:
        """Finished hypotheses of every utterance, best first.

        Args:
            max_lengths: (B,) int64 most tokens of a text: with the end token by ESPnet's rules,
                without it by fairseq's.
        """
        limits = [int(limit) for limit in max_lengths]
        beam = self._start(max_lengths)
        finished: list[list[Hypothesis]] = [[] for _ in limits]
        step = 0
        while beam.utterances:
            candidates = self._candidates(beam, step, limits)
            survivors, beam = self._advance(beam, candidates, step, limits, finished)
            for scorer in self.scorers if beam.utterances else ():
                scorer.select(survivors)
            if self.ctc is not None and beam.utterances:
                self.ctc.scorer.select(survivors)
            step += 1
        return [sorted(found, key=lambda one: one.score, reverse=True) for found in finished]

    def _start(self, max_lengths: Tensor) -> _Beam:
        batch, device = len(max_lengths), max_lengths.device
        return _Beam(
            utterances=list(range(batch)),
            tokens=torch.full((batch, 1, 1), self.start, device=device),
            scores=torch.zeros(batch, 1, device=device),
            history=torch.zeros(batch, 1, 0, len(self.names), device=device),
        )

    def _candidates(self, beam: _Beam, step: int, limits: Sequence[int]) -> _Candidates:
        parts = [scorer.step(beam.tokens[..., -1]) for scorer in self.scorers]
        weighted = [scorer.weight * part for scorer, part in zip(self.scorers, parts)]
        if self.ctc is not None:
            parts.append(self.ctc.scorer.step(self._worth_scoring(parts)))
            weighted.append(self.ctc.weight * parts[-1])
        total = torch.stack(weighted).sum(dim=0)
        limited = [step >= limits[number] for number in beam.utterances]
        at_limit = torch.tensor(limited, device=total.device)
        total = self.rules.allow(total, step, at_limit, self.end) + beam.scores.unsqueeze(-1)
        vocab = total.shape[2]
        # parity: fairseq leaves one out of few candidates, so that padding is never among them
        few = beam.scores.shape[1] * vocab - min(1, self.rules.spare)
        best = total.flatten(1).topk(min(self.beam * (1 + self.rules.spare), few), dim=1)
        every = torch.stack(parts, dim=-1).flatten(1, 2)
        return _Candidates(
            parents=best.indices // vocab,
            tokens=best.indices % vocab,
            scores=best.values,
            parts=every.take_along_dim(best.indices.unsqueeze(-1), dim=1),
        )

    def _worth_scoring(self, parts: Sequence[Tensor]) -> Tensor | None:
        """(B, K, V) tokens that CTC scores; None: all."""
        assert self.ctc is not None
        if self.ctc.preselect not in self.names[: len(parts)]:
            return None
        scores = parts[self.names.index(self.ctc.preselect)]
        count = int(_SHARE_SCORED * self.beam)
        if count >= scores.shape[2]:
            return None
        chosen = scores.topk(count, dim=-1).indices
        return torch.zeros_like(scores, dtype=torch.bool).scatter_(2, chosen, True)

    def _advance(
        self,
        beam: _Beam,
        new: _Candidates,
        step: int,
        limits: Sequence[int],
        finished: list[list[Hypothesis]],
    ) -> tuple[Survivors, _Beam]:
        """Collect what has ended, and choose what goes on."""
        ended = (new.tokens == self.end) & new.scores.isfinite()
        grown = _grow(beam, new)
        kept = []
        for row, number in enumerate(beam.utterances):
            closing = self.rules.closes_at_limit and step + 1 >= limits[number]
            done = new.scores[row].isfinite() if closing else ended[row]
            self._collect(grown, row, done, closing, finished[number])
            steps = limits[number] + (0 if self.rules.closes_at_limit else 1)
            if step + 1 < steps and not self.rules.is_finished(finished[number], step, self.beam):
                kept.append(row)
        # what has not ended goes on, best first; were there too little, the rest is dead
        places = ended.to(torch.uint8).argsort(dim=1, stable=True)[:, : self.beam]
        rows = None if len(kept) == len(ended) else torch.tensor(kept, device=places.device).long()
        places = places if rows is None else places[rows]
        survivors = Survivors(rows, take(new.parents, rows, places), take(new.tokens, rows, places))
        scores = take(new.scores.masked_fill(ended, _NEVER), rows, places)
        tokens, history = take(grown.tokens, rows, places), take(grown.history, rows, places)
        return survivors, _Beam([beam.utterances[row] for row in kept], tokens, scores, history)

    def _collect(
        self, grown: _Beam, row: int, done: Tensor, closing: bool, finished: list[Hypothesis]
    ) -> None:
        """Add what is done (C,) of an utterance, as far as it is within the beam."""
        for place in done[: self.beam].nonzero()[:, 0].tolist():
            if self.rules.has_room(finished, self.beam):
                finished.append(self._finish(grown, row, place, closing))

    def _finish(self, grown: _Beam, row: int, place: int, closing: bool) -> Hypothesis:
        """The hypothesis at a place; `closing` adds the end token without a score."""
        tokens, history = grown.tokens[row, place, 1:], grown.history[row, place]
        score = self.rules.final_score(float(grown.scores[row, place]), len(tokens))
        if closing:
            # parity: one that has just ended by itself gets a second end token
            tokens = torch.cat([tokens, tokens.new_tensor([self.end])])
            history = torch.cat([history, history.new_zeros(1, history.shape[1])])
        parts = {name: history[:, number] for number, name in enumerate(self.names)}
        return Hypothesis(tokens, score, parts)


def _grow(beam: _Beam, new: _Candidates) -> _Beam:
    """Every candidate as a hypothesis."""
    step = Survivors(None, new.parents, new.tokens)
    return _Beam(
        utterances=beam.utterances,
        tokens=torch.cat([step.of(beam.tokens), new.tokens.unsqueeze(-1)], dim=2),
        scores=new.scores,
        history=torch.cat([step.of(beam.history), new.parts.unsqueeze(2)], dim=2),
    )
