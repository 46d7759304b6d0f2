"""What the recognisers with sub-words and an attention decoder share: texts, batches, transcripts.

A model says how it makes encoder states (`states_of`); training on texts, validation by word error
rate and `transcribe` are here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, Literal

import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from zoo.audio import SAMPLE_RATE, as_waveform
from zoo.audio.avhubert import avhubert_features
from zoo.errors import CheckpointError, MediaError
from zoo.hub.load import from_pretrained
from zoo.hub.module import ZooModule
from zoo.nn.avhubert import AVHuBERT
from zoo.nn.decoding.decoder import TransformerDecoder
from zoo.nn.decoding.hypothesis import Hypothesis
from zoo.nn.recognition_loss import END, PAD, ctc_loss_sum, label_smoothed_loss
from zoo.nn.recognition_search import SearchConfig, search_texts
from zoo.nn.word_times import token_frames
from zoo.tasks import SpeechLike, Transcript, VideoLike, Word
from zoo.text.subwords import MODEL_FILE, Subwords, train_subwords
from zoo.training.schedules import scheduled, tri_stage
from zoo.training.settings import RecogniserSettings
from zoo.video.mouth_source import FIXED, Source
from zoo.video.mouth_window import MouthWindow

Batch = dict[str, Any]
Streams = Literal["video", "audio", "both"]
FPS = 25
_PRESET = "avhubert"  # the pipeline of all crops of this family
SAMPLES_PER_FRAME = SAMPLE_RATE // FPS
MAX_FRAMES = 1500
"""Frames of one padded batch in `transcribe`: a minute."""


WINDOW_LINKS: Mapping[str, str] = {
    f"window.{name}": name for name in ("mouths", "size", "row", "column")
}
"""Path into the config -> argument of `RecognitionDataModule`."""


class RecogniserModule(ZooModule):
    """Base of the lip-reading and audio-visual recognisers of the AV-HuBERT family."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._subwords: tuple[bytes, Subwords] | None = None
        self._errors = [0.0, 0.0]

    @property
    def window(self) -> MouthWindow:
        """Which part of a clip it sees."""
        config: Any = self.config
        found: MouthWindow = config.window
        return found

    @property
    def mouth_preset(self) -> str:
        """The pipeline of its mouth crops; "fixed" looks for no mouth."""
        return _PRESET if self.window.mouths == "aligned" else FIXED

    @property
    def reads(self) -> tuple[str, ...]:
        """The streams it can be given."""
        return ("video", "audio") if self.streams == "both" else (self.streams,)

    @property
    def streams(self) -> Streams:
        """What it reads: lips, sound, or both (then either may be left out)."""
        return "video"

    @property
    def language(self) -> str:
        """ISO 639-1 code of what it writes."""
        return "en"

    @property
    def search(self) -> SearchConfig:
        """How texts are searched for."""
        raise NotImplementedError

    @property
    def text_decoder(self) -> TransformerDecoder | None:
        """The decoder, if the model has one."""
        raise NotImplementedError

    def states_of(
        self, video: Tensor | None, audio: Tensor | None, mask: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Encoder states (B, T, D) for decoding, and the logits (B, T, V) of a CTC head if any.

        Args:
            video: (B, T, H, W) normalised mouths, or None.
            audio: (B, T, 104) features, or None.
            mask: (B, T) bool, True = valid.
        """
        raise NotImplementedError

    # texts

    @property
    def subwords(self) -> Subwords:
        """The sub-words beside the weights.

        Raises:
            CheckpointError: there are none, as in a model that was only pretrained.
        """
        model = self.side_files.get(MODEL_FILE, b"")
        if self._subwords is None or self._subwords[0] != model:
            name = str(self.provenance.get("tag") or self.slug)
            self._subwords = (model, Subwords.from_side_files(self.side_files, name))
        return self._subwords[1]

    def learn_subwords(self, texts: Sequence[str]) -> None:
        """Train the sub-words on the training texts, unless they came with the weights."""
        decoder = self.text_decoder
        if MODEL_FILE not in self.side_files and decoder is not None:
            size = decoder.config.vocab_size
            lower = (self.normal_text(text) for text in texts)
            self.side_files[MODEL_FILE] = train_subwords(lower, size)

    def normal_text(self, text: str) -> str:
        """A transcript as the model learns it: lower case."""
        return text.lower()

    def targets(self, texts: Sequence[str]) -> Tensor:
        """(B, L) int64 tokens of texts, each with its end, padded."""
        rows = [[*self.subwords.encode(self.normal_text(text)), END] for text in texts]
        tensors = [torch.tensor(row) for row in rows]
        return pad_sequence(tensors, batch_first=True, padding_value=PAD).to(self.device)

    # training

    def text_loss(
        self,
        logits: Tensor,
        targets: Tensor,
        ctc_logits: Tensor | None = None,
        frames: Tensor | None = None,
        *,
        ctc_weight: float = 0.0,
        smoothing: float = 0.1,
        ctc_end: bool = False,
    ) -> Tensor:
        """(1 - w) cross-entropy + w CTC, a token.

        Args:
            logits: (B, L, V).
            targets: (B, L) int64 of `targets`.
            ctc_logits: (B, T, V).
            frames: (B,) frames that CTC may use.
            ctc_weight: w.
            smoothing: of the labels.
            ctc_end: CTC has to emit the end as well.
        """
        tokens = (targets != PAD).sum()
        total, _ = label_smoothed_loss(logits, targets, smoothing)
        if ctc_logits is not None and frames is not None and ctc_weight > 0:
            wanted = targets if ctc_end else targets.masked_fill(targets == END, PAD)
            ctc = ctc_loss_sum(ctc_logits, wanted, frames)
            total = (1 - ctc_weight) * total + ctc_weight * ctc
        return total / tokens

    def adam(self, settings: RecogniserSettings) -> OptimizerLRSchedulerConfig:
        """fairseq's optimiser of recognisers: Adam with growth, plateau and decay of the rate."""
        trainable = [p for p in self.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(trainable, lr=settings.lr, betas=(0.9, 0.98))
        schedule = tri_stage(settings.warmup_steps, settings.hold_steps, settings.decay_steps)
        return scheduled(optimizer, schedule)

    def streams_of(self, batch: Batch) -> tuple[Tensor | None, Tensor | None, Tensor]:
        """Lips (B, T, H, W), sound (B, T, 104) and mask (B, T) of a batch of the data module."""
        frames = batch["video_len"] if "video" in batch else batch["audio_len"] // SAMPLES_PER_FRAME
        total = int(frames.max())
        mask = torch.arange(total, device=frames.device) < frames[:, None]
        audio = None
        if "audio" in batch and self.streams != "video":
            counts = zip(batch["audio"].cpu(), batch["audio_len"].tolist(), frames.tolist())
            rows = [avhubert_features(wave[:length], count) for wave, length, count in counts]
            audio = pad_sequence(rows, batch_first=True).to(mask.device)
        video = batch.get("video") if self.streams != "audio" else None
        return video, audio, mask

    def on_validation_epoch_start(self) -> None:
        """Start counting word errors."""
        self._errors = [0.0, 0.0]

    def count_errors(self, batch: Batch) -> None:
        """Add the word errors of a validation batch, searched for with a beam of one."""
        from zoo.metrics.wer import edit_counts

        greedy = self.search.replace(beam=1, ctc_weight=0.0)
        found = self._search(*self.streams_of(batch), search=greedy)
        for texts, reference in zip(found, batch["text"], strict=True):
            words = self._text(texts).split() if texts else []
            counts = edit_counts(self.normal_text(reference).split(), words)
            self._errors[0] += counts["errors"]
            self._errors[1] += counts["length"]

    def on_validation_epoch_end(self) -> None:
        """Log the word error rate in percent, if words were counted."""
        errors, length = self._errors
        if length:
            self.log("val/wer", 100 * errors / length, prog_bar=True, sync_dist=True)

    # task

    def transcribe(
        self,
        video: VideoLike | Sequence[VideoLike] | None = None,
        audio: SpeechLike | Sequence[SpeechLike | None] | None = None,
        *,
        landmarks: Source | None = None,
        language: str | None = None,
        official_max_len: bool = False,
    ) -> Transcript | list[Transcript]:
        """What is said, with a confidence for every word.

        The sound of a video counts only if it is given as `audio`; an audio-visual model without
        it reads lips, and without a video it listens. Clips of other rates come to 25 frames a
        second; sound is cut, or filled with silence, to the length of the pictures.

        Args:
            video: a clip or a list of them; mouths are cut out as `zoo.video.mouth_source` says.
            audio: its sound, as many as there are clips; None for a clip without.
            landmarks: where the mouths are, for clips whose landmarks do not lie beside them.
            language: ISO 639-1 code of what is said; a model has one, and another is an error.
            official_max_len: limit texts as the official code does: to 104 tokens where there is
                sound, else to the frames of the longest clip of the batch.

        Raises:
            MediaError: a clip cannot be used (no face, no square, no sound where it is needed), or
                a stream is given that the model was not trained on.
            CheckpointError: the model has no decoder or no sub-words.
        """
        if language not in (None, self.language):
            raise MediaError(
                f"this {self.slug} knows {self.language!r} only, not {language!r}: load the "
                "checkpoint of that language (`zoo list`)"
            )
        single = not _is_list(video if video is not None else audio)
        videos, sounds = _as_list(video), _as_list(audio)
        self._check_streams(videos, sounds)
        self.subwords  # noqa: B018 - its error comes before any decoding of clips
        count = len(videos if videos is not None else sounds or [])
        clips = [
            self._clip(
                None if videos is None else videos[k],
                None if sounds is None else sounds[k],
                landmarks,
            )
            for k in range(count)
        ]
        found: list[Transcript] = []
        for batch in _batches(clips):
            found += self._transcribe(batch, official_max_len)
        return found[0] if single else found

    def _check_streams(self, videos: list[Any] | None, sounds: list[Any] | None) -> None:
        if videos is None and sounds is None:
            raise MediaError("nothing to transcribe: give a video, or audio")
        if videos is not None and sounds is not None and len(videos) != len(sounds):
            raise MediaError(f"{len(videos)} clips but {len(sounds)} recordings: give one for each")
        pairs = zip_longest(videos or [], sounds or [])
        bare = next(
            (k for k, pair in enumerate(pairs) if not any(x is not None for x in pair)), None
        )
        if bare is not None:
            raise MediaError(f"nothing to transcribe: clip {bare} has neither video nor audio")
        if self.streams == "video" and (videos is None or sounds is not None):
            raise MediaError(f"this {self.slug} reads lips only: give `video` and no `audio`")
        if self.streams == "audio" and (sounds is None or videos is not None):
            raise MediaError(f"this {self.slug} listens only: give `audio` and no `video`")

    def _clip(
        self, video: VideoLike | None, audio: SpeechLike | None, landmarks: Source | None
    ) -> Clip:
        mouths = None if video is None else self.window.crops(video, _PRESET, landmarks)
        waveform = None if audio is None else as_waveform(audio)
        if mouths is not None:
            frames = len(mouths)
        else:
            assert waveform is not None
            frames = len(waveform) // SAMPLES_PER_FRAME
            if frames < 1:
                raise MediaError(
                    f"{len(waveform)} samples are too short: one frame takes {SAMPLES_PER_FRAME}"
                )
        lips = None if mouths is None else self.window.model_input(mouths)
        sound = None if waveform is None else avhubert_features(waveform, frames)
        return lips, sound

    @torch.inference_mode()
    def _transcribe(self, clips: list[Clip], official_max_len: bool) -> list[Transcript]:
        video, audio, mask = _padded(clips, self.device)
        limits = None
        if official_max_len:
            # parity: the generator takes the width of the features for the length of the sound
            longest = mask.shape[1] if audio is None else audio.shape[2]
            limits = self.search.max_lengths(torch.full((len(clips),), longest))
        was_training = self.training
        self.eval()
        try:
            memory, ctc = self.states_of(video, audio, mask)
            found = self._decode(memory, ctc, mask, limits)
            return [
                self._transcript(texts, memory[k, : int(mask[k].sum())])
                for k, texts in enumerate(found)
            ]
        finally:
            self.train(was_training)

    def _search(
        self,
        video: Tensor | None,
        audio: Tensor | None,
        mask: Tensor,
        *,
        search: SearchConfig | None = None,
    ) -> list[list[Hypothesis]]:
        memory, ctc = self.states_of(video, audio, mask)
        return self._decode(memory, ctc, mask, None, search)

    def _decode(
        self,
        memory: Tensor,
        ctc: Tensor | None,
        mask: Tensor,
        limits: Tensor | None,
        search: SearchConfig | None = None,
    ) -> list[list[Hypothesis]]:
        assert self.text_decoder is not None
        return search_texts(
            self.text_decoder,
            memory,
            mask,
            search or self.search,
            max_lengths=limits,
            ctc_logits=ctc,
        )

    def _text(self, texts: list[Hypothesis]) -> str:
        return self.subwords.decode(texts[0].content(END)[0].tolist())

    def _transcript(self, texts: list[Hypothesis], memory: Tensor) -> Transcript:
        """The best text with its words; `memory` is (T, D)."""
        if not texts:
            return Transcript("", float("-inf"))
        tokens, confidences = texts[0].content(END)
        groups = self.subwords.words(tokens.tolist())
        score = float(texts[0].token_scores["decoder"].sum())
        if not groups:
            return Transcript("", score)
        assert self.text_decoder is not None
        frames = token_frames(self.text_decoder, tokens, memory).tolist()
        starts = [frames[places[0]] for _, places in groups]
        ends = [*starts[1:], float(len(memory))]
        words = tuple(
            Word(
                text=word,
                start_s=start / FPS,
                end_s=min(end, frames[places[-1]] + _WORD_TAIL) / FPS,
                confidence=float(confidences[places].prod()),
            )
            for (word, places), start, end in zip(groups, starts, ends, strict=True)
        )
        return Transcript(" ".join(word for word, _ in groups), score, words)


Clip = tuple[Tensor | None, Tensor | None]
_WORD_TAIL = 10  # frames behind its last token that a word may go on, into silence


def load_encoder(encoder: AVHuBERT, source: str) -> None:
    """Fill an encoder with that of an AV-HuBERT checkpoint.

    Args:
        encoder: what training starts with.
        source: whatever `zoo.from_pretrained` takes.

    Raises:
        CheckpointError: it cannot be had, is no AV-HuBERT, or has other sizes.
    """
    prefix = "network.encoder."
    state = {
        key.removeprefix(prefix): value
        for key, value in from_pretrained(source).state_dict().items()
        if key.startswith(prefix)
    }
    try:
        encoder.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(
            f"{source} does not fit the visual encoder of this configuration: {error}"
        ) from error


def _is_list(given: Any) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, str)


def _as_list(given: Any) -> list[Any] | None:
    if given is None:
        return None
    return list(given) if _is_list(given) else [given]


def _frames(clip: Clip) -> int:
    one = clip[0] if clip[0] is not None else clip[1]
    return 0 if one is None else len(one)


def _present(clip: Clip) -> tuple[bool, bool]:
    """Whether a clip has lips, and sound."""
    return clip[0] is not None, clip[1] is not None


def _batches(clips: list[Clip]) -> list[list[Clip]]:
    """Clips in order, in batches of at most `MAX_FRAMES` frames with their padding, all of which
    have the same streams."""
    batches: list[list[Clip]] = []
    for clip in clips:
        last = batches[-1] if batches else []
        longest = max(map(_frames, [*last, clip]))
        alike = not last or _present(last[-1]) == _present(clip)
        if last and alike and longest * (len(last) + 1) <= MAX_FRAMES:
            last.append(clip)
        else:
            batches.append([clip])
    return batches


def _padded(clips: list[Clip], device: torch.device) -> tuple[Tensor | None, Tensor | None, Tensor]:
    lengths = torch.tensor([_frames(clip) for clip in clips], device=device)
    mask = torch.arange(int(lengths.max()), device=device) < lengths[:, None]
    streams = []
    for k in (0, 1):
        items = [clip[k] for clip in clips]
        present = [item for item in items if item is not None]
        streams.append(pad_sequence(present, batch_first=True).to(device) if present else None)
    return streams[0], streams[1], mask
