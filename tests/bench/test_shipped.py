"""Which tasks the checkpoints that come with the repository are put to."""

from __future__ import annotations

from pathlib import Path

from tests.models.batches import tiny_config
from zoo.bench.shipped import shipped_jobs, streams_of
from zoo.models.akvsr.module import AKVSR
from zoo.models.avhubert.module import AVHuBERTModel
from zoo.models.judge_asr.module import JudgeASR
from zoo.models.speechclip.module import SpeechCLIP


def test_a_checkpoint_says_what_it_reads(tmp_path: Path) -> None:
    """By its class, or by its configuration, for which no weights are read."""
    for slug, kind in (("avhubert", AVHuBERTModel), ("akvsr", AKVSR)):
        kind(tiny_config(slug)).save_pretrained(tmp_path / slug)
        (tmp_path / slug / "model.safetensors").unlink()
    assert streams_of(AVHuBERTModel, tmp_path / "avhubert") == ("video", "audio")
    assert streams_of(AKVSR, tmp_path / "akvsr") == ("video",)
    assert streams_of(JudgeASR, tmp_path) == ("audio",)
    assert streams_of(SpeechCLIP, tmp_path) is None


def test_recognisers_get_the_streams_they_read() -> None:
    plain = {(job.checkpoint, job.task.name) for job in shipped_jobs() if job.is_plain}
    of = {name: {task for one, task in plain if one == name} for name, _ in plain}
    assert {"tiny-lrs3-vsr", "tiny-lrs3-asr", "tiny-lrs3-avsr"} <= of["av_relscore.tiny"]
    assert "tiny-lrs3-asr" in of["judge_asr.tiny"]
    assert not {"tiny-lrs3-vsr", "tiny-lrs3-avsr"} & of["judge_asr.tiny"]
    assert not any("lrs3" in task for task in of["speechclip.tiny-parallel"])
