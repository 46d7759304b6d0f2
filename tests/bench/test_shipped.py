"""Which tasks the checkpoints that come with the repository are put to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.models.batches import tiny_config
from zoo.bench import shipped
from zoo.bench.adapters import adapt
from zoo.bench.shipped import shipped_jobs, streams_of
from zoo.bench.task import load_task
from zoo.errors import BenchError
from zoo.hub.catalogue import list_checkpoints
from zoo.models.akvsr.module import AKVSR
from zoo.models.avhubert.config import AVHuBERTModelConfig
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


def test_a_part_of_a_model_is_put_to_no_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An encoder has the methods of a recogniser, but no decoder to write with."""
    whole = AVHuBERTModelConfig.preset("tiny_s2s")
    encoder = AVHuBERTModel(whole.replace(decoder=None, ctc=False))
    entry = next(e for e in list_checkpoints() if e.name == "judge_asr.tiny")
    ours = replace(entry, name="avhubert.made-up", model="avhubert")
    monkeypatch.setattr(shipped, "list_checkpoints", lambda: [ours])
    monkeypatch.setattr(shipped, "checkout_folder", lambda: tmp_path)
    AVHuBERTModel(whole).save_pretrained(tmp_path / ours.name)
    assert {job.task.protocol for job in shipped_jobs()} == {"Recognizer"}
    encoder.save_pretrained(tmp_path / ours.name, overwrite=True)
    with pytest.raises(BenchError, match="no shipped checkpoint"):
        shipped_jobs()
    with pytest.raises(BenchError, match="not all parts of a Recognizer"):
        adapt(encoder, load_task("tiny-lrs3-vsr"))


def test_recognisers_get_the_streams_they_read() -> None:
    plain = {(job.checkpoint, job.task.name) for job in shipped_jobs() if job.is_plain}
    of = {name: {task for one, task in plain if one == name} for name, _ in plain}
    assert {"tiny-lrs3-vsr", "tiny-lrs3-asr", "tiny-lrs3-avsr"} <= of["av_relscore.tiny"]
    assert "tiny-lrs3-asr" in of["judge_asr.tiny"]
    assert not {"tiny-lrs3-vsr", "tiny-lrs3-avsr"} & of["judge_asr.tiny"]
    assert not any("lrs3" in task for task in of["speechclip.tiny-parallel"])
