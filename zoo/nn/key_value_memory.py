"""A memory of two sides (arXiv 2211.00924, section 3.2): what one modality stores, another recalls.

Slots pair a key (audio) with a value (lips). Each side addresses its own half by cosine and
softmax; the losses make the values a dictionary of the value side's features and the two
addresses alike, so that at inference the key side alone can recall values.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.nn.kmeans import fit_kmeans


class Recalled(NamedTuple):
    """What a memory answers: values (..., C) and the weights (..., S) they were mixed with."""

    values: Tensor
    address: Tensor


class KeyValueMemory(nn.Module):
    """`slots` learned pairs of keys and values.

    Args:
        slots: number S of pairs.
        size: width C of keys and values.
        kappa: factor on the cosine before the softmax; larger is sharper.
    """

    def __init__(self, slots: int, size: int, kappa: float = 16.0) -> None:
        super().__init__()
        self.kappa = kappa
        self.key = nn.Parameter(torch.empty(slots, size))
        self.value = nn.Parameter(torch.empty(slots, size))
        for half in (self.key, self.value):
            nn.init.normal_(half, std=0.02)
            with torch.no_grad():
                half.copy_(F.normalize(half, dim=1))

    @torch.no_grad()
    def fill(self, values: Tensor, keys: Tensor, seed: int = 0) -> None:
        """Take clusters of features for slots.

        The key side, which has to choose alone in the end, is clustered; each value is the mean of
        what goes with a cluster, so that all that the key side cannot know is averaged out.

        Args:
            values: (N, C) features of the value side.
            keys: (N, C) features of the key side that belong to them, clustered by direction.
            seed: of the clustering.

        Raises:
            ValueError: fewer features than slots.
        """
        slots = len(self.value)
        directions = F.normalize(keys.float(), dim=1).cpu()
        centers, _ = fit_kmeans(directions, slots, seed=seed)
        nearest = torch.cdist(directions, centers).argmin(dim=1)
        member = F.one_hot(nearest, slots).to(keys)  # (N, S)
        share = member / member.sum(dim=0).clamp_min(1)
        self.value.copy_(share.T @ values)
        self.key.copy_(share.T @ keys)

    def address_keys(self, query: Tensor) -> Tensor:
        """Weights (..., S) of queries (..., C) over the keys."""
        return self._softmax(query, self.key)

    def address_values(self, query: Tensor) -> Tensor:
        """Weights (..., S) of queries (..., C) over the values."""
        return self._softmax(query, self.value)

    def _softmax(self, query: Tensor, half: Tensor) -> Tensor:
        cosine = F.normalize(query, dim=-1) @ F.normalize(half, dim=-1).T
        return (self.kappa * cosine).softmax(dim=-1)

    def read(self, address: Tensor) -> Tensor:
        """Mix the values: (..., S) -> (..., C)."""
        return address @ self.value

    def recall(self, query: Tensor) -> Recalled:
        """What the key side finds: values for queries (..., C)."""
        address = self.address_keys(query)
        return Recalled(self.read(address), address)


def store_loss(stored: Tensor, recalled: Tensor) -> Tensor:
    """Squared distance of features (N, C) from what their own address recalls, mean over N."""
    return (stored - recalled).square().sum(dim=-1).mean()


def align_loss(target: Tensor, address: Tensor) -> Tensor:
    """KL(target || address) of weights (N, S), mean over N; the target gets no gradient.

    This direction makes the address cover every slot that is plausible for the target.
    """
    log_address = address.clamp_min(1e-8).log()
    return F.kl_div(log_address, target.detach(), reduction="none").sum(dim=-1).mean()
