"""CLIP's two towers (arXiv 2103.00020) on open_clip, with a reducible vocabulary.

The parameter names below `model` are OpenAI's own, so official weights load one to one. The token
table may hold only some rows of CLIP's vocabulary; `zoo.nn.clip_vocabulary` says which.
open_clip and torchvision are imported when something is built, not with this module.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from zoo.hub.config import ZooConfig

if TYPE_CHECKING:
    from PIL import Image

CLIP_VOCABULARY = 49408
"""Rows of the token table of the released CLIP models."""
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True, kw_only=True)
class CLIPConfig(ZooConfig):
    """Architecture of one CLIP; the defaults are ViT-B/32."""

    PRESETS: ClassVar[tuple[str, ...]] = ("vit_b_32", "vit_l_14")

    embedding_size: int = 512
    """Width of the space that images and texts share."""
    image_size: int = 224
    """Pixels on a side."""
    patch_size: int = 32
    """Pixels on a side of a patch."""
    vision_layers: int = 12
    """Layers of the image tower."""
    vision_size: int = 768
    """Width of the image tower."""
    vision_heads: int = 12
    """Attention heads of the image tower."""
    text_layers: int = 12
    """Layers of the text tower."""
    text_size: int = 512
    """Width of the text tower."""
    text_heads: int = 8
    """Attention heads of the text tower."""
    context_length: int = 77
    """Longest token sequence, start and end included."""
    vocab_size: int = CLIP_VOCABULARY
    """Rows of the token table."""
    keep_full_embedding: bool = False
    """Keep CLIP's whole token table beside a reduced one, to encode any text."""

    @classmethod
    def vit_b_32(cls) -> CLIPConfig:
        """OpenAI's ViT-B/32."""
        return cls()

    @classmethod
    def vit_l_14(cls) -> CLIPConfig:
        """OpenAI's ViT-L/14 at 224 pixels."""
        return cls(
            embedding_size=768,
            patch_size=14,
            vision_layers=24,
            vision_size=1024,
            vision_heads=16,
            text_size=768,
            text_heads=12,
        )


class CLIPTowers(nn.Module):
    """Image and text towers with QuickGELU, as OpenAI trained them."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        self.config = config
        self.model = _build(config)
        self.full_token_embedding: nn.Parameter | None = None
        if config.keep_full_embedding:
            table = torch.zeros(CLIP_VOCABULARY, config.text_size)
            self.full_token_embedding = nn.Parameter(table, requires_grad=False)

    @property
    def token_embedding(self) -> Tensor:
        """(V, C) rows of the (reduced) vocabulary."""
        weight: Tensor = self.model.token_embedding.weight
        return weight

    @property
    def logit_scale(self) -> Tensor:
        """Scalar: the learned inverse temperature."""
        return torch.exp(self.model.logit_scale)

    def reset_buffers(self) -> None:
        """Recompute the causal mask of the text tower, which is not saved."""
        old: Tensor = self.model.attn_mask
        device = None if old.is_meta else old.device  # None: the device of the context
        self.model.attn_mask = _causal_mask(len(old), device)

    def encode_image(self, image: Tensor) -> Tensor:
        """Image vectors (B, D), not normalised, of preprocessed (B, 3, H, W)."""
        return torch.as_tensor(self.model.visual(image))

    def encode_embeddings(self, tokens: Tensor, last: Tensor) -> Tensor:
        """Run the text tower on embeddings.

        Args:
            tokens: (B, L, C) token embeddings, start and end included.
            last: (B,) int64 position of the end token, where the text vector is read.

        Returns:
            (B, D) text vectors, not normalised. Positions after `last` cannot matter: attention is
            causal. So L need only reach the longest text.
        """
        length = tokens.shape[1]
        x = tokens + self.model.positional_embedding[:length].to(tokens.dtype)
        mask = self.model.attn_mask[:length, :length].to(x.dtype)
        x = self.model.ln_final(self.model.transformer(x, attn_mask=mask))
        x = x[torch.arange(len(x), device=x.device), last]
        return torch.as_tensor(x @ self.model.text_projection)

    def encode_text(self, ids: Tensor, last: Tensor, *, full_vocabulary: bool = False) -> Tensor:
        """Text vectors (B, D), not normalised, of token ids (B, L) ending at `last` (B,)."""
        table = self.full_token_embedding if full_vocabulary else self.token_embedding
        if table is None:
            raise ValueError("this model does not keep CLIP's full token table")
        return self.encode_embeddings(table[ids], last)

    @torch.no_grad()
    def take_rows(self, ids: Tensor) -> None:
        """Fill the reduced token table with the rows `ids` (V,) of the full one, if it is kept."""
        if self.full_token_embedding is not None:
            self.token_embedding.copy_(self.full_token_embedding[ids])


def image_transform(size: int) -> Callable[[Image.Image], Tensor]:
    """CLIP's preprocessing of an RGB picture into (3, size, size): picklable for worker processes.

    Shorter side to `size` (bicubic), centre crop, mean and standard deviation of CLIP's corpus.
    """
    from torchvision import transforms

    bicubic = transforms.InterpolationMode.BICUBIC
    steps = [
        transforms.Resize(size, interpolation=bicubic),
        transforms.CenterCrop(size),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ]
    return transforms.Compose(steps)  # type: ignore[no-any-return]


def _causal_mask(length: int, device: torch.device | None) -> Tensor:
    """(L, L) float: 0 where a position may look, -inf at later ones."""
    return torch.full((length, length), -torch.inf, device=device).triu_(1)


def _build(config: CLIPConfig) -> Any:
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    if config.vision_size % config.vision_heads:
        raise ValueError(
            f"vision_size {config.vision_size} is not a multiple of {config.vision_heads} heads"
        )
    vision = CLIPVisionCfg(
        layers=config.vision_layers,
        width=config.vision_size,
        head_width=config.vision_size // config.vision_heads,
        patch_size=config.patch_size,
        image_size=config.image_size,
    )
    text = CLIPTextCfg(
        context_length=config.context_length,
        vocab_size=config.vocab_size,
        width=config.text_size,
        heads=config.text_heads,
        layers=config.text_layers,
    )
    return CLIP(config.embedding_size, vision, text, quick_gelu=True)
