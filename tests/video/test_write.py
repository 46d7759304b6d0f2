"""Writing videos: durations, sound, odd sizes, pieces, interruptions."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
import torch

from tests.make_media import tone
from zoo.audio import load_audio
from zoo.errors import MediaError
from zoo.tasks import Speech, Video
from zoo.video import VideoWriter, load_video, save_video


def smooth_frames(count: int, height: int = 48, width: int = 64) -> torch.Tensor:
    """A slowly changing colour ramp (T, 3, H, W)."""
    ramp = torch.linspace(40, 200, width).expand(3, height, width)
    shift = torch.linspace(0, 40, count)[:, None, None, None]
    return (ramp * torch.tensor([1.0, 0.6, 0.3])[:, None, None] + shift).clamp(0, 255).byte()


def sound(seconds: float, rate: int = 16000) -> Speech:
    return Speech(torch.from_numpy(tone(seconds, rate)), rate)


def test_pictures_and_sound_come_back(tmp_path: Path) -> None:
    video = Video(smooth_frames(50), 25.0, sound(2.0))
    path = save_video(tmp_path / "new" / "a.mp4", video)
    back = load_video(path, with_audio=True)
    assert back.frames.shape == video.frames.shape
    difference = (back.frames.float() - video.frames.float()).abs()
    assert float(difference.mean()) < 3
    assert back.speech is not None
    assert video.speech is not None
    assert back.speech.waveform.shape == video.speech.waveform.shape
    error = (back.speech.waveform - video.speech.waveform)[4000:-4000].abs().max()
    assert float(error) < 0.05  # no delay: one sample of 440 Hz is 0.09


@pytest.mark.parametrize(("fps", "frames"), [(25.0, 50), (30.0, 45), (29.97, 60), (12.5, 10)])
@pytest.mark.parametrize("rate", [16000, 22050, 24000, 48000])
def test_durations(tmp_path: Path, fps: float, frames: int, rate: int) -> None:
    path = save_video(tmp_path / "a.mp4", Video(smooth_frames(frames), fps, sound(1.3, rate)))
    with av.open(str(path)) as container:
        picture, track = container.streams.video[0], container.streams.audio[0]
        assert float(picture.duration * picture.time_base) == pytest.approx(frames / fps, abs=1e-3)
        assert float(track.duration * track.time_base) == pytest.approx(1.3, abs=1e-3)
        assert picture.codec_context.name == "h264"
        assert picture.pix_fmt == "yuv420p"
        assert track.codec_context.name == "aac"
        assert sum(1 for _ in container.decode(picture)) == frames


def test_a_rate_that_aac_lacks(tmp_path: Path) -> None:
    path = save_video(tmp_path / "a.mp4", Video(smooth_frames(25), 25.0, sound(1.0, 20000)))
    with av.open(str(path)) as container:
        assert container.streams.audio[0].rate == 22050
    assert len(load_audio(path)) == pytest.approx(16000, abs=20)


def test_without_sound(tmp_path: Path) -> None:
    path = save_video(tmp_path / "a.mp4", Video(smooth_frames(5), 25.0))
    with av.open(str(path)) as container:
        assert not container.streams.audio


def test_odd_sizes_are_padded_by_their_last_row_and_column(tmp_path: Path) -> None:
    frames = smooth_frames(5, 47, 63)
    back = load_video(save_video(tmp_path / "a.mp4", Video(frames, 25.0))).frames
    assert back.shape == (5, 3, 48, 64)
    last = back[..., -1].float() - frames[..., -1:, -1].float()[..., 0:1]
    assert float(last.abs().mean()) < 12


def test_in_pieces(tmp_path: Path) -> None:
    frames, speech = smooth_frames(50), sound(2.0)
    with VideoWriter(tmp_path / "a.mp4", 25.0, sample_rate=16000) as writer:
        for start in range(0, 50, 20):
            writer.write(frames[start : start + 20])
            writer.write_sound(speech.waveform[start * 640 : (start + 20) * 640])
    pieces = load_video(tmp_path / "a.mp4", with_audio=True)
    whole = load_video(save_video(tmp_path / "b.mp4", Video(frames, 25.0, speech)), with_audio=True)
    assert torch.equal(pieces.frames, whole.frames)
    assert pieces.speech is not None
    assert whole.speech is not None
    torch.testing.assert_close(pieces.speech.waveform, whole.speech.waveform, rtol=0, atol=1e-3)


def test_planes_of_the_encoder(tmp_path: Path) -> None:
    """A grey picture and a blue one, as brightness and two colour differences."""
    planes = torch.full((2, 72, 64), 128, dtype=torch.uint8)
    planes[1, :48], planes[1, 48:60], planes[1, 60:] = 41, 240, 110
    with VideoWriter(tmp_path / "a.mp4", 25.0) as writer:
        writer.write_planes(planes)
    grey, blue = load_video(tmp_path / "a.mp4").frames.float().mean(dim=(2, 3))
    torch.testing.assert_close(grey, torch.full((3,), 130.0), atol=3, rtol=0)
    torch.testing.assert_close(blue, torch.tensor([0.0, 0.0, 255.0]), atol=5, rtol=0)


def test_an_interrupted_writer_leaves_nothing(tmp_path: Path) -> None:
    def write() -> None:
        with VideoWriter(tmp_path / "a.mp4", 25.0) as writer:
            writer.write(smooth_frames(5))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert not list(tmp_path.iterdir())


def test_an_interrupted_writer_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    save_video(path, Video(smooth_frames(5), 25.0))
    before = path.read_bytes()
    with pytest.raises(MediaError, match="no pictures to write"), VideoWriter(path, 25.0):
        pass
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"a\.avi: unknown video ending; use \.mp4"):
        VideoWriter(tmp_path / "a.avi", 25.0)
    with pytest.raises(MediaError, match=r"a\.mp4: frame rate 0 is outside"):
        VideoWriter(tmp_path / "a.mp4", 0)
    with pytest.raises(MediaError, match=r"a\.mp4: sample rate 7 Hz"):
        VideoWriter(tmp_path / "a.mp4", 25.0, sample_rate=7)
    with pytest.raises(MediaError, match=r"a\.mp4: neither pictures nor sound"):
        VideoWriter(tmp_path / "a.mp4", None)
    with VideoWriter(tmp_path / "b.mp4", None, sample_rate=16000) as writer:
        writer.write_sound(torch.zeros(1600))
        with pytest.raises(MediaError, match=r"b\.mp4: opened without pictures"):
            writer.write(smooth_frames(2))
    with VideoWriter(tmp_path / "a.mp4", 25.0) as writer:
        writer.write(smooth_frames(2))
        with pytest.raises(MediaError, match="the picture size changes"):
            writer.write(smooth_frames(2, 32, 32))
        with pytest.raises(MediaError, match="opened without sound"):
            writer.write_sound(torch.zeros(10))
        with pytest.raises(MediaError, match=r"must be \(T, 3, H, W\)"):
            writer.write(torch.zeros(3, 4, 4, dtype=torch.uint8))


def test_nan_in_the_sound(tmp_path: Path) -> None:
    bad = Video(smooth_frames(2), 25.0, Speech(torch.tensor([float("nan")]), 16000))
    with pytest.raises(MediaError, match=r"a\.mp4: not written, the waveform holds NaN"):
        save_video(tmp_path / "a.mp4", bad)
    assert not list(tmp_path.iterdir())
