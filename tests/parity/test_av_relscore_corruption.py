"""AV-RelScore's crops, noise and occlusion are those of the official code, seed for seed."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.parity.golden import Golden, assert_parity, load_golden
from zoo.audio.noise import relscore_test_noise, relscore_train_noise
from zoo.video.distortions import blur
from zoo.video.landmarks import Landmarks
from zoo.video.mouth import crop_mouth
from zoo.video.mouth_input import eval_input, to_grey
from zoo.video.occlusion import Occluder, occlude_test, occlude_train, overlay, plan_noise

NOISE, BLUR = 0, 77  # markers of the golden's noise plan


@pytest.fixture(scope="module")
def golden() -> Golden:
    return load_golden("av_relscore", "preprocess")


@pytest.fixture(scope="module")
def occluder(golden: Golden) -> Occluder:
    pixels, mask = golden.io["visual.occluder_rgb"], golden.io["visual.occluder_mask"]
    return Occluder(pixels.numpy(), mask.numpy())


def three_channels(grey: Tensor) -> NDArray[np.uint8]:
    return grey[..., None].repeat_interleave(3, dim=-1).numpy()


def number(name: str, key: str) -> int:
    match = re.search(rf"{name}(-?\d+)", key)
    assert match is not None, key
    return int(match[1])


def test_crops(golden: Golden) -> None:
    io = golden.io
    rows = zip(io["crop.landmarks"].numpy(), io["crop.landmark_valid"].tolist())
    landmarks = Landmarks.from_frames([points if valid else None for points, valid in rows])
    crop = crop_mouth(io["crop.frames_bgr"].permute(0, 3, 1, 2), landmarks, "av_relscore")
    interpolated = torch.from_numpy(landmarks.interpolated().points)
    assert_parity(interpolated, io["crop.landmarks_interpolated"], "interpolated", tolerance=1e-12)
    matrices = torch.from_numpy(crop.matrices)
    assert_parity(matrices, io["crop.affine_2x3"], "matrices", tolerance=1e-5)
    shown = torch.from_numpy(crop.landmarks)
    assert_parity(shown, io["crop.landmarks_transformed"], "transformed", tolerance=1e-5)
    assert torch.equal(torch.from_numpy(crop.corners), io["crop.yx_min"])
    difference = crop.frames.permute(0, 2, 3, 1).int() - io["crop.patches_bgr"].int()
    assert int(difference.abs().max()) <= 1
    assert float((difference != 0).float().mean()) < 1e-3


def test_crops_to_input(golden: Golden) -> None:
    bgr = golden.io["crop.patches_bgr"].permute(0, 3, 1, 2)
    grey = to_grey(bgr.flip(1))
    assert torch.equal(grey, golden.io["crop.patches_gray"])
    assert_parity(eval_input(grey).double(), golden.io["video_test_transform.out"], "input")


def test_train_noise(golden: Golden) -> None:
    signal, noise = golden.io["audio.signal"], golden.io["audio.noise"]
    cases = golden.part("audio.add_noise_train_seed")
    assert cases
    for key, expected in cases.items():
        level = None if key.endswith("random_level") else float(number("snr", key))
        ours = relscore_train_noise(signal, noise, Random(int(key.partition("_")[0])), level)
        assert_parity(ours, expected, key, tolerance=1e-6)


def test_test_noise(golden: Golden) -> None:
    cases = golden.part("audio.noise_injection_test_seed")
    assert cases
    for key, expected in cases.items():
        signal = golden.io["audio.signal"]
        if "loud_input_x" in key:
            signal = signal * number("loud_input_x", key)
        draw, level = Random(int(key.partition("_")[0])), float(number("snr", key))
        gaps = "part1" in key
        ours = relscore_test_noise(signal, [golden.io["audio.noise"]], draw, level, gaps=gaps)
        assert_parity(ours, expected, key, tolerance=1e-6)


def test_overlay(golden: Golden, occluder: Occluder) -> None:
    picture = three_channels(golden.io["crop.patches_gray"][0])
    cases = [key for key in golden.io if re.fullmatch(r"visual\.overlay\d+", key)]
    assert cases
    for key in cases:
        x, y = golden.config[f"{key.removeprefix('visual.')}_xy"]
        ours = overlay(picture, occluder, x, y)
        assert np.array_equal(ours, golden.io[key].numpy()), key


def test_train_occlusion(golden: Golden, occluder: Occluder) -> None:
    io = golden.io
    frames = three_channels(io["visual.train_input_gray"])
    points, corners = io["visual.train_landmarks"].numpy(), io["visual.train_yx_min"].numpy()
    cases = golden.part("visual.train_occlude_seed")
    assert cases
    for key, expected in cases.items():
        draw, count = Random(int(key.partition("_")[0])), number("freq", key)
        ours = occlude_train(frames, points, corners, occluder, draw, count, official=True)
        grey = to_grey(torch.from_numpy(ours).permute(0, 3, 1, 2))
        assert torch.equal(grey, expected), key


def test_test_occlusion(golden: Golden, occluder: Occluder) -> None:
    points = golden.io["visual.test_landmarks"].numpy()
    stored = golden.io["crop.frames_bgr"].numpy()
    frames = stored[np.arange(len(points)) % len(stored)]
    cases = golden.part("visual.test_occlude_seed")
    assert cases
    for key, expected in cases.items():
        draw, count = Random(int(key.partition("_")[0])), number("freq", key)
        ours = occlude_test(frames, points, occluder, draw, count, official=True)
        changed = [t for t in range(len(frames)) if not np.array_equal(ours[t], frames[t])]
        assert changed == golden.config[f"test_occlude_freq{count}_changed_frames"], key
        assert np.array_equal(ours[changed[0]], expected[0].numpy()), key


def test_noise_plan(golden: Golden) -> None:
    plans: dict[str, Any] = golden.config["train_noise_plan"]
    for key, plan in plans.items():
        draw = Random(number("seed", key))
        values = list(plan["frame_value"])
        spans = plan_noise(draw, len(values), number("freq", key))
        ops = [
            ["gauss", s.length, s.variance] if s.kind == "noise" else ["blur", s.length]
            for s in spans
        ]
        assert ops == plan["ops"], key
        untouched = max([*values, 200])
        ours = [untouched] * len(values)
        for span in spans:
            for t in span.frames:
                ours[t] = NOISE if span.kind == "noise" else BLUR
        assert ours == values, key


def test_blur(golden: Golden) -> None:
    cases = golden.part("visual.blur_sigma")
    assert cases
    for key, expected in cases.items():
        sigma = float(key.partition("_")[0])
        frames = golden.io["crop.patches_gray"][: len(expected)]
        assert torch.equal(blur(frames, sigma), expected), key
