"""What SpeechCLIP does for its users: embeddings, keywords, and views of its inside."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from zoo.audio import as_waveform
from zoo.errors import ConfigError, MediaError
from zoo.hub.module import ZooModule
from zoo.models.speechclip import vocabulary
from zoo.models.speechclip.config import SpeechCLIPConfig
from zoo.models.speechclip.network import EncodedSpeech, SpeechCLIPNetwork, SpeechOutput
from zoo.nn.clip import CLIP_VOCABULARY, image_transform
from zoo.nn.clip_vocabulary import Vocabulary, caption_words
from zoo.nn.keyword_vq import cosine_scores
from zoo.tasks import ImageLike, Keyword, Speech, SpeechLike
from zoo.video import as_image

logger = logging.getLogger(__name__)


class Retriever(ZooModule):
    """The network and its task methods; how it is trained is in `SpeechCLIP`."""

    def __init__(self, config: SpeechCLIPConfig) -> None:
        super().__init__(config)
        self.config: SpeechCLIPConfig = config
        self.network = SpeechCLIPNetwork(config)

    @property
    def has_keywords(self) -> bool:
        """Whether the model names what it hears (cascaded branch)."""
        return self.network.cascaded_branch is not None

    @property
    def vocabulary(self) -> Vocabulary:
        """The sub-words of the token table."""
        ids = self.network.vocabulary_ids
        if not vocabulary.is_set(ids):
            raise ConfigError(
                "this model has no vocabulary yet: it is read from the captions when training "
                "starts, and comes with the weights of a trained or converted model"
            )
        return Vocabulary(ids)

    def image_transform(self) -> Callable[[Image.Image], Tensor]:
        """CLIP's preprocessing at this model's picture size."""
        return image_transform(self.config.clip.image_size)

    def embed_speech(
        self, speech: SpeechLike | Sequence[SpeechLike], *, batched: bool = False
    ) -> Tensor:
        """Unit-norm embeddings (N, D) of spoken descriptions.

        Args:
            speech: one or several recordings.
            batched: encode all as one padded batch, as the official `encode_speech` does with a
                list; faster, but padding reaches the valid frames and moves the result a little.

        Raises:
            MediaError: a recording cannot be used.
        """
        outputs = [self._encode(waves) for waves in self._batches(speech, batched)]
        return torch.cat([output.embedding for output in outputs])

    def embed_image(self, image: ImageLike | Sequence[ImageLike]) -> Tensor:
        """Unit-norm embeddings (N, D) of pictures.

        Raises:
            MediaError: a picture cannot be used.
        """
        transform = self.image_transform()
        pixels = [transform(as_image(item)) for item in _as_list(image)]
        with _evaluation(self):
            rows = [self.network.encode_image(self._to_device(x).unsqueeze(0)) for x in pixels]
        return torch.cat(rows).float()

    def keywords(
        self, speech: SpeechLike | Sequence[SpeechLike], top_k: int = 5, *, quantized: bool = False
    ) -> list[list[Keyword]]:
        """Sub-words heard, best first within each slot; one inner list an utterance.

        Args:
            speech: one or several recordings.
            top_k: candidates a slot.
            quantized: list the neighbours of the chosen sub-word's embedding (the official hit
                rate) instead of those of the slot's own vector. The first candidate is the same.

        Raises:
            NotImplementedError: the model is a parallel one.
        """
        self._require_keywords()
        words = self.vocabulary
        found = [self._encode(waves) for waves in self._batches(speech, batched=False)]
        return [self._candidates(output, words, top_k, quantized) for output in found]

    @torch.inference_mode()
    def _candidates(
        self, output: SpeechOutput, words: Vocabulary, top_k: int, quantized: bool
    ) -> list[Keyword]:
        branch, keywords = self.network.cascaded_branch, output.keywords
        assert branch is not None and keywords is not None
        scores = keywords.scores
        if quantized:
            scores = cosine_scores(keywords.embeddings, self.network.clip.token_embedding)
        allowed = scores.shape[-1] - len(branch.quantizer.forbidden)
        best = branch.quantizer.mask(scores)[0].topk(min(top_k, allowed))
        return [
            Keyword(words.word(row), score, slot)
            for slot, (values, rows) in enumerate(zip(*(x.tolist() for x in best), strict=True))
            for score, row in zip(values, rows, strict=True)
        ]

    def caption_tokens(self, text: str) -> list[str]:
        """The sub-words of a written caption in the form in which `keywords` names them."""
        return caption_words(text)

    def encode_text(self, text: str | Sequence[str]) -> Tensor:
        """Unit-norm embeddings (N, D) of written captions, by CLIP's text tower.

        Sub-words outside the vocabulary are left out with a warning, unless the model keeps CLIP's
        whole token table.
        """
        texts = [text] if isinstance(text, str) else list(text)
        with _evaluation(self):
            return self._embed_captions(texts, warn=True).float()

    def attention_weights(self, speech: SpeechLike | Sequence[SpeechLike]) -> list[Tensor]:
        """Where each keyword slot looks: one (heads, K, K + T) an utterance, T frames.

        Raises:
            NotImplementedError: the model is a parallel one.
        """
        branch = self._require_keywords()
        with _evaluation(self):
            encoded = [self._listen(waves) for waves in self._batches(speech, batched=False)]
            return [branch.attention_weights(x)[0] for x in encoded]

    def hidden_states(self, speech: SpeechLike | Sequence[SpeechLike]) -> list[tuple[Tensor, ...]]:
        """HuBERT's states, then the branch's layers, each (T, C): one tuple an utterance."""
        result = []
        with _evaluation(self):
            for waves in self._batches(speech, batched=False):
                encoded = self._listen(waves)
                states = [*encoded.hidden_states, *self.network.branch_states(encoded)]
                result.append(tuple(state[0] for state in states))
        return result

    def _require_keywords(self) -> Any:
        if self.network.cascaded_branch is None:
            raise NotImplementedError(
                "this SpeechCLIP has the parallel branch, which names no keywords; load a cascaded "
                "one, such as speechclip.tiny-cascaded"
            )
        return self.network.cascaded_branch

    def _batches(
        self, speech: SpeechLike | Sequence[SpeechLike], batched: bool
    ) -> Iterator[list[Tensor]]:
        waves = (self._waveform(item) for item in _as_list(speech))
        if batched:
            yield list(waves)
        else:
            yield from ([wave] for wave in waves)

    def _waveform(self, item: SpeechLike) -> Tensor:
        wave = as_waveform(item)
        shortest = self.config.speech.hubert.receptive_field
        if len(wave) < shortest:
            name = item if isinstance(item, str | Path) else "speech"
            raise MediaError(
                f"{name}: {len(wave)} samples are too short, one frame needs {shortest} at 16 kHz"
            )
        return self._to_device(wave)

    def _to_device(self, x: Tensor) -> Tensor:
        return x.to(self.device, self.network.clip.token_embedding.dtype)

    def _listen(self, waves: list[Tensor]) -> EncodedSpeech:
        lengths = torch.tensor([len(wave) for wave in waves], device=self.device)
        encoded = self.network.speech_encoder(pad_sequence(waves, batch_first=True), lengths)
        return cast(EncodedSpeech, encoded)

    def _encode(self, waves: list[Tensor]) -> SpeechOutput:
        with _evaluation(self):
            output = self.network.read_speech(self._listen(waves))
        return SpeechOutput(output.embedding.float(), output.keywords)

    def _embed_captions(self, captions: Sequence[str], *, warn: bool = False) -> Tensor:
        full = self.network.clip.full_token_embedding is not None
        words = Vocabulary(range(CLIP_VOCABULARY)) if full else self.vocabulary
        rows, last, unknown = words.encode(captions, self.config.clip.context_length)
        if unknown and warn:
            logger.warning("not in the vocabulary, left out: %s", ", ".join(sorted(set(unknown))))
        vectors = self.network.clip.encode_text(
            rows.to(self.device), last.to(self.device), full_vocabulary=full
        )
        return F.normalize(vectors, dim=-1)


def _as_list(items: Any) -> list[Any]:
    """A list of inputs; a single path, tensor, recording or picture is a list of one."""
    single = isinstance(items, str | Path | Tensor | Speech | Image.Image)
    if single or not isinstance(items, Sequence):
        return [items]
    return list(items)


@contextmanager
def _evaluation(module: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; puts the modes back afterwards."""
    training = [m for m in module.modules() if m.training]
    try:
        if training:
            module.eval()
        with torch.inference_mode():
            yield
    finally:
        for m in training:
            m.training = True
