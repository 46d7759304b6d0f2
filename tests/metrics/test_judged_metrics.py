"""LSE and speaker similarity around small untrained judges: the chain, loading, and errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from zoo.bench.bootstrap import interval
from zoo.errors import CheckpointError, MediaError
from zoo.metrics.base import Row, value_of
from zoo.metrics.fid import FID
from zoo.metrics.lse import LSE, resize_frames, through_jpeg, to_int16
from zoo.metrics.speaker_similarity import SpeakerSimilarity, cosine
from zoo.models.ge2e.config import GE2EConfig
from zoo.models.ge2e.module import SpeakerEncoder
from zoo.models.ge2e.official import packaged_weights
from zoo.models.syncnet.config import SyncNetConfig
from zoo.models.syncnet.module import SyncNetJudge
from zoo.nn.ge2e import raise_volume
from zoo.nn.sync_clips import sync_of
from zoo.nn.syncnet import LipTower, shifted_distances
from zoo.tasks import Speech, Video


@pytest.fixture(scope="module")
def judge() -> SyncNetJudge:
    torch.manual_seed(0)
    return SyncNetJudge(SyncNetConfig.tiny()).eval()


@pytest.fixture(scope="module")
def encoder() -> SpeakerEncoder:
    torch.manual_seed(0)
    return SpeakerEncoder(GE2EConfig.tiny()).eval()


def clip(count: int = 12, size: int = 64) -> Video:
    generator = torch.Generator().manual_seed(1)
    frames = torch.randint(0, 256, (count, 3, size, size), generator=generator, dtype=torch.uint8)
    sound = 0.1 * torch.randn(count * 640, generator=generator)
    return Video(frames, 25.0, Speech(sound, 16_000))


def literal_conv(weight: Tensor, window: Tensor) -> Tensor:
    """The first layer as the three-dimensional convolution it stands for."""
    kernel = weight.unflatten(1, (3, 5))
    return torch.nn.functional.conv3d(window, kernel, stride=(1, 2, 2))[:, :, 0]


def test_the_folded_convolution_is_the_three_dimensional_one() -> None:
    tower = LipTower((8, 8, 8, 8, 8, 8))
    window = torch.randn(2, 3, 5, 40, 40)
    conv = tower.blocks[0].conv
    expected = literal_conv(conv.weight, window) + conv.bias[:, None, None]
    torch.testing.assert_close(conv(window.flatten(1, 2)), expected, atol=1e-4, rtol=1e-4)


def test_windows_do_not_depend_on_the_batch(
    judge: SyncNetJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    metric = LSE(judge="x")
    frames, samples = metric.prepare(clip())
    whole = judge.embed_clip(frames, samples)
    monkeypatch.setattr("zoo.nn.sync_clips.BATCH", 3)
    parts = judge.embed_clip(frames, samples)
    for one, other in zip(whole, parts, strict=True):
        assert len(one) == 12 - 5
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("shift", [-10, -3, 0, 4, 10])
def test_a_planted_shift_is_found(shift: int) -> None:
    lips = torch.randn(60, 32, generator=torch.Generator().manual_seed(2))
    found = sync_of(shifted_distances(lips, torch.roll(lips, -shift, 0)))
    assert found.offset == shift
    assert found.confidence > 1


def test_metric_of_whole_frames(judge: SyncNetJudge) -> None:
    metric = LSE("wav2lip-lrs", judge="somewhere/tiny")
    metric.use(judge)
    assert metric.available() is None
    scores = metric.score([clip()])
    assert "lse_c[judge=tiny,variant=wav2lip-lrs]" in scores
    assert all(np.isfinite(value) for value in scores.values())


def test_jpeg_moves_the_score_and_the_name(judge: SyncNetJudge) -> None:
    metric = LSE(judge="tiny", jpeg=True)
    metric.use(judge)
    name = "lse_d[judge=tiny,variant=wav2lip-lrs,jpeg=yes]"
    assert name in metric.score([clip()])


def test_other_frame_sizes_and_short_clips_are_refused(judge: SyncNetJudge) -> None:
    metric = LSE("syncnet", judge="tiny")
    metric.use(judge)
    with pytest.raises(MediaError, match="224"):
        metric.score_sample(clip())
    with pytest.raises(MediaError, match="frames"):
        metric.score_sample(clip(5, 224))
    assert metric.score_sample(clip(6, 224))["lse_d"] > 0


def test_an_absent_judge_is_a_reason_and_no_error() -> None:
    reason = LSE(judge="syncnet.v2").available()
    assert reason is not None and "syncnet.v2" in reason
    assert LSE(judge="no.such").available() is not None


def test_sixteen_bit_samples() -> None:
    wave = torch.tensor([0.0, 0.5, 1.0, -1.0, 2.0])
    assert to_int16(wave).tolist() == [0, 16384, 32767, -32768, 32767]
    stored = np.arange(-32768, 32768, 97, dtype=np.int16)
    assert (to_int16(torch.from_numpy(stored / 32768.0)) == stored).all()


def test_resizing_and_jpeg_keep_the_picture() -> None:
    ramp = torch.arange(64, dtype=torch.uint8).expand(2, 3, 64, 64) * 3
    large = resize_frames(ramp)
    assert large.shape == (2, 3, 224, 224) and large.dtype == torch.uint8
    assert (large[0, 0, 100].int().diff() >= 0).all()
    assert (through_jpeg(large).int() - large.int()).abs().max() < 10


def test_judges_survive_saving(
    judge: SyncNetJudge, encoder: SpeakerEncoder, tmp_path: Path
) -> None:
    judge.save_pretrained(tmp_path / "sync")
    again = SyncNetJudge.from_pretrained(tmp_path / "sync")
    frames, samples = LSE(judge="x").prepare(clip())
    assert torch.equal(again.embed_clip(frames, samples)[0], judge.embed_clip(frames, samples)[0])
    encoder.save_pretrained(tmp_path / "voice")
    wave = torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    loaded = SpeakerEncoder.from_pretrained(tmp_path / "voice")
    assert torch.equal(loaded.embed_utterance(wave), encoder.embed_utterance(wave))


def test_similarity_of_a_recording_with_itself_is_one(encoder: SpeakerEncoder) -> None:
    class Plain:
        def embed(self, speech: Tensor) -> Tensor:
            return encoder.embed(speech, vad=False)

    metric = SpeakerSimilarity(judge="somewhere/voice")
    metric.use(Plain())
    wave = torch.randn(30_000, generator=torch.Generator().manual_seed(0)) * 0.1
    scores = metric.score([wave, None], [wave, wave])
    assert scores == {"speaker_similarity[enc=ge2e,judge=voice]": pytest.approx(1.0)}
    assert cosine(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1.0])) == pytest.approx(0.5**0.5)


def test_volume_is_only_ever_raised() -> None:
    wave = torch.randn(16_000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(raise_volume(0.2 * wave), 0.2 * wave)
    raised = raise_volume(1e-4 * wave)
    assert 10 * float(raised.square().mean().log10()) == pytest.approx(-30.0, abs=1e-3)
    assert torch.equal(raise_volume(torch.zeros(10)), torch.zeros(10))


def test_weights_of_a_package_that_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.models.ge2e.official.find_spec", lambda name: None)
    assert packaged_weights() is None
    with pytest.raises(CheckpointError, match="resemblyzer"):
        SpeakerEncoder.from_package()


def test_several_clips_at_once_give_the_same_numbers_in_order(judge: SyncNetJudge) -> None:
    data = [(f"clip{i}", "s", clip(8 + i), None) for i in range(5)]
    data.insert(2, ("short", "s", clip(5), None))
    threads = torch.get_num_threads()
    found = []
    for workers in (1, 3):
        metric = LSE(judge="tiny", workers=workers)
        metric.use(judge)
        found.append(metric.rows(data))
    one, several = found
    assert [row.id for row in several] == [item[0] for item in data]
    assert several[2].values == {"missing": 1.0}
    for a, b in zip(one, several, strict=True):
        assert a.values == pytest.approx(b.values, rel=1e-4, abs=1e-4)
    assert torch.get_num_threads() == threads
    with pytest.raises(TypeError, match="workers"):
        LSE(workers=0)


class Colours(torch.nn.Module):
    """The mean colour of each frame: features whose distance can be computed by hand."""

    def forward(self, frames: Tensor) -> Tensor:
        return frames.double().mean((2, 3))


def frames_of(seed: int, count: int = 40, shift: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shade = torch.randint(20, 200, (count, 3, 1, 1), generator=generator)
    return (shade + shift).expand(-1, -1, 16, 16).to(torch.uint8).contiguous()


def distance_of(pairs: list[tuple[Tensor, Tensor]]) -> FID:
    metric = FID()
    metric.use(Colours(), features=3)
    metric.setup()
    for generated, original in pairs:
        metric.score_sample(generated, original)
    return metric


def fid(metric: FID) -> float:
    (figure,) = metric.figures([])
    return value_of(figure, [])


def test_fid_is_of_the_whole_set_of_frames() -> None:
    ours, theirs = frames_of(1), frames_of(2)
    whole = fid(distance_of([(ours, theirs)]))
    parts = list(zip(torch.split(ours, 8), torch.split(theirs.flip(0), 8), strict=True))
    assert fid(distance_of(parts)) == pytest.approx(whole, rel=1e-4)
    a, b = (x.double().mean((2, 3)).numpy() for x in (ours, theirs))
    ca, cb = np.cov(a.T), np.cov(b.T)
    root = np.sqrt(np.linalg.eigvals(ca @ cb).astype(complex)).real.sum()
    by_hand = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca + cb) - 2 * root
    assert whole == pytest.approx(by_hand, rel=1e-4)
    assert fid(distance_of([(ours, ours)])) == pytest.approx(0.0, abs=1e-3)
    assert fid(distance_of([(frames_of(1, shift=20), ours)])) == pytest.approx(1200, rel=1e-3)


def test_fid_has_no_interval_and_begins_anew() -> None:
    metric = distance_of([(frames_of(1), frames_of(2))])
    (figure,) = metric.figures([])
    rows = [Row(str(i), str(i), {"frames": 20.0, "frames/n": 1.0}) for i in range(2)]
    found = interval(figure, rows, seed=0, resamples=20)
    assert found.value == fid(metric) and np.isnan(found.low) and np.isnan(found.high)
    metric.setup()
    assert np.isnan(fid(metric))


def test_fid_without_its_judge_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ZOO_MODELS", str(tmp_path))
    monkeypatch.setattr("zoo.metrics.fid.find_spec", lambda name: None)
    assert "pip install" in (FID().available() or "")
    monkeypatch.setattr("zoo.metrics.fid.find_spec", lambda name: object())
    reason = FID().available() or ""
    assert "not measured: needs a judge" in reason and "judge.inception-fid" in reason
    place = tmp_path / "judge.inception-fid" / "weights-inception-2015-12-05-6726825d.pth"
    place.parent.mkdir()
    place.write_bytes(b"weights")
    assert FID().available() is None
