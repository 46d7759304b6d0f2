"""numpy values out of what a pickle says about them, without unpickling them."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping
from typing import Any, BinaryIO, Final

import numpy as np

from zoo.errors import CheckpointError
from zoo.hub.inert import Inert

_PLAIN_DTYPE: Final = re.compile(r"[<>=|]?[biufcSU]\d{0,8}")
Array = np.ndarray[Any, np.dtype[Any]]


def is_dtype(value: Any) -> bool:
    """Whether a stand-in describes a `numpy.dtype`."""
    return isinstance(value, Inert) and value.name == "numpy.dtype"


def as_dtype(value: Any) -> np.dtype[Any]:
    """The dtype a stand-in describes; only numbers and strings of fixed width.

    Raises:
        CheckpointError: it is an object or structured dtype, or not a dtype at all.
    """
    code = value.args[0] if is_dtype(value) and value.args else None
    if isinstance(code, bytes):
        code = code.decode("ascii", "replace")
    if not isinstance(code, str) or not _PLAIN_DTYPE.fullmatch(code):
        raise CheckpointError(f"an array of dtype {code!r} is not plain numbers")
    order = value.state[1] if isinstance(value.state, tuple) and len(value.state) > 1 else "="
    if isinstance(order, bytes):
        order = order.decode("ascii", "replace")
    return np.dtype(code).newbyteorder(">" if order == ">" else "<" if order == "<" else "=")


def as_scalar(value: Inert) -> Any:
    """`numpy.core.multiarray.scalar(dtype, bytes)` as a Python number."""
    dtype, raw = value.args
    return np.frombuffer(_as_bytes(raw), as_dtype(dtype), count=1)[0].item()


def as_array(value: Inert) -> Array:
    """An array pickled by numpy: its state is (version, shape, dtype, is_fortran, bytes)."""
    _, shape, dtype, fortran, raw = value.state
    kind = as_dtype(dtype)
    return _shaped(_as_bytes(raw), shape, kind, bool(fortran))


def as_buffer_array(value: Inert) -> Array:
    """An array as pickle protocol 5 has it: `_frombuffer(bytes, dtype, shape, order)`."""
    raw, dtype, shape, order = value.args
    kind = as_dtype(dtype)
    return _shaped(_as_bytes(raw), shape, kind, order == "F")


def read_joblib_array(file: BinaryIO, state: Any) -> Array:
    """The array that joblib wrote behind its wrapper.

    Args:
        file: positioned behind the wrapper.
        state: attributes of joblib's `NumpyArrayWrapper`.

    Raises:
        CheckpointError: the array is not plain numbers or the file ends too early.
    """
    if not isinstance(state, Mapping):
        raise CheckpointError("joblib's description of an array is not a mapping")
    dtype = as_dtype(state.get("dtype"))
    shape = _as_shape(state.get("shape"))
    if state.get("numpy_array_alignment_bytes") is not None:  # joblib >= 1.2 pads to alignment
        file.read(int.from_bytes(file.read(1), "little"))
    size = math.prod(shape) * dtype.itemsize
    return _shaped(_read(file, size), shape, dtype, state.get("order") == "F")


def _read(file: BinaryIO, size: int) -> bytes:
    """At most `size` bytes; a claim beyond the end of the file allocates nothing."""
    here = file.tell()
    left = file.seek(0, io.SEEK_END) - here
    file.seek(here)
    return file.read(min(size, left))


def _as_bytes(raw: Any) -> bytes:
    if isinstance(raw, str):
        return raw.encode("latin-1")
    if isinstance(raw, bytes | bytearray):
        return bytes(raw)
    raise CheckpointError("the content of an array is not bytes")


def _as_shape(shape: Any) -> tuple[int, ...]:
    if not isinstance(shape, tuple) or not all(isinstance(n, int) and n >= 0 for n in shape):
        raise CheckpointError(f"an array has the shape {shape!r}")
    return shape


def _shaped(raw: bytes, shape: Any, dtype: np.dtype[Any], fortran: bool) -> Array:
    shape = _as_shape(shape)
    expected = math.prod(shape) * dtype.itemsize
    if len(raw) != expected:
        raise CheckpointError(
            f"an array of shape {shape} needs {expected} bytes, the file has {len(raw)}: truncated"
        )
    return np.frombuffer(raw, dtype).reshape(shape, order="F" if fortran else "C").copy()
