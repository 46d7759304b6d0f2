"""The small SyncNet: its loss, its training data, its chain, and the shipped weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.models.fresh_clips import Filmed, filmed
from zoo.audio.mfcc import mfcc
from zoo.data.talking_stretches import TalkingStretches, varied_picture
from zoo.data.utterances import Utterance
from zoo.errors import CheckpointError, ConfigError, DataError
from zoo.metrics.lse import LSE
from zoo.models.judge_syncnet.config import JudgeSyncNetConfig
from zoo.models.judge_syncnet.module import JudgeSyncNet, contrastive_loss
from zoo.nn.sync_clips import embed_clip
from zoo.nn.syncnet import LipTower
from zoo.tasks import Video

SHIPPED = "judge_syncnet.tiny"
OFFSETS = (-10, -4, 0, 5, 10)


@pytest.fixture(scope="module")
def model() -> JudgeSyncNet:
    torch.manual_seed(0)
    return JudgeSyncNet(JudgeSyncNetConfig.tiny()).eval()


@pytest.fixture(scope="module")
def judge() -> JudgeSyncNet:
    return JudgeSyncNet.from_pretrained(SHIPPED).eval()


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Filmed]:
    return filmed(tmp_path_factory.mktemp("clips"), 4, sentences=3)


def batch() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    small = torch.randint(0, 256, (3, 11, 3, 7, 7), generator=generator, dtype=torch.uint8)
    return {
        "frames": small.repeat_interleave(16, 3).repeat_interleave(16, 4),
        "mfcc": torch.randn(3, 44, 13, generator=generator),
        "mouth": torch.randn(3, 11, 2, generator=generator),
    }


def test_the_loss_is_small_where_partners_are_near() -> None:
    near, far = 9 - 9 * torch.eye(5), torch.full((5, 5), 3.0)
    assert contrastive_loss(near) < 0.01
    assert contrastive_loss(far) == pytest.approx(np.log(5))
    assert contrastive_loss(near.roll(1, 0)) > 5


def test_steps_lower_the_loss() -> None:
    torch.manual_seed(0)
    model = JudgeSyncNet(JudgeSyncNetConfig.tiny()).train()
    model.log = lambda *args, **kwargs: None  # type: ignore[assignment]
    optimizer = model.configure_optimizers()["optimizer"]
    optimizer.param_groups[0]["lr"] = 1e-3
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = model.training_step(batch(), 0)
        loss.backward()
        assert all(p.grad is not None for p in model.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_training_pairs_are_the_windows_of_the_metric(model: JudgeSyncNet) -> None:
    # 12 frames give 7 windows by the official count; training takes every third, and the last
    frames = torch.full((12, 3, 224, 224), 90, dtype=torch.uint8)
    frames[..., 96:208, 56:168] = batch()["frames"][0].repeat(2, 1, 1, 1)[:12]
    samples = np.random.default_rng(0).normal(0, 3000, 12 * 640 + 240).astype(np.int16)
    lips, sound = embed_clip(model.network, frames, samples, model.config.corner)
    rows = torch.from_numpy(mfcc(samples)[: 4 * 12].astype(np.float32))
    part = {
        "frames": frames[None, ..., 96:208, 56:168],
        "mfcc": rows[None],
        "mouth": torch.zeros(1, 12, 2),
    }
    with torch.inference_mode():
        distances, _ = model._losses(part)
    assert distances.shape == (3, 3)
    torch.testing.assert_close(distances, torch.cdist(lips, sound)[::3, ::3], atol=1e-3, rtol=1e-3)


def test_small_frames_leave_out_one_pooling() -> None:
    tower = LipTower((4, 4, 4, 4, 4, 4), image_size=112)
    assert tower(torch.rand(2, 3, 5, 112, 112)).shape == (2, 4)
    with pytest.raises(ConfigError, match="112"):
        LipTower((4, 4, 4, 4, 4, 4), image_size=100)


def test_pictures_vary_alike_in_a_stretch() -> None:
    one = torch.randint(0, 256, (1, 3, 144, 144), dtype=torch.uint8)
    found = varied_picture(one.expand(4, -1, -1, -1), 112, np.random.default_rng(1))
    assert found.shape == (4, 3, 112, 112)
    assert torch.equal(found[0], found[3])
    assert not torch.equal(found[0], one[0, :, 16:-16, 16:-16])


def test_stretches_of_a_corpus(clips: list[Filmed]) -> None:
    root = clips[0].path.parent
    read = [
        Utterance(id=c.path.stem, dataset="", split="", video=c.path.name, audio=None, text="")
        for c in clips
    ]
    item = TalkingStretches(root, read, (96, 56), 112, 17, vary=False)[0]
    assert [tuple(item[name].shape) for name in ("frames", "mfcc", "mouth")] == [
        (17, 3, 112, 112),
        (68, 13),
        (17, 2),
    ]
    start = (len(clips[0].video.frames) - 17) // 2
    seen = clips[0].video.frames[start : start + 17, :, 96:208, 56:168]
    assert torch.equal(item["frames"], seen)
    varied = TalkingStretches(root, read, (96, 56), 112, 17, vary=True)[0]
    assert varied["frames"].shape == seen.shape
    (root / "00000.npz").rename(root / "away.npz")
    try:
        with pytest.raises(DataError, match="ground truth"):
            TalkingStretches(root, read, (96, 56), 112, 17, vary=False)
    finally:
        (root / "away.npz").rename(root / "00000.npz")


def test_the_metric_refuses_other_models() -> None:
    with pytest.raises(CheckpointError, match="JudgeASR"):
        LSE(judge="judge_asr.tiny").setup()


def test_shipped_it_finds_planted_offsets(judge: JudgeSyncNet, clips: list[Filmed]) -> None:
    metric = LSE("wav2lip-lrs", judge=SHIPPED)
    away = []
    for clip in clips:
        frames, samples = metric.prepare(clip.video)
        middle = frames[10:85]
        assert len(middle) == 75
        for offset in OFFSETS:
            start = (10 + offset) * 640
            found = judge.judge(middle, samples[start : start + len(middle) * 640])
            away.append(abs(found.offset - offset))
    assert np.mean(np.array(away) <= 1) >= 0.95


def test_shipped_it_prefers_the_own_sound(clips: list[Filmed]) -> None:
    metric = LSE(judge=SHIPPED)
    assert metric.available() is None
    own = metric.score([clip.video for clip in clips])
    others = [clips[k - 1].video.speech for k in range(len(clips))]
    swapped = [Video(clip.video.frames, 25.0, s) for clip, s in zip(clips, others, strict=True)]
    other = metric.score(swapped)
    name = f"judge={SHIPPED},variant=wav2lip-lrs"
    assert own[f"lse_c[{name}]"] > other[f"lse_c[{name}]"] + 1
    assert own[f"lse_d[{name}]"] < other[f"lse_d[{name}]"]
    assert own[f"av_offset_abs[{name}]"] <= 1
