"""Units and voices of recordings: made once by other checkpoints, kept in the zoo's cache."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from zoo.audio import as_waveform
from zoo.audio.pitch import RATE, UNIT_MS, pitch_lacking, unit_pitch
from zoo.errors import CheckpointError, ConfigError, DataError, MediaError
from zoo.hub.load import from_pretrained, model_class
from zoo.hub.paths import cache_root
from zoo.nn.ge2e import vad_lacking
from zoo.nn.units import Units
from zoo.tasks import SpeechLike

log = logging.getLogger(__name__)
PACKAGED_VOICES = "ge2e.resemblyzer"


@dataclass(frozen=True)
class SpeechTargets:
    """What is known of every recording.

    Attributes:
        units: one (T,) int64 a recording, 50 a second; empty where none were asked for.
        voices: (N, C) float32 unit vectors; (N, 0) where none were asked for.
        pitches: one (T,) float32 a recording, Hz in the middle of every 20 ms, 0 where nothing is
            voiced; none where none were asked for.
    """

    units: tuple[Tensor, ...]
    voices: Tensor
    pitches: tuple[Tensor, ...] = ()

    @property
    def mean_voice(self) -> Tensor:
        """(C,) unit vector in the middle of all voices."""
        return F.normalize(self.voices.mean(dim=0), dim=0)


def load_speaker_encoder(source: str, device: str | torch.device | None = None) -> Any:
    """The model with `embed(speech) -> (C,)` that a source names.

    The released GE2E weights travel in the package `resemblyzer`, and are taken from there where
    it is installed.

    Raises:
        CheckpointError: it cannot be had.
    """
    if source == PACKAGED_VOICES and find_spec("resemblyzer"):
        packaged: Any = model_class("ge2e")
        return packaged.from_package().to(device or "cpu")
    try:
        return from_pretrained(source, device=device)
    except CheckpointError as error:
        if source != PACKAGED_VOICES:
            raise
        raise CheckpointError(
            f"speaker vectors: pip install 'avspeech-zoo[metrics]' brings their weights; or: {error}"
        ) from error


def embed_voice(encoder: Any, speech: SpeechLike) -> Tensor:
    """Speaker vector (C,) on the CPU; pauses are cut out first where a detector is installed."""
    reason = vad_lacking()
    if reason is not None:
        _warn_once(f"pauses stay in recordings of voices: {reason}")
        return _embedded(encoder, speech, vad=False)
    try:
        return _embedded(encoder, speech, vad=True)
    except MediaError as error:
        log.debug("embedded with its pauses: %s", error)
        return _embedded(encoder, speech, vad=False)


def _embedded(encoder: Any, speech: SpeechLike, *, vad: bool) -> Tensor:
    return torch.as_tensor(encoder.embed(speech, vad=vad)).cpu().clone()


@cache
def _warn_once(message: str) -> None:
    log.warning(message)


class Describer:
    """Says units, voice and pitch of single recordings; its checkpoints are loaded when first needed.

    Args:
        unit_source: checkpoint with `extract`.
        speaker_source: checkpoint with `embed`.
    """

    def __init__(self, unit_source: str, speaker_source: str) -> None:
        self.unit_source, self.speaker_source = unit_source, speaker_source
        self._loaded: dict[str, Any] = {}

    def use(self, speaker_encoder: Any) -> None:
        """Set what would otherwise be loaded."""
        self._loaded["voice"] = speaker_encoder

    def units(self, speech: SpeechLike, device: str | torch.device | None = None) -> Units:
        """Units, not reduced.

        Raises:
            CheckpointError: the checkpoint cannot be had.
            ConfigError: it makes no units.
            MediaError: the recording cannot be used.
        """
        if "units" not in self._loaded:
            self._loaded["units"] = load_unit_extractor(self.unit_source, device)
        found: Units = self._loaded["units"].extract(speech)
        return found

    def voice(self, speech: SpeechLike, device: str | torch.device | None = None) -> Tensor:
        """Speaker vector (C,) on the CPU.

        Raises:
            CheckpointError: the checkpoint cannot be had.
            MediaError: the recording cannot be used.
        """
        if "voice" not in self._loaded:
            self._loaded["voice"] = load_speaker_encoder(self.speaker_source, device)
        return embed_voice(self._loaded["voice"], speech)

    def pitch(self, speech: SpeechLike, units: int) -> Tensor | None:
        """Pitch (units,) of a recording, Hz, see `unit_pitch`; None, with a warning, without pyworld.

        Raises:
            MediaError: the recording cannot be used.
        """
        reason = pitch_lacking()
        if reason is not None:
            _warn_once(f"the pitch of recordings stays unknown: {reason}")
            return None
        return unit_pitch(as_waveform(speech, RATE), units)


def load_unit_extractor(source: str, device: str | torch.device | None = None) -> Any:
    """The model with `extract(speech) -> Units` that a source names.

    Raises:
        ConfigError: it makes no units.
    """
    model = from_pretrained(source, device=device)
    if not hasattr(model, "extract"):
        raise ConfigError(f"{source} is a {type(model).__name__}: it makes no units")
    return model


def speech_targets(
    recordings: Iterable[Tensor],
    *,
    unit_source: str | None,
    speaker_source: str | None,
    pitch: bool = False,
    cache_dir: str | Path | None = None,
) -> SpeechTargets:
    """Units, voices and pitches of recordings (S,) at 16 kHz, from the cache where they are there.

    Args:
        recordings: in the order of the result; gone through twice.
        unit_source: checkpoint with `extract`; None leaves units out.
        speaker_source: checkpoint with `embed`; None leaves voices out.
        pitch: find pitches as well.
        cache_dir: where the cache lies, if not in its usual place.

    Raises:
        DataError: pitches are wanted and pyworld is not installed.
    """
    reason = pitch_lacking() if pitch else None
    if reason is not None:
        raise DataError(f"a vocoder that may be given a pitch is trained with it: {reason}")
    waves = list(recordings)
    units = _cached(waves, unit_source, "units", cache_dir, _extract)
    voices = _cached(waves, speaker_source, "voices", cache_dir, _embed)
    pitches = _cached(waves, "pyworld-dio" if pitch else None, "pitches", cache_dir, _pitched)
    return SpeechTargets(
        _split(units, "ids", torch.long),
        voices.get("vectors", torch.zeros(len(waves), 0)),
        _split(pitches, "hz", torch.float32),
    )


def _split(stored: dict[str, Tensor], key: str, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """One tensor a recording."""
    lengths = stored.get("lengths", torch.zeros(0, dtype=torch.long)).tolist()
    return tuple(torch.split(stored.get(key, torch.zeros(0)).to(dtype), lengths))


def _cached(
    waves: list[Tensor],
    source: str | None,
    what: str,
    cache_dir: str | Path | None,
    make: Any,
) -> dict[str, Tensor]:
    if source is None:
        return {}
    path = cache_root(cache_dir) / "targets" / f"{what}-{_fingerprint(waves, source)}.safetensors"
    if path.is_file():
        return load_file(path)
    log.info("%s of %d recordings by %s", what, len(waves), source)
    made: dict[str, Tensor] = make(waves, source)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        pass
    save_file(made, file.name)
    os.replace(file.name, path)
    return made


def _fingerprint(waves: list[Tensor], source: str) -> str:
    """Changes with any sample, with the source's name, and with a local checkpoint's content."""
    digest = hashlib.sha256(source.encode())
    config = Path(source) / "config.json"
    if config.is_file():  # it lists the hashes of the weights
        digest.update(config.read_bytes())
    for wave in waves:
        digest.update(wave.numpy().tobytes())
    return digest.hexdigest()[:32]


def _extract(waves: list[Tensor], source: str) -> dict[str, Tensor]:
    extractor = load_unit_extractor(source)
    found = [extractor.extract(wave).expanded().ids for wave in waves]
    lengths = torch.tensor([len(ids) for ids in found])
    return {"ids": torch.cat(found).to(torch.int16), "lengths": lengths}


def _pitched(waves: list[Tensor], source: str) -> dict[str, Tensor]:
    samples = int(RATE * UNIT_MS / 1000)
    found = [unit_pitch(wave, -(-len(wave) // samples)) for wave in waves]
    return {"hz": torch.cat(found), "lengths": torch.tensor([len(hz) for hz in found])}


def _embed(waves: list[Tensor], source: str) -> dict[str, Tensor]:
    encoder = load_speaker_encoder(source)
    return {"vectors": torch.stack([embed_voice(encoder, wave) for wave in waves])}
