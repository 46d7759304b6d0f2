"""The model card: what it says, where its numbers come from, and that the Hub can read it."""

from __future__ import annotations

import hashlib
import json
import runpy
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

import zoo.models
from tests.hub.small_model import Small, build
from zoo.bench.result import validate
from zoo.errors import CheckpointError
from zoo.hub.agreement import agreement
from zoo.hub.card import Card, card_metrics, read_eval_results, write_card
from zoo.hub.catalogue import list_checkpoints
from zoo.hub.entry import Converter, Entry, License, Paper, Result, Source
from zoo.hub.load import from_pretrained
from zoo.hub.paths import checkout_folder
from zoo.hub.usage import Usage

RECALL = "recall_at_1[direction=speech_to_image]"
SETTINGS = {"seed": 0, "batch_size": 8, "precision": None, "limit": None}
ZERO = "0" * 64


def figure(name: str, value: float | None, ci95: list[float] | None, **more: Any) -> dict[str, Any]:
    about = {"metric": name.split("[")[0] + "@1", "label": "", "aggregator": "mean", "details": {}}
    count = {"n": 400, "n_failed": 1, "unit": "%", "higher_is_better": True}
    return {"id": name, "value": value, "ci95": ci95, **about, **count, **more}


METRICS = [
    figure(RECALL, 41.25, [38.125, 44.5]),
    figure("median_rank", 3, [2, 4], unit="rank", higher_is_better=False),
    figure("fluency", None, None, reason="needs a judge"),
]


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    row = ("tests.hub.small_model", "Small")
    monkeypatch.setitem(zoo.models.MODEL_CLASSES, "small", row)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return build().save_pretrained(tmp_path / "small.tiny")


def result_file(folder: Path, subset: dict[str, Any] | None = None, sha256: str = "") -> Path:
    """A result in the harness's own format."""
    sha256 = sha256 or hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    task = {"name": "tiny-task", "version": 2, "title": "", "split": "test", "dataset": "corpus"}
    run = {"command": "zoo bench run", "started": "2026-01-02T03:04:05Z", "hardware": {}}
    sizes = {"n_expected": 400, "n_scored": 399, "n_failed": 1}
    hashes = ("predictions_sha256", "references_sha256", "media_sha256", "scores_sha256")
    document = {
        "schema": 1,
        "task": {
            **task,
            "n_expected": 400,
            "hash": ZERO,
            "cluster": "image",
            "license": "",
            "subset": subset,
        },
        "model": {"name": "small.tiny", "sha256": sha256, "params": 1},
        "run": run | {"settings": SETTINGS, "versions": {"zoo": "0.1.0"}},
        "metrics": METRICS,
        "counts": sizes,
        "failures": [],
        "baselines": [{"name": "chance", "metrics": {RECALL: 0.25}}],
        "slices": {},
        "timing": {"rtf_mean": None, "p50": None, "p95": None, "device": "cpu"},
        "published": [],
        "integrity": dict.fromkeys(hashes, ZERO),
    }
    validate(document, "the test's result")
    path = folder.parent / "result.json"
    path.write_text(json.dumps(document))
    return path


def test_every_saved_folder_has_a_card(folder: Path):
    card = ModelCard.load(folder / "README.md")
    assert card.data.to_dict()["library_name"] == "zoo"
    assert "small" in card.data.tags
    assert "No result of the harness" in card.text
    weights = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert weights in card.text and "units.json" in card.text
    assert "| corpus | none |" in card.text and "| seed | 0 |" in card.text
    assert not list((folder / ".eval_results").glob("*"))


def test_numbers_are_copied_from_the_result_file(folder: Path):
    path = result_file(folder)
    write_card(folder, card=Card(results=[path], license="mit"))
    task, metric = "tiny-task@2", RECALL
    values = {(task, metric): 41.25, (task, "median_rank"): 3}
    assert card_metrics(folder) == values
    card = ModelCard.load(folder / "README.md")
    assert hashlib.sha256(path.read_bytes()).hexdigest() in card.text
    for row in (
        f"| {metric} | 41.25% | 38.12% to 44.5% | chance 0.25% | 400 | 1 |",
        "| median_rank | 3 | 2 to 4 |  | 400 | 1 |",
        "| fluency | not measured: needs a judge | none |  | 400 | 1 |",
    ):
        assert f"| {task} | test {row}" in card.text

    entries = read_eval_results(folder)
    assert {(entry["dataset"]["task_id"], entry["value"]) for entry in entries} == {
        (f"{task}/{metric}", 41.25),
        (f"{task}/median_rank", 3),
    }
    assert all(entry["dataset"]["id"] == "corpus" for entry in entries)
    assert all(entry["date"] == "2026-01-02T03:04:05Z" for entry in entries)
    assert "n 400" in entries[0]["notes"] and "38.12% to 44.5%" in entries[0]["notes"]
    row = card.data.eval_results[0]
    assert (row.dataset_split, row.metric_args) == ("test", {"ci95": [38.125, 44.5], "n": 400})


def test_the_hub_client_reads_the_results(folder: Path):
    from huggingface_hub import parse_eval_result_entries

    write_card(folder, card=Card(results=[result_file(folder)]))
    rows = yaml.safe_load((folder / ".eval_results" / "tiny-task-v2.yaml").read_text())
    assert [entry.value for entry in parse_eval_result_entries(rows)] == [41.25, 3]


def test_a_card_survives_a_round_trip(folder: Path):
    write_card(folder, card=Card(results=[result_file(folder)], license="apache-2.0"))
    before = (folder / "README.md").read_text(encoding="utf-8")
    card = ModelCard.load(folder / "README.md")
    card.save(folder / "again.md")
    again = ModelCard.load(folder / "again.md")
    assert again.data.to_dict() == card.data.to_dict() and again.text == card.text
    write_card(folder, card=Card(results=[result_file(folder)], license="apache-2.0"))
    assert (folder / "README.md").read_text(encoding="utf-8") == before


def test_results_of_other_weights_are_refused(folder: Path):
    before = (folder / "README.md").read_text(encoding="utf-8")
    path = result_file(folder, sha256=ZERO)
    with pytest.raises(CheckpointError, match="zoo bench run") as error:
        write_card(folder, card=Card(results=[path]))
    assert ZERO in str(error.value) and str(path) in str(error.value)
    assert (folder / "README.md").read_text(encoding="utf-8") == before


def test_a_part_of_a_task_is_called_a_part(folder: Path):
    path = result_file(folder, subset={"limit": 16, "name": "tiny-task@2[first 16]"})
    write_card(folder, card=Card(results=[path]))
    assert set(card_metrics(folder)) == {
        ("tiny-task@2[first 16]", RECALL),
        ("tiny-task@2[first 16]", "median_rank"),
    }
    assert (folder / ".eval_results" / "tiny-task-v2-first-16.yaml").is_file()


@pytest.mark.parametrize("text", ["", "[]", '{"task": {"name": "a"}}', None])
def test_anything_else_is_no_result(folder: Path, tmp_path: Path, text: str | None):
    path = tmp_path / "numbers.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(CheckpointError, match=r"numbers\.json is not a result"):
        write_card(folder, card=Card(results=[path]))


def test_new_weights_lose_the_old_numbers(folder: Path):
    write_card(folder, card=Card(results=[result_file(folder)]))
    build(1).save_pretrained(folder, overwrite=True)
    assert card_metrics(folder) == {} and read_eval_results(folder) == []


def test_a_card_without_results_drops_those_of_the_last(folder: Path):
    write_card(folder, card=Card(results=[result_file(folder)]))
    write_card(folder)
    assert card_metrics(folder) == {} and read_eval_results(folder) == []


def test_the_catalogue_fills_the_gaps(folder: Path, monkeypatch: pytest.MonkeyPatch):
    entry = Entry(
        name="small.tiny",
        model="small",
        paper=Paper(slug="small", title="Small Things", arxiv="2001.00001"),
        source=Source(kind="official", repo="authors/small"),
        license=License(code="MIT", weights="Research only", note="not for products"),
        status="supported",
        summary="the authors' small model",
        converter=Converter(name="small", version=3),
        results=(Result(task="task", metric="wer", value=12.5, source="table 2"),),
    )
    monkeypatch.setattr("zoo.hub.card.find", lambda name: entry)
    config = json.loads((folder / "config.json").read_text())
    config["converter"] = {
        "name": "small",
        "version": 3,
        "files": {"official.pt": "a" * 64},
        "dropped": {"encoder.version": "not a weight"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    write_card(folder)
    card = ModelCard.load(folder / "README.md")
    data = card.data.to_dict()
    assert (data["license"], data["license_name"]) == ("other", "Research only")
    assert data["base_model"] == "authors/small"
    for text in (
        "the authors' small model",
        "[arXiv 2001.00001](https://arxiv.org/abs/2001.00001)",
        f"`official.pt`, sha256 `{'a' * 64}`",
        "`encoder.version`: not a weight",
        "| task | wer | 12.5 | table 2 |",
        "not for products",
        'zoo.from_pretrained("small.tiny")',
    ):
        assert text in card.text, text
    assert "eval_results" not in data and "model-index" not in data


def test_a_card_does_not_change_what_is_loaded(folder: Path):
    write_card(folder, card=Card(results=[result_file(folder)]))
    assert from_pretrained(folder).load_report.clean


def test_every_protocol_has_its_words():
    import inspect

    import zoo.tasks
    from zoo.hub.card import _protocol_uses

    protocols = {
        name
        for name, cls in inspect.getmembers(zoo.tasks, inspect.isclass)
        if getattr(cls, "_is_protocol", False) and cls.__module__ == "zoo.tasks"
    }
    assert {use.name for use in _protocol_uses()} == protocols
    for use in _protocol_uses():
        compile(use.example, "example", "exec")


def test_a_card_lists_what_the_class_does_and_nothing_of_the_same_name(folder: Path):
    class Face(Small):
        def animate(self, face, speech=None, *, text=None, seed=0): ...

        def encode_audio(self, mel): ...

        def generate(self, latent, faces): ...

    write_card(folder, Face)
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "| TalkingFace |" in text and "model.animate(" in text
    assert "VideoGenerator" not in text and "model.generate(" not in text


def test_a_class_without_a_protocol_says_how_it_is_used(folder: Path):
    write_card(folder, Small)
    assert "## Input and output" not in (folder / "README.md").read_text(encoding="utf-8")

    class Counter(Small):
        usage = Usage(
            name="counting",
            input="things (N,)",
            output="how many",
            example="number = model.count(things)\n",
            pipeline_tag="feature-extraction",
        )

    write_card(folder, Counter)
    card = ModelCard.load(folder / "README.md")
    assert card.data.pipeline_tag == "feature-extraction"
    assert "| counting | things (N,) | how many |" in card.text
    assert "number = model.count(things)\n```" in card.text


def test_an_encoder_alone_is_used_otherwise_than_its_class(tmp_path: Path):
    from zoo.models.avhubert.config import AVHuBERTModelConfig
    from zoo.models.avhubert.module import AVHuBERTModel

    config = AVHuBERTModelConfig.preset("tiny_s2s")
    for decoder, written, not_written in (
        (config.decoder, "model.transcribe(", "model.extract_features("),
        (None, "model.extract_features(", "model.transcribe("),
    ):
        model = AVHuBERTModel(config.replace(decoder=decoder, ctc=False))
        model.save_pretrained(tmp_path / "model", overwrite=True)
        text = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
        assert written in text and not_written not in text


OFFICIAL = Entry(
    name="small.official",
    model="small",
    paper=Paper(slug="small", title="Small Things", code="https://example.org/small"),
    source=Source(kind="official", repo="authors/small"),
    license=License(code="MIT", weights="MIT"),
    status="supported",
)
OURS = replace(OFFICIAL, name="small.tiny", source=Source(kind="ours"))
PASS = {"golden": "small", "status": "pass", "tolerance": 1e-4}


def test_agreement_is_of_the_code_and_weights_are_told_apart():
    official, ours = replace(OFFICIAL, parity=PASS), replace(OURS, parity=PASS)
    for entry in (official, ours):
        text = agreement(entry, [official, ours])
        assert text is not None
        assert "within a relative error of 0.0001; `tests/parity/test_small.py` checks" in text
        assert ("not the official ones: this project trained them" in text) is (entry is ours)


@pytest.mark.parametrize(
    ("official", "code", "said"),
    [
        ({"status": "unavailable", "reason": "never released"}, True, "with (never released)"),
        ({}, False, "the model is this project's own"),
        ({}, True, "was not compared"),
    ],
)
def test_where_nothing_was_compared_the_card_says_why(
    official: dict[str, Any], code: bool, said: str
):
    theirs = replace(OFFICIAL, **official)
    entry = replace(OURS, paper=replace(OURS.paper, code="https://x.org/y" if code else None))
    assert said in str(agreement(entry, [theirs, entry] if code else [entry]))
    assert agreement(theirs, [theirs, entry]) is None


SHIPPED = [e.name for e in list_checkpoints() if (checkout_folder() / e.name).is_dir()]


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of the names that cards use."""
    from tests.models.fresh_clips import filmed

    root = tmp_path_factory.mktemp("media")
    clip = filmed(root, 1)[0]
    shutil.copy(clip.path, root / "clip.mp4")
    assert clip.video.speech is not None
    for name in ("speech", "voice", "a_dog_runs", "two_red_cubes"):
        clip.video.speech.save(root / f"{name}.wav")
    for name in ("face", "1", "2", "3"):
        clip.video.picture().save(root / f"{name}.jpg")
    return root


@pytest.mark.parametrize("name", SHIPPED)
def test_the_example_on_a_shipped_card_runs(
    name: str, media: Path, monkeypatch: pytest.MonkeyPatch
):
    """It is what a reader copies; every card has more than the line that loads."""
    if "model.describer.voice(" in (text := _card_of(name)):
        pytest.importorskip("resemblyzer")
    monkeypatch.chdir(media)
    example = text.split("```python\n")[1].split("```")[0]
    assert "## Input and output" in text and example.count("model") > 1
    (media / "example.py").write_text(example, encoding="utf-8")
    runpy.run_path("example.py")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_card_says_what_was_compared(name: str):
    assert "Not stated." not in _card_of(name)


def _card_of(name: str) -> str:
    return (checkout_folder() / name / "README.md").read_text(encoding="utf-8")
