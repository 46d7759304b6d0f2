"""Figures from papers: the form of the files, and what the repository holds."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from zoo.bench import load_published
from zoo.bench.published import load_published_file
from zoo.errors import BenchError
from zoo.hub.catalogue import list_checkpoints

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "published"
FILES = sorted(FOLDER.glob("*.yaml"))
# metrics whose number depends on another network, or on a text rule, and how it is named
JUDGED = {
    "wer": "norm=",
    "asr_wer": "asr=",
    "asr_bleu": "asr=",
    "coco_bleu_4": "asr=",
    "speaker_similarity": "enc=",
    "lse_c": "judge=",
    "lse_d": "judge=",
    "av_sync": "judge=",
    "lmd": "judge=",
    "emotion_accuracy": "judge=",
}
GOOD = """
schema: 2
slug: some_paper
tables:
  - task: some-task
    title: A task
    area: recognition
    dataset: D
    split: test
    condition: clean
    status: secondary
    source: somebody
    columns:
      wer: {id: "wer[norm=paper]", label: WER, unit: "%", better: low}
    rows:
      - {model: A, values: {wer: 12.5}}
      - {model: B, status: {wer: verified}, values: {wer: 20}}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "x.yaml"
    path.write_text(text)
    return path


def test_a_file(tmp_path: Path) -> None:
    (table,) = load_published_file(written(tmp_path, GOOD))
    first, second = table.rows
    assert first.metrics == {"wer[norm=paper]": 12.5}
    assert table.status_of(first, "wer[norm=paper]") == "secondary"
    assert table.status_of(second, "wer[norm=paper]") == "verified"
    assert table.columns[0].higher_is_better is False


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("schema: 2", "schema: 9", "schema 9 is not 2"),
        ("status: secondary", "status: perhaps", r"tables\[0\].status.*perhaps"),
        ("    source: somebody\n", "", "source"),
        ("values: {wer: 12.5}", "values: {wer: high}", "high"),
        ("values: {wer: 12.5}", "values: {cer: 12.5}", "no column is called 'cer'"),
        ("values: {wer: 12.5}", "values: {wer: 12.5}, rank: 1", "rank"),
        ("area: recognition", "area: cooking", "cooking"),
    ],
)
def test_another_form_is_refused(before: str, after: str, message: str, tmp_path: Path) -> None:
    assert before in GOOD
    with pytest.raises(BenchError, match=message):
        load_published_file(written(tmp_path, GOOD.replace(before, after, 1)))


def test_no_table_needs_a_reason(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="reason"):
        load_published_file(written(tmp_path, "schema: 2\nslug: a\ntables: []\n"))
    assert not load_published_file(
        written(tmp_path, "schema: 2\nslug: a\ntables: []\nreason: a judge\n")
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_of_the_repository(path: Path) -> None:
    tables = load_published_file(path)
    assert yaml.safe_load(path.read_text())["slug"] == path.stem
    for table in tables:
        ids = {column.id for column in table.columns}
        assert len(ids) == len(table.columns)
        for row in table.rows:
            assert set(row.status) <= set(row.metrics) <= ids, row
        for id_ in ids:
            name, _, options = id_.partition("[")
            assert JUDGED.get(name, "") in options, f"{id_} does not say who judged"


def test_the_files_are_of_models_that_exist() -> None:
    known = {entry.model for entry in list_checkpoints()}
    assert len(FILES) > 25 and {path.stem for path in FILES} <= known


def test_figures_that_are_known() -> None:
    s2i = "recall_at_1[direction=speech_to_image]"
    found = {
        (table.task, table.split, row.model, id_): (value, table.status_of(row, id_))
        for table in load_published(FOLDER)
        for row in table.rows
        for id_, value in row.metrics.items()
    }
    large = found["flickr8k-retrieval", "test", "SpeechCLIP parallel large", s2i]
    assert large == (39.1, "unverified")
    assert found["flickr8k-retrieval", "test", "MILAN", s2i] == (33.2, "verified")
    assert found["lrs3-avsr", "test", "AV-RelScore", "wer[norm=lrs@1]"] == (2.77, "verified")
