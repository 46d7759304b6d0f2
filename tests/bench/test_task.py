"""Task files: found by name, versioned, hashed; samples and batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import zoo.tasks
from tests.bench.toy import make_corpus
from zoo.bench.clips import ClipLoader
from zoo.bench.pairs import lacking_kinds, needs_of
from zoo.bench.reference_rows import PREFIX, ReferenceRow
from zoo.bench.samples import READERS, Sample, form_batches, read_samples, references_hash
from zoo.bench.scoring import sliced
from zoo.bench.task import MODEL_ABLATIONS, list_tasks, load_task
from zoo.errors import BenchError, DataError


@pytest.mark.parametrize("task", list_tasks(), ids=lambda task: task.key)
def test_a_task_is_complete(task) -> None:
    assert hasattr(zoo.tasks, task.protocol)
    assert task.dataset in READERS
    assert len(task.hash) == 64 and task.license and task.title
    figures = [figure for metric in task.build_metrics() for figure in metric.figures([])]
    slices = [sliced(figure, name) for figure in figures for name in task.conditions]
    known = {figure.id for figure in figures + slices}
    unknown = [id_ for id_ in task.headline if id_ not in known and "keyword" not in id_]
    assert not unknown
    assert load_task(task.key) is task and load_task(task.name).version >= task.version


@pytest.mark.parametrize(
    "task",
    [task for task in list_tasks() if task.dataset.startswith(("lrs", "mtedx"))],
    ids=lambda t: t.key,
)
def test_a_task_of_clips_can_be_run_as_it_stands(task) -> None:
    for metric in task.build_metrics():
        reason = lacking_kinds(task, needs_of(task, metric))
        assert reason is None or (metric.name == "lmd" and not task.corpus), reason
    for row in task.rows:
        assert ReferenceRow(PREFIX + row).inputs(task) is not None
    for ablation in set(task.ablations) - set(MODEL_ABLATIONS):
        assert ClipLoader(task, Path(), _two_sources(), ablation=ablation).inputs == task.inputs
    assert set(task.distortion) <= {"audio", "video", "snr_db"}
    assert not task.corpus or any(other.name == task.name[5:] for other in list_tasks())


def _two_sources() -> list[Sample]:
    return [Sample(f"{video}/00001", "clip", f"{video}/00001.mp4", video) for video in "ab"]


def test_real_data_is_never_copied_into_a_page() -> None:
    assert all(task.corpus for task in list_tasks() if task.redistributable)


def test_an_unknown_task_names_the_nearest() -> None:
    with pytest.raises(BenchError, match=r"nearest: .*flickr8k-retrieval"):
        load_task("flickr8k-retreival")


def test_samples_are_unique_images_then_all_captions(corpus) -> None:
    samples = read_samples(load_task("tiny-flickr8k-retrieval"), corpus)
    assert [s.kind for s in samples] == ["image"] * 10 + ["speech"] * 50
    assert len({s.id for s in samples}) == 60
    spoken = samples[10]
    assert spoken.id == "speech:1000_scene#0" and spoken.cluster == "1000_scene"
    assert spoken.text == "A red square number 0" and spoken.speaker == "0"
    assert (corpus / spoken.media).is_file()


def test_limit_takes_whole_images(corpus) -> None:
    samples = read_samples(load_task("tiny-flickr8k-retrieval"), corpus, limit=3)
    assert len(samples) == 3 + 15
    with pytest.raises(BenchError, match="at least 1"):
        read_samples(load_task("tiny-flickr8k-retrieval"), corpus, limit=0)


def test_a_partial_copy_of_real_data_is_refused_before_anything_runs(corpus, tmp_path) -> None:
    with pytest.raises(BenchError, match=r"10 image samples instead of 1000, 50 speech .* 5000"):
        read_samples(load_task("flickr8k-retrieval"), corpus, limit=5)
    with pytest.raises(DataError):
        read_samples(load_task("flickr8k-retrieval"), tmp_path)


def test_the_references_hash_is_of_ids_and_texts_not_of_folders(corpus) -> None:
    samples = read_samples(load_task("tiny-flickr8k-retrieval"), corpus)
    moved = [replace(s, media=f"elsewhere/{s.media}", text=s.text.upper()) for s in samples]
    changed = [*samples[:-1], replace(samples[-1], text="another")]
    assert references_hash(moved) == references_hash(samples)
    assert references_hash(changed) != references_hash(samples)
    assert references_hash(samples[:-1]) != references_hash(samples)


def test_a_caption_without_recording_is_no_sample(tmp_path) -> None:
    root = make_corpus(tmp_path / "data", images=2)
    (root / "flickr_audio" / "wavs" / "1000_scene_3.wav").unlink()
    samples = read_samples(load_task("tiny-flickr8k-retrieval"), root)
    assert len(samples) == 2 + 9


def test_batches_hold_one_kind_and_every_sample(corpus) -> None:
    samples = read_samples(load_task("tiny-flickr8k-retrieval"), corpus)
    batches = form_batches(samples, 4)
    assert [s for batch in batches for s in batch] == samples
    assert all(len({s.kind for s in batch}) == 1 and len(batch) <= 4 for batch in batches)
    assert len(batches) == 3 + 13
