"""Reading videos: the frame-rate rule, rotation, sound, pieces; and what is refused, and how."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.make_media import GREY, cut, tone, turn, write_clip, write_sound
from zoo.errors import MediaError
from zoo.tasks import Speech, Video
from zoo.video import as_video, load_video, probe_video, read, stream_video
from zoo.video.read import retime

AVI = {"codec": "mpeg4", "sound_codec": "libmp3lame"}


def numbers(frames: Tensor) -> list[int]:
    """Which of the numbered grey frames each frame is, modulo 11."""
    grey = frames[:, :, -8:, -8:].float().mean(dim=(1, 2, 3))
    return (grey[:, None] - torch.tensor(GREY[:11])).abs().argmin(dim=1).tolist()


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".avi"])
def test_a_clip_at_25_fps_comes_out_frame_by_frame(tmp_path: Path, ending: str) -> None:
    video = load_video(write_clip(tmp_path / f"a{ending}", frames=33))
    assert video.frames.shape == (33, 3, 48, 64)
    assert video.frames.dtype == torch.uint8
    assert video.frames.is_contiguous()
    assert numbers(video.frames) == [k % 11 for k in range(33)]
    assert (video.fps, video.speech) == (25.0, None)


def test_colours_are_red_green_blue(tmp_path: Path) -> None:
    frames = load_video(write_clip(tmp_path / "a.mp4")).frames
    red = frames[0, :, 2:8, 2:12].float().mean(dim=(1, 2))
    torch.testing.assert_close(red, torch.tensor([230.0, 20.0, 20.0]), rtol=0, atol=8)


@pytest.mark.parametrize(
    ("fps", "frames"), [(50, 100), (30, 61), (Fraction(30000, 1001), 60), (10, 20), (24, 48)]
)
def test_other_rates_take_the_nearest_picture(
    tmp_path: Path, fps: Fraction | int, frames: int
) -> None:
    video = load_video(write_clip(tmp_path / "a.mp4", frames=frames, fps=fps))
    duration = Fraction(frames) / Fraction(fps)
    assert len(video.frames) == int(duration * 25 + Fraction(1, 2))
    for k, number in enumerate(numbers(video.frames)):
        distance = [abs(Fraction(i) / Fraction(fps) - Fraction(k, 25)) for i in range(frames)]
        assert number == distance.index(min(distance)) % 11


def test_a_varying_rate_goes_by_time_stamps(tmp_path: Path) -> None:
    slow = [Fraction(k, 10) for k in range(5)]  # 0.0 .. 0.4 s, then 50 a second
    fast = [Fraction(1, 2) + Fraction(k, 50) for k in range(25)]
    times = slow + fast
    frames = load_video(write_clip(tmp_path / "a.mp4", times)).frames
    assert len(frames) == pytest.approx(25, abs=1)
    expected = [
        min(range(len(times)), key=lambda i: (abs(times[i] - Fraction(k, 25)), i)) % 11
        for k in range(len(frames))
    ]
    assert numbers(frames) == expected


def test_the_rule_by_hand() -> None:
    def run(fps: int, count: int, target: int) -> list[int]:
        step = Fraction(1, fps)
        return list(retime(((i * step, step, i) for i in range(count)), Fraction(target)))

    assert run(25, 4, 25) == [0, 1, 2, 3]
    assert run(50, 6, 25) == [0, 2, 4]
    assert run(30, 6, 25) == [0, 1, 2, 4, 5]
    assert run(10, 2, 25) == [0, 0, 1, 1, 1]  # 0.04 s is nearer to 0.0, 0.08 to 0.1
    assert run(50, 1, 25) == [0]
    assert run(100, 1, 25) == [0]  # at least one
    assert list(retime([], Fraction(25))) == []
    # two equally near: the earlier
    assert list(retime([(Fraction(0), Fraction(2), "a"), (Fraction(2), Fraction(1), "b")],
                       Fraction(1))) == ["a", "a", "b"]  # fmt: skip
    # the length 1.45 rounds to one slot, although a picture near slot 1 is there
    times = [(0.0, 0.7, "a"), (0.7, 0.7, "b"), (1.4, 0.05, "c")]
    exact = [(Fraction(t).limit_denominator(100), Fraction(d).limit_denominator(100), x)
             for t, d, x in times]  # fmt: skip
    assert list(retime(exact, Fraction(1))) == ["a"]
    # a long last picture is repeated, a gap is filled by its nearer neighbour
    assert list(retime([(Fraction(0), Fraction(3), "a")], Fraction(1))) == ["a", "a", "a"]


def test_other_target_rates(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=25)
    assert len(load_video(path, fps=50).frames) == 50
    assert len(load_video(path, fps=12.5).frames) == 13


# what phones write: the track's matrix turns the stored picture clockwise by 90, 180, 270 degrees
ONE = 1 << 16


@pytest.mark.parametrize(
    ("matrix", "corner", "shape"),
    [
        ((ONE, 0, 0, ONE), "top left", (48, 64)),
        ((0, ONE, -ONE, 0), "top right", (64, 48)),
        ((-ONE, 0, 0, -ONE), "bottom right", (48, 64)),
        ((0, -ONE, ONE, 0), "bottom left", (64, 48)),
    ],
)
def test_rotation(
    tmp_path: Path, matrix: tuple[int, ...], corner: str, shape: tuple[int, int]
) -> None:
    path = turn(write_clip(tmp_path / "a.mp4"), matrix)
    frames = load_video(path).frames
    assert tuple(frames.shape[-2:]) == shape
    info = probe_video(path)
    assert (info.height, info.width) == shape
    rows = slice(0, 6) if "top" in corner else slice(-6, None)
    columns = slice(0, 6) if "left" in corner else slice(-6, None)
    red, green, _ = frames[0, :, rows, columns].float().mean(dim=(1, 2))
    assert red > 180
    assert green < 80


def test_probe(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=60, fps=30, sound=tone(2.0, 16000))
    info = probe_video(path)
    assert (info.fps, info.width, info.height, info.rotation) == (30.0, 64, 48, 0)
    assert info.duration_s == pytest.approx(2.0)
    assert info.has_audio
    assert info.codec == "h264"
    assert not probe_video(write_clip(tmp_path / "mute.mp4")).has_audio


@pytest.mark.parametrize(("ending", "codecs"), [(".mp4", {}), (".avi", AVI)])
def test_sound(tmp_path: Path, ending: str, codecs: dict[str, str]) -> None:
    path = write_clip(tmp_path / f"a{ending}", sound=tone(1.0, 16000), **codecs)
    video = load_video(path, with_audio=True)
    assert video.speech is not None
    assert video.speech.sample_rate == 16000
    assert video.speech.duration_s == pytest.approx(video.duration_s, abs=0.12)


@pytest.mark.parametrize("chunk_frames", [1, 7, 1000])
@pytest.mark.parametrize("fps", [25, 30])
def test_a_stream_gives_the_same_frames(tmp_path: Path, fps: int, chunk_frames: int) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=40, fps=fps)
    pieces = list(stream_video(path, chunk_frames))
    assert all(len(piece) == chunk_frames for piece in pieces[:-1])
    assert torch.equal(torch.cat(pieces), load_video(path).frames)


def test_a_stream_needs_little_memory(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=400, size=(160, 128))
    tracemalloc.start()
    count = sum(len(piece) for piece in stream_video(path, 10))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 400
    assert peak < 5e6  # as a whole it takes 25 MB


def test_too_long_to_be_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_clip(tmp_path / "a.mp4")
    monkeypatch.setattr(read, "MAX_BYTES", 100_000)
    with pytest.raises(MediaError, match=r"a\.mp4: would take .* GiB .*stream_video"):
        load_video(path)
    assert sum(len(piece) for piece in stream_video(path)) == 25


def test_missing_folder_empty(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"none\.mp4: no such file; expected a video .*check"):
        load_video(tmp_path / "none.mp4")
    with pytest.raises(MediaError, match=r"is a folder; expected a video .*pass one file"):
        load_video(tmp_path)
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(MediaError, match=r"empty\.mp4: empty file \(0 bytes\)"):
        load_video(tmp_path / "empty.mp4")
    with pytest.raises(MediaError, match=r"expected a path to a video .*, got list"):
        load_video([])  # type: ignore[arg-type]


def test_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("no video at all\n" * 50)
    with pytest.raises(MediaError, match=r"notes\.mp4: cannot be read as a video .*convert"):
        load_video(path)


@pytest.mark.parametrize("faststart", [False, True])
def test_truncated(tmp_path: Path, faststart: bool) -> None:
    path = cut(write_clip(tmp_path / "a.mp4", frames=100, faststart=faststart))
    for use in (load_video, probe_video, lambda p: list(stream_video(p))):
        with pytest.raises(MediaError, match=r"cut-a\.mp4: .*truncated.*[Cc]opy"):
            use(path)


def test_truncated_avi(tmp_path: Path) -> None:
    path = cut(write_clip(tmp_path / "a.avi", frames=100, codec="mpeg4"))
    with pytest.raises(MediaError, match=r"cut-a\.avi: truncated, holds \d+ bytes of \d+"):
        load_video(path)


def test_damaged_in_the_middle(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", frames=100)
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 3 * 2] = bytes(len(data) // 3)
    path.write_bytes(data)
    try:
        frames = load_video(path).frames
    except MediaError as error:
        assert "a.mkv" in str(error)
    else:  # the decoder may conceal the damage, but then the time line is whole
        assert frames.shape[1:] == (3, 48, 64)


def test_no_frames(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", frames=0, sound=tone(0.5, 16000))
    with pytest.raises(MediaError, match=r"a\.mkv: (holds no pictures|has sound but no pictures)"):
        load_video(path)


def test_sound_without_pictures(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", tone(0.5, 16000), 16000)
    for use in (load_video, probe_video):
        with pytest.raises(MediaError, match=r"a\.wav: has sound but no pictures; expected a v"):
            use(path)


def test_pictures_without_sound(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "mute.mp4")
    with pytest.raises(MediaError, match=r"mute\.mp4: has pictures but no sound; expected a rec"):
        load_video(path, with_audio=True)


@pytest.mark.parametrize("fps", [0, -25, float("nan"), 100_000])
def test_impossible_rate(tmp_path: Path, fps: float) -> None:
    path = write_clip(tmp_path / "a.mp4")
    with pytest.raises(MediaError, match=r"a\.mp4: frame rate .* is outside 0\.\.1000; use"):
        load_video(path, fps=fps)
    with pytest.raises(MediaError, match="chunk_frames=0 is no length"):
        list(stream_video(path, 0))


def test_as_video_takes_paths_tensors_and_videos(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", sound=tone(1.0, 16000))
    loaded = as_video(path, with_audio=True)
    assert loaded.speech is not None
    assert torch.equal(as_video(loaded.frames).frames, loaded.frames)
    assert as_video(loaded, with_audio=True) is loaded


def test_as_video_brings_a_video_to_the_rate() -> None:
    frames = torch.arange(60, dtype=torch.uint8)[:, None, None, None].expand(60, 3, 4, 4)
    speech = Speech(torch.zeros(32000), 16000)
    video = as_video(Video(frames, 30.0, speech))
    assert (len(video.frames), video.fps) == (50, 25.0)
    assert video.speech is speech
    assert video.frames[:6, 0, 0, 0].tolist() == [0, 1, 2, 4, 5, 6]


@pytest.mark.parametrize(
    ("video", "message"),
    [
        (5, "expected a video as a path, .* got int"),
        (torch.zeros(4, 3, 8, 8), "must be uint8 in 0..255, got torch.float32"),
        (
            torch.zeros(3, 8, 8, dtype=torch.uint8),
            r"must be \(T, 3, H, W\) .* got shape \(3, 8, 8\)",
        ),
        (torch.zeros(0, 3, 8, 8, dtype=torch.uint8), "not empty, got shape"),
        (torch.zeros(4, 8, 8, 3, dtype=torch.uint8), r"got shape \(4, 8, 8, 3\)"),
    ],
)
def test_as_video_refuses(video: Any, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        as_video(video)


def test_as_video_needs_its_sound() -> None:
    mute = Video(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), 25.0)
    with pytest.raises(MediaError, match=r"has pictures but no sound; .*set Video\.speech"):
        as_video(mute, with_audio=True)


def test_real_clips(real_root: Path) -> None:
    paths = sorted(real_root.rglob("*.mp4"))
    if not paths:
        pytest.skip("ZOO_REAL: no clips")
    for path in paths:
        info = probe_video(path)
        video = load_video(path, with_audio=info.has_audio)
        assert info.duration_s is not None
        assert len(video.frames) == round(info.duration_s * 25)
        assert tuple(video.frames.shape[1:]) == (3, info.height, info.width)
        assert video.frames.float().std() > 5  # a picture of something
        if video.speech is not None:
            assert len(video.speech.waveform) == pytest.approx(640 * len(video.frames), abs=640)
