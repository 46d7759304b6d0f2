"""What the shipped units stand for, on voices and sentences that nothing was trained on.

    python benchmarks/units.py [--model hubert_units.tiny] [--clips 40] [--seed 20266] [--data DIR]
                               [--cards]

Clips are made afresh: other seed, held-out voices and sentences. Printed for the units of all
recordings together:

- how many of the units occur;
- phone purity: share of the units' frames whose phone is the most frequent one of their unit,
  beside the share of the most frequent phone of all;
- normalised mutual information of units with phones and with voices.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from findings import Found, keep, phone_at, plain, shipped, show
from sklearn.metrics import normalized_mutual_info_score

import zoo
from zoo.audio import load_audio
from zoo.data.corpora import make
from zoo.hub.paths import checkout_folder

MODELS = ("hubert_units.tiny", "hubert_units.tiny-km200", "hubert_units.tiny-km1000")
UNIT_RATE = 50


def measure(model: Any, data: Path, truths: Sequence[dict[str, Any]]) -> Found:
    """All figures of one model."""
    units: list[int] = []
    phones: list[str] = []
    voices: list[str] = []
    for truth in truths:
        found = model.extract(load_audio(data / f"{truth['id']}.mp4")).ids.tolist()
        units += found
        phones += [phone_at(truth["phonemes"], (k + 0.5) / UNIT_RATE) for k in range(len(found))]
        voices += [truth["voice"]["variant"]] * len(found)
    by_unit: dict[int, Counter[str]] = defaultdict(Counter)
    for unit, phone in zip(units, phones, strict=True):
        by_unit[unit][phone] += 1
    pure = sum(counts.most_common(1)[0][1] for counts in by_unit.values())
    largest = Counter(phones).most_common(1)[0][1]
    size = len(units)
    return {
        "units that occur": plain(len(by_unit), size),
        "phone purity": plain(pure / size, size),
        "share of the most frequent phone": plain(largest / size, size),
        "information of unit and phone": plain(normalized_mutual_info_score(phones, units), size),
        "information of unit and voice": plain(normalized_mutual_info_score(voices, units), size),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", help="name or folder (default: the shipped)")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--seed", type=int, default=20266, help="one that nothing is trained on")
    parser.add_argument("--data", type=Path, help="a tiny-lrs3 of that seed, if there is one")
    parser.add_argument("--cards", action="store_true", help="write the numbers into the cards")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        data = args.data or Path(scratch) / "corpus"
        if args.data is None:
            sizes = {"train": 1, "dev": 1, "test": args.clips}
            make("tiny-lrs3", data, seed=args.seed, clips=sizes)
        path = data / "ground_truth" / "test.json"
        truths = json.loads(path.read_text(encoding="utf-8"))[: args.clips]
        for name in args.model or shipped(MODELS):
            found = measure(zoo.from_pretrained(name).eval(), data, truths)
            show(f"{name}, {args.data or f'seed {args.seed}'}", found)
            if args.cards:
                command = f"python benchmarks/units.py --seed {args.seed} --clips {args.clips}"
                keep(checkout_folder() / name, found, command)
    return 0


if __name__ == "__main__":
    sys.exit(main())
