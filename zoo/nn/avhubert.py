"""AV-HuBERT's encoder (arXiv 2201.02184): lips, sound or both in, one vector a video frame out."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from zoo.nn.avhubert_config import AVHuBERTConfig
from zoo.nn.lip_frontend import LipFrontEnd
from zoo.nn.speech_transformer import SpeechTransformer, initialise_linear


class AVHuBERT(nn.Module):
    """Lips and sound at 25 frames a second -> (B, T, D).

    A stream that is absent counts as zeros in place of its projected features. Zero padding behind
    the valid frames changes nothing (in normalised pixels).
    """

    def __init__(self, config: AVHuBERTConfig) -> None:
        super().__init__()
        self.config = config
        size = config.hidden_size
        self.lips = LipFrontEnd(config.stem_widths)
        self.lips_proj = nn.Linear(self.lips.out_channels, size)
        self.audio_proj = nn.Linear(config.audio_size, size)
        joined = 2 * size if config.fusion == "concat" else size
        self.norm = nn.LayerNorm(joined)
        self.fusion_proj = nn.Linear(joined, size) if config.fusion == "concat" else None
        self.input_dropout = nn.Dropout(config.input_dropout)
        self.encoder = SpeechTransformer(
            size,
            config.num_layers,
            config.num_heads,
            config.ffn_size,
            position_kernel=config.position_kernel,
            position_groups=config.position_groups,
            pre_norm=config.pre_norm,
            dropout=config.dropout,
            attention_dropout=config.attention_dropout,
            activation_dropout=config.activation_dropout,
            layer_drop=config.layer_drop,
        )
        for part in (self.lips_proj, self.audio_proj, self.fusion_proj):
            if part is not None:
                initialise_linear(part)

    def forward(
        self,
        video: Tensor | None = None,
        audio: Tensor | None = None,
        mask: Tensor | None = None,
        *,
        output_layer: int | None = None,
    ) -> Tensor:
        """Encode clips.

        Args:
            video: (B, T, H, W) float, normalised grey mouths (`zoo.video.mouth_input`).
            audio: (B, T, 104) float (`zoo.audio.avhubert`); one of the two may be None.
            mask: (B, T) bool, True = valid.
            output_layer: layer whose raw output is wanted (1-based, 0: the fused input); None is
                the last one with the final norm, which is not the same as its number.

        Returns:
            (B, T, D).

        Raises:
            ValueError: both streams are None, or they do not fit together.
        """
        features = self.project(self.fuse(video, audio))
        if output_layer == 0:
            return features
        last = self.encoder(features, mask, last_layer=output_layer)[-1]
        return self.encoder.final_norm(last) if output_layer is None else last

    def hidden_states(
        self,
        video: Tensor | None = None,
        audio: Tensor | None = None,
        mask: Tensor | None = None,
        *,
        last_layer: int | None = None,
        prompt: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Raw outputs of all layers.

        Args:
            video: as in `forward`.
            audio: as in `forward`.
            mask: as in `forward`.
            last_layer: stop after this layer.
            prompt: (B, P, D) tokens that read the frames while the frames do not read them; every
                state then has them in front.
            attention_mask: bool, broadcasting to (B, N, T, T), which frame may look at which.

        Returns:
            num_layers + 1 tensors (B, P + T, D); entry 0 is the input of layer 1.
        """
        features = self.project(self.fuse(video, audio))
        states: tuple[Tensor, ...] = self.encoder(
            features, mask, last_layer=last_layer, prompt=prompt, attention_mask=attention_mask
        )
        return states

    def encode(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """The transformer with its final norm on projected features (B, T, D)."""
        return self.encoder.final_norm(self.encoder(features, mask)[-1])

    def fuse(self, video: Tensor | None, audio: Tensor | None) -> Tensor:
        """Both streams together, before the norm; in training one of them may be dropped.

        Returns:
            (B, T, 2 D), sound first, or (B, T, D) if streams are added.

        Raises:
            ValueError: see `forward`.
        """
        if video is None and audio is None:
            raise ValueError("neither video nor audio: at least one stream is needed")
        lips = None if video is None else self.encode_lips(video)
        sound = None if audio is None else self.encode_audio(audio)
        if lips is None:
            lips = torch.zeros_like(cast(Tensor, sound))
        elif sound is None:
            sound = torch.zeros_like(lips)
        elif lips.shape != sound.shape:
            raise ValueError(
                f"{lips.shape[0]} clips of {lips.shape[1]} frames of video but {sound.shape[0]} of "
                f"{sound.shape[1]} frames of sound"
            )
        else:
            lips, sound = self._drop_stream(lips, sound)
        assert sound is not None
        return torch.cat([sound, lips], dim=-1) if self.config.fusion == "concat" else sound + lips

    def encode_lips(self, video: Tensor) -> Tensor:
        """The visual front-end alone: (B, T, H, W) -> (B, T, D)."""
        return scale_gradient(self.lips_proj(self.lips(video)), self.config.feature_grad_scale)

    def encode_audio(self, audio: Tensor) -> Tensor:
        """The sound's front-end alone: (B, T, 104) -> (B, T, D)."""
        return scale_gradient(self.audio_proj(audio), self.config.feature_grad_scale)

    def project(self, fused: Tensor) -> Tensor:
        """Fused features in the transformer's width, (B, T, D)."""
        x = self.norm(fused)
        if self.fusion_proj is not None:
            x = self.fusion_proj(x)
        return cast(Tensor, self.input_dropout(x))

    def _drop_stream(self, lips: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
        if not self.training or torch.rand(()) >= self.config.modality_dropout:
            return lips, sound
        if torch.rand(()) < self.config.audio_dropout:
            return lips, 0 * sound
        return 0 * lips, sound


def scale_gradient(x: Tensor, factor: float) -> Tensor:
    """`x` itself, whose gradient is multiplied by `factor`."""
    if factor == 1.0 or not x.requires_grad:
        return x
    return x * factor + x.detach() * (1 - factor)
