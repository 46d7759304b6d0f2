from __future__ import annotations

import torch

from zoo.audio.mel.wav2lip import inference_starts, window_starts
from zoo.nn.face_windows import (
    SILENCE,
    expert_input,
    generator_input,
    mel_windows,
    sliding_windows,
)


def mel(frames: int) -> torch.Tensor:
    """Every value tells its column."""
    return torch.arange(frames).float().expand(80, frames).contiguous()


def test_windows_begin_where_the_frame_does() -> None:
    found = mel_windows(mel(200), torch.tensor([0, 1, 7]))
    assert found.shape == (3, 1, 80, 16)
    assert found[:, 0, 0, 0].tolist() == window_starts(torch.tensor([0, 1, 7])).tolist()
    assert found[1, 0, 5].tolist() == list(range(3, 19))


def test_silence_before_the_sound_and_the_last_whole_window_after_it() -> None:
    found = mel_windows(mel(100), torch.tensor([-2, 0, 500]))
    # two frames are 6.4 mel frames; the window of frame -2 starts 7 before the sound
    assert found[0, 0, 0, :7].eq(SILENCE).all()
    assert found[0, 0, 0, 7:].tolist() == list(range(9))
    assert found[1, 0, 0].tolist() == list(range(16))
    assert found[2, 0, 0].tolist() == list(range(84, 100))


def test_a_recording_shorter_than_a_window_is_followed_by_silence() -> None:
    found = mel_windows(mel(10), torch.tensor([0, 1]))
    assert found[0, 0, 0, :10].tolist() == list(range(10))
    assert found[0, 0, 0, 10:].eq(SILENCE).all()


def test_like_the_official_inference_where_that_has_windows() -> None:
    for fps in (25.0, 29.97, 30.0):
        starts = inference_starts(158, fps)
        ours = mel_windows(mel(158), torch.arange(len(starts)), fps)[:, 0, 0, 0]
        assert ours.tolist() == starts.tolist()


def test_layouts() -> None:
    target, reference = torch.rand(2, 5, 3, 8, 8), torch.rand(2, 5, 3, 8, 8)
    faces = generator_input(target, reference)
    assert faces.shape == (2, 5, 6, 8, 8)
    assert torch.equal(faces[:, :, :3, :4], target[..., :4, :])
    assert not faces[:, :, :3, 4:].any() and torch.equal(faces[:, :, 3:], reference)
    assert target.all(), "the frames given are not written to"
    window = expert_input(target)
    assert window.shape == (2, 15, 4, 8)
    assert torch.equal(window[:, 3:6], target[:, 1, :, 4:])
    runs = sliding_windows(target[0], 3)
    assert runs.shape == (3, 3, 3, 8, 8) and torch.equal(runs[2, 1], target[0, 3])
