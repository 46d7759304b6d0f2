"""The GE2E speaker encoder: a vector for an utterance, for a speaker, and their similarity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.audio import as_waveform
from zoo.audio.mel import mel_front_end
from zoo.errors import CheckpointError, MediaError
from zoo.hub.module import ZooModule
from zoo.hub.raw import RawCheckpoint
from zoo.models.ge2e import official
from zoo.models.ge2e.config import GE2EConfig
from zoo.nn.ge2e import (
    GE2E,
    HOP,
    PARTIAL_FRAMES,
    SAMPLE_RATE,
    partial_starts,
    raise_volume,
    remove_silence,
    vad_lacking,
)
from zoo.tasks import SpeechLike


class SpeakerEncoder(ZooModule):
    """GE2E, trained elsewhere; used by speaker similarity and for conditioning on a voice."""

    slug: ClassVar[str] = "ge2e"
    Config: ClassVar[type[GE2EConfig]] = GE2EConfig

    def __init__(self, config: GE2EConfig) -> None:
        super().__init__(config)
        self.config: GE2EConfig = config
        self.network = GE2E(
            config.num_mels, config.hidden_size, config.num_layers, config.embedding_size
        )
        self.front_end = mel_front_end("ge2e")

    @classmethod
    def from_package(cls) -> Self:
        """The released weights out of an installed `resemblyzer` package.

        Raises:
            CheckpointError: the package is not installed, or its file is another one.
        """
        path = official.packaged_weights()
        if path is None:
            raise CheckpointError(
                "ge2e.resemblyzer: the package resemblyzer, which carries the weights, is not "
                "installed; pip install --no-deps resemblyzer"
            )
        model = cls(GE2EConfig())
        model.load_state_dict(
            official.to_ours(RawCheckpoint.open(path).tensors, model.config).state
        )
        return model.eval()

    def forward(self, mel: Tensor) -> Tensor:
        """Unit vectors (B, D) of power mel spectra (B, 160, 40)."""
        embedded: Tensor = self.network(mel)
        return embedded

    def mel(self, waveform: Tensor) -> Tensor:
        """Power mel spectrum (T, 40) of a waveform (S,) at 16 kHz; no logarithm."""
        spectrum: Tensor = self.front_end(waveform)
        return spectrum.T

    def prepare(self, speech: SpeechLike, *, vad: bool = True) -> Tensor:
        """Waveform (S,) at 16 kHz, at least at -30 dBFS, without long pauses where `vad`.

        Raises:
            MediaError: nothing is left, or webrtcvad is not installed.
        """
        waveform = raise_volume(as_waveform(speech, SAMPLE_RATE))
        if not vad:
            return waveform
        reason = vad_lacking()
        if reason:
            raise MediaError(f"silence cannot be removed: {reason}; or pass vad=False")
        voiced = remove_silence(waveform)
        if not len(voiced):
            raise MediaError("no voice was found in the recording; nothing to embed")
        return voiced

    @torch.inference_mode()
    def embed_partials(
        self, waveform: Tensor, rate: float = 1.3, min_coverage: float = 0.75
    ) -> Tensor:
        """Unit vectors (P, D) of the overlapping 1.6 s pieces of a prepared waveform (S,)."""
        starts = partial_starts(len(waveform), rate, min_coverage)
        lacking = (starts[-1] + PARTIAL_FRAMES) * HOP - len(waveform)
        padded = F.pad(waveform.to(self.device), (0, max(0, lacking)))
        mel = self.mel(padded)
        embedded: Tensor = self(torch.stack([mel[s : s + PARTIAL_FRAMES] for s in starts]))
        return embedded

    def embed_utterance(
        self, waveform: Tensor, rate: float = 1.3, min_coverage: float = 0.75
    ) -> Tensor:
        """Unit vector (D,) of a prepared waveform (S,): the mean of its pieces."""
        partials = self.embed_partials(waveform, rate, min_coverage)
        return F.normalize(partials.mean(dim=0), dim=0, eps=0.0)

    def embed_speaker(self, waveforms: Sequence[Tensor]) -> Tensor:
        """Unit vector (D,) of several prepared utterances of one speaker."""
        return F.normalize(
            torch.stack([self.embed_utterance(wave) for wave in waveforms]).mean(dim=0), dim=0
        )

    def embed(self, speech: SpeechLike, *, vad: bool = True) -> Tensor:
        """Unit vector (D,) of a recording, preparation included."""
        return self.embed_utterance(self.prepare(speech, vad=vad))
