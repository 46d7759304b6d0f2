"""What the slots of an audio-lip memory stand for; for `talking_faces.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from film_clips import Clip, correlation, opening_of, true_faces
from findings import Found, of_means, phone_at, plain
from numpy.typing import NDArray
from sklearn.metrics import normalized_mutual_info_score
from torch.nn import functional as F

from zoo.nn.face_windows import expert_input, sliding_windows
from zoo.video import FPS

LEAST_SHARE = 0.02  # of the frames, for a slot to count as used
LEAST_SLOTS = 3  # for a correlation over them
FORCED_CLIPS = 8
FORCED_FRAMES = 5


def lip_memory(model: Any, clips: Sequence[Clip], detector: Any) -> Found:
    """Slots against phones, sound against lips, and what a slot shows when it is forced.

    Args:
        model: with `addresses`, such as SyncTalkFace.
        clips: filmed clips.
        detector: of landmarks.
    """
    heard, agree = [], []
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
    sources = [clip.source for clip in clips]
    found = information(heard, clips)
    found["memory: sound and lips choose the same slot"] = of_means("agree", agree, sources)
    forced = forced_openings(model, clips[:FORCED_CLIPS], heard, clips, detector)
    if not forced:
        return found
    label = "memory: opening a slot forces, with that drawn where it is heard (over slots)"
    found[label] = of_means("forced", forced, sources[: len(forced)])
    return found


def information(heard: Sequence[Any], clips: Sequence[Clip]) -> Found:
    """Normalised mutual information of slots with the phones that are heard."""
    moments = [np.arange(len(own)) + 0.5 for own in heard]
    phones = [phone_at(c.phones, x / FPS) for c, own in zip(clips, moments) for x in own]
    chosen = np.concatenate(heard)
    mixed = np.random.default_rng(0).permutation(chosen)
    return {
        "memory: slots in use": plain(len(used(chosen)), len(chosen)),
        "memory: information of slot and phone": plain(
            normalized_mutual_info_score(phones, chosen), len(chosen)
        ),
        "memory: the same, slots in another order": plain(
            normalized_mutual_info_score(phones, mixed), len(chosen)
        ),
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
    in_use = used(np.concatenate(heard))
    if len(in_use) < LEAST_SLOTS:
        return []
    right = np.array([np.mean(drawn[slot]) for slot in in_use])
    found = []
    for clip in shown:
        sound = clip.sound[: round(16_000 * FORCED_FRAMES / FPS)]
        made = []
        for slot in in_use:
            address = F.one_hot(torch.tensor(slot), model.config.memory.slots).float()
            film = model.animate(clip.frames[:1], sound, address=address)
            made.append(float(np.mean(opening_of(detector, film))))
        found.append(correlation(np.array(made), right))
    return found
