"""Finding the weights inside the containers that training code of these papers saves.

Known shapes: fairseq (`model`), fairseq vocoders (`generator`), Lightning (`state_dict`, often
under `model.`), plain `model_state_dict` and its exponential average, audiocraft
(`best_state.model`), DistributedDataParallel (`module.` before every key), a flat state dict, a
pickled `nn.Module`, and a fitted scikit-learn object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from zoo.errors import CheckpointError, ConversionError
from zoo.hub.inert import Inert
from zoo.hub.plain import plain

# dotted places where a state dict may lie, the best first: an exponential average is what papers
# that keep one evaluate
PLACES: Final = (
    "ema_model_state_dict",
    "best_state.model",
    "model",
    "state_dict",
    "generator",
    "model_state_dict",
    "model_state",
    "net",
    "weights",
    "params",
    "object",
)
_EVERYWHERE: Final = ("module.", "_orig_mod.")
_BY_PLACE: Final[dict[str, str]] = {"ema_model_state_dict": "ema_model.", "state_dict": "model."}


@dataclass(frozen=True)
class Found:
    """A state dict, where it lay, and what was taken off every key."""

    tensors: dict[str, Tensor]
    place: str
    prefix: str
    ignored: tuple[str, ...]
    """Entries beside the weights that are not tensors, or not under the prefix."""


def find_state(container: Any, place: str | None = None) -> Found:
    """Find the weights of a container.

    Args:
        container: what the file holds, with stand-ins.
        place: dotted key of the state dict where it is not one of `PLACES`; `""` is the top.

    Raises:
        ConversionError: there are no tensors (at that place).
    """
    if place is not None:
        state = _state_at(container, place)
        if state is None:
            raise ConversionError(f"there is no state dict at {place!r} ({_contents(container)})")
        return _stripped(state, place)
    for known in PLACES:
        state = _state_at(container, known)
        if state is not None:
            return _stripped(state, known)
    state = _state_at(container, "") or _flattened(container)
    if not state:
        raise ConversionError(f"no weights were found in it ({_contents(container)})")
    return _stripped(state, "")


def _contents(container: Any) -> str:
    if isinstance(container, Mapping):
        return "its top level: " + ", ".join(str(key) for key in list(container)[:20])
    return f"it holds a {type(container).__name__}"


def _state_at(container: Any, place: str) -> dict[str, Any] | None:
    node = container
    for step in place.split(".") if place else ():
        node = node.get(step) if isinstance(node, Mapping) else None
    if isinstance(node, Inert):
        return _object_state(node)
    return _as_state(node)


def _as_state(node: Any) -> dict[str, Any] | None:
    """A mapping of names to tensors; a few numbers among them are common and ignored later."""
    if not isinstance(node, Mapping) or not any(isinstance(v, Tensor) for v in node.values()):
        return None
    if any(isinstance(v, Mapping | list | tuple | Inert) for v in node.values()):
        return None
    return {str(key): value for key, value in node.items()}


def _object_state(node: Inert) -> dict[str, Any] | None:
    """The weights of a pickled `nn.Module`, or the arrays of a fitted scikit-learn object."""
    if not isinstance(node.state, Mapping):
        return None
    if isinstance(node.state.get("_parameters"), Mapping):
        return _module_state(node, "")
    arrays = {str(key): _array(item) for key, item in node.state.items()}
    return {key: tensor for key, tensor in arrays.items() if tensor is not None} or None


def _array(item: Any) -> Tensor | None:
    try:
        value = plain(item)
    except CheckpointError:
        return None  # an array of objects beside the numbers, such as feature names
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        return None
    return torch.from_numpy(value.astype(value.dtype.newbyteorder("=")))


def _module_state(node: Any, prefix: str) -> dict[str, Any]:
    state: dict[str, Any] = {}
    if not isinstance(node, Inert) or not isinstance(node.state, Mapping):
        return state
    left_out = node.state.get("_non_persistent_buffers_set") or ()
    for group in ("_parameters", "_buffers"):
        for key, value in (node.state.get(group) or {}).items():
            if isinstance(value, Tensor) and key not in left_out:
                state[f"{prefix}{key}"] = value
    for key, child in (node.state.get("_modules") or {}).items():
        state |= _module_state(child, f"{prefix}{key}.")
    return state


def _flattened(node: Any, prefix: str = "", depth: int = 0) -> dict[str, Any]:
    """Tensors of nested mappings under dotted names, where no known place has a state dict."""
    state: dict[str, Any] = {}
    if not isinstance(node, Mapping) or depth > 4:
        return state
    for key, value in node.items():
        if isinstance(value, Tensor):
            state[f"{prefix}{key}"] = value
        else:
            state |= _flattened(value, f"{prefix}{key}.", depth + 1)
    return state


def _stripped(state: Mapping[str, Any], place: str) -> Found:
    tensors = {key: v.detach() for key, v in state.items() if isinstance(v, Tensor)}
    ignored = [key for key in state if key not in tensors]
    prefix = ""
    own = _BY_PLACE.get(place, "")
    if own == "ema_model." and any(key.startswith(own) for key in tensors):
        # counters of the average (initted, step) lie beside the averaged model
        ignored += [key for key in tensors if not key.startswith(own)]
        tensors = {key: v for key, v in tensors.items() if key.startswith(own)}
    changed = True
    while changed:
        changed = False
        for candidate in (*_EVERYWHERE, own):
            if candidate and tensors and all(key.startswith(candidate) for key in tensors):
                tensors = {key[len(candidate) :]: v for key, v in tensors.items()}
                prefix, changed = prefix + candidate, True
                if candidate == own:
                    own = ""
    return Found(tensors, place, prefix, tuple(ignored))
