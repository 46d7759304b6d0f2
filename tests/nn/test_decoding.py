"""Decoders and the beam search: caches, batches, CTC, rules."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.nn.decoding.alignment import ctc_spans
from zoo.nn.decoding.ctc import CtcPrefixScorer
from zoo.nn.decoding.decoder import DecoderConfig, TransformerDecoder
from zoo.nn.decoding.greedy import greedy
from zoo.nn.decoding.hypothesis import Hypothesis
from zoo.nn.decoding.language_model import LanguageModelConfig, TransformerLanguageModel
from zoo.nn.decoding.losses import smoothed_divergence, teacher_forcing
from zoo.nn.decoding.paths import Survivors
from zoo.nn.decoding.rules import EspnetRules, FairseqRules, SearchRules
from zoo.nn.decoding.scorers import DecoderScorer, LanguageModelScorer, LengthBonus
from zoo.nn.decoding.search import BeamSearch, CtcTerm

VOCAB, SIZE = 9, 16
END = VOCAB - 1
VARIANTS = {
    "espnet": DecoderConfig(),
    "fairseq": DecoderConfig.fairseq(),
    "post-norm": DecoderConfig(pre_norm=False, activation="gelu", output_bias=False),
}


def decoder(variant: str = "espnet") -> TransformerDecoder:
    torch.manual_seed(3)
    sizes = {"vocab_size": VOCAB, "size": SIZE, "num_layers": 2, "num_heads": 2, "ffn_size": 24}
    model = TransformerDecoder(VARIANTS[variant].replace(**sizes)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)  # decisions that are not all alike
    return model


def language_model() -> TransformerLanguageModel:
    torch.manual_seed(4)
    sizes = {"vocab_size": VOCAB, "size": SIZE, "num_layers": 2, "num_heads": 2}
    config = LanguageModelConfig().replace(**sizes, embedding_size=6, ffn_size=24)
    return TransformerLanguageModel(config).eval()


def utterances() -> tuple[Tensor, Tensor]:
    """Encoder states (B, T, D) and valid frames (B,)."""
    torch.manual_seed(5)
    return torch.randn(3, 11, SIZE), torch.tensor([11, 6, 9])


def valid(lengths: Tensor, size: int) -> Tensor:
    return torch.arange(size) < lengths.unsqueeze(1)


@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_steps_give_what_the_whole_sequence_gives(variant: str) -> None:
    """With the hypotheses exchanged, dropped and doubled on the way."""
    model, (memory, lengths) = decoder(variant), utterances()
    mask = valid(lengths, memory.shape[1])
    draw = torch.Generator().manual_seed(6)
    state, prefixes = model.start(memory, mask), torch.full((3, 1, 1), END)
    for beam in (4, 4, 2, 5, 5, 3, 1):
        logits = model.step(prefixes[..., -1], state)
        copies, flat = prefixes.shape[1], prefixes.flatten(0, 1)
        whole = model(flat, memory.repeat_interleave(copies, 0), mask.repeat_interleave(copies, 0))
        assert torch.allclose(logits.flatten(0, 1), whole[:, -1], atol=1e-4)
        parents = torch.randint(0, copies, (3, beam), generator=draw)
        tokens = torch.randint(0, VOCAB, (3, beam), generator=draw)
        survivors = Survivors(None, parents, tokens)
        state.select(survivors)
        prefixes = torch.cat([survivors.of(prefixes), tokens.unsqueeze(-1)], dim=2)


@torch.no_grad()
def test_positions_that_no_hypothesis_needs_are_forgotten() -> None:
    model, (memory, _) = decoder(), utterances()
    state, tokens = model.start(memory), torch.full((3, 5), 2)
    for _ in range(40):
        model.step(tokens, state)
        state.select(Survivors(None, torch.zeros(3, 5, dtype=torch.long), tokens))
    assert state.paths.paths is not None
    # forty steps of five hypotheses, of which one history is left
    assert state.paths.paths.shape[2] < 40 + 10 * 5


@torch.no_grad()
def test_language_model_steps_and_does_not_see_padding() -> None:
    model = language_model()
    tokens = torch.tensor([[8, 3, 0, 5, 1], [8, 0, 0, 2, 7]])
    state, steps = model.start(), []
    for place in range(tokens.shape[1]):
        steps.append(model.step(tokens[:, place : place + 1], state))
    assert torch.allclose(torch.cat(steps, dim=1), model(tokens), atol=1e-5)


def search(
    memory: Tensor, lengths: Tensor, rules: SearchRules, beam: int, ctc: Tensor | None = None
) -> list[list[Hypothesis]]:
    mask = valid(lengths, memory.shape[1])
    scorers = [DecoderScorer(decoder(), memory, mask, 0.7), LengthBonus(VOCAB, 0.3)]
    scorers.insert(1, LanguageModelScorer(language_model(), 0.4))  # type: ignore[arg-type]
    term = None if ctc is None else CtcTerm(CtcPrefixScorer(ctc, lengths, 0, END), 0.3)
    return BeamSearch(scorers, rules, beam, END, END, term).search(lengths)


@pytest.mark.parametrize("beam", [1, 3, 6])
@pytest.mark.parametrize("rules", [EspnetRules(), FairseqRules(length_penalty=0.6)])
def test_a_batch_gives_what_its_utterances_give(rules: SearchRules, beam: int) -> None:
    memory, lengths = utterances()
    torch.manual_seed(8)
    ctc = torch.randn(3, 11, VOCAB).mul(2).log_softmax(-1)
    together = search(memory, lengths, rules, beam, ctc)
    for row, frames in enumerate(lengths.tolist()):
        part = slice(row, row + 1)
        alone = search(memory[part, :frames], lengths[part], rules, beam, ctc[part, :frames])[0]
        assert len(alone) == len(together[row])
        for one, other in zip(alone, together[row], strict=True):
            assert one.tokens.tolist() == other.tokens.tolist()
            assert one.score == pytest.approx(other.score, abs=1e-4)


class Table:
    """Log probabilities that depend on the last token alone."""

    name, weight = "table", 1.0

    def __init__(self, table: Tensor) -> None:
        self.table = table

    def step(self, tokens: Tensor) -> Tensor:
        return self.table[tokens]

    def select(self, survivors: Survivors) -> None:
        pass


def best_text(table: Tensor, longest: int, penalty: float) -> tuple[list[int], float]:
    """The best of all texts of up to `longest` tokens and an end, one by one."""
    best: tuple[list[int], float] = ([], -math.inf)
    for length in range(1, longest + 1):
        for text in itertools.product(range(2, VOCAB - 1), repeat=length):
            path = [END, *text, END]
            total = sum(float(table[a, b]) for a, b in itertools.pairwise(path))
            if total / (length + 1) ** penalty > best[1]:
                best = ([*text, END], total / (length + 1) ** penalty)
    return best


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_wide_beam_finds_the_best_text(penalty: float) -> None:
    torch.manual_seed(9)
    table = torch.randn(VOCAB, VOCAB).mul(2).log_softmax(-1)
    table[:, :2] = -math.inf  # neither 0 nor the padding 1
    rules = FairseqRules(length_penalty=penalty)
    found = BeamSearch([Table(table)], rules, 400, END, END).search(torch.tensor([4]))[0]
    text, score = best_text(table, 4, penalty)
    assert found[0].tokens.tolist() == text
    assert found[0].score == pytest.approx(score, abs=1e-5)


def test_fairseq_rules_keep_the_limit_the_least_length_and_the_padding() -> None:
    memory, lengths = utterances()
    for found in search(memory, torch.tensor([4, 4, 4]), FairseqRules(min_length=3), 4):
        assert len(found) <= 4
        for one in found:
            assert 4 <= len(one.tokens) <= 5  # the end included
            assert int(one.tokens[-1]) == END
            assert 1 not in one.tokens
    assert search(memory, lengths, FairseqRules(length_penalty=0), 2)[0]


def test_espnet_rules_stop_once_longer_texts_only_get_worse() -> None:
    table = torch.full((VOCAB, VOCAB), -30.0)
    table[:, END], table[:, 2] = -0.1, -6.0
    stopped = BeamSearch([Table(table)], EspnetRules(), 2, END, END).search(torch.tensor([50]))[0]
    ran = BeamSearch([Table(table)], EspnetRules(detect_end=False), 2, END, END)
    assert max(len(one.tokens) for one in stopped) < 8
    assert max(len(one.tokens) for one in ran.search(torch.tensor([20]))[0]) == 21


@pytest.mark.parametrize(("behind", "finished"), [(9.9, False), (10.1, True)])
def test_the_end_is_seen_ten_nats_behind_the_best(behind: float, finished: bool) -> None:
    """For three lengths in a row, which count the start token; the step is the longest of them."""
    scores = {2: 0.0, 5: -behind, 6: -30.0, 7: -30.0}
    found = [Hypothesis(torch.zeros(n - 1).long(), score, {}) for n, score in scores.items()]
    assert EspnetRules().is_finished(found, 7, 4) is finished
    assert not EspnetRules().is_finished(found, 8, 4)
    assert not EspnetRules().is_finished([], 7, 4)


def test_nothing_to_add_up_is_refused() -> None:
    with pytest.raises(ValueError, match="weight 0"):
        BeamSearch([LengthBonus(VOCAB, 0.0)], EspnetRules(), 2, END, END)
    with pytest.raises(ValueError, match="beam"):
        BeamSearch([LengthBonus(VOCAB, 1.0)], EspnetRules(), 0, END, END)


def ctc_probability(frames: Tensor, text: Sequence[int], *, prefix: bool) -> float:
    """Log probability of a text, or of all texts that begin with it, path by path."""
    total = -math.inf
    vocab = frames.shape[1]
    for path in itertools.product(range(vocab), repeat=len(frames)):
        collapsed = [token for token, _ in itertools.groupby(path) if token]
        if collapsed[: len(text)] == list(text) if prefix else collapsed == list(text):
            score = sum(float(frames[t, token]) for t, token in enumerate(path))
            total = float(torch.logaddexp(torch.tensor(total), torch.tensor(score)))
    return total


@pytest.mark.parametrize("text", [[1], [1, 1], [2, 1], [1, 2, 2]])
def test_ctc_prefix_scores_are_sums_over_paths(text: list[int]) -> None:
    torch.manual_seed(10)
    frames = torch.randn(5, 3).log_softmax(-1)
    # the end token 3 is on no path, and behind the fifth frame is padding
    padded = F.pad(frames, (0, 1, 0, 3), value=-1e3)
    padded[5:] = torch.randn(3, 4).log_softmax(-1)
    scorer = CtcPrefixScorer(padded.unsqueeze(0), torch.tensor([5]), blank=0, end=3)
    total, first = 0.0, torch.zeros(1, 1, dtype=torch.long)
    for token in text:
        total += float(scorer.step()[0, 0, token])
        scorer.select(Survivors(None, first, torch.tensor([[token]])))
    assert total == pytest.approx(ctc_probability(frames, text, prefix=True), abs=1e-4)
    ended = total + float(scorer.step()[0, 0, 3])
    assert ended == pytest.approx(ctc_probability(frames, text, prefix=False), abs=1e-4)


def test_ctc_scores_only_what_is_allowed_and_the_end() -> None:
    frames = torch.randn(1, 5, VOCAB).log_softmax(-1)
    allowed = torch.zeros(1, 1, VOCAB, dtype=torch.bool)
    allowed[..., 2] = True
    scores = CtcPrefixScorer(frames, None, 0, END).step(allowed)[0, 0]
    assert set((scores > -1e9).nonzero()[:, 0].tolist()) == {2, END}


def test_greedy_is_the_likeliest_token_at_every_step() -> None:
    model, (memory, lengths) = decoder(), utterances()
    mask = valid(lengths, memory.shape[1])
    found = greedy(model, memory, mask, END, 6)
    with torch.no_grad():
        inputs = torch.cat([torch.full((3, 1), END), found.tokens[:, :-1]], dim=1)
        log_probs = model(inputs, memory, mask).log_softmax(-1)
    assert torch.equal(log_probs.argmax(-1), found.tokens)
    assert torch.allclose(log_probs.amax(-1), found.log_probs, atol=1e-4)


def test_alignment_follows_the_frames() -> None:
    path = [0, 1, 1, 0, 2, 2, 0, 2, 3]
    frames = torch.full((len(path), 4), -5.0)
    frames[torch.arange(len(path)), path] = -0.1
    assert ctc_spans(frames, torch.tensor([1, 2, 2, 3])) == [(1, 3), (4, 6), (7, 8), (8, 9)]
    assert ctc_spans(frames, torch.tensor([], dtype=torch.long)) == []


def test_a_text_that_does_not_fit_is_spread_evenly() -> None:
    frames = torch.zeros(3, 4)
    spans = ctc_spans(frames, torch.tensor([1, 2, 3, 1, 2, 3]))
    assert len(spans) == 6
    assert spans[0][0] == 0
    assert spans[-1][1] == 3


def test_smoothed_divergence_has_its_floor_at_zero() -> None:
    targets = teacher_forcing(torch.tensor([[2, 3, -1]]), END, END)
    assert targets.inputs.tolist() == [[END, 2, 3, END]]
    assert targets.outputs.tolist() == [[2, 3, END, -1]]
    smoothing = 0.2
    probs = torch.full((1, 4, VOCAB), smoothing / (VOCAB - 1))
    for place, token in enumerate([2, 3, END, 0]):
        probs[0, place, token] = 1 - smoothing
    assert float(smoothed_divergence(probs.log(), targets, smoothing)) == pytest.approx(0, abs=1e-5)
    assert float(smoothed_divergence(torch.zeros(1, 4, VOCAB), targets, smoothing)) > 1
