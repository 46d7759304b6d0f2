"""A model zoo for audio-visual speech.

Importing this package is cheap (no torch): every public name is loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zoo._version import __version__
from zoo.models import MODEL_CLASSES

if TYPE_CHECKING:
    from zoo.hub.catalogue import list_checkpoints, list_models
    from zoo.hub.load import from_pretrained

_FUNCTIONS = {
    "from_pretrained": "zoo.hub.load",
    "list_models": "zoo.hub.catalogue",
    "list_checkpoints": "zoo.hub.catalogue",
}
_CLASSES = {name: module for module, name in MODEL_CLASSES.values()}

__all__ = ["__version__", "from_pretrained", "list_checkpoints", "list_models", *_CLASSES]


def __getattr__(name: str) -> Any:
    """Import a public function or a model class at its first use."""
    module = _FUNCTIONS.get(name) or _CLASSES.get(name)
    if module is None:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted(__all__)
