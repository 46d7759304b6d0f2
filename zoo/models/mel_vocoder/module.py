"""Mel vocoders as LightningModules: `vocode` a mel spectrogram, `resynthesize` a recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor

from zoo.audio import as_waveform
from zoo.audio.mel import mel_front_end
from zoo.errors import MediaError
from zoo.hub.usage import Usage
from zoo.models.mel_vocoder.config import MelVocoderConfig
from zoo.nn.hifigan import HiFiGAN
from zoo.nn.istft_vocoder import ISTFTVocoder
from zoo.nn.weight_norm import Folded
from zoo.tasks import Speech, SpeechLike
from zoo.training.recipe import Recipe, Stage
from zoo.training.vocoder import Batch, GANVocoder


class MelVocoder(GANVocoder):
    """Log-mel spectrogram to waveform.

    Args:
        config: which mel, which generator.
        stage: "vocoder" to train.
    """

    slug: ClassVar[str] = "mel_vocoder"
    Config: ClassVar[type[MelVocoderConfig]] = MelVocoderConfig
    usage: ClassVar[Usage | None] = Usage(
        name="mel to speech",
        input="a natural-log mel (80, T) float32 of the model's `front_end`, or a list of them",
        output="Speech (waveform (S,) float32 and its sample rate)",
        example=(
            "from zoo.audio import as_waveform\n\n"
            'mel = model.front_end(as_waveform("speech.wav", model.sample_rate))  # (80, T)\n'
            "speech = model.vocode(mel)\n"
            'speech.save("again.wav")\n'
        ),
        pipeline_tag="audio-to-audio",
    )
    batch_invariant: ClassVar[bool] = False  # convolutions see the padding of a mel

    def __init__(self, config: MelVocoderConfig, stage: Literal["vocoder"] | None = None) -> None:
        super().__init__(config, stage, config.training, config.discriminators)
        self.config: MelVocoderConfig = config
        self.front_end = mel_front_end(config.front_end)
        mel = self.front_end.config
        self.network: HiFiGAN | ISTFTVocoder = (
            HiFiGAN(mel.num_mels, config.hifigan)
            if config.kind == "hifigan"
            else ISTFTVocoder(config.istft)
        )
        self.sample_rate, self.hop = mel.sample_rate, mel.hop_length
        self._folded: Folded[HiFiGAN | ISTFTVocoder] = Folded()

    @classmethod
    def recipe(cls, config: MelVocoderConfig) -> Recipe:
        """One stage, on crops of the training recordings."""
        from zoo.data.speech_crops import SpeechCropDataModule

        return Recipe(
            stages=(Stage(name="vocoder", monitor="val/mel_l1", max_steps="training.total_steps"),),
            datamodule=SpeechCropDataModule,
            links={
                "training.batch_size": "batch_size",
                "training.crop_samples": "crop_samples",
            },
        )

    def forward(self, mel: Tensor) -> Tensor:
        """Waveforms (B, 1, T * hop) of log-mels (B, num_mels, T)."""
        return torch.as_tensor(self.network(mel))

    def resynthesize_batch(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Waveforms (B, 1, S) from the mel of `batch["wav"]` (B, S)."""
        with torch.no_grad():
            mel = self.front_end(batch["wav"])
        made = self(mel)[:, :, : batch["wav"].shape[1]]
        return torch.nn.functional.pad(made, (0, batch["wav"].shape[1] - made.shape[2])), {}

    @torch.inference_mode()
    def vocode(self, mel: Tensor | Sequence[Tensor]) -> Speech | list[Speech]:
        """Speech of a log-mel (num_mels, T), or of each of a list; weight norm folded.

        Raises:
            MediaError: the mel is of another shape, empty or not finite.
        """
        if not isinstance(mel, Tensor):
            return [self._vocode_one(one) for one in mel]
        return self._vocode_one(mel)

    def _vocode_one(self, mel: Tensor) -> Speech:
        bands = self.front_end.config.num_mels
        if mel.ndim != 2 or mel.shape[0] != bands or mel.shape[1] == 0:
            raise MediaError(f"mel: expected ({bands}, T), got {tuple(mel.shape)}")
        if not bool(mel.isfinite().all()):
            raise MediaError("mel: holds NaN or infinity; expected natural-log magnitudes")
        network = self._folded.of(self.network)
        made = network(mel.unsqueeze(0).to(next(network.parameters())))
        return Speech(made[0, 0].float().cpu(), self.sample_rate)

    @torch.inference_mode()
    def resynthesize(self, speech: SpeechLike | Sequence[SpeechLike]) -> Speech | list[Speech]:
        """A recording through the mel and back, of the same length: the vocoder's ceiling."""
        if isinstance(speech, Sequence) and not isinstance(speech, str):
            return [self._resynthesize_one(one) for one in speech]
        return self._resynthesize_one(speech)

    def _resynthesize_one(self, speech: SpeechLike) -> Speech:
        waveform = as_waveform(speech, self.sample_rate)
        made = self._vocode_one(self.front_end(waveform.to(self.device)))
        # the last incomplete frame is not in the mel of every front-end
        lacking = max(0, len(waveform) - len(made.waveform))
        padded = torch.nn.functional.pad(made.waveform, (0, lacking))
        return Speech(padded[: len(waveform)], self.sample_rate)
