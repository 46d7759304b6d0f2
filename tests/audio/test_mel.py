"""The mel front-ends as modules: shapes, padding, precision; and on recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.audio import load_audio
from zoo.audio.mel import MEL_FRONT_ENDS, mel_filterbank, mel_front_end
from zoo.audio.mel.filterbank import hz_to_mel, mel_to_hz
from zoo.audio.mel.wav2lip import Wav2LipMel, cut_windows
from zoo.errors import ConfigError, MediaError


@pytest.fixture
def noise() -> torch.Tensor:
    return torch.randn(3, 9000, generator=torch.Generator().manual_seed(0)) * 0.1


@pytest.mark.parametrize("name", MEL_FRONT_ENDS)
def test_an_item_is_the_same_alone_and_in_a_padded_batch(name: str, noise: torch.Tensor) -> None:
    front_end = mel_front_end(name)
    lengths = torch.tensor([9000, 5321, 2000])
    garbage = noise.clone()
    garbage[1, 5321:], garbage[2, 2000:] = 7.0, -7.0
    batch = front_end(garbage, lengths)
    frames = front_end.num_frames(lengths)
    assert batch.shape[-1] == int(frames[0])
    for i, length in enumerate(lengths.tolist()):
        alone = front_end(noise[i, :length])
        count = int(frames[i])
        assert alone.shape == (front_end.config.num_mels, count)
        torch.testing.assert_close(batch[i, :, :count], alone, rtol=0, atol=1e-5)
        assert not batch[i, :, count:].any()


@pytest.mark.parametrize("name", MEL_FRONT_ENDS)
def test_silence_gives_finite_values(name: str) -> None:
    assert mel_front_end(name)(torch.zeros(1, 4000)).isfinite().all()


@pytest.mark.parametrize("name", MEL_FRONT_ENDS)
def test_half_precision_of_the_model_does_not_reach_the_front_end(
    name: str, noise: torch.Tensor
) -> None:
    front_end = mel_front_end(name)
    expected = front_end(noise)
    assert expected.dtype == torch.float32
    assert torch.equal(torch.nn.Sequential(front_end).half()[0](noise), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(front_end(noise), expected)


def test_buffers_are_not_saved_and_come_back_after_a_meta_build(noise: torch.Tensor) -> None:
    expected = mel_front_end("tacotron16k")(noise)
    with torch.device("meta"):
        front_end = mel_front_end("tacotron16k")
    assert not front_end.state_dict()
    front_end.to_empty(device="cpu")
    front_end.reset_buffers()
    assert torch.equal(front_end(noise), expected)


@pytest.mark.parametrize("name", ["tacotron16k", "wav2lip", "bigvgan24k"])
def test_gradients_reach_the_waveform(name: str, noise: torch.Tensor) -> None:
    waveform = noise.clone().requires_grad_()
    mel_front_end(name)(waveform).sum().backward()
    assert waveform.grad is not None
    assert waveform.grad.isfinite().all()
    assert waveform.grad.any()


@pytest.mark.parametrize(("name", "samples"), [("tacotron16k", 320), ("wav2lip", 400), ("ge2e", 0)])
def test_too_short(name: str, samples: int) -> None:
    front_end = mel_front_end(name)
    front_end(torch.zeros(samples + 1))
    if samples:
        with pytest.raises(
            MediaError, match=rf"{samples} samples are too short.*pad the recording"
        ):
            front_end(torch.zeros(samples))


def test_unknown_name() -> None:
    with pytest.raises(ConfigError, match=r"unknown mel front-end 'tacotron'.*tacotron16k"):
        mel_front_end("tacotron")


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_scales_invert(scale: str) -> None:
    hertz = torch.linspace(0, 12000, 200, dtype=torch.float64)
    torch.testing.assert_close(mel_to_hz(hz_to_mel(hertz, scale), scale), hertz)


def test_known_points_of_the_scales() -> None:
    assert float(hz_to_mel(torch.tensor(1000.0), "slaney")) == pytest.approx(15.0)
    assert float(hz_to_mel(torch.tensor(6400.0), "slaney")) == pytest.approx(42.0)
    assert float(hz_to_mel(torch.tensor(1000.0), "htk")) == pytest.approx(999.99, abs=0.01)


def test_unit_area() -> None:
    bank = mel_filterbank(sample_rate=16000, n_fft=8192, num_mels=20)
    area = bank.sum(dim=1) * (16000 / 8192)
    torch.testing.assert_close(area, torch.ones(20), rtol=1e-2, atol=0)


def test_a_woman_s_mel_starts_higher() -> None:
    low, high = (int(Wav2LipMel(min_hz=hz).bank[0].nonzero()[0]) for hz in (55.0, 95.0))
    assert high > low


def test_windows_beyond_the_mel() -> None:
    with pytest.raises(MediaError, match="do not fit into 20 frames"):
        cut_windows(torch.zeros(80, 20), torch.tensor([0, 5]))


def test_recordings_give_the_mel_their_authors_stored(real_root: Path) -> None:
    folder = real_root / "lrs3_mouth"
    stored = sorted((folder / "mel").rglob("*.npy"))
    if not stored:
        pytest.skip("ZOO_REAL: no stored mels")
    front_end = mel_front_end("tacotron16k")
    for path in stored:
        clip = path.relative_to(folder / "mel").with_suffix(".wav")
        mel = front_end(load_audio(folder / "audio" / clip)).T
        expected = torch.from_numpy(np.load(path))
        assert mel.shape == expected.shape
        # the same figure as their own code reaches against their files
        torch.testing.assert_close(mel, expected, rtol=0, atol=2e-4)
        assert float((mel - expected).abs().mean()) < 1e-6
