"""SpeechCLIP's network (arXiv 2210.00705, section 3): speech encoder, one branch, CLIP.

Speech goes through HuBERT and a learned sum of its layers. The parallel branch pools it into one
vector in CLIP's space; the cascaded branch pools it into keywords, which CLIP's text tower reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.models.speechclip.config import (
    CascadedConfig,
    ParallelConfig,
    SpeechCLIPConfig,
    SpeechConfig,
)
from zoo.nn.clip import CLIPTowers
from zoo.nn.clip_vocabulary import END_ROW, START_ROW
from zoo.nn.hubert import HuBERT
from zoo.nn.keyword_vq import Choice, KeywordQuantizer, cosine_scores
from zoo.nn.layer_mix import LayerMix


@dataclass(frozen=True)
class EncodedSpeech:
    """What the speech encoder hands to a branch.

    Attributes:
        features: (B, T, C) weighted sum of the layers.
        mask: (B, T) bool, True = valid; by the branch's own length rule, see `feature_lengths`.
        hidden_states: HuBERT's states, each (B, T, C).
    """

    features: Tensor
    mask: Tensor
    hidden_states: tuple[Tensor, ...]


@dataclass(frozen=True)
class Keywords:
    """Inside of the cascaded branch.

    Attributes:
        projected: (B, K, C) slots in the space of the token embeddings.
        normalized: (B, K, C) after the batch norm.
        scores: (B, K, V) cosine to every row of the vocabulary.
        choice: which rows were taken.
        embeddings: (B, K, C) the rows taken.
    """

    projected: Tensor
    normalized: Tensor
    scores: Tensor
    choice: Choice
    embeddings: Tensor


@dataclass(frozen=True)
class SpeechOutput:
    """One pass over speech: `embedding` (B, D) of unit norm, and the keywords if there are any."""

    embedding: Tensor
    keywords: Keywords | None


class SpeechEncoder(nn.Module):
    """HuBERT and the learned sum of its layers."""

    def __init__(self, config: SpeechConfig) -> None:
        super().__init__()
        self.config = config
        self.hubert = HuBERT(config.hubert)
        self.layer_mix = LayerMix(config.hubert.num_layers + 1, normalize=config.normalize_states)

    def forward(self, waveform: Tensor, lengths: Tensor) -> EncodedSpeech:
        """Encode a zero-padded batch (B, S) with (B,) valid samples."""
        padded = bool((lengths < waveform.shape[1]).any())
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.config.trainable):
            states = self.hubert(waveform, lengths if padded else None).hidden_states
        features = self.layer_mix(states)
        frames = feature_lengths(lengths, self.config.hubert.stride, features.shape[1])
        mask = torch.arange(features.shape[1], device=features.device) < frames.unsqueeze(1)
        return EncodedSpeech(features, mask, states)


def feature_lengths(samples: Tensor, stride: int, limit: int) -> Tensor:
    """Frames the branch attends to: (B,) int64.

    parity: rounds half to even, which can exceed the true number of valid frames by one or two;
    the branch attends to those frames as well.
    """
    return torch.round(samples.double() / stride).long().clamp(max=limit)


class ParallelBranch(nn.Module):
    """One [CLS] token reads the frames; its output is projected into CLIP's space."""

    def __init__(self, config: ParallelConfig, input_size: int, output_size: int) -> None:
        super().__init__()
        self.cls = nn.Parameter(torch.randn(1, 1, input_size))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                input_size,
                config.num_heads,
                config.ffn_size,
                config.dropout,
                activation="gelu",
                batch_first=True,
            )
            for _ in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(input_size)
        self.projection = nn.Linear(input_size, output_size)

    def forward(self, speech: EncodedSpeech) -> Tensor:
        """(B, D) vectors, not normalised."""
        pooled = self.norm(self.layer_outputs(speech)[-1][:, 0])
        return cast(Tensor, self.projection(pooled))

    def layer_outputs(self, speech: EncodedSpeech) -> list[Tensor]:
        """Output (B, 1 + T, C) of every layer, the [CLS] position first."""
        x, padding = _prepend(self.cls, speech)
        outputs = []
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=padding)
            outputs.append(x)
        return outputs


class CascadedBranch(nn.Module):
    """K [CLS] tokens become K sub-words, which CLIP's text tower reads like a caption."""

    def __init__(self, config: CascadedConfig, input_size: int, token_size: int) -> None:
        super().__init__()
        self.config = config
        self.cls = nn.Parameter(torch.randn(1, config.num_keywords, input_size))
        self.attention = nn.MultiheadAttention(
            input_size, config.num_heads, config.dropout, batch_first=True
        )
        self.norm = nn.LayerNorm(input_size)
        self.projection = nn.Linear(input_size, token_size)
        self.batch_norm = nn.BatchNorm1d(config.num_keywords * token_size)
        self.quantizer = KeywordQuantizer(config.temperature, config.forbidden_rows)

    def forward(self, speech: EncodedSpeech, table: Tensor) -> Keywords:
        """Keywords of the speech among the rows of the token table (V, C)."""
        projected = self.projection(self.pooled(speech)[:, : self.config.num_keywords])
        normalized = self._batch_normalize(projected)
        scores = cosine_scores(normalized, table)
        choice = self.quantizer(scores)
        return Keywords(projected, normalized, scores, choice, choice.weights @ table)

    def pooled(self, speech: EncodedSpeech) -> Tensor:
        """Attention block over slots and frames: (B, K + T, C)."""
        x, padding = _prepend(self.cls, speech)
        attended, _ = self.attention(x, x, x, key_padding_mask=padding, need_weights=False)
        return cast(Tensor, self.norm(x + attended))

    def attention_weights(self, speech: EncodedSpeech) -> Tensor:
        """Attention of the slots: (B, heads, K, K + T)."""
        x, padding = _prepend(self.cls, speech)
        _, weights = self.attention(
            x, x, x, key_padding_mask=padding, need_weights=True, average_attn_weights=False
        )
        return cast(Tensor, weights)[:, :, : self.config.num_keywords]

    def _batch_normalize(self, slots: Tensor) -> Tensor:
        # parity: the feature index of the batch norm is channel * K + slot
        flat = slots.transpose(1, 2).flatten(1)
        batch, count, width = slots.shape
        flat = cast(Tensor, self.batch_norm(flat))
        return flat.reshape(batch, width, count).transpose(1, 2)

    @torch.no_grad()
    def initialise_batch_norm(self, table: Tensor) -> None:
        """Start with the mean and spread of the token table (V, C), alike for every slot.

        The official code lays these initial values out slot by slot although the layer reads them
        channel by channel; that slip is not repeated here.
        """
        slots = self.config.num_keywords
        std = table.std(0) * self.config.std_scale
        self.batch_norm.weight.copy_(std.repeat_interleave(slots))
        self.batch_norm.bias.copy_(table.mean(0).repeat_interleave(slots))


class SpeechCLIPNetwork(nn.Module):
    """Speech encoder, CLIP and the one branch of the configuration."""

    def __init__(self, config: SpeechCLIPConfig) -> None:
        super().__init__()
        self.config = config
        self.speech_encoder = SpeechEncoder(config.speech)
        self.clip = CLIPTowers(config.clip)
        width = config.speech.hubert.hidden_size
        self.parallel_branch: ParallelBranch | None = None
        self.cascaded_branch: CascadedBranch | None = None
        if config.branch == "parallel":
            self.parallel_branch = ParallelBranch(
                config.parallel, width, config.clip.embedding_size
            )
        else:
            self.cascaded_branch = CascadedBranch(config.cascaded, width, config.clip.text_size)
        self.vocabulary_ids: Tensor
        self.register_buffer("vocabulary_ids", torch.full((config.clip.vocab_size,), -1))

    def encode_speech(self, waveform: Tensor, lengths: Tensor) -> SpeechOutput:
        """Encode a zero-padded batch.

        Args:
            waveform: (B, S) float, 16 kHz, amplitude in [-1, 1].
            lengths: (B,) int64 valid samples.
        """
        return self.read_speech(self.speech_encoder(waveform, lengths))

    def read_speech(self, speech: EncodedSpeech) -> SpeechOutput:
        """Run the branch on what the speech encoder gave."""
        if self.parallel_branch is not None:
            return SpeechOutput(F.normalize(self.parallel_branch(speech), dim=-1), None)
        keywords = self.cascade(speech)
        return SpeechOutput(F.normalize(self._read_keywords(keywords), dim=-1), keywords)

    def cascade(self, speech: EncodedSpeech) -> Keywords:
        """Keywords of the speech, without reading them with the text tower."""
        assert self.cascaded_branch is not None
        return cast(Keywords, self.cascaded_branch(speech, self.clip.token_embedding))

    def encode_image(self, image: Tensor) -> Tensor:
        """Unit-norm vectors (B, D) of preprocessed images (B, 3, H, W)."""
        return F.normalize(self.clip.encode_image(image), dim=-1)

    def branch_states(self, speech: EncodedSpeech) -> list[Tensor]:
        """Layer outputs (B, T, C) of the branch at the frames, the [CLS] positions left out."""
        if self.parallel_branch is not None:
            return [x[:, 1:] for x in self.parallel_branch.layer_outputs(speech)]
        assert self.cascaded_branch is not None
        slots = self.cascaded_branch.config.num_keywords
        return [self.cascaded_branch.pooled(speech)[:, slots:]]

    def _read_keywords(self, keywords: Keywords) -> Tensor:
        # the official code pads to 77 positions; causal attention makes those behind the end moot
        ends = self.clip.token_embedding[[START_ROW, END_ROW]]
        batch, slots = keywords.embeddings.shape[:2]
        start, end = ends.unsqueeze(0).expand(batch, -1, -1).chunk(2, dim=1)
        tokens = torch.cat([start, keywords.embeddings, end], dim=1)
        last = torch.full((batch,), slots + 1, device=tokens.device)
        return self.clip.encode_embeddings(tokens, last)


def _prepend(cls: Tensor, speech: EncodedSpeech) -> tuple[Tensor, Tensor]:
    """[CLS] tokens before the frames, and torch's padding mask (True = ignore)."""
    features = speech.features
    x = torch.cat([cls.expand(len(features), -1, -1).to(features.dtype), features], dim=1)
    return x, ~F.pad(speech.mask, (cls.shape[1], 0), value=True)
