"""Makes the pickles that tests read: of classes nobody has installed, and hostile ones."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch


def foreign(name: str, base: type = object, **state: Any) -> Any:
    """An object of the class `name` (dotted), which can be pickled inside `importable`."""
    module, _, qualname = name.rpartition(".")
    cls = type(qualname, (base,), {"__module__": module, "__qualname__": qualname})
    made = cls()
    made.__dict__.update(state)
    return made


@contextmanager
def importable(*objects: Any) -> Iterator[None]:
    """Within, the classes of the objects can be found by pickle; afterwards they are gone."""
    classes = [obj if isinstance(obj, type) else type(obj) for obj in objects]
    before = dict(sys.modules)
    try:
        for cls in classes:
            parts = cls.__module__.split(".")
            for end in range(1, len(parts) + 1):
                sys.modules.setdefault(".".join(parts[:end]), ModuleType(".".join(parts[:end])))
            setattr(sys.modules[cls.__module__], cls.__qualname__, cls)
        yield
    finally:
        for name in set(sys.modules) - set(before):
            del sys.modules[name]


class Call:
    """Pickles as a call of `function(*args)`."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.function, self.args = function, args

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.function, self.args


def save(content: Any, path: Path, form: str) -> Path:
    """Write as `zip` or `legacy` torch file, or as `pickle2` ... `pickle5`."""
    if form in ("zip", "legacy"):
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    else:
        path.write_bytes(pickle.dumps(content, protocol=int(form[-1])))
    return path


class _JoblibPickler(pickle._Pickler):
    """Writes arrays as joblib does: a wrapper object, padding, then the bytes themselves."""

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if type(obj) is not np.ndarray:
            return super().save(obj, save_persistent_id)
        order = "F" if obj.flags.f_contiguous and not obj.flags.c_contiguous else "C"
        wrapper = foreign(
            "joblib.numpy_pickle.NumpyArrayWrapper",
            subclass=np.ndarray,
            shape=obj.shape,
            order=order,
            dtype=obj.dtype,
            numpy_array_alignment_bytes=16,
        )
        with importable(wrapper):
            super().save(wrapper)
        self.framer.commit_frame(force=True)
        padding = 16 - (self.file.tell() + 1) % 16
        self.file.write(bytes([padding]) + b"\xff" * padding + obj.tobytes(order=order))
        return None


def save_joblib(content: Any, path: Path) -> Path:
    """Write a joblib file (uncompressed)."""
    with path.open("wb") as file:
        pickler = _JoblibPickler(file, protocol=4)
        pickler.file = file
        pickler.dump(content)
    return path


FORMS = ("zip", "legacy", "pickle2", "pickle4", "pickle5")
