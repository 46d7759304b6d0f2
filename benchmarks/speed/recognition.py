"""Text decoding and the AV-HuBERT encoder at full width: batching, caching, and a plain encoder.

    python benchmarks/speed/recognition.py [--utterances 16] [--beam 10] [--tokens 60] [--repeat 3]
        [--parts search,cache,encoder] [--check]

Random weights: the decoder of AV-HuBERT Base (6 layers of 768, 1000 sub-words), and AV-HuBERT
Large. The parts of a round run one after the other, so that whatever else the machine does hits
all of them; ratios are medians over rounds, of processor time. Printed:

- the beam search over all utterances at once beside one utterance at a time (at least 1.5);
- a text of so many tokens, keys and values kept, beside the whole prefix through the decoder at
  every step (at least 5);
- the encoder on 10 s of video beside the same front-end and a `nn.TransformerEncoder` of the same
  size with its fast path off (at most 1.1).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from zoo.nn.avhubert import AVHuBERT
from zoo.nn.avhubert_config import AVHuBERTConfig
from zoo.nn.decoding.decoder import DecoderConfig, TransformerDecoder
from zoo.nn.decoding.hypothesis import Hypothesis
from zoo.nn.decoding.paths import Survivors
from zoo.nn.decoding.rules import FairseqRules
from zoo.nn.decoding.scorers import DecoderScorer, Scorer
from zoo.nn.decoding.search import BeamSearch

FPS = 25
END = 2
SECONDS = 3  # of an utterance that is searched
SEARCHED = 20  # tokens of its texts
BATCHED_LIMIT, CACHED_LIMIT, ENCODER_LIMIT = 1.5, 5.0, 1.1


class WholePrefixScorer:
    """The decoder without anything kept: every step runs all prefixes from their start."""

    name, weight = "decoder", 1.0

    def __init__(self, decoder: TransformerDecoder, memory: Tensor) -> None:
        self.decoder, self.memory = decoder, memory
        self.prefixes: Tensor | None = None

    def step(self, tokens: Tensor) -> Tensor:
        """Log probabilities (B, K, V)."""
        if self.prefixes is None:
            self.prefixes = tokens.unsqueeze(-1)
        memory = self.memory.repeat_interleave(tokens.shape[1], dim=0)
        logits = self.decoder(self.prefixes.flatten(0, 1), memory)[:, -1]
        return torch.as_tensor(logits.view(*tokens.shape, -1).log_softmax(dim=-1))

    def select(self, survivors: Survivors) -> None:
        """Go on with some of the hypotheses."""
        assert self.prefixes is not None
        grown = [survivors.of(self.prefixes), survivors.tokens.unsqueeze(-1)]
        self.prefixes = torch.cat(grown, dim=-1)


def base_decoder() -> TransformerDecoder:
    """AV-HuBERT Base's, with weights that make texts of the greatest length."""
    torch.manual_seed(0)
    decoder = TransformerDecoder(DecoderConfig.fairseq()).eval()
    with torch.no_grad():
        decoder.embedding.weight[END] = 0.0  # the end is never likely
    return decoder


def seconds(work: Callable[[], object]) -> float:
    """Processor time of one run."""
    start = time.process_time()
    work()
    return time.process_time() - start


def rounds(repeat: int, *parts: Callable[[], object]) -> list[list[float]]:
    """Times of the parts, each round all of them in turn, after one that is not counted."""
    for part in parts:
        part()
    return [[seconds(part) for part in parts] for _ in range(repeat)]


def search(scorer: Scorer, count: int, beam: int, tokens: int) -> list[list[Hypothesis]]:
    """Texts of `count` utterances."""
    rules = FairseqRules(length_penalty=0.0, min_length=tokens)
    return BeamSearch([scorer], rules, beam, END, END).search(torch.full((count,), tokens))


def batched(utterances: int, beam: int, repeat: int) -> float:
    """One utterance at a time / all at once."""
    decoder = base_decoder()
    memory = torch.randn(utterances, SECONDS * FPS, decoder.config.size)

    def together() -> None:
        search(DecoderScorer(decoder, memory), utterances, beam, SEARCHED)

    def one_by_one() -> None:
        for row in range(utterances):
            search(DecoderScorer(decoder, memory[row : row + 1]), 1, beam, SEARCHED)

    return statistics.median(slow / fast for fast, slow in rounds(repeat, together, one_by_one))


def cached(beam: int, tokens: int, repeat: int) -> float:
    """Whole prefixes / kept keys and values, for texts of `tokens` tokens."""
    decoder = base_decoder()
    memory = torch.randn(1, SECONDS * FPS, decoder.config.size)
    found: dict[str, list[int]] = {}

    def run(name: str, make: Callable[[], Scorer]) -> None:
        found[name] = search(make(), 1, beam, tokens)[0][0].tokens.tolist()

    times = rounds(
        repeat,
        lambda: run("cached", lambda: DecoderScorer(decoder, memory)),
        lambda: run("whole", lambda: WholePrefixScorer(decoder, memory)),
    )
    assert found["cached"] == found["whole"], "the two searches differ"
    return statistics.median(slow / fast for fast, slow in times)


@torch.inference_mode()
def encoder(repeat: int) -> float:
    """AV-HuBERT Large / its front-end and a plain transformer, on 10 s of video."""
    torch.manual_seed(0)
    config = AVHuBERTConfig.large()
    ours = AVHuBERT(config).eval()
    torch.backends.mha.set_fastpath_enabled(False)
    layer = nn.TransformerEncoderLayer(
        config.hidden_size,
        config.num_heads,
        config.ffn_size,
        activation="gelu",
        batch_first=True,
        norm_first=True,
    )
    norm = nn.LayerNorm(config.hidden_size)
    plain = nn.TransformerEncoder(layer, config.num_layers, norm, enable_nested_tensor=False).eval()
    video = torch.randn(1, 10 * FPS, 88, 88)
    times = rounds(
        repeat,
        lambda: ours(video),
        lambda: plain(ours.project(ours.fuse(video, None))),
    )
    return statistics.median(own / theirs for own, theirs in times)


def main() -> int:
    """Measure, print, and with --check say by the exit status whether the limits hold."""
    parser = argparse.ArgumentParser(description="Speed of decoding and of AV-HuBERT's encoder.")
    parser.add_argument("--utterances", type=int, default=16)
    parser.add_argument("--beam", type=int, default=10)
    parser.add_argument("--tokens", type=int, default=60)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--parts", default="search,cache,encoder")
    parser.add_argument("--check", action="store_true", help="exit 1 beyond a limit")
    args = parser.parse_args()
    wanted = args.parts.split(",")
    table = Table("what", "ratio", "limit", title="recognition")
    good = True
    if "search" in wanted:
        ratio = batched(args.utterances, args.beam, args.repeat)
        good &= ratio >= BATCHED_LIMIT
        name = f"{args.utterances} utterances, beam {args.beam}: one at a time / at once"
        table.add_row(name, f"{ratio:.2f}", f"at least {BATCHED_LIMIT}")
    if "cache" in wanted:
        ratio = cached(args.beam, args.tokens, args.repeat)
        good &= ratio >= CACHED_LIMIT
        name = f"{args.tokens} tokens: whole prefix / kept keys and values"
        table.add_row(name, f"{ratio:.2f}", f"at least {CACHED_LIMIT}")
    if "encoder" in wanted:
        ratio = encoder(args.repeat)
        good &= ratio <= ENCODER_LIMIT
        name = "AV-HuBERT Large, 10 s of video: ours / plain encoder and front-end"
        table.add_row(name, f"{ratio:.2f}", f"at most {ENCODER_LIMIT}")
    Console().print(table)
    return 0 if good or not args.check else 1


if __name__ == "__main__":
    sys.exit(main())
