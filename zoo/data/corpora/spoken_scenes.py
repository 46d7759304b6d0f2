"""Scenes with five spoken captions each: what the picture corpora share, whatever their layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from zoo.data.corpora.captions import draw_captions
from zoo.data.corpora.scenes import Scene, draw_scene, paint
from zoo.data.corpora.speakers import SAMPLE_RATE, Recording, Speaker, draw_speakers, record
from zoo.errors import DataError

IMAGE_SIZE = 128
JPEG_QUALITY = 92
SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class SpokenScene:
    """One picture to paint and five captions to say; `entropy` seeds all that is left to chance."""

    split: str
    index: int
    scene: Scene
    captions: tuple[str, ...]
    speakers: tuple[Speaker, ...]
    entropy: tuple[int, ...]


def plan_scenes(seed: int, sizes: Mapping[str, int]) -> list[SpokenScene]:
    """Draw every scene, caption and speaker of a corpus.

    No two pictures of a corpus share place and coloured objects; dev and test are made of
    combinations (object, colour, place) and timbres that no train split of any seed has, and of
    sentences that this train split does not have.

    Args:
        seed: Draws everything; another seed gives other scenes, sentences and voices.
        sizes: Pictures in train, dev and test.
    """
    speakers = draw_speakers(seed, SPLITS)
    seen: set[tuple[object, ...]] = set()
    said: set[str] = set()
    plan: list[SpokenScene] = []
    for part, split in enumerate(SPLITS):
        for index in range(sizes[split]):
            entropy = (seed, 2, part, index)
            rng = np.random.default_rng(entropy)
            scene = _new_scene(rng, seen, held_out=split != "train")
            captions = tuple(draw_captions(scene, rng, said if split != "train" else frozenset()))
            chosen = rng.choice(len(speakers[split]), len(captions), replace=False)
            who = tuple(speakers[split][int(k)] for k in chosen)
            plan.append(SpokenScene(split, index, scene, captions, who, entropy))
            if split == "train":
                said.update(captions)
    return plan


def _new_scene(rng: np.random.Generator, seen: set[tuple[object, ...]], *, held_out: bool) -> Scene:
    for _ in range(1000):
        scene = draw_scene(rng, held_out=held_out)
        if scene.description not in seen:
            seen.add(scene.description)
            return scene
    raise DataError("the grammar has no new scene left: ask for fewer clips")


def render(spoken: SpokenScene, image: Path, wavs: list[Path]) -> dict[str, Any]:
    """Write the picture and its spoken captions; returns the ground truth (JSON-able)."""
    image.parent.mkdir(parents=True, exist_ok=True)
    paint(spoken.scene, IMAGE_SIZE).save(image, quality=JPEG_QUALITY)
    captions = []
    for k, (text, speaker, wav) in enumerate(zip(spoken.captions, spoken.speakers, wavs)):
        recording = record(text, speaker, np.random.default_rng((*spoken.entropy, 3, k)))
        wav.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(wav, recording.samples, SAMPLE_RATE, subtype="PCM_16")
        captions.append(_truth(text, speaker, recording))
    scene = asdict(spoken.scene)
    scene["items"] = list(scene["items"])
    return {"scene": scene, "captions": captions}


def _truth(text: str, speaker: Speaker, recording: Recording) -> dict[str, Any]:
    def times(segments: Any) -> list[list[Any]]:
        lead = recording.lead_ms
        return [[s.label, round(lead + s.start_ms, 1), round(lead + s.end_ms, 1)] for s in segments]

    return {
        "text": text,
        "speaker": speaker.number,
        "voice": asdict(recording.voice),
        "snr_db": recording.snr_db,
        "words": times(recording.utterance.words),
        "phonemes": times(recording.utterance.phonemes),
    }
