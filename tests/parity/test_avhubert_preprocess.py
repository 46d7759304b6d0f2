"""AV-HuBERT's inputs are those of the official code, from pixels and samples on."""

from __future__ import annotations

from random import Random

import pytest
import torch

from tests.parity.golden import Golden, assert_parity, load_golden
from zoo.audio.avhubert import SAMPLE_RATE, STACK, avhubert_features, log_filterbank, to_int16
from zoo.video.landmarks import Landmarks
from zoo.video.mouth import CROP_SIZE, FACE_SIZE, PRESETS, crop_mouth, mean_face
from zoo.video.mouth_input import INPUT_SIZE, MEAN, STD, eval_input, to_grey, train_input


@pytest.fixture(scope="module")
def align() -> Golden:
    return load_golden("avhubert", "mouth_align")


@pytest.fixture(scope="module")
def preprocess() -> Golden:
    return load_golden("avhubert", "preprocess")


def found(align: Golden) -> Landmarks:
    rows = zip(align.io["landmarks_detected"].numpy(), align.io["landmark_present"].tolist())
    return Landmarks.from_frames([points if present else None for points, present in rows])


def test_recipe(align: Golden) -> None:
    preset, config = PRESETS["avhubert"], align.config
    assert list(preset.stable) == config["stable_points"]
    assert list(preset.mouth) == config["mouth_landmarks"]
    assert config["std_size"] == [FACE_SIZE, FACE_SIZE]
    assert config["crop"] == [CROP_SIZE, CROP_SIZE]


def test_mean_face(align: Golden) -> None:
    """The 136 numbers in the package are those of the public file."""
    ours = torch.from_numpy(mean_face().copy())
    assert_parity(ours, align.io["mean_face_landmarks"], "mean face", tolerance=1e-7)


def test_mouths(align: Golden) -> None:
    landmarks = found(align)
    assert_parity(
        torch.from_numpy(landmarks.interpolated().points),
        align.io["landmarks_interpolated"],
        "interpolated",
        tolerance=1e-6,
    )
    # the pipeline treats the three channels alike, so their order does not matter here
    bgr = crop_mouth(align.io["frames_bgr"].permute(0, 3, 1, 2), landmarks, "avhubert").frames
    difference = bgr.permute(0, 2, 3, 1).int() - align.io["rois_bgr"].int()
    assert int(difference.abs().max()) <= 1
    assert float((difference != 0).float().mean()) < 1e-2


def test_from_mouths_to_input(align: Golden) -> None:
    bgr = align.io["rois_bgr"].permute(0, 3, 1, 2)
    grey = to_grey(bgr.flip(1))
    assert torch.equal(grey, align.io["rois_gray"])
    assert_parity(eval_input(grey), align.io["roi_eval"], "roi_eval", tolerance=1e-6)


def test_eval_input(preprocess: Golden) -> None:
    config = preprocess.config
    assert (
        config["image_crop_size"],
        config["image_mean"],
        config["image_std"],
    ) == (INPUT_SIZE, MEAN, STD)
    assert_parity(eval_input(preprocess.io["frames"]), preprocess.io["roi_eval"], "eval")


def test_train_input(preprocess: Golden) -> None:
    cases = preprocess.part("roi_train_pyrandom_seed_")
    assert cases
    for seed, expected in cases.items():
        ours = train_input(preprocess.io["frames"], Random(int(seed)))
        assert_parity(ours, expected, f"train seed {seed}")


def test_audio(preprocess: Golden) -> None:
    config, io = preprocess.config, preprocess.io
    assert (config["stack_order_audio"], config["sample_rate"]) == (STACK, SAMPLE_RATE)
    samples = io["wav_int16"]
    waveform = samples.float() / 32768
    assert torch.equal(to_int16(waveform).int(), samples.int())
    bands = log_filterbank(samples.double()).float()
    assert_parity(bands, io["logfbank"], "logfbank", tolerance=1e-6)
    stacked = avhubert_features(waveform, normalize=False)
    assert_parity(stacked, io["stacked"], "stacked", tolerance=1e-6)
    normal = avhubert_features(waveform)
    assert_parity(normal, io["stacked_layernorm"], "stacked_layernorm", tolerance=1e-5)
    trimmed = io["audio_trimmed_to_video"]
    ours = avhubert_features(waveform, trimmed.shape[1])
    assert_parity(ours.T, trimmed, "trimmed", tolerance=1e-5)


def test_audio_is_filled_up_to_the_video(preprocess: Golden) -> None:
    waveform = preprocess.io["wav_int16"].float() / 32768
    frames = len(preprocess.io["stacked"])
    longer = avhubert_features(waveform, frames + 3)
    assert torch.equal(longer[:frames], avhubert_features(waveform))
    assert longer[frames:].abs().max() == 0
