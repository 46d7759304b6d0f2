"""From a silent clip to speech: lips, units and mel, a voice, the vocoder."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.audio import as_waveform
from zoo.audio.griffin_lim import invert_mel
from zoo.audio.mel import mel_front_end
from zoo.data.speech_targets import Describer
from zoo.errors import CheckpointError, ConfigError, MediaError
from zoo.hub.load import from_pretrained
from zoo.models.lip2speech_unit.config import SAMPLE_RATE, Lip2SpeechUnitConfig
from zoo.models.mel_vocoder.module import MelVocoder
from zoo.models.unit_vocoder.module import UnitVocoder
from zoo.nn.lip_to_units import LipToUnits
from zoo.nn.modes import evaluation
from zoo.nn.multi_input_vocoder import MultiInputVocoder
from zoo.nn.units import Units
from zoo.nn.weight_norm import Folded
from zoo.tasks import Speech, SpeechLike, Video, VideoLike
from zoo.training.vocoder import GANVocoder
from zoo.video.mouth_source import Source

VoiceLike = SpeechLike
UNIT_RATE: Final = 50.0
GRIFFIN_LIM: Final = "griffin-lim"
"""The ablation that speaks the predicted mel without a network."""


@dataclass(frozen=True)
class Reading:
    """What the first stage read from a clip of T frames.

    Attributes:
        units: (2 T,) int64.
        mel: (4 T, num_mels) natural log.
    """

    units: Tensor
    mel: Tensor


class Synthesizer(GANVocoder):
    """The inference of Lip2Speech-Unit."""

    mean_speaker: Tensor
    ablations: ClassVar[tuple[str, ...]] = (GRIFFIN_LIM,)

    def __init__(self, config: Lip2SpeechUnitConfig, stage: str | None = None) -> None:
        trains_vocoder = stage if stage == "vocoder" else None
        super().__init__(config, trains_vocoder, config.training, config.discriminators)
        self.stage = stage
        self.config: Lip2SpeechUnitConfig = config
        self.first = None if config.first is None else LipToUnits(config.first)
        self.vocoder = None if config.vocoder is None else MultiInputVocoder(config.vocoder)
        self.register_buffer("mean_speaker", torch.zeros(config.speaker_size))
        self._folded: Folded[MultiInputVocoder] = Folded()
        # no parts of this model: another checkpoint's vocoder, makers of units and voices
        self._borrowed: list[Synthesizer | MelVocoder | UnitVocoder] = []
        self.describer = Describer(config.unit_source, config.speaker_source)
        self._without_network = False

    def ablated(self, name: str) -> Synthesizer:
        """The same weights without a part; "griffin-lim" speaks the mel without a vocoder.

        Raises:
            ConfigError: no ablation has this name.
        """
        if name not in self.ablations:
            raise ConfigError(f"no ablation {name!r}; known: {', '.join(self.ablations)}")
        other = copy(self)
        other._without_network = True
        return other

    def synthesize(
        self,
        video: VideoLike | Sequence[VideoLike],
        speaker: VoiceLike | Sequence[VoiceLike] | None = None,
        *,
        seed: int = 0,
        landmarks: Source | None = None,
    ) -> Speech | list[Speech]:
        """The speech that belongs to silent lips.

        Args:
            video: a clip, or a list of clips (which are read one at a time).
            speaker: a recording of the voice, or its speaker vector (C,), or a list with one for
                each clip. None takes the mean voice of the training corpus where the checkpoint
                knows it, else the clip's own sound.
            seed: not used; nothing is drawn.
            landmarks: as for `zoo.video.mouth_source.mouth_crops`; not used by a model with a
                fixed window.

        Raises:
            MediaError: a clip or a recording cannot be used.
            ConfigError: this checkpoint has no first stage.
            CheckpointError: the vocoder or the voice encoder it needs cannot be had.
        """
        if isinstance(video, (str, Path, Tensor, Video)):
            return self._synthesize_one(video, cast("VoiceLike | None", speaker), landmarks)
        voices = _one_each(speaker, len(video))
        return [
            self._synthesize_one(clip, voice, landmarks)
            for clip, voice in zip(video, voices, strict=True)
        ]

    def _synthesize_one(
        self, video: VideoLike, speaker: VoiceLike | None, landmarks: Source | None
    ) -> Speech:
        window = self.config.window
        mouths = window.crops(video, self.config.mouth_preset, landmarks)
        voice = self.voice(speaker, video)
        reading = self.read(window.model_input(mouths), voice)
        return self.speak_units(reading.units, reading.mel, voice)

    def read(self, mouths: Tensor, voice: Tensor) -> Reading:
        """Units and mel of one clip.

        Args:
            mouths: (T, H, W) float, normalised.
            voice: (C,) speaker vector.

        Raises:
            ConfigError: this checkpoint has no first stage.
        """
        if self.first is None:
            raise ConfigError(
                "this checkpoint is a vocoder: it cannot read lips; load a first stage, such as "
                "lip2speech_unit.lrs3-avhubert"
            )
        kind = next(self.first.parameters())
        with evaluation(self.first):
            output = self.first(mouths.unsqueeze(0).to(kind), voice.unsqueeze(0).to(kind))
        return Reading(output.units()[0], output.mel[0].float())

    def speak_units(self, units: Tensor, mel: Tensor, voice: Tensor) -> Speech:
        """The vocoder: units (2 T,), mel (4 T, num_mels), speaker vector (C,).

        Of the vocoders that a first stage alone may name as its `vocoder_source`, a mel vocoder
        hears neither units nor speaker, and a unit vocoder no mel.
        """
        if self._without_network:
            return self._fitted(invert_mel(mel.T, self.config.front_end), len(mel))
        vocoder = self._speaking_vocoder()
        if isinstance(vocoder, MelVocoder):
            return self._fitted(cast("Speech", vocoder.vocode(mel.T)).waveform, len(mel))
        if isinstance(vocoder, UnitVocoder):
            frames = Units(units, UNIT_RATE)  # a unit a frame: the timing is that of the lips
            spoken = vocoder.vocode(frames, speaker=voice.to(vocoder.device).float())
            return self._fitted(cast("Speech", spoken).waveform, len(mel))
        kind = next(vocoder.parameters())
        with torch.inference_mode():
            made = vocoder(
                units.unsqueeze(0).to(kind.device),
                mel.T.unsqueeze(0).to(kind),
                voice.unsqueeze(0).to(kind),
            )
        return Speech(made[0, 0].float().cpu(), SAMPLE_RATE)

    def voice(self, speaker: VoiceLike | None, video: VideoLike | None = None) -> Tensor:
        """The speaker vector (C,) that `synthesize` uses.

        Raises:
            MediaError: there is neither a voice, nor a mean one, nor sound in the clip; or the
                recording of the voice is silent.
        """
        size = self.config.speaker_size
        if isinstance(speaker, Tensor) and tuple(speaker.shape) == (size,):
            return F.normalize(speaker.float(), dim=0).to(self.device)
        if speaker is not None:
            recording = as_waveform(speaker, SAMPLE_RATE, require_sound=True)
            return self._embed(Speech(recording, SAMPLE_RATE))
        if bool(self.mean_speaker.any()):
            return self.mean_speaker
        return self._embed(_own_sound(video))

    def _embed(self, speech: SpeechLike) -> Tensor:
        vector = self.describer.voice(speech, self.device)
        if vector.shape != self.mean_speaker.shape:
            raise CheckpointError(
                f"{self.config.speaker_source} gives vectors of {len(vector)} numbers, this model "
                f"takes {len(self.mean_speaker)}"
            )
        return vector.to(self.device)

    def resynthesize(self, speech: SpeechLike) -> Speech:
        """A recording through what the vocoder hears of it (units, mel, voice) and back, of the same
        length: what the vocoder would make of perfect lips.

        Raises:
            MediaError: the recording cannot be used.
            CheckpointError: the makers of units or voices cannot be had.
        """
        waveform = as_waveform(speech, SAMPLE_RATE)
        recording = Speech(waveform, SAMPLE_RATE)
        units = self.describer.units(recording, self.device).ids
        mel = mel_front_end(self.config.front_end)(waveform).T
        # the last, incomplete one lasts as long as the mel does
        units = F.pad(units[None, None].float(), (0, len(mel) // 2 - len(units)), "replicate")
        ids = units[0, 0].long()
        made = self.speak_units(ids, mel[: 2 * len(ids)], self._embed(recording)).waveform
        lacking = max(0, len(waveform) - len(made))
        return Speech(F.pad(made, (0, lacking))[: len(waveform)], SAMPLE_RATE)

    def _fitted(self, waveform: Tensor, mel_frames: int) -> Speech:
        """As long as the clip is: four mel frames for one of video."""
        samples = mel_frames * mel_front_end(self.config.front_end).config.hop_length
        waveform = waveform.cpu()[:samples]
        return Speech(F.pad(waveform, (0, samples - len(waveform))), SAMPLE_RATE)

    def _speaking_vocoder(self) -> MultiInputVocoder | MelVocoder | UnitVocoder:
        if self.vocoder is not None:
            return self._folded.of(self.vocoder)
        if not self._borrowed:
            found: Any = from_pretrained(self.config.vocoder_source, device=self.device)
            self._borrowed = [found]
        other = self._borrowed[0]
        if isinstance(other, MelVocoder):
            if other.config.front_end != self.config.front_end:
                raise CheckpointError(
                    f"{self.config.vocoder_source} speaks {other.config.front_end} mels, this "
                    f"model makes {self.config.front_end}"
                )
            return other
        if isinstance(other, UnitVocoder):
            self._check_units(other)
            return other
        if not isinstance(other, Synthesizer) or other.vocoder is None:
            raise CheckpointError(f"{self.config.vocoder_source} holds no vocoder")
        return other._speaking_vocoder()

    def _check_units(self, other: UnitVocoder) -> None:
        ours = self.config.unit_source, self.config.speaker_size
        theirs = other.config.unit_source, other.config.network.speaker_size
        if ours != theirs or other.config.network.speaker != "vector":
            raise CheckpointError(
                f"{self.config.vocoder_source} speaks units of {theirs[0]} (speaker: "
                f"{other.config.network.speaker}), this model reads units of {ours[0]} and has "
                f"speaker vectors of {ours[1]} numbers"
            )

    def use(
        self,
        *,
        vocoder: Synthesizer | MelVocoder | UnitVocoder | None = None,
        speaker_encoder: Any = None,
    ) -> None:
        """Set what would otherwise be loaded when it is first needed.

        Args:
            vocoder: a model with a vocoder, or a mel or unit vocoder, for a checkpoint of the first
                stage alone.
            speaker_encoder: a `zoo.models.ge2e.module.SpeakerEncoder`.
        """
        if vocoder is not None:
            self._borrowed = [vocoder]
        if speaker_encoder is not None:
            self.describer.use(speaker_encoder)


def _one_each(speaker: Any, count: int) -> list[Any]:
    if speaker is None or isinstance(speaker, (str, Path, Tensor, Speech)):
        return [speaker] * count
    if len(speaker) != count:
        raise MediaError(f"{count} clips but {len(speaker)} voices; give one, or one for each")
    return list(speaker)


def _own_sound(video: VideoLike | None) -> SpeechLike:
    if isinstance(video, Video) and video.speech is not None:
        return video.speech
    if isinstance(video, (str, Path)):
        from zoo.audio import load_audio

        try:
            return load_audio(video, SAMPLE_RATE, require_sound=True)
        except MediaError as error:
            raise MediaError(_LACKING) from error
    raise MediaError(_LACKING)


_LACKING = (
    "whose voice? this checkpoint knows no mean voice and the clip has no sound: pass speaker= "
    "(a recording of a few seconds, or a speaker vector)"
)
