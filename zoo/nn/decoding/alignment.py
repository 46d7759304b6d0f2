"""When each token of a text was said: the best CTC path of a given text."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Frames = NDArray[np.float64]


def ctc_spans(log_probs: Tensor, tokens: Tensor, blank: int = 0) -> list[tuple[int, int]]:
    """First frame and last frame + 1 of each token on the likeliest path of the text.

    Args:
        log_probs: (T, V) log probabilities of the valid frames.
        tokens: (L,) ids without blanks.
        blank: id of the blank.

    Returns:
        One pair a token. A text that does not fit into the frames is spread evenly over them.
    """
    frames, count = len(log_probs), len(tokens)
    if not count:
        return []
    states = np.full(2 * count + 1, blank)
    states[1::2] = tokens.cpu().numpy()
    path = _best_path(log_probs.double().cpu().numpy()[:, states], states, blank)
    if path is None:
        edges = np.linspace(0, frames, count + 1).round().astype(int).tolist()
        return list(pairwise(edges))
    places = [np.flatnonzero(path == 2 * number + 1) for number in range(count)]
    return [(int(place[0]), int(place[-1]) + 1) for place in places]


def _best_path(emitted: Frames, states: NDArray[np.int64], blank: int) -> NDArray[np.int64] | None:
    """State on every frame (T,) of the best path through `states`; None: there is none."""
    frames, size = emitted.shape
    # a blank may be skipped between two tokens that differ
    skips = np.zeros(size, dtype=bool)
    skips[2:] = (states[2:] != blank) & (states[2:] != states[:-2])
    best = np.full(size, -np.inf)
    best[:2] = emitted[0, :2]
    came = np.zeros((frames, size), dtype=np.int64)
    for t in range(1, frames):
        one = np.concatenate([[-np.inf], best[:-1]])
        two = np.where(skips, np.concatenate([[-np.inf, -np.inf], best[:-2]]), -np.inf)
        choices = np.stack([best, one, two])
        came[t] = choices.argmax(axis=0)
        best = choices.max(axis=0) + emitted[t]
    state = size - 1 if best[-1] >= best[-2] else size - 2
    if not np.isfinite(best[state]):
        return None
    path = np.empty(frames, dtype=np.int64)
    for t in range(frames - 1, -1, -1):
        path[t] = state
        state -= int(came[t, state])
    return path
