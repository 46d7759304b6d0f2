"""Cutting long LRS utterances into shorter ones, as Auto-AVSR and AV-HuBERT do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import soundfile
import torch
from torch import Tensor

from zoo.audio import load_audio
from zoo.audio.resample import resample
from zoo.data.utterances import Utterance, WordTime
from zoo.errors import DataError

FPS = 25
SAMPLE_RATE = 16_000
AUTO_AVSR_SECONDS = 16.0  # 400 frames
AVHUBERT_SECONDS = 15.0
AVHUBERT_PAUSE_S = 0.4


def cut_by_length(utterance: Utterance, seconds: float = AUTO_AVSR_SECONDS) -> list[Utterance]:
    """Auto-AVSR's segments: words are taken while they end within `seconds` of the start.

    A segment runs from the start of its first word (the first from 0) to the end of its last; an
    utterance that needs no cut is returned whole.
    """
    groups: list[list[WordTime]] = []
    starts: list[float] = []
    start = 0.0
    for word in _words(utterance):
        if not groups or word.end_s >= start + seconds:
            start = word.start_s if groups else 0.0
            groups.append([])
            starts.append(start)
        groups[-1].append(word)
    if len(groups) < 2:
        return [utterance]
    ends = [group[-1].end_s for group in groups]
    return [_part(utterance, k, *part) for k, part in enumerate(zip(groups, starts, ends))]


def cut_at_pauses(
    utterance: Utterance, seconds: float = AVHUBERT_SECONDS, pause_s: float = AVHUBERT_PAUSE_S
) -> list[Utterance]:
    """AV-HuBERT's segments: clips of `seconds` or more are cut in the middle of every long pause.

    A long clip without such a pause is one segment, and is named as one.
    """
    words = _words(utterance)
    length = utterance.duration_s or (words[-1].end_s if words else 0.0)
    if length < seconds:
        return [utterance]
    groups: list[list[WordTime]] = [[]]
    bounds: list[float] = [0.0]
    for word in words:
        if groups[-1] and word.start_s - groups[-1][-1].end_s > pause_s:
            bounds.append((groups[-1][-1].end_s + word.start_s) / 2)
            groups.append([])
        groups[-1].append(word)
    parts = zip(groups, bounds, [*bounds[1:], None])
    return [_part(utterance, k, *part) for k, part in enumerate(parts)]


def frame_range(utterance: Utterance, frames: int) -> tuple[int, int]:
    """First and last + 1 of an utterance's frames in its clip of `frames` frames."""
    start = int((utterance.start_s or 0.0) * FPS)
    stop = frames if utterance.end_s is None else min(frames, int(utterance.end_s * FPS))
    if stop <= start:
        raise DataError(
            f"{utterance.id}: lies at frames {start} to {stop} of a clip of {frames} frames"
        )
    return start, stop


def load_part(path: Path, start_s: float | None, end_s: float | None) -> Tensor:
    """Part of a recording (S,) at 16 kHz; of wav and flac no more than that is read.

    Raises:
        MediaError: the file cannot be read.
        DataError: the part lies outside the file.
    """
    try:
        with soundfile.SoundFile(path) as file:
            rate = file.samplerate
            first = min(int((start_s or 0.0) * rate), file.frames)
            last = file.frames if end_s is None else min(int(end_s * rate), file.frames)
            file.seek(first)
            samples = file.read(max(0, last - first), dtype="float32", always_2d=True)
        part = resample(torch.from_numpy(samples.mean(axis=1)), rate, SAMPLE_RATE)
    except soundfile.LibsndfileError:  # the sound of a video, or a file that is not there
        whole = load_audio(path, SAMPLE_RATE)
        last = len(whole) if end_s is None else int(end_s * SAMPLE_RATE)
        part = whole[int((start_s or 0.0) * SAMPLE_RATE) : last]
    if not len(part):
        raise DataError(f"{path}: has nothing between {start_s} and {end_s} s")
    return part


def _words(utterance: Utterance) -> Sequence[WordTime]:
    if utterance.words is None:
        raise DataError(
            f"{utterance.id} of {utterance.dataset}: its text file has no table of words, so it "
            "cannot be cut (LRS has one in pretrain only)"
        )
    return utterance.words


def _part(
    utterance: Utterance,
    number: int,
    words: Sequence[WordTime],
    start_s: float,
    end_s: float | None,
) -> Utterance:
    text = " ".join(word.text for word in words)
    return replace(
        utterance,
        id=f"{utterance.id}_{number}",
        text=text,
        text_raw=text,
        words=tuple(words),
        start_s=start_s,
        end_s=end_s,
        duration_s=None if end_s is None else end_s - start_s,
    )
