"""The noise of a task: recordings a user names, else voices of other clips of the same split."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from zoo.audio.distortions import DISTORTIONS, distort, utterance_draw
from zoo.audio.noise import babble, fit_length, mix_at_snr, power
from zoo.bench.samples import Sample
from zoo.errors import BenchError

if TYPE_CHECKING:
    from torch import Tensor

BABBLE: Final = "babble"
VOICES: Final = 8
_ENDINGS: Final = (".wav", ".flac", ".ogg", ".mp3")


class Noises:
    """Adds noise to utterances; every draw is a function of the utterance's id.

    Args:
        root: folder of the dataset.
        samples: all of the task; their voices make the babble where no recordings are given. They
            are held out from training, and those of the clip's own source are never taken.
        files: noise recordings.
    """

    def __init__(self, root: Path, samples: Sequence[Sample], files: Sequence[Path] = ()) -> None:
        self.root = root
        self.files = tuple(files)
        voices = {sample.clip: (sample.cluster, sample.sound) for sample in samples}
        self.voices = tuple(voices.values())

    def add_babble(self, speech: Tensor, utterance: str, source: str, snr_db: float) -> Tensor:
        """Speech (S,) with people talking at a ratio; the same people at every ratio.

        Raises:
            BenchError: there are no other voices.
            MediaError: the speech or all noise is silent.
        """
        draw = utterance_draw(BABBLE, utterance)
        if self.files:
            noise = fit_length(_recording(draw.choice(self.files)), len(speech), draw)
        else:
            noise = babble(self._others(utterance, source), len(speech), draw, VOICES)
        mixed = mix_at_snr(speech.double(), noise.double(), snr_db)
        peak = mixed.abs().max()
        return (mixed / peak if peak > 1 else mixed).to(speech.dtype)

    def distort(self, speech: Tensor, name: str, utterance: str, source: str) -> Tensor:
        """Speech (S,) under a set of `zoo.audio.distortions`."""
        if self.files:
            return distort(speech, name, utterance, [_recording(path) for path in self.files])
        draw = utterance_draw(BABBLE, utterance)
        noise = babble(self._others(utterance, source), len(speech), draw, VOICES)
        return distort(speech, name, utterance, [noise])

    def _others(self, utterance: str, source: str) -> list[Tensor]:
        """Recordings of other sources, chosen by the utterance's id."""
        others = [path for cluster, path in self.voices if cluster != source]
        if not others:
            raise BenchError(
                "babble is made of voices of other sources, and this data has a single one; give "
                "noise recordings with --noise"
            )
        draw = utterance_draw("voices", utterance)
        chosen = draw.sample(others, min(VOICES, len(others)))
        found = [_recording(self.root / path) for path in chosen]
        return [voice for voice in found if power(voice) > 0]


def noise_files(path: Path) -> list[Path]:
    """The recordings of a folder, by name, or the one file.

    Raises:
        BenchError: there is none.
    """
    if path.is_file():
        return [path]
    found = sorted(one for one in path.rglob("*") if one.suffix.lower() in _ENDINGS)
    if not found:
        raise BenchError(f"--noise {path}: no recording there ({', '.join(_ENDINGS)})")
    return found


def noise_digest(files: Sequence[Path]) -> str:
    """sha256 over the names and bytes of noise recordings."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.name}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def needs_noise(name: str) -> bool:
    """Whether a condition or an audio distortion takes noise."""
    return name == BABBLE or name in DISTORTIONS


@lru_cache(maxsize=32)
def _recording(path: Path) -> Tensor:
    from zoo.audio import load_audio

    return load_audio(path)
