"""`zoo demo` with the checkpoints that ship."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zoo.bench.shipped import shipped_jobs
from zoo.cli import main


@pytest.mark.slow
def test_demo_runs_every_shipped_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # no name is broken over two lines
    jobs = [job for job in shipped_jobs() if job.is_plain]
    assert main(["demo", "--out", str(tmp_path), "--samples", "4"]) == 0
    printed = capsys.readouterr().out
    page = (tmp_path / "index.html").read_text()
    assert "<audio" in page and "<img" in page
    for job in jobs:
        result = json.loads((tmp_path / "runs" / job.name / "result.json").read_text())
        assert result["model"]["name"] == job.checkpoint
        assert job.checkpoint in page and job.checkpoint in printed
    assert list((tmp_path / "corpora").iterdir())
