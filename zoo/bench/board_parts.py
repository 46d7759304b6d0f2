"""What a table is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from zoo.bench.result import Result

# area -> heading, in the order of a page
AREAS: Final = {
    "retrieval": "Speech and pictures",
    "recognition": "Recognition",
    "speech": "Speech from video and text",
    "talking-face": "Talking faces",
    "translation": "Translation",
    "captioning": "Spoken descriptions",
    "subtitles": "Alignment of text",
    "video": "Video from text",
    "other": "Other tasks",
}


@dataclass(frozen=True)
class Column:
    """One figure; `metric` is name@version, "" where only published values are known."""

    id: str
    label: str
    unit: str = ""
    higher_is_better: bool | None = None

    @property
    def direction(self) -> str:
        """An arrow towards better values."""
        return {True: "↑", False: "↓", None: ""}[self.higher_is_better]


@dataclass(frozen=True)
class Cell:
    """One value as it is shown; an empty text with a reason where there is none."""

    text: str = ""
    interval: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    status: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Line:
    """One line of a table.

    Kinds: `model`, which is ranked; `ablation`, a model that lacks a part of its input; `ceiling`,
    `floor` and `control`, which no model makes; `baseline`, which follows from the task alone;
    `published`.
    """

    kind: str
    name: str
    cells: tuple[Cell, ...]
    note: str = ""
    failed: int = 0
    result: Result | None = None


@dataclass(frozen=True)
class PublishedBoard:
    """A table of a paper with the columns it has, which are not ours."""

    heading: str
    source: str
    protocol: str
    status: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Board:
    """One table of ours, and what papers report of the task by other means."""

    task: str
    title: str
    samples: str
    subset: bool
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    results: tuple[Result, ...]
    notes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    """Where published figures stand; a line's note refers to them as [1], [2] ..."""
    area: str = "other"
    published: tuple[PublishedBoard, ...] = ()

    @property
    def heading(self) -> str:
        """Task, and which part of it where it was not all."""
        return f"{self.task} (subset, {self.samples})" if self.subset else self.task

    @property
    def anchor(self) -> str:
        """Name within a page."""
        suffix = f"-{self.results[0].group[1][:8]}" if self.results else ""
        return f"{self.task}{suffix}"
