"""What the slots of an audio-lip memory stand for; for `talking_faces.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from film_clips import Clip, correlation, opening_of, true_faces
from findings import Found, of_means
from numpy.typing import NDArray
from sklearn.metrics import normalized_mutual_info_score
from torch.nn import functional as F

from zoo.nn.face_windows import expert_input, sliding_windows
from zoo.video import FPS

LEAST_SHARE = 0.02  # of the frames, for a slot to count as used
FORCED_CLIPS = 8
FORCED_FRAMES = 5


def lip_memory(model: Any, clips: Sequence[Clip], detector: Any) -> Found:
    """Slots against phones, sound against lips, and what a slot shows when it is forced.

    Args:
        model: with `addresses`, such as SyncTalkFace.
        clips: filmed clips.
        detector: of landmarks.
    """
    heard, seen, agree = [], [], []
    for clip in clips:
        windows = model.prepare(clip.path, clip.path).windows[None]
        with torch.inference_mode():
            slots = model.addresses(model.encode_audio(windows))[0].argmax(dim=1)
            around = sliding_windows(true_faces(model, clip))
            lips = model.network.encode_lips(expert_input(around))
            looks = model.network.memory.address_values(lips).argmax(dim=1)
        margin = (len(slots) - len(looks)) // 2
        agree.append(float((slots[margin : margin + len(looks)] == looks).float().mean()))
        heard.append(slots.numpy())
        seen.append(looks.numpy())
    sources = [clip.source for clip in clips]
    found = information(heard, seen, clips)
    found["memory: sound and lips choose the same slot"] = of_means("agree", agree, sources)
    forced = forced_openings(model, clips[:FORCED_CLIPS], heard, clips, detector)
    label = "memory: opening a slot forces, with that drawn where it is heard (over slots)"
    found[label] = of_means("forced", forced, sources[: len(forced)])
    return found


def information(heard: Sequence[Any], seen: Sequence[Any], clips: Sequence[Clip]) -> Found:
    """Normalised mutual information of slots with the phones that are heard."""
    phones = [phone_at(clip, frame) for clip, own in zip(clips, heard) for frame in range(len(own))]
    chosen = np.concatenate(heard)
    mixed = np.random.default_rng(0).permutation(chosen)
    one = {"value": 0.0, "low": float("nan"), "high": float("nan"), "n": len(chosen)}
    return {
        "memory: slots in use": {**one, "value": float(len(used(chosen)))},
        "memory: information of slot and phone": {
            **one,
            "value": float(normalized_mutual_info_score(phones, chosen)),
        },
        "memory: the same, slots in another order": {
            **one,
            "value": float(normalized_mutual_info_score(phones, mixed)),
        },
    }


def used(chosen: NDArray[Any]) -> list[int]:
    """The slots that more than a few frames choose."""
    slots, counts = np.unique(chosen, return_counts=True)
    return [int(slot) for slot, count in zip(slots, counts) if count > LEAST_SHARE * len(chosen)]


def forced_openings(
    model: Any,
    shown: Sequence[Clip],
    heard: Sequence[NDArray[Any]],
    clips: Sequence[Clip],
    detector: Any,
) -> list[float]:
    """For each clip shown, the correlation over slots of the opening that a forced slot makes with
    the mean opening drawn where the sound of all clips chooses that slot."""
    drawn: dict[int, list[float]] = {}
    for clip, slots in zip(clips, heard, strict=True):
        for slot, opening in zip(slots, clip.opening):
            drawn.setdefault(int(slot), []).append(float(opening))
    slots = used(np.concatenate(heard))
    if len(slots) < 3:
        return []
    right = np.array([np.mean(drawn[slot]) for slot in slots])
    found = []
    for clip in shown:
        sound = clip.sound[: round(16_000 * FORCED_FRAMES / FPS)]
        made = []
        for slot in slots:
            address = F.one_hot(torch.tensor(slot), model.config.memory.slots).float()
            film = model.animate(clip.frames[:1], sound, address=address)
            made.append(float(np.mean(opening_of(detector, film))))
        found.append(correlation(np.array(made), right))
    return found


def phone_at(clip: Clip, frame: int) -> str:
    """The phone in the middle of a frame."""
    now = 1000 * (frame + 0.5) / FPS
    return next((name for name, start, end in clip.phones if start <= now < end), "")
