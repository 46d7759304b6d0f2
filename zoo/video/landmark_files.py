"""Landmarks in files: what the public preprocessing tools write, and our own json.

| ending | content |
|---|---|
| .npy, .npz | (T, N, 2) numbers, NaN rows for frames without a face (.npz: `landmarks` or only array) |
| .pkl | list of (N, 2) arrays, None for frames without a face (auto_avsr, AV-HuBERT, AV-RelScore) |
| .json | list of N pairs or null, or {"landmarks": such a list} |

Nothing in a file is executed; a pickle is read as data.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from zoo.audio.files import check_file, replacing
from zoo.errors import CheckpointError, MediaError
from zoo.video.landmarks import Landmarks

KIND = "landmarks (.npy, .npz, .pkl or .json)"


def read_landmarks(path: str | Path) -> Landmarks:
    """Read the landmarks of a clip.

    Raises:
        MediaError: missing file, unknown ending, damaged, or no landmarks in it.
    """
    path = check_file(path, KIND)
    readers = {".npy": _read_array, ".npz": _read_array, ".pkl": _read_pickle, ".json": _read_json}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise MediaError(f"{path}: unknown ending; expected {KIND}")
    try:
        return _landmarks(reader(path))
    except (ValueError, TypeError, KeyError, CheckpointError) as error:
        raise MediaError(f"{path}: cannot be read as {KIND}: {error}") from error


def write_landmarks(path: str | Path, landmarks: Landmarks) -> Path:
    """Write `.npy` or `.json` that `read_landmarks` reads, and return the path."""
    path = Path(path)
    if path.suffix.lower() not in (".npy", ".json"):
        raise MediaError(f"{path}: landmarks are written as .npy or .json")
    with replacing(path) as part:
        if path.suffix.lower() == ".npy":
            np.save(part, landmarks.points)
        else:
            rows = zip(landmarks.points.tolist(), landmarks.present)
            part.write_text(json.dumps([row if found else None for row, found in rows]))
    return path


def _read_array(path: Path) -> Any:
    found = np.load(path, allow_pickle=False)
    if isinstance(found, np.ndarray):
        return found
    with found:
        names = found.files
        if "landmarks" not in names and len(names) != 1:
            raise MediaError(f"{path}: holds {', '.join(names)}; expected an array `landmarks`")
        return found["landmarks" if "landmarks" in names else names[0]]


def _read_pickle(path: Path) -> Any:
    from zoo.hub.pickle_safe import read_pickle
    from zoo.hub.plain import plain

    return plain(read_pickle(path).content)


def _read_json(path: Path) -> Any:
    content = json.loads(path.read_text(encoding="utf-8"))
    return content["landmarks"] if isinstance(content, dict) else content


def _landmarks(content: Any) -> Landmarks:
    if isinstance(content, np.ndarray):
        return Landmarks(content.astype(np.float64))
    return Landmarks.from_frames([None if frame is None else _points(frame) for frame in content])


def _points(frame: Any) -> Any:
    """The (N, 2) points of a frame; MuAViC's files have one entry a face, the last one counts."""
    points = np.asarray(frame, dtype=np.float64)
    return points[-1] if points.ndim == 3 else points
