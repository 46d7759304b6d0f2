"""AV-RelScore (arXiv 2303.08536, section 3), V-CAFE (2207.06020) and the AV-Conformer baseline.

Both streams become 25 vectors a second. AV-RelScore weights each by how reliable it is at that
moment, joins sound and vision along the time axis, and lets one conformer attend over both; what
comes out at the places of the video frames is decoded.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.audio.mel import MelConfig, MelFrontEnd
from zoo.models.av_relscore.config import AVRelScoreConfig, InputConfig
from zoo.models.av_relscore.inputs import SAMPLES_PER_FRAME
from zoo.nn.conformer import ConformerEncoder
from zoo.nn.decoding.decoder import TransformerDecoder
from zoo.nn.lip_frontend import LipFrontEnd
from zoo.nn.residual_trunk import ResidualTrunk

_POOL = 20  # of the ResNet's outputs, which come every 32 samples
_MELS, _MEL_HOP = 40, 160
_MEL_SPREAD = 3.0  # of the logarithms of standardised speech, roughly
_VCAFE_DROPOUT = 0.3


@dataclass(frozen=True)
class Encoded:
    """What the encoder makes of a batch.

    Attributes:
        states: (B, T, D) at the places of the video frames.
        mask: (B, T) bool, True = valid; None: all are.
        video_scores: (B, T, C) in (0, 1), how far each channel of the lips is trusted; None where
            the model does not score.
        audio_scores: the same of the sound; V-CAFE's mask of the sound is returned here.
        fused: (B, 2 T, C) or (B, T, C), what entered the conformer; None with two of them.
    """

    states: Tensor
    mask: Tensor | None
    video_scores: Tensor | None = None
    audio_scores: Tensor | None = None
    fused: Tensor | None = None


class WaveformFrontEnd(nn.Module):
    """ResNet-18 over samples: (B, S) at 16 kHz -> (B, S // 640, C)."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, widths[0], 80, stride=4, padding=38, bias=False)
        self.norm = nn.BatchNorm1d(widths[0])
        self.trunk = ResidualTrunk(widths[0], widths, "swish", dims=1)

    def forward(self, waveform: Tensor) -> Tensor:
        """Encode; samples behind the last whole frame are cut."""
        whole = waveform.shape[1] // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME
        x = F.silu(self.norm(self.conv(waveform[:, None, :whole])))
        return F.avg_pool1d(self.trunk(x), _POOL).transpose(1, 2)


class MelFrontEndLayers(nn.Module):
    """Four frames of log-mel bands a video frame through two layers: (B, S) -> (B, S // 640, C)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        window = SAMPLES_PER_FRAME
        self.mel = MelFrontEnd(
            MelConfig(
                sample_rate=16_000,
                n_fft=window,
                hop_length=_MEL_HOP,
                num_mels=_MELS,
                max_hz=8000.0,
                padding=(window - _MEL_HOP) // 2,
                pad_mode="constant",
                unit_area=False,
                log_floor=1e-2,
            )
        )
        stacked = _MELS * SAMPLES_PER_FRAME // _MEL_HOP
        self.layers = nn.Sequential(
            nn.Linear(stacked, 2 * size), nn.SiLU(), nn.Linear(2 * size, size)
        )

    def forward(self, waveform: Tensor) -> Tensor:
        """Encode; samples behind the last whole frame are cut."""
        frames = waveform.shape[1] // SAMPLES_PER_FRAME
        bands = self.mel(waveform[:, : frames * SAMPLES_PER_FRAME]).transpose(1, 2) / _MEL_SPREAD
        return cast(Tensor, self.layers(bands.reshape(len(waveform), frames, -1)))


def audio_front_end(config: InputConfig) -> nn.Module:
    """The audio front-end of a configuration."""
    if config.sound == "mel":
        return MelFrontEndLayers(config.audio_widths[-1])
    return WaveformFrontEnd(config.audio_widths)


class ReliabilityScore(nn.Module):
    """Three convolutions over time that say how far to trust each channel: (B, T, C) in (0, 1)."""

    def __init__(self, size: int, kernel: int) -> None:
        super().__init__()
        widths = (size, 2 * size, 2 * size, size)
        self.convs = nn.ModuleList(
            nn.Conv1d(a, b, kernel, padding=kernel // 2) for a, b in pairwise(widths)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for width in widths[1:])

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Score (B, T, C); frames outside `mask` (B, T) are kept from the others."""
        x = x.transpose(1, 2)
        for number, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            if mask is not None:
                x = x * mask.unsqueeze(1)
            x = norm(conv(x))
            x = x.sigmoid() if number == len(self.convs) - 1 else x.relu()
        return x.transpose(1, 2)


class VisualContextMask(nn.Module):
    """V-CAFE: attention from sound to lips, and a mask of the sound made of what it finds."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(size, size) for _ in range(3))
        self.conv, self.gate = nn.Conv1d(size, size, 3, padding=1), nn.Conv1d(size, size, 1)
        self.dropout = nn.Dropout(_VCAFE_DROPOUT)
        self.fusion = nn.Linear(2 * size, size)

    def forward(self, video: Tensor, audio: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Fuse (B, T, C) and (B, T, C): the fused (B, T, C), and the mask of the sound (B, T, C)."""
        keys = None if mask is None else mask.unsqueeze(1)
        context = F.scaled_dot_product_attention(
            self.query(audio), self.key(video), self.value(video), attn_mask=keys
        )
        gate = self.gate(F.relu(self.conv(context.transpose(1, 2)))).transpose(1, 2).sigmoid()
        if mask is not None:
            gate = gate * mask.unsqueeze(-1)
        both = torch.cat([audio * gate + audio, video], dim=-1)
        return self.fusion(self.dropout(both)), gate


class LateFusion(nn.Module):
    """Joins the outputs of two encoders: (B, T, D) twice -> (B, T, D)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.up = nn.Linear(2 * size, 4 * size)
        self.norm = nn.BatchNorm1d(4 * size)
        self.down = nn.Linear(4 * size, size)

    def forward(self, video: Tensor, audio: Tensor) -> Tensor:
        """Fuse."""
        x = self.up(torch.cat([video, audio], dim=-1))
        x = F.relu(self.norm(x.transpose(1, 2)).transpose(1, 2))
        return cast(Tensor, self.down(x))


class AVRelScoreNetwork(nn.Module):
    """Front-ends, fusion, conformer, CTC head and decoder."""

    def __init__(self, config: AVRelScoreConfig) -> None:
        super().__init__()
        self.config = config
        widths, encoder = config.input, config.encoder
        size = widths.video_widths[-1]
        if widths.audio_widths[-1] != size:
            raise ValueError(
                f"the streams must have one width: video {size}, audio {widths.audio_widths[-1]}"
            )
        self.video_front_end = LipFrontEnd(widths.video_widths, "swish")
        self.audio_front_end = audio_front_end(widths)
        scores = config.fusion == "relscore" and config.scoring
        kernel = config.scoring_kernel
        self.video_score = ReliabilityScore(size, kernel) if scores else None
        self.audio_score = ReliabilityScore(size, kernel) if scores else None
        self.context_mask = VisualContextMask(size) if config.fusion == "vcafe" else None
        late = config.fusion == "conformer"
        self.encoder = None if late else ConformerEncoder(encoder, size)
        self.video_encoder = ConformerEncoder(encoder, size) if late else None
        self.audio_encoder = ConformerEncoder(encoder, size) if late else None
        self.late_fusion = LateFusion(encoder.size) if late else None
        self.decoder = TransformerDecoder(config.decoder)
        self.ctc_dropout = nn.Dropout(encoder.dropout)
        self.ctc = nn.Linear(encoder.size, config.decoder.vocab_size)

    def encode(
        self, video: Tensor | None, audio: Tensor | None, lengths: Tensor | None = None
    ) -> Encoded:
        """Encode a batch.

        Args:
            video: (B, T, H, W) normalised mouths, zero beyond each length; None: there are none.
            audio: (B, S) standardised samples at 16 kHz, zero beyond each length; None: no sound.
            lengths: (B,) valid frames of both; None: one clip, or all of one length.

        Raises:
            ValueError: there is neither.
        """
        seen, heard = self.features(video, audio, lengths)
        mask = None if lengths is None else frame_mask(lengths, seen.shape[1])
        if self.config.mask_padding and mask is not None:
            seen, heard = seen * mask.unsqueeze(-1), heard * mask.unsqueeze(-1)
        return self.fuse(seen, heard, mask)

    def features(
        self, video: Tensor | None, audio: Tensor | None, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Outputs (B, T, C) of the front-ends; a stream that is lacking gives zeros."""
        seen = None if video is None else self.video_front_end(video)
        if video is not None and audio is not None:
            audio = audio[:, : video.shape[1] * SAMPLES_PER_FRAME]
        heard = None if audio is None else self._hear(audio, lengths)
        known = seen if seen is not None else heard
        if known is None:
            raise ValueError("neither video nor audio")
        if seen is not None and heard is not None:
            heard = fit_frames(heard, seen.shape[1])
        blank = torch.zeros_like(known)
        return blank if seen is None else seen, blank if heard is None else heard

    def _hear(self, audio: Tensor, lengths: Tensor | None) -> Tensor:
        """Outputs of the audio front-end, of clips of unlike length one by one if padding matters.

        The ResNet carries what it makes of the silence behind a clip into the clip's last frames.
        """
        each = self.config.mask_padding and self.config.input.sound == "waveform"
        if self.training or lengths is None or not each:
            return cast(Tensor, self.audio_front_end(audio))
        counts = (lengths * SAMPLES_PER_FRAME).tolist()
        clips = [self.audio_front_end(one[None, :n])[0] for one, n in zip(audio, counts)]
        return nn.utils.rnn.pad_sequence(clips, batch_first=True)

    def fuse(self, seen: Tensor, heard: Tensor, mask: Tensor | None = None) -> Encoded:
        """Encoder states of front-end outputs (B, T, C) with valid frames `mask` (B, T)."""
        if self.video_encoder is not None and self.audio_encoder is not None:
            assert self.late_fusion is not None
            states = self.late_fusion(
                self.video_encoder(seen, mask), self.audio_encoder(heard, mask)
            )
            return Encoded(states, mask)
        assert self.encoder is not None
        if self.context_mask is not None:
            fused, gate = self.context_mask(seen, heard, mask)
            return Encoded(self.encoder(fused, mask), mask, audio_scores=gate, fused=fused)
        video_scores = audio_scores = None
        if self.video_score is not None and self.audio_score is not None:
            inner = mask if self.config.mask_padding else None
            video_scores, audio_scores = (
                self.video_score(seen, inner),
                self.audio_score(heard, inner),
            )
            seen, heard = seen * video_scores + seen, heard * audio_scores + heard
        joined, both, fused = self._join(seen, heard, mask)
        states = self.encoder(joined, both)
        states = states[:, ::2] if self._interleaved else states[:, : seen.shape[1]]
        return Encoded(states, mask, video_scores, audio_scores, fused)

    @property
    def _interleaved(self) -> bool:
        return self.config.order == "interleaved"

    def _join(
        self, seen: Tensor, heard: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """Sound behind vision, (B, 2 T, C), with its mask (B, 2 T); or frame by frame.

        In a padded batch the official code leaves the padding between the two; `mask_padding`
        moves it behind both, which makes a clip's outcome independent of its batch.
        """
        if self._interleaved:
            fused = torch.stack([seen, heard], dim=2).flatten(1, 2)
            return fused, None if mask is None else mask.repeat_interleave(2, dim=1), fused
        fused = torch.cat([seen, heard], dim=1)
        if mask is None:
            return fused, None, fused
        both = torch.cat([mask, mask], dim=1)
        if not self.config.mask_padding:
            return fused, both, fused
        order = (~both).to(torch.uint8).argsort(dim=1, stable=True)
        fused = fused.take_along_dim(order.unsqueeze(-1), dim=1)
        return fused, both.take_along_dim(order, dim=1), fused

    def ctc_log_probs(self, states: Tensor) -> Tensor:
        """Log probabilities (B, T, V) of frames."""
        return cast(Tensor, self.ctc(self.ctc_dropout(states))).float().log_softmax(dim=-1)


def frame_mask(lengths: Tensor, size: int) -> Tensor:
    """(B, size) bool: the frames before `lengths` (B,)."""
    return torch.arange(size, device=lengths.device) < lengths.unsqueeze(1)


def fit_frames(x: Tensor, frames: int) -> Tensor:
    """(B, T', C) cut to a number of frames, or followed by zeros."""
    # parity: sound that is short by a sample or more loses a frame, and gets a zero one
    return F.pad(x[:, :frames], (0, 0, 0, max(0, frames - x.shape[1])))
