"""Beam search as fairseq's lip-reading recipes run it, from encoder states to token hypotheses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.hub.config import ZooConfig
from zoo.nn.decoding.ctc import CtcPrefixScorer
from zoo.nn.decoding.decoder import TransformerDecoder
from zoo.nn.decoding.hypothesis import Hypothesis
from zoo.nn.decoding.rules import FairseqRules
from zoo.nn.decoding.scorers import DecoderScorer
from zoo.nn.decoding.search import BeamSearch, CtcTerm
from zoo.nn.recognition_loss import BLANK, END, PAD

_LONGEST = 2047  # fairseq's decoders count 2048 positions, one of them for the start


@dataclass(frozen=True, kw_only=True)
class SearchConfig(ZooConfig):
    """Settings of the search; the defaults are those of AV-HuBERT's published recipe."""

    beam: int = 50
    """Hypotheses an utterance."""
    length_penalty: float = 1.0
    """The sum of log probabilities is divided by length to this power."""
    min_length: int = 1
    """No end before that many tokens."""
    max_length_share: float = 1.0
    """Most tokens a frame of the input."""
    max_length_extra: int = 0
    """Further tokens."""
    ctc_weight: float = 0.0
    """Share of the CTC head in the score, where the model has one."""

    def max_lengths(self, frames: Tensor) -> Tensor:
        """(B,) most tokens of clips of `frames` (B,)."""
        return (self.max_length_share * frames + self.max_length_extra).long()


@torch.inference_mode()
def search_texts(
    decoder: TransformerDecoder,
    memory: Tensor,
    mask: Tensor,
    config: SearchConfig,
    *,
    max_lengths: Tensor | None = None,
    ctc_logits: Tensor | None = None,
) -> list[list[Hypothesis]]:
    """Finished hypotheses of every utterance, best first.

    Args:
        decoder: the decoder.
        memory: (B, T, D) encoder states.
        mask: (B, T) bool, True = valid.
        config: the search.
        max_lengths: (B,) int64 instead of those by the length of the clips.
        ctc_logits: (B, T, V) of a CTC head.
    """
    frames = mask.sum(1)
    ctc = None
    if ctc_logits is not None and config.ctc_weight > 0:
        log_probs = ctc_logits.float().log_softmax(-1)
        ctc = CtcTerm(CtcPrefixScorer(log_probs, frames, BLANK, END), config.ctc_weight)
    share = 1.0 - (config.ctc_weight if ctc is not None else 0.0)
    search = BeamSearch(
        [DecoderScorer(decoder, memory, mask, weight=share)],
        FairseqRules(config.length_penalty, config.min_length, PAD),
        config.beam,
        start=END,
        end=END,
        ctc=ctc,
    )
    limits = config.max_lengths(frames) if max_lengths is None else max_lengths
    return search.search(limits.clamp(max=_LONGEST))
