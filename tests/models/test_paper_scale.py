"""The largest recogniser of the papers on recorded clips: it runs, and in a laptop's memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

# a process of its own, whose peak is the model's
SCRIPT = """
import json, random, resource, sys
from pathlib import Path
import torch
from zoo.cli.transcribe import transcribe_files
from zoo.models.avhubert.config import AVHuBERTModelConfig
from zoo.models.avhubert.module import AVHuBERTModel
from zoo.text.subwords import MODEL_FILE, train_subwords

torch.manual_seed(0)
draw = random.Random(0)
letters = "abcdefghijklmnopqrstuvwxyz"
word = lambda: "".join(draw.choices(letters, k=draw.randint(2, 9)))
texts = [" ".join(word() for _ in range(8)) for _ in range(4000)]
search = {"search.beam": 5, "search.max_length_share": 0.2}
model = AVHuBERTModel(AVHuBERTModelConfig.preset("large_s2s", search)).eval()
size = model.network.decoder.config.vocab_size
model.side_files[MODEL_FILE] = train_subwords(texts, size)
rows = transcribe_files(model, [Path(name) for name in sys.argv[1:]])
print(json.dumps({
    "parameters": sum(p.numel() for p in model.parameters()),
    "errors": [row.error for row in rows],
    "confidences": [word.confidence for row in rows for word in row.transcript.words],
    "kilobytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
}))
"""


@pytest.mark.slow
def test_the_largest_recogniser_reads_recorded_clips(real_root: Path) -> None:
    found = sorted((real_root / "lrs3").glob("*/*/*.mp4"))
    clips = [str(path) for path in found if not path.stem.endswith("_lip")]
    if not clips:
        pytest.skip("ZOO_REAL: no lrs3 clips")
    words = [sys.executable, "-c", SCRIPT, *clips]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["parameters"] > 4e8
    assert said["errors"] == [""] * len(clips)
    assert said["confidences"] and all(0 <= one <= 1 for one in said["confidences"])
    assert said["kilobytes"] < 6e6
