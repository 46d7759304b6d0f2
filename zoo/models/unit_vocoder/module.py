"""Unit vocoders as LightningModules: `vocode` units, in a voice where the model takes one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.audio import as_waveform
from zoo.audio.mel import mel_front_end
from zoo.data.speech_targets import Describer
from zoo.errors import ConfigError, MediaError
from zoo.hub.load import from_pretrained
from zoo.hub.usage import Usage
from zoo.models.unit_vocoder.config import SAMPLE_RATE, UnitVocoderConfig
from zoo.nn.duration_predictor import duration_loss, segment_runs
from zoo.nn.melody import UNKNOWN
from zoo.nn.unit_hifigan import Resynthesis, UnitHiFiGAN
from zoo.nn.units import Units, mean_embeddings
from zoo.nn.weight_norm import Folded
from zoo.tasks import Speech, SpeechLike
from zoo.training.recipe import Recipe, Stage
from zoo.training.vocoder import Batch, GANVocoder, network_of

UnitsLike = Units | Tensor | Sequence[int]


class UnitVocoder(GANVocoder):
    """Discrete units to waveform.

    Args:
        config: network, inventory and training.
        stage: "vocoder" to train.

    Raises:
        ConfigError: there are `guess_updates`, and the trunk guesses no mel.
    """

    slug: ClassVar[str] = "unit_vocoder"
    Config: ClassVar[type[UnitVocoderConfig]] = UnitVocoderConfig
    usage: ClassVar[Usage | None] = Usage(
        name="units to speech",
        input="units (T,) int64, 50 a second or without repeats; a speaker vector (256,) float32; of "
        "models that may be told it, a pitch (T,) float32 in Hz",
        output="Speech (waveform (S,) float32 and its sample rate)",
        example=(
            'units = model.describer.units("speech.wav")  # ids (T,)\n'
            'voice = model.describer.voice("voice.wav")  # (256,)\n'
            "speech = model.vocode(units, speaker=voice)  # models of one voice take no speaker\n"
            'speech.save("spoken.wav")\n'
        ),
        pipeline_tag="audio-to-audio",
    )
    batch_invariant: ClassVar[bool] = False  # sequences of unequal length come one at a time
    made_anew: ClassVar[tuple[str, ...]] = (r"^network\.dict\.",)  # units of another inventory

    def __init__(self, config: UnitVocoderConfig, stage: Literal["vocoder"] | None = None) -> None:
        super().__init__(config, stage, config.training, config.discriminators)
        self.config: UnitVocoderConfig = config
        self.network = UnitHiFiGAN(config.network)
        self._folded: Folded[UnitHiFiGAN] = Folded()
        istft = config.network.istft
        self.guessed_front_end = None if istft is None else mel_front_end(istft.front_end)
        # loads other checkpoints, which are no part of this model
        self.describer = Describer(config.unit_source, config.speaker_source)

    @classmethod
    def recipe(cls, config: UnitVocoderConfig) -> Recipe:
        """One stage, on crops of recordings with their units and voices."""
        from zoo.data.unit_crops import UnitCropDataModule

        return Recipe(
            stages=(Stage(name="vocoder", monitor="val/mel_l1", max_steps="training.total_steps"),),
            datamodule=UnitCropDataModule,
            links={
                "training.batch_size": "batch_size",
                "training.crop_samples": "crop_samples",
                "unit_source": "unit_source",
                "speaker_source": "speaker_source",
                "network.f0": "pitch",
            },
        )

    def setup(self, stage: str) -> None:
        """Start from a trained mel vocoder, and from the embeddings of a vocoder of other units,
        where the configuration names them.

        Raises:
            ConfigError: that, or this model, has no inverse-STFT head, or other sizes.
            CheckpointError: it cannot be had.
        """
        super().setup(stage)
        if stage != "fit":
            return
        # what a run resumes from is read after this
        if self.config.trunk_source is not None:
            source = self.config.trunk_source
            self.start_trunk(self.network.generator, network_of(source), source)
        if self.config.embeddings_source is not None:
            self._start_embeddings(self.config.embeddings_source)

    def _start_embeddings(self, source: str) -> None:
        other, own = from_pretrained(source), self.network.dict.weight
        if not isinstance(other, UnitVocoder) or other.network.dict.weight.shape[1] != own.shape[1]:
            raise ConfigError(
                f"embeddings_source: {source} is no unit vocoder whose embeddings have a width of "
                f"{own.shape[1]}; name another, or set it to null"
            )
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        before = data.training_units(other.config.unit_source)
        after = data.training_units(self.config.unit_source)
        with torch.no_grad():
            own.copy_(mean_embeddings(other.network.dict.weight, before, after, len(own)))

    def resynthesize_batch(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Waveforms (B, 1, S) of `batch["units"]` (B, T), and the loss of the durations."""
        made = self.network(
            batch["units"], speaker=self._voices(batch), f0=self._pitch(batch)
        ).waveform
        return made, self._duration_losses(batch["units"])

    @classmethod
    def guesses_mel(cls, config: UnitVocoderConfig) -> bool:
        """With an inverse-STFT trunk."""
        return config.network.istft is not None

    def guess_losses(self, batch: Batch) -> dict[str, Tensor]:
        """The distances of the guessed mel from the recording's, and the loss of the durations."""
        assert self.guessed_front_end is not None
        guess = self.network.guess_mel(
            batch["units"], speaker=self._voices(batch), f0=self._pitch(batch)
        ).float()
        mel = self.guessed_front_end(batch["wav"])[..., : guess.shape[2]]
        return {
            "guess": F.l1_loss(guess, mel),
            **self.envelope_losses(guess, mel, self.guessed_front_end),
            **self._duration_losses(batch["units"]),
        }

    def _duration_losses(self, units: Tensor) -> dict[str, Tensor]:
        predictor = self.network.dur_predictor
        if predictor is None:
            return {}
        runs = segment_runs(units, self.network.dict(units))
        return {"duration": self.config.duration_weight * duration_loss(predictor, runs)}

    def _pitch(self, batch: Batch) -> Tensor | None:
        """(B, T) Hz; in training that of some crops is kept back."""
        if self.config.network.f0 != "optional":
            return None
        f0: Tensor = batch["f0"]
        if not self.training:
            return f0
        kept = torch.rand(len(f0), 1, device=f0.device) >= self.config.pitch_dropout
        return torch.where(kept, f0, UNKNOWN)

    def _voices(self, batch: Batch) -> Tensor | None:
        return None if self.config.network.speaker == "none" else batch["speaker"]

    def vocode(
        self,
        units: UnitsLike | Sequence[UnitsLike],
        *,
        speaker: Tensor | int | None = None,
        f0: Tensor | None = None,
    ) -> Speech | list[Speech]:
        """Speech of units; `synthesize_units` says more of what was done.

        Args:
            units: one sequence, or a list of them. `Units` say themselves whether they are
                deduplicated; of bare ids it is taken for granted where the model predicts
                durations. Negative ids are left out.
            speaker: (C,) vector or number of the voice, where the model takes one.
            f0: (F,), where the model takes it; (T,) in Hz where it is optional, one a unit that is
                spoken, 0 where that is unvoiced, negative where it is not known.

        Raises:
            MediaError: the units are not of this model's inventory, or a condition is lacking.
        """
        if _is_one(units):
            made = self.synthesize_units(units, speaker=speaker, f0=f0)  # type: ignore[arg-type]
            return Speech(made.waveform[0, 0].float().cpu(), SAMPLE_RATE)
        return [
            Speech(
                self.synthesize_units(one, speaker=speaker, f0=f0)  # type: ignore[arg-type]
                .waveform[0, 0]
                .float()
                .cpu(),
                SAMPLE_RATE,
            )
            for one in units  # type: ignore[union-attr]
        ]

    @torch.inference_mode()
    def synthesize_units(
        self,
        units: UnitsLike,
        *,
        speaker: Tensor | int | None = None,
        f0: Tensor | None = None,
    ) -> Resynthesis:
        """One sequence (arguments as `vocode`); weight norm folded.

        Raises:
            MediaError: as `vocode`.
        """
        ids, predict = self._ids(units)
        network = self._folded.of(self.network)
        kept = ids >= 0
        if f0 is not None and len(f0) == len(ids):
            f0 = f0[kept.to(f0.device)]
        try:
            made: Resynthesis = network(
                ids[kept].unsqueeze(0).to(self.device),
                speaker=self._voice(speaker),
                f0=None if f0 is None else f0.unsqueeze(0).to(self.device),
                predict_durations=predict,
            )
        except ValueError as error:
            raise MediaError(f"unit vocoder: {error}") from error
        return made

    def resynthesize(
        self, speech: SpeechLike | Sequence[SpeechLike], *, pitch: bool = True
    ) -> Speech | list[Speech]:
        """A recording through its units and back, with the timing and in the voice that it has, of
        the same length: the vocoder's ceiling.

        Args:
            speech: one, or a list of them.
            pitch: with the recording's pitch, where that is optional. Without pyworld the vocoder
                guesses it, with a warning.

        Raises:
            MediaError: a recording cannot be used, or the model needs its pitch.
            CheckpointError: `unit_source` or `speaker_source` cannot be had.
        """
        if isinstance(speech, Sequence) and not isinstance(speech, str):
            return [self._resynthesize_one(one, pitch) for one in speech]
        return self._resynthesize_one(speech, pitch)

    def _resynthesize_one(self, speech: SpeechLike, pitch: bool) -> Speech:
        waveform = as_waveform(speech, SAMPLE_RATE)
        recording, kind = Speech(waveform, SAMPLE_RATE), self.config.network.speaker
        units = self.describer.units(recording, self.device)
        if kind == "id":
            raise MediaError("this vocoder's voices are numbers: no recording has one")
        voice = self.describer.voice(recording, self.device) if kind == "vector" else None
        f0 = None
        if pitch and self.config.network.f0 == "optional":
            f0 = self.describer.pitch(recording, len(units.expanded().ids))
        made = self.vocode(units, speaker=voice, f0=f0)
        assert isinstance(made, Speech)
        lacking = max(0, len(waveform) - len(made.waveform))
        return Speech(F.pad(made.waveform, (0, lacking))[: len(waveform)], SAMPLE_RATE)

    def _ids(self, units: UnitsLike) -> tuple[Tensor, bool]:
        """Ids (T,), and whether their durations are to be predicted."""
        can_predict = self.network.dur_predictor is not None
        if not isinstance(units, Units):
            return torch.as_tensor(units, dtype=torch.long).reshape(-1), can_predict
        own = self.config.inventory
        if own and units.inventory and units.inventory != own:
            raise MediaError(f"the units are of {units.inventory}, this vocoder's of {own}")
        if units.durations is None:
            return units.ids, False
        return (units.ids, True) if can_predict else (units.expanded().ids, False)

    def _voice(self, speaker: Tensor | int | None) -> Tensor | None:
        if speaker is None:
            return None
        voice = torch.as_tensor(speaker, device=self.device)
        wanted = 1 if self.config.network.speaker == "vector" else 0
        if voice.ndim != wanted:
            kind = "a vector (C,)" if wanted else "a number"
            raise MediaError(f"speaker: expected {kind}, got shape {tuple(voice.shape)}")
        return voice.unsqueeze(0)


def _is_one(units: UnitsLike | Sequence[UnitsLike]) -> bool:
    if isinstance(units, Units):
        return True
    if isinstance(units, Tensor):
        return units.ndim == 1
    return not len(units) or isinstance(units[0], int)
