"""Scoring anybody's files: optimum of copies, direction of damage, bad files, resume, matching."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from zoo.audio import load_audio, save_audio
from zoo.bench.file_pairs import (
    FilePair,
    Matched,
    add_texts,
    clusters_of,
    match_folders,
    read_pairs,
    read_texts,
)
from zoo.bench.file_plans import Judges, build_plans
from zoo.bench.file_scoring import score_files
from zoo.bench.result import load_result
from zoo.cli import main
from zoo.errors import BenchError, DataError
from zoo.video import load_video, save_video

RATE = 16_000
SOUND = ["pesq", "pesq:band=nb", "stoi", "mcd", "f0", "lsd", "speaker_similarity"]
# figure -> (value of a perfect copy, whether damage raises it)
OPTIMUM = {
    "pesq[band=wb]": (4.64, False),
    "pesq[band=nb,rate=8000]": (4.55, False),
    "stoi": (1.0, False),
    "estoi": (1.0, False),
    "mcd_dtw[cepstra=mel,order=24]": (0.0, True),
    "mcd[cepstra=mel,order=24]": (0.0, True),
    "f0_rmse[extractor=yin]": (0.0, True),
    "f0_corr[extractor=yin]": (1.0, False),
    "f0_ffe[extractor=yin]": (0.0, True),
    "lsd[fft=1024,hop=256]": (0.0, True),
    "speaker_similarity[enc=ge2e,judge=ge2e.resemblyzer]": (1.0, False),
    "psnr": (100.0, False),
    "ssim[window=gaussian]": (1.0, False),
}


def scored(pairs, metrics, out: Path, **options):
    matched = Matched(tuple(pairs))
    defaults = {"resamples": 50, "progress": False}
    plans = build_plans(metrics, options.pop("judges", Judges()))
    return score_files(matched, plans, out / "result.json", **{**defaults, **options})


def value(found, figure: str) -> float:
    entries = found.result.metrics
    if figure not in entries:  # its judge or library is missing
        lacking = [entry for entry in entries.values() if figure.startswith(entry["id"])]
        pytest.skip(f"{figure}: {lacking[0]['reason']}")
    return entries[figure]["value"]


@pytest.fixture(scope="session")
def voices(real_root: Path, tmp_path_factory) -> Path:
    """Real recordings of two people, with damaged copies, in folders of one layout."""
    root = tmp_path_factory.mktemp("voices")
    people = sorted(path for path in (real_root / "librispeech").iterdir() if path.is_dir())
    if len(people) < 2:
        pytest.skip("fewer than two speakers")
    first, other = (sorted(person.glob("*.flac"))[:2] for person in people[:2])
    noise = torch.Generator().manual_seed(0)
    for number, (path, stranger) in enumerate(zip(first, other, strict=True)):
        speech = load_audio(path)[: 5 * RATE]
        loud = speech.square().mean().sqrt()
        copies = {
            "original": speech,
            "shifted": torch.cat([torch.zeros(RATE // 10), speech])[: len(speech)],
            "noisy": speech + loud * 10**-0.5 * torch.randn(len(speech), generator=noise),
            "stranger": load_audio(stranger)[: 5 * RATE],
        }
        for name, copy in copies.items():
            save_audio(root / name / "somebody" / f"{number}.wav", copy.clamp(-1, 1), RATE)
    return root


@pytest.fixture(scope="session")
def sound_scores(voices: Path, tmp_path_factory) -> dict:
    out = tmp_path_factory.mktemp("scores")
    return {
        name: scored(
            match_folders(voices / name, voices / "original").pairs, SOUND, out / name, workers=2
        )
        for name in ("original", "shifted", "noisy", "stranger")
    }


SPOKEN = [figure for figure in OPTIMUM if not figure.startswith(("psnr", "ssim"))]


@pytest.mark.parametrize("figure", SPOKEN)
def test_a_real_recording_against_itself_is_perfect(figure, sound_scores) -> None:
    assert value(sound_scores["original"], figure) == pytest.approx(OPTIMUM[figure][0], abs=0.011)


# PESQ aligns in time itself, warping too, and a late voice is still the same voice; pitch is
# correlated over frames where it is still found
BLIND = {"shifted": ("pesq", "mcd_dtw", "speaker_similarity"), "noisy": ("f0_corr",)}


@pytest.mark.parametrize("damage", ["shifted", "noisy", "stranger"])
@pytest.mark.parametrize("figure", SPOKEN)
def test_damage_moves_every_metric_the_right_way(figure, damage, sound_scores) -> None:
    if figure.startswith(BLIND.get(damage, ("\0",))):
        pytest.skip("does not see this damage by its definition")
    best, worse = (value(sound_scores[name], figure) for name in ("original", damage))
    assert (worse > best) == OPTIMUM[figure][1] and abs(worse - best) > 0.02 * max(abs(best), 0.5)


@pytest.mark.parametrize("figure", ["psnr", "ssim[window=gaussian]"])
def test_pictures(figure, real_root, tmp_path) -> None:
    clip = next(
        path for path in sorted((real_root / "lrs3").rglob("*.mp4")) if "_" not in path.stem
    )
    video = load_video(clip)
    draw = torch.Generator().manual_seed(0)
    noise = torch.randn(video.frames[:12].shape, generator=draw) * 20
    for name, frames in {
        "same": video.frames[:12],
        "noisy": (video.frames[:12] + noise).clamp(0, 255).to(torch.uint8),
    }.items():
        save_video(tmp_path / name / "clip.mp4", type(video)(frames, 25.0))
    pair = [
        FilePair("clip", tmp_path / n / "clip.mp4", tmp_path / "same" / "clip.mp4")
        for n in ("same", "noisy")
    ]
    metrics = ["psnr", "ssim"]
    best = scored(pair[:1], metrics, tmp_path / "a")
    worse = scored(pair[1:], metrics, tmp_path / "b")
    assert value(best, figure) == OPTIMUM[figure][0]
    assert value(worse, figure) < 0.9 * value(best, figure)


@pytest.fixture(scope="session")
def talking(tmp_path_factory) -> Path:
    """Generated talking faces, with the sound moved and the pairs shuffled."""
    from zoo.data.corpora import make

    root = tmp_path_factory.mktemp("talking")
    make(
        "tiny-lrs3", root / "corpus", seed=20299, clips={"train": 1, "dev": 1, "test": 4}, workers=1
    )
    clips = sorted((root / "corpus" / "test").rglob("*.mp4"))
    videos = [load_video(path, with_audio=True) for path in clips]
    for number, video in enumerate(videos):
        other = videos[(number + 1) % len(videos)]
        wave = video.speech.waveform
        late = torch.cat([torch.zeros(8 * 640), wave])[: len(wave)]
        noise = torch.randn(len(wave), generator=torch.Generator().manual_seed(number))
        noisy = (wave + 2 * wave.square().mean().sqrt() * noise).clamp(-1, 1)
        for name, sound in (
            ("same", wave),
            ("late", late),
            ("noisy", noisy),
            ("other", other.speech.waveform),
        ):
            speech = type(video.speech)(sound, RATE)
            save_video(root / name / f"{number}.mp4", type(video)(video.frames, 25.0, speech))
        label = clips[number].with_suffix(".txt").read_text()
        (root / "same" / f"{number}.txt").write_text(label)
    return root


def talking_scores(talking: Path, name: str, out: Path, metric: str):
    judges = Judges(
        asr="judge_asr.tiny", syncnet="judge_syncnet.tiny", landmarks="judge_landmarks.tiny"
    )
    pairs = add_texts(match_folders(talking / name, talking / "same").pairs, None)
    return scored(pairs, [metric], out / name, judges=judges)


@pytest.mark.slow
def test_lse_of_shifted_and_shuffled_sound(talking, tmp_path) -> None:
    tag = "[judge=judge_syncnet.tiny,variant=wav2lip-lrs]"
    found = {n: talking_scores(talking, n, tmp_path, "lse") for n in ("same", "late", "other")}
    assert value(found["other"], f"lse_d{tag}") > value(found["same"], f"lse_d{tag}")
    assert value(found["other"], f"lse_c{tag}") < value(found["same"], f"lse_c{tag}")
    assert value(found["late"], f"av_offset_abs{tag}") > value(found["same"], f"av_offset_abs{tag}")


@pytest.mark.slow
def test_wer_of_noisy_and_of_other_speech(talking, tmp_path) -> None:
    figure = "asr_wer[norm=lrs@1,asr=judge_asr.tiny]"
    found = {n: talking_scores(talking, n, tmp_path, "wer") for n in ("same", "noisy", "other")}
    assert value(found["same"], figure) < value(found["noisy"], figure)
    assert value(found["same"], figure) < value(found["other"], figure)


@pytest.mark.slow
def test_landmarks_of_the_same_face_do_not_differ(talking, tmp_path) -> None:
    figure = "lmd[face=256px,judge=judge_landmarks.tiny]"
    assert value(talking_scores(talking, "same", tmp_path, "lmd"), figure) == 0.0


def tones(root: Path, count: int = 4, gain: float = 0.3) -> Path:
    for number in range(count):
        (root / "sub").mkdir(parents=True, exist_ok=True)
        tone = gain * np.sin(np.arange(RATE) * 0.05 * (number + 1))
        soundfile.write(root / "sub" / f"{number}.wav", tone, RATE)
    return root


def test_a_bad_file_is_reported_and_the_rest_is_scored(tmp_path, capsys) -> None:
    ours, theirs = tones(tmp_path / "ours", gain=0.2), tones(tmp_path / "theirs")
    (ours / "sub" / "1.wav").write_bytes(b"RIFF no sound")
    (ours / "sub" / "extra.wav").write_bytes(b"")
    (theirs / "sub" / "3.wav").unlink()
    out = tmp_path / "r" / "result.json"
    flags = ["--metrics", "lsd,wer", "--out", str(out), "--quiet", "--resamples", "50"]
    assert main(["score", str(ours), "--reference", str(theirs), *flags]) == 1
    printed = capsys.readouterr().out
    assert "not scored sub/1, lsd" in printed and "unavailable asr_wer" in printed
    assert "2 without an original: sub/3, sub/extra" in printed
    result = load_result(out)
    assert result.data["counts"] == {"n_expected": 3, "n_scored": 2, "n_failed": 1}
    entry = result.metrics["lsd[fft=1024,hop=256]"]
    assert entry["n"] == 2 and entry["n_failed"] == 1 and entry["value"] > 0
    assert str(tmp_path) not in json.dumps(result.data)
    with out.with_suffix(".csv").open() as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert rows["sub/1"]["error"] and not rows["sub/0"]["error"]
    assert float(rows["sub/0"]["lsd[fft=1024,hop=256]"]) > 0


@pytest.mark.parametrize("workers", [0, 2])
def test_a_rerun_measures_only_what_is_new(workers, tmp_path, monkeypatch) -> None:
    from zoo.metrics.lsd import LSD

    ours, theirs = tones(tmp_path / "ours", gain=0.2), tones(tmp_path / "theirs")
    pairs = match_folders(ours, theirs).pairs
    first = scored(pairs, ["lsd"], tmp_path, workers=workers)
    with (tmp_path / "result.rows.jsonl").open("a") as file:
        file.write('{"torn')
    seen: list[int] = []
    original = LSD.score_sample
    monkeypatch.setattr(
        LSD, "score_sample", lambda self, *pair: seen.append(1) or original(self, *pair)
    )
    again = scored(pairs, ["lsd", "mcd"], tmp_path)
    assert seen == []
    assert again.result.value("lsd[fft=1024,hop=256]") == first.result.value(
        "lsd[fft=1024,hop=256]"
    )
    shutil.copy(theirs / "sub" / "0.wav", ours / "sub" / "0.wav")
    changed = scored(pairs, ["lsd"], tmp_path)
    assert len(seen) == 1
    assert changed.table[0]["lsd[fft=1024,hop=256]"] == 0.0


def test_names_match_whatever_their_endings(tmp_path) -> None:
    for name in ("a/x.wav", "a/x.mp4", "b.flac", "only.wav"):
        (tmp_path / "ours" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "ours" / name).touch()
    for name in ("a/x.wav", "b.wav", "c.mp4"):
        (tmp_path / "theirs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "theirs" / name).touch()
    found = match_folders(tmp_path / "ours", tmp_path / "theirs")
    assert [(p.id, p.generated.name, p.reference.name) for p in found.pairs] == [
        ("a/x", "x.mp4", "x.wav"),
        ("b", "b.flac", "b.wav"),
    ]
    assert found.only_generated == ("only",) and found.only_reference == ("c",)
    assert found.ambiguous == ("a/x.wav",)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no sound"):
        match_folders(tmp_path / "empty", tmp_path / "theirs")
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "z.wav").touch()
    with pytest.raises(DataError, match="--pairs"):
        match_folders(tmp_path / "strange", tmp_path / "theirs")


def test_pairs_and_texts_from_files(tmp_path) -> None:
    (tmp_path / "p.csv").write_text(
        "generated,reference,text\no/a.wav,r/a.wav,HELLO YOU\no/b.wav,,\n"
    )
    pairs = read_pairs(tmp_path / "p.csv").pairs
    assert pairs[0] == FilePair("o/a", tmp_path / "o/a.wav", tmp_path / "r/a.wav", "HELLO YOU")
    assert pairs[1].reference is None and pairs[1].text is None
    (tmp_path / "t.txt").write_text("o/b.wav\tgood bye\no/a other\n")
    named = add_texts(pairs, read_texts(tmp_path / "t.txt"))
    assert [pair.text for pair in named] == ["HELLO YOU", "good bye"]
    (tmp_path / "t.csv").write_text('id,text\no/b,"well, yes"\n')
    assert read_texts(tmp_path / "t.csv") == {"o/b": "well, yes"}
    (tmp_path / "bad.txt").write_text("alone\n")
    with pytest.raises(DataError, match=r"bad\.txt:1"):
        read_texts(tmp_path / "bad.txt")
    (tmp_path / "twice.csv").write_text("generated\na.wav\na.wav\n")
    with pytest.raises(DataError, match="two pairs are called a"):
        read_pairs(tmp_path / "twice.csv")
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "a.txt").write_text("Text:  SO IT IS\nConf:  3\n")
    beside = add_texts([FilePair("a", tmp_path / "a.wav", tmp_path / "r" / "a.wav")], None)
    assert beside[0].text == "SO IT IS"
    assert [p.cluster for p in clusters_of(pairs, "folder")] == ["o", "o"]


@pytest.mark.parametrize(
    ("metrics", "words"),
    [(["nothing"], "no metric"), (["recall"], "files do not give"), (["lmd"], "--landmarks"),
     (["pesq:bend=nb"], "bend")],
)  # fmt: skip
def test_what_cannot_be_asked_for_is_refused(metrics, words) -> None:
    with pytest.raises(BenchError, match=words):
        build_plans(metrics, Judges())
