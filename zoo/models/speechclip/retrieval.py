"""Recall on the validation split, collected over batches and processes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed

from zoo.metrics.recall import embedding_ranks


class ValidationSet:
    """Embeddings of captions and of the unique pictures they belong to."""

    def __init__(self) -> None:
        self.captions: list[Tensor] = []
        self.caption_ids: list[int] = []
        self.images: dict[int, Tensor] = {}

    def new_images(self, ids: Tensor) -> Tensor:
        """Positions (M,) in the batch of pictures that are not here yet, each picture once."""
        first = {int(image): i for i, image in reversed(list(enumerate(ids.tolist())))}
        positions = sorted(i for image, i in first.items() if image not in self.images)
        return torch.tensor(positions, dtype=torch.long, device=ids.device)

    def add(self, captions: Tensor, ids: Tensor) -> None:
        """Add caption embeddings (B, D) of the pictures `ids` (B,)."""
        self.captions.append(captions.detach().float().cpu())
        self.caption_ids += ids.tolist()

    def add_images(self, images: Tensor, ids: Tensor) -> None:
        """Add picture embeddings (M, D) with their `ids` (M,)."""
        rows = images.detach().float().cpu()
        self.images |= dict(zip(ids.tolist(), rows, strict=True))

    def recall(self) -> dict[str, float]:
        """Recall in percent in both directions and their mean, over all processes."""
        captions, caption_ids, images = self._gathered()
        ranks = embedding_ranks(
            captions, torch.stack(list(images.values())), caption_ids, list(images), warn_at=()
        )
        return ranks.summary()

    def _gathered(self) -> tuple[Tensor, list[int], dict[int, Tensor]]:
        own = (torch.cat(self.captions), self.caption_ids, self.images)
        if not (distributed.is_available() and distributed.is_initialized()):
            return own
        parts: list[Any] = [None] * distributed.get_world_size()
        distributed.all_gather_object(parts, own)
        ids = [image for part in parts for image in part[1]]
        images = {image: row for part in parts for image, row in part[2].items()}
        return torch.cat([part[0] for part in parts]), ids, images
