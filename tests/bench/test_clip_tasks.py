"""Tasks of clips from data to result: recognition, generated speech, generated faces."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from tests.bench.test_run import scores, shard
from tests.bench.toy_clips import (
    ToyFace,
    ToyReader,
    ToyVoice,
    clip_run,
    clip_score,
    make_clips,
    make_mtedx,
    make_voxmm,
)
from zoo.bench import Result, compare
from zoo.bench.records import read_records
from zoo.errors import BenchError, DataError

WER = "wer[norm=lrs@1]"


@pytest.fixture(scope="session")
def clips(tmp_path_factory) -> Path:
    return make_clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="session")
def voxmm(tmp_path_factory) -> Path:
    return make_voxmm(tmp_path_factory.mktemp("voxmm"))


@pytest.fixture(scope="session")
def read(clips, tmp_path_factory) -> Result:
    """A whole audio-visual run; do not change its folder."""
    out = tmp_path_factory.mktemp("clip-runs") / "av"
    return clip_run(ToyReader(), "tiny-lrs3-avsr", clips, out, model_name="reader")


@pytest.fixture(scope="session")
def spoken(clips, tmp_path_factory) -> Result:
    """A whole run of generated speech; do not change its folder."""
    out = tmp_path_factory.mktemp("clip-runs") / "v2s"
    return clip_run(ToyVoice(), "tiny-lrs3-v2s", clips, out, model_name="voice")


@pytest.mark.parametrize(
    ("task", "given", "value"),
    [("avsr", (True, True), 0.0), ("vsr", (True, False), 50.0), ("asr", (False, True), 50.0)],
)
def test_a_task_gives_the_streams_it_names(task, given, value, clips, tmp_path) -> None:
    model = ToyReader()
    result = clip_run(model, f"tiny-lrs3-{task}", clips, tmp_path / "run")
    assert set(model.given) == {given}
    assert result.value(WER) == value and result.metrics[WER]["n"] == 9
    assert result.data["counts"] == {"n_expected": 9, "n_scored": 9, "n_failed": 0}
    assert result.data["timing"]["rtf_mean"] > 0


@pytest.mark.parametrize("size", [1, 8])
def test_the_batch_size_does_not_matter(size, read, clips, tmp_path) -> None:
    clip_run(ToyReader(), "tiny-lrs3-avsr", clips, tmp_path / "run", batch_size=size)
    assert scores(tmp_path / "run") == scores(read.folder)


def test_a_recogniser_that_pads_gives_the_same_text_in_any_batch(clips, tmp_path) -> None:
    from zoo.models.judge_asr.config import JudgeASRConfig
    from zoo.models.judge_asr.module import JudgeASR

    torch.manual_seed(0)
    model = JudgeASR(JudgeASRConfig.tiny()).eval()
    found = []
    for size in (1, 8):
        clip_run(model, "tiny-lrs3-asr", clips, tmp_path / str(size), batch_size=size)
        records = read_records(tmp_path / str(size))
        found.append({id_: record["output"] for id_, record in records.items()})
    assert {i: o["text"] for i, o in found[0].items()} == {
        i: o["text"] for i, o in found[1].items()
    }
    for id_, output in found[0].items():
        assert output["score"] == pytest.approx(found[1][id_]["score"], abs=1e-4)


def test_a_model_that_padding_changes_gets_one_clip_at_a_time(clips, tmp_path) -> None:
    model = ToyReader()
    model.batch_invariant = False
    clip_run(model, "tiny-lrs3-avsr", clips, tmp_path / "run", limit=3, batch_size=8)
    assert model.seen == [1, 1, 1]


@pytest.mark.parametrize(
    ("ablate", "value", "name"),
    [
        ("audio-zeroed", 50.0, "reader (audio zeroed)"),
        ("video-only", 50.0, "reader (without the audio)"),
        ("audio-only", 50.0, "reader (without the video)"),
        ("audio-shuffled", 50.0, "reader (audio of another clip)"),
    ],
)
def test_ablations_take_a_stream_away(ablate, value, name, clips, tmp_path) -> None:
    model = ToyReader()
    out = tmp_path / "run"
    result = clip_run(model, "tiny-lrs3-avsr", clips, out, ablate=ablate, model_name="reader")
    assert result.value(WER) == value and result.model == name
    assert result.data["model"]["ablation"] == ablate and result.kind == "ablation"
    command = result.data["run"]["command"]
    assert f"--ablate {ablate}" in command and "--model reader " in command
    with pytest.raises(BenchError, match="ablate"):
        clip_run(model, "tiny-lrs3-avsr", clips, out, model_name="reader")


def test_a_model_can_do_without_a_part_of_itself(clips, tmp_path) -> None:
    part = ToyReader()

    class Whole(ToyReader):
        ablations = ("griffin-lim",)

        def ablated(self, name):
            return {"griffin-lim": part}[name]

    whole, task = Whole(), "tiny-lrs3-vsr"
    result = clip_run(whole, task, clips, tmp_path / "part", ablate="griffin-lim", model_name="x")
    assert result.model == "x (its mel through Griffin-Lim)" and result.kind == "ablation"
    assert part.seen and not whole.seen
    with pytest.raises(BenchError, match="no such part"):
        clip_run(ToyReader(), task, clips, tmp_path / "none", ablate="griffin-lim")


def test_an_ablation_must_leave_something(clips, tmp_path) -> None:
    with pytest.raises(BenchError, match="video and audio"):
        clip_run(ToyReader(), "tiny-lrs3-asr", clips, tmp_path, ablate="video-only")
    with pytest.raises(BenchError, match="audio-zeroed"):
        clip_run(ToyReader(), "tiny-lrs3-avsr", clips, tmp_path, ablate="nothing")


def test_reference_rows_are_ceiling_and_floor(clips, tmp_path) -> None:
    found = {
        row: clip_run(f"baseline.{row}", "tiny-lrs3-vsr", clips, tmp_path / row)
        for row in ("reference", "shuffled", "silence")
    }
    assert found["reference"].value(WER) == 0.0 and found["silence"].value(WER) == 100.0
    assert found["shuffled"].value(WER) > 50
    roles = {row: result.data["model"]["role"] for row, result in found.items()}
    assert roles == {"reference": "ceiling", "shuffled": "floor", "silence": "floor"}
    for row, result in found.items():
        assert f"--model baseline.{row} " in result.data["run"]["command"]
    with pytest.raises(BenchError, match=r"known: .*baseline\.shuffled"):
        clip_run("baseline.nothing", "tiny-lrs3-vsr", clips, tmp_path / "n")
    with pytest.raises(BenchError, match=r"no row baseline\.still"):
        clip_run("baseline.still", "tiny-lrs3-vsr", clips, tmp_path / "s")


def test_a_model_that_reads_other_streams_is_refused(clips, tmp_path) -> None:
    model = ToyReader()
    model.reads = ("video",)
    with pytest.raises(BenchError, match="reads video, but tiny-lrs3-avsr@1 gives video and audio"):
        clip_run(model, "tiny-lrs3-avsr", clips, tmp_path / "run")


def test_a_failed_clip_counts_as_an_empty_text(tmp_path) -> None:
    root = make_clips(tmp_path / "data", videos=2, segments=2)
    (root / "test" / "video000000" / "00001.mp4").write_bytes(b"no film")
    result = clip_run(ToyReader(), "tiny-lrs3-avsr", root, tmp_path / "run")
    assert result.data["counts"]["n_failed"] == 1
    assert result.value(WER) == 25.0
    assert str(tmp_path) not in json.dumps(result.data)


def test_conditions_are_slices(voxmm, tmp_path) -> None:
    result = clip_run(ToyReader(), "tiny-lrs-voxmm-asr", voxmm, tmp_path / "run")
    assert result.data["slices"]["condition"] == dict.fromkeys(
        ("clean", "noise-easy", "noise-hard", "3dist-easy", "3dist-hard"), 4
    )
    assert result.value("wer[norm=lrs@1,condition=clean]") == 50.0
    assert result.value("wer[norm=lrs@1,condition=noise-easy]") == 50.0
    assert result.value("wer[norm=lrs@1,condition=noise-hard]") == 100.0
    assert result.metrics["wer[norm=lrs@1,condition=clean]"]["n"] == 4
    assert result.metrics[WER]["n"] == 20
    zeroed = clip_run(
        ToyReader(), "tiny-lrs-voxmm-avsr", voxmm, tmp_path / "zeroed", ablate="audio-zeroed"
    )
    both = clip_run(ToyReader(), "tiny-lrs-voxmm-avsr", voxmm, tmp_path / "both")
    found = {one.id: one for one in compare(both.folder, zeroed.folder).differences}
    assert found["wer[norm=lrs@1,condition=clean]"].verdict == "better"
    assert found["wer[norm=lrs@1,condition=noise-hard]"].value == 0.0
    only = clip_run(ToyReader(), "tiny-lrs-voxmm-vsr", voxmm, tmp_path / "vsr")
    assert only.data["slices"] == {} and only.metrics[WER]["n"] == 4


def test_talks_are_cut_into_segments_and_lips_need_a_film(tmp_path, caplog) -> None:
    root = make_mtedx(tmp_path / "mtedx")
    model, figure = ToyReader(), "wer[norm=letters@1]"
    heard = clip_run(model, "tiny-mtedx-es-asr", root, tmp_path / "asr")
    assert heard.metrics[figure]["n"] == 8 and heard.value(figure) == 50.0
    assert not caplog.records
    both = clip_run(model, "tiny-mtedx-es-avsr", root, tmp_path / "avsr")
    assert both.metrics[figure]["n"] == 6 and both.value(figure) == 0.0
    assert "2 of 8 have no video" in caplog.text
    with pytest.raises(DataError, match="fr-fr"):
        clip_run(model, "tiny-mtedx-fr-asr", root, tmp_path / "fr")


def test_generated_speech_is_kept_with_its_hash(spoken) -> None:
    records = read_records(spoken.folder)
    assert len(records) == 9
    for id_, record in records.items():
        stored = record["output"]["speech"]
        assert stored["path"] == f"media/{id_}.wav" and len(stored["sha256"]) == 64
        assert (spoken.folder / stored["path"]).is_file()
    assert spoken.metrics["stoi"]["n"] == 9 or spoken.metrics["stoi"]["value"] is None
    assert spoken.value("lsd[fft=1024,hop=256]") > 0


def test_what_is_missing_is_unavailable_and_never_zero(spoken) -> None:
    for entry in spoken.data["metrics"]:
        assert entry["value"] is not None or entry["reason"]
    judged = {entry["id"]: entry for entry in spoken.data["metrics"]}["dnsmos"]
    assert judged["value"] is None and judged["reason"] == "left out of this test"
    assert not (spoken.folder / "scores" / "dnsmos@1.jsonl").exists()


def test_scoring_media_again_needs_the_originals(spoken, clips, tmp_path) -> None:
    copy = shutil.copytree(spoken.folder, tmp_path / "copy")
    with pytest.raises(BenchError, match="--data"):
        clip_score(copy)
    assert clip_score(copy, clips).data == spoken.data
    assert clip_score(copy, clips, workers=2).data == spoken.data
    assert scores(copy) == scores(spoken.folder)
    wav = next((copy / "media").rglob("*.wav"))
    wav.write_bytes(wav.read_bytes()[:-2] + b"\x01\x02")
    with pytest.raises(BenchError, match="not the file that was predicted"):
        clip_score(copy, clips)


def test_interrupted_scoring_goes_on_where_it_was(spoken, clips, tmp_path, monkeypatch) -> None:
    from zoo.metrics.lsd import LSD

    copy = shutil.copytree(spoken.folder, tmp_path / "copy")
    shutil.rmtree(copy / "scores")
    calls: list[int] = []
    original = LSD.score_sample

    def counting(self, prediction, reference):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return original(self, prediction, reference)

    monkeypatch.setattr(LSD, "score_sample", counting)
    with pytest.raises(KeyboardInterrupt):
        clip_score(copy, clips)
    with next((copy / "scores").glob(".*.jsonl")).open("a") as file:
        file.write('{"of": "torn')
    clip_score(copy, clips)
    assert len(calls) == 5 + 5  # four of nine were kept
    assert scores(copy) == scores(spoken.folder)


def test_a_shuffled_voice_is_worse_than_the_original(clips, tmp_path) -> None:
    lsd = "lsd[fft=1024,hop=256]"
    found = {
        row: clip_run(f"baseline.{row}", "tiny-lrs3-v2s", clips, tmp_path / row)
        for row in ("reference", "griffin-lim", "shuffled")
    }
    assert found["reference"].value(lsd) < 1.0 < found["griffin-lim"].value(lsd)
    assert found["griffin-lim"].value(lsd) < found["shuffled"].value(lsd)
    assert len(compare(tmp_path / "reference", tmp_path / "shuffled").differences) > 3


def test_faces_are_scored_against_the_film(clips, tmp_path) -> None:
    task = "tiny-lrs3-talking-face"
    made = clip_run(ToyFace(), task, clips, tmp_path / "made", limit=4)
    real = clip_run("baseline.reference", task, clips, tmp_path / "real", limit=4)
    stored = next(iter(read_records(made.folder).values()))["output"]["video"]
    assert stored["path"].endswith(".mp4") and stored["seconds"] > 0
    assert real.value("psnr") > made.value("psnr") > 20
    assert real.value("ssim[window=gaussian]") > made.value("ssim[window=gaussian]")


def test_failures_of_one_clip_do_not_take_its_batch_along(clips, tmp_path) -> None:
    class Fragile(ToyVoice):
        def _one(self, video, speaker):
            speech = super()._one(video, speaker)
            if len(speech.waveform) % 1280:
                speech.waveform[0] = float("nan")
            return speech

    result = clip_run(Fragile(), "tiny-lrs3-v2s", clips, tmp_path / "run", batch_size=8)
    (failure,) = result.data["failures"]
    assert failure["type"] == "ValueError" and "not finite" in failure["example"]["message"]
    lsd = result.metrics["lsd[fft=1024,hop=256]"]
    assert lsd["n"] == 9 - failure["count"] and lsd["n_failed"] == failure["count"]
    assert lsd["details"]["unscored"] == {"no speech": failure["count"]}


def test_a_model_trained_on_a_test_corpus_is_refused(clips, tmp_path, caplog) -> None:
    model = ToyReader()
    model.provenance = {"training": {"data": "tiny-lrs3, seed 20260 (1 train, 1 dev, 400 test)"}}
    with pytest.raises(BenchError, match="kept for tests"):
        clip_run(model, "tiny-lrs3-avsr", clips, tmp_path / "run")
    model.provenance = {"training": {"data": "tiny-lrs3, seed 7 (1 train, 1 dev, 4 test)"}}
    root = shutil.copytree(clips, tmp_path / "own")
    (root / "zoo_corpus.json").write_text(json.dumps({"name": "tiny-lrs3", "seed": 7}))
    clip_run(model, "tiny-lrs3-avsr", root, tmp_path / "run", limit=1)
    assert "was trained on" in caplog.text


def test_files_of_a_run_name_no_place(read, spoken, clips, repository) -> None:
    for result in (read, spoken):
        text = (result.folder / "result.json").read_text() + shard(result.folder).read_text()
        for place in (str(clips), str(result.folder.parent), str(repository)):
            assert place not in text
