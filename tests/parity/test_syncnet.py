"""SyncNet and the LSE chain against syncnet_python."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.parity.golden import Golden, assert_parity, load_golden, official_keys
from zoo.audio.mfcc import log_filterbank, mfcc
from zoo.hub.keymap import check_bijection
from zoo.metrics.lse import LSE
from zoo.models.syncnet import official
from zoo.models.syncnet.config import SyncNetConfig
from zoo.models.syncnet.module import SyncNetJudge
from zoo.nn.sync_clips import Sync, sync_of
from zoo.nn.syncnet import shifted_distances
from zoo.nn.syncnet_inference import FoldedAudioTower, FoldedLipTower
from zoo.tasks import Speech, Video


@pytest.fixture(scope="module")
def golden() -> Golden:
    return load_golden("syncnet", "syncnet")


@pytest.fixture(scope="module")
def model(golden: Golden) -> SyncNetJudge:
    config = official.config_from_official(golden.config)
    judge = SyncNetJudge(config.replace(max_shift=golden.config["vshift"]))
    judge.load_state_dict(official.to_ours(golden.weights, config).state)
    return judge.eval()


@pytest.fixture(scope="module")
def frames(golden: Golden) -> Tensor:
    """(T, 3, 224, 224) uint8 RGB: the stored BGR pictures, each pixel repeated."""
    small = golden.io["frames56_bgr_u8"]
    factor = 224 // small.shape[1]
    large = small.repeat_interleave(factor, 1).repeat_interleave(factor, 2)
    return large.permute(0, 3, 1, 2).flip(1).contiguous()


@pytest.fixture(scope="module")
def samples(golden: Golden) -> np.ndarray:
    return golden.io["wav_int16"].numpy()


def assert_sync(found: Sync, golden: Golden, prefix: str) -> None:
    part = golden.part(f"{prefix}.")
    assert found.offset == int(part["offset"])
    assert_parity(torch.tensor([found.distance]), part["lse_d"], "lse_d")
    assert_parity(torch.tensor([found.confidence]), part["lse_c"], "lse_c")
    assert_parity(found.mean_distances, part["mdist"], "mdist")
    assert_parity(found.frame_confidence, part["framewise_conf"], "framewise_conf")


@pytest.mark.parametrize(("wav", "out"), [("wav_int16", "mfcc"), ("mfcc2.wav_int16", "mfcc2.out")])
def test_mfcc(golden: Golden, wav: str, out: str) -> None:
    ours = torch.from_numpy(mfcc(golden.io[wav].numpy()).T.copy())
    assert_parity(ours, golden.io[out], out, tolerance=1e-6)


def test_log_filterbank(golden: Golden, samples: np.ndarray) -> None:
    ours = torch.from_numpy(log_filterbank(samples))
    assert_parity(ours.float(), golden.io["logfbank26.out"], "logfbank26", tolerance=1e-6)


def windows_of(frames: Tensor, count: int) -> Tensor:
    """(count, 3, 5, 224, 224) in BGR, as the network's definition takes them."""
    return frames[: count + 4].flip(1).unfold(0, 5, 1).movedim(-1, 2).float()


def test_first_window_is_the_official_one(golden: Golden, frames: Tensor) -> None:
    window = windows_of(frames, 1)[0]
    stored = golden.io["first_window_video"]
    assert_parity(window[..., 100:104, 100:104], stored, "first_window_video", tolerance=0.0)


def test_embeddings(
    golden: Golden, model: SyncNetJudge, frames: Tensor, samples: np.ndarray
) -> None:
    lips, sound = model.embed_clip(frames, samples)
    assert len(lips) == golden.config["windows"]
    assert_parity(lips, golden.io["lip_embeddings"], "lip_embeddings")
    assert_parity(sound, golden.io["audio_embeddings"], "audio_embeddings")


def test_lip_features(golden: Golden, model: SyncNetJudge, frames: Tensor) -> None:
    count = golden.config["windows"]
    with torch.no_grad():
        found = model.network.lip_tower(windows_of(frames, count))
    assert_parity(found, golden.io["lip_features"], "lip_features")


def test_the_fast_towers_are_the_network(model: SyncNetJudge, frames: Tensor) -> None:
    with torch.inference_mode():
        fast = FoldedLipTower(model.network.lip_tower)(frames[:9].flip(1))
        assert_parity(fast, model.network.lip_tower(windows_of(frames, 5)), "lips", tolerance=1e-5)
        mfcc_windows = 10 * torch.randn(3, 1, 13, 20, generator=torch.Generator().manual_seed(0))
        fast = FoldedAudioTower(model.network.audio_tower)(mfcc_windows)
        assert_parity(fast, model.network.audio_tower(mfcc_windows), "sound", tolerance=1e-5)


def test_clip(golden: Golden, model: SyncNetJudge, frames: Tensor, samples: np.ndarray) -> None:
    found = model.judge(frames, samples)
    assert_parity(found.distances, golden.io["clip.dists"], "dists")
    assert_sync(found, golden, "clip")


def test_metric_gives_the_numbers_of_the_chain(
    golden: Golden, model: SyncNetJudge, frames: Tensor, samples: np.ndarray
) -> None:
    waveform = torch.from_numpy(samples.astype(np.float32) / 32768.0)
    metric = LSE("syncnet", judge="golden")
    metric.use(model)
    found = metric.score_sample(Video(frames, 25.0, Speech(waveform, 16_000)))
    assert found["lse_c"] == pytest.approx(float(golden.io["clip.lse_c"]), rel=1e-4, abs=1e-5)
    assert found["lse_d"] == pytest.approx(float(golden.io["clip.lse_d"]), rel=1e-4)
    assert found["av_offset"] == int(golden.io["clip.offset"])


def test_planted_shift(golden: Golden) -> None:
    lips, sound = (golden.io[f"planted.{k}_embeddings"].float() for k in ("video", "audio"))
    found = sync_of(shifted_distances(lips, sound, golden.config["vshift"]))
    assert found.offset == golden.config["planted_shift_frames"]
    assert_sync(found, golden, "planted")


def test_every_official_key_fills_every_parameter() -> None:
    config = SyncNetConfig.v2()
    with torch.device("meta"):
        target = SyncNetJudge(config)
    report = check_bijection(
        official_keys("syncnet", "syncnet_v2"), lambda s: official.to_ours(s, config), target
    )
    assert report.ok, str(report)
    assert not report.dropped


def test_round_trip_is_exact(golden: Golden, model: SyncNetJudge) -> None:
    back = official.to_official(model.state_dict(), model.config)
    assert set(back) == set(golden.weights)
    for key, tensor in golden.weights.items():
        assert torch.equal(back[key], tensor), key
