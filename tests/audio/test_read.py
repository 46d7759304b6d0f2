"""Reading recordings: formats, rates, channels, pieces; and what is refused, and how."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from tests.make_media import cut, tone, write_clip, write_sound
from zoo.audio import as_waveform, load_audio, probe_audio, resample, save_audio, stream_audio
from zoo.errors import MediaError
from zoo.tasks import Speech

LOSSLESS = [".wav", ".flac"]


def in_steps(waveform: torch.Tensor, expected: np.ndarray) -> float:
    """Largest difference in steps of 16 bit."""
    return float((waveform - torch.from_numpy(expected)).abs().max()) * 32768


@pytest.mark.parametrize("ending", LOSSLESS)
def test_lossless_formats(tmp_path: Path, ending: str) -> None:
    samples = tone(0.5, 16000)
    waveform = load_audio(write_sound(tmp_path / f"a{ending}", samples, 16000))
    assert waveform.shape == (8000,)
    assert waveform.dtype == torch.float32
    assert in_steps(waveform, samples) <= 1.5


@pytest.mark.parametrize("ending", [".mp3", ".ogg"])
def test_lossy_formats(tmp_path: Path, ending: str) -> None:
    samples = tone(1.0, 16000)
    waveform = load_audio(write_sound(tmp_path / f"a{ending}", samples, 16000))
    assert waveform.shape == (16000,)
    assert float((waveform - torch.from_numpy(samples))[2000:-2000].abs().max()) < 0.02


@pytest.mark.parametrize(
    ("name", "codecs"),
    [
        ("a.mp4", {}),
        ("a.mkv", {}),
        ("a.avi", {"codec": "mpeg4", "sound_codec": "libmp3lame"}),
    ],
)
def test_sound_of_a_video(tmp_path: Path, name: str, codecs: dict[str, str]) -> None:
    samples = tone(1.0, 16000)
    path = write_clip(tmp_path / name, sound=samples, **codecs)
    waveform = load_audio(path)
    if name.endswith(".mp4"):  # says how long its track is; the others keep the codec's filling
        assert waveform.shape == (16000,)
    inside = waveform[2000:14000]
    spectrum = torch.fft.rfft(inside * torch.hann_window(len(inside))).abs()
    assert int(spectrum.argmax()) * 16000 / len(inside) == pytest.approx(440, abs=2)
    assert float(inside.abs().max()) == pytest.approx(0.5, abs=0.05)


def test_sound_starts_with_the_first_picture(tmp_path: Path) -> None:
    samples = tone(0.6, 16000)
    path = write_clip(tmp_path / "late.mp4", sound=samples, sound_start_s=0.4)
    waveform = load_audio(path)
    loud = (waveform.abs() > 0.1).nonzero()
    assert int(loud[0]) == pytest.approx(0.4 * 16000, abs=1100)
    assert not waveform[: int(0.3 * 16000)].any()


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_every_rate_is_converted(tmp_path: Path, rate: int) -> None:
    path = write_sound(tmp_path / "a.wav", tone(1.0, rate), rate)
    waveform = load_audio(path)
    assert waveform.shape == (16000,)
    expected = torch.from_numpy(tone(1.0, 16000))
    assert float((waveform - expected)[500:-500].abs().max()) < 1e-3


def test_resampling_removes_what_the_new_rate_cannot_hold() -> None:
    high = torch.from_numpy(tone(1.0, 48000, hertz=11000))
    assert float(resample(high, 48000, 16000)[500:-500].abs().max()) < 1e-3


def test_resample_keeps_leading_axes() -> None:
    batch = torch.randn(2, 3, 4410)
    out = resample(batch, 44100, 16000)
    assert out.shape == (2, 3, 1600)
    torch.testing.assert_close(out[1, 2], resample(batch[1, 2], 44100, 16000))


def test_channels(tmp_path: Path) -> None:
    left, right = tone(0.2, 16000), tone(0.2, 16000, hertz=1000, peak=0.2)
    path = write_sound(tmp_path / "a.wav", np.stack([left, right], axis=1), 16000)
    assert in_steps(load_audio(path), (left + right) / 2) <= 1.5
    both = load_audio(path, mono=False)
    assert both.shape == (2, 3200)
    assert in_steps(both[1], right) <= 1.5


def test_probe(tmp_path: Path) -> None:
    info = probe_audio(write_sound(tmp_path / "a.flac", tone(0.5, 22050), 22050))
    assert (info.sample_rate, info.channels, info.duration_s) == (22050, 1, 0.5)
    info = probe_audio(write_clip(tmp_path / "a.mp4", sound=tone(1.0, 16000)))
    assert (info.sample_rate, info.channels, info.codec) == (16000, 1, "aac")
    assert info.duration_s == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("chunk_s", [0.1, 0.7, 10.0])
def test_a_stream_gives_the_same_samples(tmp_path: Path, rate: int, chunk_s: float) -> None:
    path = write_sound(tmp_path / "a.wav", tone(2.3, rate), rate)
    pieces = list(stream_audio(path, chunk_s))
    assert all(len(piece) == round(chunk_s * 16000) for piece in pieces[:-1])
    torch.testing.assert_close(torch.cat(pieces), load_audio(path), rtol=0, atol=1e-6)


def test_a_stream_needs_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    minute = tone(60, 16000)
    with soundfile.SoundFile(str(path), "w", 16000, 1, "PCM_16") as file:
        for _ in range(10):
            file.write(minute)
    tracemalloc.start()
    samples = sum(len(piece) for piece in stream_audio(path, 1.0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert samples == 10 * 60 * 16000
    assert peak < 4e6  # as a whole it takes 38 MB


def test_silence_is_accepted_unless_sound_is_required(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "silent.wav", np.zeros(1600, np.float32), 16000)
    assert not load_audio(path).any()
    with pytest.raises(MediaError, match=r"silent\.wav: is silent; expected sound, check"):
        load_audio(path, require_sound=True)
    with pytest.raises(MediaError, match="waveform: is silent"):
        as_waveform(torch.zeros(1600), require_sound=True)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"none\.wav: no such file; expected a recording .*check"):
        load_audio(tmp_path / "none.wav")


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=f"{tmp_path}: is a folder; .* pass one file of it"):
        load_audio(tmp_path)


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    with pytest.raises(MediaError, match=r"empty\.wav: empty file \(0 bytes\); expected a rec"):
        load_audio(tmp_path / "empty.wav")


def test_forbidden_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_sound(tmp_path / "a.wav", tone(0.1, 16000), 16000)
    path.chmod(0)
    if os.geteuid() == 0:  # root may read every file, so the system's answer is another user's
        monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(MediaError, match=r"a\.wav: not readable; .*check the file's permissions"):
        load_audio(path)


def test_zero_length(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "none.wav", np.zeros(0, np.float32), 16000)
    with pytest.raises(MediaError, match=r"none\.wav: holds no samples \(zero length\)"):
        load_audio(path)


def test_a_video_whose_sound_track_is_empty(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "none.mp4", sound=np.zeros(0, np.float32))
    with pytest.raises(
        MediaError, match=r"none\.mp4: (holds no samples|has pictures but no sound)"
    ):
        load_audio(path)


def test_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "notes.wav"
    path.write_text("these are notes and no recording\n" * 100)
    with pytest.raises(MediaError, match=r"notes\.wav: cannot be read as a recording .*convert it"):
        load_audio(path)


@pytest.mark.parametrize("ending", [".wav", ".flac", ".mp3", ".ogg"])
def test_truncated_recording(tmp_path: Path, ending: str) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 64000).astype(np.float32)
    path = cut(write_sound(tmp_path / f"a{ending}", noise, 16000))
    with pytest.raises(MediaError, match=r"truncated.*copy the file again") as error:
        load_audio(path)
    assert path.name in str(error.value)


@pytest.mark.parametrize("faststart", [False, True])
def test_truncated_video(tmp_path: Path, faststart: bool) -> None:
    whole = write_clip(tmp_path / "a.mp4", sound=tone(1.0, 16000), faststart=faststart)
    path = cut(whole)
    with pytest.raises(MediaError, match=r"cut-a\.mp4: .*truncated.*[Cc]opy"):
        load_audio(path)


def test_truncated_avi(tmp_path: Path) -> None:
    codecs = {"codec": "mpeg4", "sound_codec": "libmp3lame"}
    path = cut(write_clip(tmp_path / "a.avi", sound=tone(1.0, 16000), **codecs))
    with pytest.raises(MediaError, match=r"cut-a\.avi: truncated, holds \d+ bytes of \d+"):
        load_audio(path)


def test_a_wav_from_a_pipe_states_no_size_and_is_read(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", tone(0.1, 16000), 16000)
    data = bytearray(path.read_bytes())
    data[4:8] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert load_audio(path).shape == (1600,)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan(tmp_path: Path, bad: float) -> None:
    samples = tone(1.0, 16000)
    samples[8000] = bad
    path = write_sound(tmp_path / "nan.wav", samples, 16000, subtype="FLOAT")
    with pytest.raises(MediaError, match=r"nan\.wav: holds NaN or infinity, first at 0\.500 s"):
        load_audio(path)
    with pytest.raises(MediaError, match="first at 0\\.500 s"):
        list(stream_audio(path, 0.1))


def test_impossible_rate(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "slow.wav", tone(1.0, 100), 100)
    with pytest.raises(MediaError, match=r"slow\.wav: sample rate 100 Hz is outside 4000"):
        load_audio(path)
    with pytest.raises(MediaError, match="sample rate 16 Hz"):
        resample(torch.zeros(100), 16, 16000)


def test_a_rate_can_be_insisted_on(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "cd.wav", tone(0.1, 44100), 44100)
    with pytest.raises(MediaError, match=r"cd\.wav: is at 44100 Hz, expected 16000 Hz; resample"):
        load_audio(path, convert_rate=False)
    assert load_audio(path, 44100, convert_rate=False).shape == (4410,)


def test_video_without_sound(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "mute.mp4")
    for read in (load_audio, probe_audio):
        with pytest.raises(MediaError, match=r"mute\.mp4: has pictures but no sound; expected a"):
            read(path)


def test_as_waveform_takes_paths_tensors_and_speech(tmp_path: Path) -> None:
    samples = tone(0.5, 16000)
    path = write_sound(tmp_path / "a.wav", samples, 16000)
    assert torch.equal(as_waveform(path), as_waveform(str(path)))
    assert torch.equal(as_waveform(torch.from_numpy(samples)), torch.from_numpy(samples))
    speech = Speech(torch.from_numpy(tone(0.5, 24000)), 24000)
    assert as_waveform(speech).shape == (8000,)
    assert as_waveform(torch.zeros(10, dtype=torch.float64)).dtype == torch.float32


@pytest.mark.parametrize(
    ("speech", "message"),
    [
        (3, "expected speech as a path, .* got int"),
        (["a.wav"], "got list"),
        (np.zeros(10, np.float32), "got ndarray"),
        (None, "got NoneType"),
        (torch.zeros(1, 10), r"expected shape \(S,\), got \(1, 10\); pass a list for a batch"),
        (torch.zeros(10, dtype=torch.int16), "got torch.int16; divide 16-bit samples by 32768"),
        (torch.zeros(0), r"holds no samples \(zero length\)"),
        (torch.tensor([0.0, float("nan")]), "holds NaN or infinity"),
        (torch.tensor([0.0, 20000.0]), r"peak far above 1; .*divide 16-bit samples"),
    ],
)
def test_as_waveform_refuses(speech: Any, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        as_waveform(speech)


def test_a_path_of_the_wrong_type() -> None:
    with pytest.raises(MediaError, match=r"expected a path to a recording .*, got int; pass str"):
        load_audio(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("ending", LOSSLESS)
def test_saving_what_was_loaded_changes_nothing(tmp_path: Path, ending: str) -> None:
    waveform = torch.from_numpy(tone(0.5, 16000, peak=0.999))
    first = load_audio(save_audio(tmp_path / f"a{ending}", waveform, 16000))
    second = load_audio(save_audio(tmp_path / f"b{ending}", first, 16000))
    assert torch.equal(first, second)
    assert in_steps(first, waveform.numpy()) <= 0.51


@pytest.mark.parametrize("ending", [".mp3", ".ogg"])
def test_saving_lossy(tmp_path: Path, ending: str) -> None:
    waveform = torch.from_numpy(tone(1.0, 16000))
    path = save_audio(tmp_path / "new" / f"a{ending}", waveform, 16000)
    assert load_audio(path).shape == (16000,)


def test_saving_clips_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = save_audio(tmp_path / "a.wav", torch.tensor([0.0, 2.0, -2.0]), 16000)
    assert load_audio(path).tolist() == [0.0, 32767 / 32768, -1.0]
    assert "peak 2.000 is above 1" in caplog.text


@pytest.mark.parametrize(
    ("name", "waveform", "rate", "message"),
    [
        ("a.txt", torch.zeros(10), 16000, r"a\.txt: unknown audio ending; use one of \.wav"),
        ("a.wav", torch.zeros(0), 16000, r"a\.wav: expected a waveform \(S,\), not empty"),
        ("a.wav", torch.zeros(2, 10), 16000, r"got shape \(2, 10\)"),
        ("a.wav", torch.tensor([float("nan")]), 16000, r"a\.wav: not written, the waveform holds"),
        ("a.wav", torch.zeros(10), 0, r"a\.wav: sample rate 0 Hz"),
        ("a.mp3", torch.zeros(10), 23456, r"a\.mp3: cannot be written at 23456 Hz .*use wav"),
    ],
)
def test_saving_refuses(
    tmp_path: Path, name: str, waveform: torch.Tensor, rate: int, message: str
) -> None:
    with pytest.raises(MediaError, match=message):
        save_audio(tmp_path / name, waveform, rate)
    assert not list(tmp_path.iterdir())


def test_real_clips(real_root: Path) -> None:
    wavs = sorted((real_root / "lrs3").rglob("*.wav"))
    if not wavs:
        pytest.skip("ZOO_REAL: no lrs3 clips")
    for wav in wavs:
        extracted, own = load_audio(wav), load_audio(wav.with_suffix(".mp4"))
        assert extracted.shape == own.shape
        assert in_steps(own, extracted.numpy()) <= 1.01  # the wav was rounded to 16 bit


def test_real_recordings(real_root: Path) -> None:
    found = [p for p in sorted(real_root.rglob("*")) if p.suffix in (".wav", ".flac")]
    for path in found:
        info = probe_audio(path)
        waveform = load_audio(path, require_sound=True)
        assert info.duration_s is not None
        assert len(waveform) == pytest.approx(info.duration_s * 16000, abs=1)
        pieces = torch.cat(list(stream_audio(path, 1.0)))
        torch.testing.assert_close(pieces, waveform, rtol=0, atol=1e-6)
