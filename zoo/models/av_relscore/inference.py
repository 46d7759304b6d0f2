"""What a trained model does: transcribe clips, and say how far it trusts each stream."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from zoo.errors import ConfigError, MediaError
from zoo.hub.module import ZooModule
from zoo.models.av_relscore import alphabet
from zoo.models.av_relscore.config import AVRelScoreConfig
from zoo.models.av_relscore.inputs import (
    FPS,
    SAMPLES_PER_FRAME,
    audio_input,
    video_input,
)
from zoo.models.av_relscore.network import AVRelScoreNetwork, Encoded, frame_mask
from zoo.nn.decoding.alignment import ctc_spans
from zoo.nn.decoding.ctc import CtcPrefixScorer
from zoo.nn.decoding.hypothesis import Hypothesis
from zoo.nn.decoding.language_model import TransformerLanguageModel
from zoo.nn.decoding.rules import EspnetRules
from zoo.nn.decoding.scorers import DecoderScorer, LanguageModelScorer, LengthBonus, Scorer
from zoo.nn.decoding.search import BeamSearch, CtcTerm
from zoo.tasks import SpeechLike, Transcript, VideoLike
from zoo.video.mouth_source import Source

logger = logging.getLogger(__name__)

_BATCH = 16  # clips that are searched at once


@dataclass(frozen=True)
class Reliability:
    """How far the model trusts what it sees and hears, frame by frame at 25 a second.

    Attributes:
        video: (T,) mean over channels, in (0, 1).
        audio: (T,) the same of the sound; V-CAFE's mask of the sound.
        video_channels: (T, C) before the mean; empty for V-CAFE, which does not score vision.
        audio_channels: (T, C).
    """

    video: Tensor
    audio: Tensor
    video_channels: Tensor
    audio_channels: Tensor


@dataclass(frozen=True)
class _Input:
    """One clip: mouths (T, H, W) or None, samples (S,) or None, and its frames."""

    video: Tensor | None
    audio: Tensor | None
    frames: int


class AVRecognizer(ZooModule):
    """The network with its task methods."""

    Config = AVRelScoreConfig
    batch_invariant = False  # padding stands between vision and sound, and leaks into both

    def __init__(self, config: AVRelScoreConfig) -> None:
        super().__init__(config)
        self.config: AVRelScoreConfig = config
        self.network = AVRelScoreNetwork(config)
        self._language_model: list[TransformerLanguageModel] = []

    @property
    def mouth_preset(self) -> str:
        """The pipeline of the mouth crops that the model was trained on."""
        return self.config.input.mouth_preset

    @property
    def reads(self) -> tuple[str, ...]:
        """The streams that the model takes."""
        return ("video", "audio")

    @property
    def language(self) -> str:
        """ISO 639-1 code of what it writes."""
        return "en"

    def attach_language_model(self, model: Any) -> None:
        """Let a character language model (`av_relscore.lm-lrs3`) take part in the search.

        Raises:
            ConfigError: it is no language model, or knows other tokens.
        """
        network = getattr(model, "network", model)
        if not isinstance(network, TransformerLanguageModel):
            raise ConfigError(
                f"{type(model).__name__} is no character language model; av_relscore.lm-lrs3 is one"
            )
        size = self.config.decoder.vocab_size
        if network.config.vocab_size != size:
            raise ConfigError(
                f"the language model has {network.config.vocab_size} tokens, the recogniser {size}"
            )
        # in a list, so that it is no part of this model's weights
        self._language_model = [network.eval()]

    def transcribe(
        self,
        video: VideoLike | Sequence[VideoLike] | None = None,
        audio: SpeechLike | Sequence[SpeechLike] | None = None,
        *,
        landmarks: Source | None = None,
        language: str | None = None,
    ) -> Transcript | list[Transcript]:
        """What is said.

        Args:
            video: one clip or a list; faces, or mouth crops of 96 x 96. Its own sound is not used.
            audio: the sound, one for each clip; None reads lips only. Silence counts as none.
            landmarks: where the mouths are, for clips whose landmarks do not lie beside them; not
                used by a model of the fixed crop.
            language: ISO 639-1 code of what is said; another than the model's is an error.

        Returns:
            Text in capitals, its score, and its words with times and confidences.

        Raises:
            MediaError: neither is given, a file cannot be used, a model that was trained on both
                streams gets one, or it does not know the language.
        """
        if language not in (None, self.language):
            raise MediaError(f"this {self.slug} knows {self.language!r} only, not {language!r}")
        several = any(_is_list(given) for given in (video, audio))
        inputs = [self._input(one, sound, landmarks) for one, sound in _pairs(video, audio)]
        found: list[Transcript] = []
        for first in range(0, len(inputs), _BATCH):
            found += self._transcribe(inputs[first : first + _BATCH])
        return found if several else found[0]

    def reliability(
        self, video: VideoLike, audio: SpeechLike, *, landmarks: Source | None = None
    ) -> Reliability:
        """Scores of both streams of a clip, frame by frame.

        Raises:
            ConfigError: this network does not score.
            MediaError: as `transcribe`.
        """
        with _Evaluation(self):
            encoded = self._encode_one(self._input(video, audio, landmarks))
        if encoded.audio_scores is None:
            raise ConfigError("this network has no reliability scores (fusion and scoring)")
        heard = encoded.audio_scores[0].cpu()
        seen = heard[:, :0] if encoded.video_scores is None else encoded.video_scores[0].cpu()
        return Reliability(seen.mean(dim=1), heard.mean(dim=1), seen, heard)

    def _input(
        self, video: VideoLike | None, audio: SpeechLike | None, landmarks: Source | None
    ) -> _Input:
        if video is None and audio is None:
            raise MediaError("neither video nor audio was given")
        mouths = None if video is None else video_input(video, self.config.input, landmarks)
        sound = None
        if audio is not None:
            sound = audio_input(audio, self.config.input, None if mouths is None else len(mouths))
            if self.config.input.one_may_lack and not sound.any():
                sound = None if mouths is not None else sound
        if not self.config.input.one_may_lack and (mouths is None or sound is None):
            lacking = "video" if mouths is None else "audio"
            raise MediaError(
                f"no {lacking}: this checkpoint was trained on both streams; give {lacking} as "
                "well, or use one that can do without (av_relscore.tiny)"
            )
        frames = len(mouths) if mouths is not None else len(_known(sound)) // SAMPLES_PER_FRAME
        return _Input(mouths, sound, frames)

    def _transcribe(self, inputs: list[_Input]) -> list[Transcript]:
        with _Evaluation(self):
            states, lengths = self._encode(inputs)
            log_probs = self.network.ctc_log_probs(states)
            found = self.search(states, lengths, log_probs)
        return [
            self._transcript(hypotheses[0], log_probs[number, : int(lengths[number])])
            for number, hypotheses in enumerate(found)
        ]

    def search(self, states: Tensor, lengths: Tensor, log_probs: Tensor) -> list[list[Hypothesis]]:
        """Hypotheses of every clip, best first.

        Args:
            states: (B, T, D) of the encoder.
            lengths: (B,) valid frames.
            log_probs: (B, T, V) of CTC.
        """
        settings, vocab = self.config.decoding, self.config.decoder.vocab_size
        mask = frame_mask(lengths, states.shape[1])
        decoder = self.network.decoder
        scorers: list[Scorer] = [
            DecoderScorer(decoder, states, mask, 1 - settings.ctc_weight),
            LengthBonus(vocab, settings.length_bonus),
        ]
        if self._language_model and settings.lm_weight:
            model = self._language_model[0].to(states.device)
            scorers.insert(1, LanguageModelScorer(model, settings.lm_weight))
        elif settings.lm_weight:
            _say_without_language_model()
        prefix = CtcPrefixScorer(log_probs, lengths, alphabet.BLANK, alphabet.END)
        # parity: with CTC alone every token is scored
        preselect = "decoder" if settings.ctc_weight < 1 else None
        ctc = CtcTerm(prefix, settings.ctc_weight, preselect)
        end = alphabet.END
        return BeamSearch(scorers, EspnetRules(), settings.beam, end, end, ctc).search(lengths)

    def _encode(self, inputs: list[_Input]) -> tuple[Tensor, Tensor]:
        """States (B, T, D) and frames (B,).

        One clip at a time, as the official test does, since padding changes what comes out; in one
        batch where it does not, and all clips have the same streams.
        """
        lengths = torch.tensor([one.frames for one in inputs], device=self.device)
        kinds = {(one.video is None, one.audio is None) for one in inputs}
        if self.config.mask_padding and len(kinds) == 1 and len(inputs) > 1:
            video = _padded([one.video for one in inputs])
            audio = _padded([one.audio for one in inputs])
            return self.network.encode(self._to(video), self._to(audio), lengths).states, lengths
        states = [self._encode_one(one).states[0] for one in inputs]
        return pad_sequence(states, batch_first=True), lengths

    def _encode_one(self, one: _Input) -> Encoded:
        video = None if one.video is None else one.video.unsqueeze(0)
        audio = None if one.audio is None else one.audio.unsqueeze(0)
        return self.network.encode(self._to(video), self._to(audio))

    def _to(self, x: Tensor | None) -> Tensor | None:
        return None if x is None else x.to(self.device)

    def _transcript(self, best: Hypothesis, log_probs: Tensor) -> Transcript:
        tokens, confidences = best.content(alphabet.END)
        ids = tokens.tolist()
        spans = ctc_spans(log_probs, tokens, alphabet.BLANK)
        seconds = [(first / FPS, last / FPS) for first, last in spans]
        words = alphabet.words(ids, confidences.tolist(), seconds)
        return Transcript(alphabet.decode(ids), best.score, words)


class _Evaluation:
    """Inference mode with the model in evaluation, put back afterwards."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._model, self._training = model, model.training
        self._mode = torch.inference_mode()

    def __enter__(self) -> None:
        self._model.eval()
        self._mode.__enter__()

    def __exit__(self, *details: Any) -> None:
        self._mode.__exit__(*details)
        self._model.train(self._training)


def _is_list(given: Any) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, str)


def _pairs(video: Any, audio: Any) -> list[tuple[Any, Any]]:
    """Clips with their recordings; one that is not given is None for every clip."""
    videos = list(video) if _is_list(video) else None if video is None else [video]
    sounds = list(audio) if _is_list(audio) else None if audio is None else [audio]
    if videos is None and sounds is None:
        raise MediaError("neither video nor audio was given")
    count = len(videos if videos is not None else _known(sounds))
    videos, sounds = videos or [None] * count, sounds or [None] * count
    if len(videos) != len(sounds):
        raise MediaError(f"{len(videos)} videos but {len(sounds)} recordings: give one for each")
    return list(zip(videos, sounds))


def _known(value: Any) -> Any:
    assert value is not None
    return value


def _padded(items: list[Tensor | None]) -> Tensor | None:
    known = [item for item in items if item is not None]
    return pad_sequence(known, batch_first=True) if known else None


@cache
def _say_without_language_model() -> None:
    logger.info(
        "searching without a language model; published scores have one: "
        "model.attach_language_model(zoo.from_pretrained('av_relscore.lm-lrs3'))"
    )
