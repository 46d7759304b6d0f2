"""Run by test_processes.py in a process of its own: a run that takes its time.

Arguments: corpus, run folder, number of processes, seconds a recording.
"""

from __future__ import annotations

import sys
import time

from tests.bench.conftest import toy_run
from tests.bench.toy import ToyRetriever


class Slow(ToyRetriever):
    """Sleeps before every recording."""

    pause = 0.0

    def embed_speech(self, speech):
        time.sleep(self.pause * len(speech))
        return super().embed_speech(speech)


def main() -> None:
    corpus, out, devices, pause = sys.argv[1:]
    model = Slow()
    model.pause = float(pause)
    strategy = "ddp" if int(devices) > 1 else "auto"
    options = {"devices": int(devices), "strategy": strategy, "model_name": "toy.a"}
    toy_run(model, corpus, out, **options)


if __name__ == "__main__":
    main()
