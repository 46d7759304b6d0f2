"""Mouth crops, cutting, texts and noise are those of auto_avsr, AV-HuBERT and VoxMM.

Crops warped by OpenCV may differ by one grey level in a few pixels, since it rounds in single
precision; those of AV-HuBERT are exact where the linear algebra is the same to the last bit. Sizes, seeds and levels come from the files.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.parity.golden import Golden, assert_parity, golden_json, load_golden
from zoo.audio.avhubert import avhubert_features
from zoo.audio.noise import avhubert_noise
from zoo.data.lrs_label import clean_text, parse_label
from zoo.data.segments import cut_at_pauses, cut_by_length, frame_range
from zoo.data.utterances import Utterance
from zoo.data.voxmm import keep_segment, voxmm_text
from zoo.video.landmarks import Landmarks
from zoo.video.mouth import crop_mouth
from zoo.video.mouth_input import to_grey

POINTS = {
    "auto_avsr_retinaface": "landmarks68",
    "auto_avsr_mediapipe": "landmarks4",
    "avhubert": "landmarks68",
}
LOUD = re.compile(r"loud_x(\d+)")


@pytest.fixture(scope="module")
def golden() -> Golden:
    return load_golden("lrs_data", "lrs_data")


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    found: dict[str, Any] = golden_json("lrs_data", "lrs_data_values.json")
    return found


def landmarks(golden: Golden, values: dict[str, Any], name: str) -> Landmarks:
    missing = set(values["missing_frames"])
    frames = enumerate(golden.io[name].numpy())
    return Landmarks.from_frames([None if t in missing else points for t, points in frames])


def channels_first(frames: Tensor) -> Tensor:
    return frames.permute(0, 3, 1, 2)


@pytest.mark.parametrize("preset", sorted(POINTS))
def test_crops(golden: Golden, values: dict[str, Any], preset: str) -> None:
    expected = golden.io[f"{preset}.crops"]
    points = landmarks(golden, values, POINTS[preset])
    ours = crop_mouth(channels_first(golden.io["frames"]), points, preset).frames
    difference = (ours.permute(0, 2, 3, 1).int() - expected.int()).abs()
    # AV-HuBERT's truncation shows the last bit of a machine's linear algebra on flat areas
    assert int(difference.max()) <= 1
    assert float((difference > 0).float().mean()) < (1e-2 if preset == "avhubert" else 1e-3)


def test_interpolation(golden: Golden, values: dict[str, Any]) -> None:
    ours = landmarks(golden, values, "landmarks68").interpolated().points
    expected = golden.io["avhubert.landmarks_interpolated"]
    assert_parity(torch.from_numpy(ours), expected, "interpolated", tolerance=1e-12)


def test_grey(golden: Golden) -> None:
    bgr = channels_first(golden.io["avhubert.crops"])
    assert torch.equal(to_grey(bgr.flip(1)), golden.io["avhubert.crops_gray"])


def segment(label: Any, name: str = "vid/00001") -> Utterance:
    return Utterance(
        id=name,
        dataset="lrs3",
        split="pretrain",
        video=f"{name}.mp4",
        audio=None,
        text=label.text,
        words=label.words,
    )


@pytest.mark.parametrize("seconds", [16, 24])
def test_auto_avsr_segments(values: dict[str, Any], seconds: int) -> None:
    for case in values["segmentation"]:
        label = parse_label(case["txt"])
        parts = cut_by_length(segment(label), seconds)
        expected = case[f"auto_avsr_{seconds}s"]
        assert [part.text for part in parts] == [row["text"] for row in expected]
        if len(expected) == 1:  # kept whole, whatever the words' times
            assert (parts[0].start_s, parts[0].end_s) == (None, None)
            continue
        assert [part.start_s for part in parts] == [row["start"] for row in expected]
        assert [part.end_s for part in parts] == [row["end"] for row in expected]
        if "frames" in expected[0]:
            frames = [list(frame_range(part, 10**6)) for part in parts]
            assert frames == [row["frames"] for row in expected]


def test_avhubert_segments(values: dict[str, Any]) -> None:
    for case in values["segmentation"]:
        name = case["avhubert_rows"][0].partition(",")[0]
        video, _, number = name.rpartition("/")
        label = parse_label(case["txt"])
        parts = cut_at_pauses(segment(label, f"{video}/{number.partition('_')[0]}"))
        rows = [
            f"{p.id},{p.text},{p.start_s or 0.0:.3f},{-1 if p.end_s is None else p.end_s:.3f}"
            for p in parts
        ]
        assert rows == case["avhubert_rows"]


def test_text_lines(values: dict[str, Any]) -> None:
    """The full text in every case, where each public reader loses some of it in some case."""
    for case in values["text_line"]:
        full = case["line"].split(":", 1)[1]
        label = parse_label(case["line"])
        assert label.text_raw == full.strip()
        assert label.text == clean_text(full)
        assert not set("{}") & set(label.text)


def test_voxmm_texts(values: dict[str, Any]) -> None:
    for case in values["voxmm_script"]:
        assert voxmm_text(case["raw"]) == case["out"]


def test_voxmm_filter(values: dict[str, Any]) -> None:
    for case in values["voxmm_filter"]:
        assert keep_segment(case["segment"]) is case["keep"], case["segment"]


def test_avhubert_noise(golden: Golden) -> None:
    clean, noise = golden.io["noise.clean_int16"], golden.io["noise.noise_int16"]
    levels = golden.part("noise.avhubert_")
    assert levels
    for key, expected in levels.items():
        speech = clean
        if (loud := LOUD.match(key)) is not None:
            speech = (clean.int() * int(loud[1])).clamp(-32768, 32767).to(torch.int16)
        ours = avhubert_noise(speech, noise, float(key.rpartition("snr")[2]))
        # single precision decides the last step of values near a whole number
        assert int((ours.int() - expected.int()).abs().max()) <= 1, key
        assert float((ours != expected).float().mean()) < 1e-2, key


def test_avhubert_features(golden: Golden) -> None:
    waveform = golden.io["noise.clean_int16"].float() / 32768
    ours = avhubert_features(waveform, normalize=False)
    assert_parity(ours, golden.io["avhubert_audio_features"], "features", tolerance=1e-6)
