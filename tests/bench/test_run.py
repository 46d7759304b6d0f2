"""A task from data to result: failures, resume, refusals."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import soundfile
import torch

from tests.bench.conftest import toy_run
from tests.bench.toy import ToyRetriever, make_corpus
from zoo.bench import load_result, score_run
from zoo.bench.records import read_records
from zoo.bench.resume import ExtraPredictionsError, MissingPredictionsError
from zoo.errors import BenchError

S2I = "recall_at_1[direction=speech_to_image]"


def scores(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "scores").iterdir())}


def shard(folder, rank: int = 0):
    return folder / "predictions" / f"shard-{rank:05d}.jsonl"


class Counting(ToyRetriever):
    """Counts what it is asked for; dies after `budget` recordings where one is set."""

    def __init__(self, budget: int | None = None, **options) -> None:
        super().__init__(**options)
        self.seen: list[int] = []
        self.budget = budget

    def embed_speech(self, speech):
        self.seen.append(len(speech))
        if self.budget is not None and sum(self.seen) > self.budget:
            raise KeyboardInterrupt
        return super().embed_speech(speech)


def test_result_of_a_whole_run(finished) -> None:
    data = finished.data
    assert data["counts"] == {"n_expected": 60, "n_scored": 60, "n_failed": 0}
    assert finished.value(S2I) > 60 and not finished.is_subset
    low, high = finished.metrics[S2I]["ci95"]
    assert low <= finished.value(S2I) <= high
    assert finished.value("keyword_hit_rate[slot=1]") > 80
    assert finished.value("keyword_hit_rate[slot=2]") == 0
    names = {baseline["name"]: baseline["metrics"] for baseline in data["baselines"]}
    assert names["chance"][S2I] == pytest.approx(10)
    assert names["5 commonest words"]["keyword_hit_rate[slot=best]"] > 0
    assert data["model"]["name"] == "toy.a" and data["model"]["params"] == 1
    assert data["run"]["versions"]["torch"] and data["run"]["settings"]["seed"] == 0
    assert data["timing"]["rtf_mean"] > 0 and data["timing"]["p95"] >= data["timing"]["p50"]
    assert load_result(finished.folder).data == data


def test_nothing_in_a_result_tells_where_it_was_made(finished, corpus) -> None:
    text = (finished.folder / "result.json").read_text() + shard(finished.folder).read_text()
    for place in (str(corpus), str(finished.folder), str(finished.folder.parent)):
        assert place not in text


def test_embeddings_are_stored_bit_for_bit(finished, corpus) -> None:
    from zoo.bench.records import decode_array

    record = read_records(finished.folder)["speech:1003_scene#2"]
    wav = corpus / "flickr_audio" / "wavs" / "1003_scene_2.wav"
    want = ToyRetriever().embed_speech(str(wav))[0].detach().numpy()
    assert np.array_equal(decode_array(record["output"]["embedding"]), want)


def test_scoring_again_needs_neither_model_nor_data(finished, tmp_path) -> None:
    copy = shutil.copytree(finished.folder, tmp_path / "copy")
    shutil.rmtree(copy / "scores")
    (copy / "result.json").unlink()
    assert score_run(copy).data == finished.data
    assert scores(copy) == scores(finished.folder)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_the_batch_size_does_not_matter(size, finished, corpus, tmp_path) -> None:
    toy_run(ToyRetriever(), corpus, tmp_path / "run", batch_size=size)
    assert scores(tmp_path / "run") == scores(finished.folder)


def test_a_model_that_padding_changes_gets_one_item_at_a_time(corpus, tmp_path) -> None:
    model = Counting()
    model.batch_invariant = False
    result = toy_run(model, corpus, tmp_path / "run", limit=2, batch_size=8)
    assert set(model.seen) == {1}
    assert result.data["run"]["settings"]["batch_size"] == 1


def test_an_interrupted_run_is_completed_not_repeated(finished, corpus, tmp_path) -> None:
    with pytest.raises((KeyboardInterrupt, SystemExit)):  # Lightning turns one into the other
        toy_run(Counting(budget=21), corpus, tmp_path / "run")
    with shard(tmp_path / "run").open("ab") as file:
        file.write(b'{"id": "speech:torn')
    model = Counting()
    toy_run(model, corpus, tmp_path / "run")
    assert sum(model.seen) == 50 - 20
    assert scores(tmp_path / "run") == scores(finished.folder)
    done = Counting()
    toy_run(done, corpus, tmp_path / "run")
    assert done.seen == []


def test_a_folder_has_one_writer(finished, corpus, tmp_path) -> None:
    class Nosy(Counting):
        def embed_speech(self, speech):
            if not self.seen:
                with pytest.raises(BenchError, match="is being written by another call"):
                    toy_run(ToyRetriever(), corpus, tmp_path / "run")
            return super().embed_speech(speech)

    model = Nosy()
    toy_run(model, corpus, tmp_path / "run")
    assert sum(model.seen) == 50, "the other call wrote nothing"
    assert scores(tmp_path / "run") == scores(finished.folder)
    toy_run(model, corpus, tmp_path / "run")  # the folder is free again


def test_worker_processes_decode_the_same(finished, corpus, tmp_path) -> None:
    toy_run(ToyRetriever(), corpus, tmp_path / "run", workers=2)
    assert scores(tmp_path / "run") == scores(finished.folder)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"seed": 1}, "seed: 0 there, 1 now"),
        ({"limit": 4}, "limit: None there, 4 now"),
        ({"batch_size": 5}, "batch_size: 4 there, 5 now"),
        ({"model_name": "other"}, "model: 'toy.a' there, 'other' now"),
    ],
)
def test_another_run_is_never_continued(options, named, finished, corpus) -> None:
    before = shard(finished.folder).read_bytes()
    with pytest.raises(BenchError, match=named):
        toy_run(ToyRetriever(), corpus, finished.folder, **{"model_name": "toy.a", **options})
    assert shard(finished.folder).read_bytes() == before


def test_other_weights_are_another_run(finished, corpus) -> None:
    with pytest.raises(BenchError, match="model_sha256"):
        toy_run(ToyRetriever(gain=0.5), corpus, finished.folder, model_name="toy.a")


def test_force_new_discards_the_old_run_only(finished, corpus, tmp_path) -> None:
    copy = shutil.copytree(finished.folder, tmp_path / "copy")
    (copy / "mine.txt").write_text("keep")
    result = toy_run(ToyRetriever(), corpus, copy, limit=2, force_new=True)
    assert result.data["counts"]["n_expected"] == 12
    assert (copy / "mine.txt").is_file()


def test_predictions_without_run_json_are_not_touched(corpus, tmp_path) -> None:
    (tmp_path / "predictions").mkdir()
    shard(tmp_path).write_text("{}\n")
    with pytest.raises(BenchError, match=r"no run\.json"):
        toy_run(ToyRetriever(), corpus, tmp_path)


def test_a_subset_is_marked(corpus, tmp_path, finished) -> None:
    result = toy_run(ToyRetriever(), corpus, tmp_path / "run", limit=3)
    assert result.is_subset
    assert result.data["task"]["subset"] == {
        "limit": 3,
        "name": "tiny-flickr8k-retrieval@1[first 3]",
    }
    assert result.group != finished.group


def test_unreadable_media_are_counted_with_their_reason(tmp_path) -> None:
    root = make_corpus(tmp_path / "data", images=4)
    (root / "flickr_audio" / "wavs" / "1001_scene_0.wav").write_bytes(b"RIFF")
    (root / "Flicker8k_Dataset" / "1002_scene.jpg").write_bytes(b"no picture")
    result = toy_run(ToyRetriever(), root, tmp_path / "run")
    assert result.data["counts"] == {"n_expected": 24, "n_scored": 22, "n_failed": 2}
    (failure,) = result.data["failures"]
    assert failure["type"] == "MediaError" and failure["count"] == 2
    assert str(root) not in json.dumps(result.data)
    assert result.metrics[S2I]["n"] == 20 and result.metrics[S2I]["n_failed"] == 2
    # one caption failed and five captions lost their picture: six of twenty can never be found
    assert result.value("recall_at_10[direction=speech_to_image]") == pytest.approx(70.0)


class Fragile(ToyRetriever):
    """Fails on some recordings, in several ways."""

    def embed_speech(self, speech):
        vectors = super().embed_speech(speech).clone()
        for i, wave in enumerate(speech):
            kind = len(wave) % 4
            if kind == 0:
                raise RuntimeError(f"cannot take {len(wave)} samples")
            vectors[i] *= {1: 1.0, 2: float("nan"), 3: 2.0}[kind]
        return vectors


def test_one_bad_sample_does_not_take_its_batch_along(tmp_path) -> None:
    root = make_corpus(tmp_path / "data", images=3)
    for k, samples in enumerate((8001, 8000, 8002, 8003, 8005)):
        for image in range(3):
            wav = root / "flickr_audio" / "wavs" / f"{1000 + image}_scene_{k}.wav"
            tone = np.sin(np.arange(samples) * 2 * np.pi * 440 / 16000)
            soundfile.write(wav, 0.3 * tone, 16000)
    result = toy_run(Fragile(), root, tmp_path / "run", batch_size=8)
    kinds = {failure["type"]: failure["count"] for failure in result.data["failures"]}
    assert kinds == {"RuntimeError": 3, "ValueError": 6}
    assert result.data["counts"]["n_scored"] == 3 + 6
    fixed = toy_run(Fragile(), root, tmp_path / "run", batch_size=8)
    assert fixed.data["counts"]["n_failed"] == 9, "failures are results, not gaps"


class Flaky(ToyRetriever):
    """Fails until it is mended."""

    broken = True

    def embed_image(self, image):
        if self.broken:
            raise RuntimeError("out of order")
        return super().embed_image(image)


def test_failures_are_predicted_again_on_demand(tmp_path, corpus, finished) -> None:
    model = Flaky()
    first = toy_run(model, corpus, tmp_path / "run")
    assert first.data["counts"]["n_failed"] == 10 and first.value(S2I) == 0.0
    model.broken = False
    second = toy_run(model, corpus, tmp_path / "run", retry_failed=True)
    assert second.data["counts"]["n_failed"] == 0
    assert second.value(S2I) == finished.value(S2I)


def edit(folder, change) -> None:
    lines = shard(folder).read_text().splitlines()
    shard(folder).write_text("".join(line + "\n" for line in change(lines)))


def test_missing_predictions_have_exit_code_3(finished, tmp_path) -> None:
    copy = shutil.copytree(finished.folder, tmp_path / "copy")
    edit(copy, lambda lines: lines[:-2])
    with pytest.raises(MissingPredictionsError, match=r"2 of 60 .*speech:1009_scene#4") as caught:
        score_run(copy)
    assert caught.value.exit_code == 3


def test_extra_predictions_have_exit_code_4(finished, tmp_path) -> None:
    copy = shutil.copytree(finished.folder, tmp_path / "copy")
    alien = json.dumps({**json.loads(shard(copy).read_text().splitlines()[0]), "id": "alien"})
    edit(copy, lambda lines: [*lines, alien])
    with pytest.raises(ExtraPredictionsError, match="alien") as caught:
        score_run(copy)
    assert caught.value.exit_code == 4


def test_changed_references_are_noticed(finished, tmp_path) -> None:
    copy = shutil.copytree(finished.folder, tmp_path / "copy")
    path = copy / "references.jsonl"
    path.write_text(path.read_text().replace("square", "circle"))
    with pytest.raises(BenchError, match=r"references\.jsonl is not"):
        score_run(copy)


def test_a_changed_task_is_noticed(finished, tmp_path) -> None:
    copy = shutil.copytree(finished.folder, tmp_path / "copy")
    run = json.loads((copy / "run.json").read_text())
    run["key"]["task_hash"] = "0" * 64
    (copy / "run.json").write_text(json.dumps(run))
    with pytest.raises(BenchError, match="has changed since the run"):
        score_run(copy)


def test_a_model_without_the_protocol_is_refused(corpus, tmp_path) -> None:
    with pytest.raises(BenchError, match="Linear is no SpeechImageRetriever"):
        toy_run(torch.nn.Linear(1, 1), corpus, tmp_path / "run")
    assert not (tmp_path / "run" / "predictions").exists()


def test_a_model_without_keywords_gets_a_reason_not_a_zero(worse) -> None:
    entry = worse.metrics["keyword_hit_rate"]
    assert entry["value"] is None and "keywords" in entry["reason"]
    assert [baseline["name"] for baseline in worse.data["baselines"]] == ["chance"]
