"""One checkpoint of the catalogue as plain data, and the words that explain it to a user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

STATUSES: Final = ("supported", "unverified", "planned", "unavailable")
STATUS_MEANING: Final[dict[str, str]] = {
    "supported": "loads, and every file is pinned by its hash",
    "unverified": "loads, but nobody has published hashes of its files: they are recorded at the "
    "first download and enforced from then on",
    "planned": "the model's code is not built yet in this version of the zoo",
    "unavailable": "its files cannot be fetched",
}


@dataclass(frozen=True, kw_only=True)
class Paper:
    """The publication a checkpoint belongs to."""

    slug: str
    title: str
    arxiv: str | None = None
    venue: str | None = None
    code: str | None = None
    """Address of the official code; None where there is none."""
    aliases: tuple[str, ...] = ()
    """Other beginnings of its checkpoints' names (`wav2lip.*` for `wav2lip_syncnet.*`)."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Which preset of the model's config class the weights fit, and what they change in it."""

    preset: str | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file of a checkpoint; `url` or `drive_id` where it has a place of its own."""

    path: str
    bytes: int | None = None
    sha256: str | None = None
    role: str = "weights"
    url: str | None = None
    drive_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the files are: a Hub repository, an address, a Google Drive id, or a checkout.

    `kind` says in which layout: `official` = the authors' own (a converter reads it), `hub` = a
    Hub repository used as it is by a library, `ours` = made by `save_pretrained`.
    """

    kind: str
    repo: str | None = None
    revision: str | None = None
    url: str | None = None
    drive_id: str | None = None
    drive_folder: bool = False
    page: str | None = None
    """A page for people, where a download has no address of its own."""
    files: tuple[RemoteFile, ...] = ()
    format: str | None = None

    @property
    def fetchable(self) -> bool:
        """Whether every file has a place that a program can download it from.

        A page for people is none, nor is a Drive folder: its files' own ids are not known.
        """
        if self.repo or self.url or (self.drive_id and not self.drive_folder):
            return True
        return bool(self.files) and all(file.url or file.drive_id for file in self.files)

    def where(self) -> list[str]:
        """The places of the files, one readable line each."""
        paths = ", ".join(file.path for file in self.files)
        lines = []
        if self.repo:
            version = f"@{self.revision}" if self.revision else ""
            lines.append(f"Hub repository {self.repo}{version}{': ' if paths else ''}{paths}")
        if self.url:
            lines.append(self.url)
        if self.drive_id:
            kind = "folder" if self.drive_folder else "file"
            lines.append(f"Google Drive {kind} {self.drive_id} ({paths})")
        for file in self.files:
            if file.url:
                lines.append(f"{file.path}: {file.url}")
            elif file.drive_id:
                lines.append(f"{file.path}: Google Drive file {file.drive_id}")
        if self.page:
            lines.append(f"{paths or 'files'} linked from {self.page}, to be downloaded by hand")
        return lines


@dataclass(frozen=True, kw_only=True)
class Converter:
    """The key map (`zoo.models.<name>.official`) that reads the official layout."""

    name: str
    version: int | None = None


@dataclass(frozen=True, kw_only=True)
class License:
    """What the authors allow; None where they state nothing."""

    code: str | None
    weights: str | None
    gated: bool = False
    redistribute: bool = False
    """Whether converted weights may be uploaded again."""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Result:
    """A published figure; `verified` is False where its source could not be read."""

    task: str
    metric: str
    value: float
    source: str
    verified: bool = True
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Everything known about one checkpoint."""

    name: str
    model: str
    paper: Paper
    source: Source
    license: License
    status: str
    summary: str = ""
    config: ModelConfig = field(default_factory=ModelConfig)
    converter: Converter | None = None
    requires: tuple[str, ...] = ()
    preprocess: Mapping[str, Any] = field(default_factory=dict)
    parity: Mapping[str, Any] = field(default_factory=dict)
    """How the code (not the weights) compares with the official one: golden vectors and result."""
    results: tuple[Result, ...] = ()
    notes: str = ""
    reason: str = ""

    @property
    def slug(self) -> str:
        """Folder under `zoo/models` (the part of the name before the dot, or what that stands
        for)."""
        return self.paper.slug

    @property
    def tag(self) -> str:
        """The part of the name after the dot."""
        return self.name.partition(".")[2]

    @property
    def loadable(self) -> bool:
        """Whether `zoo.from_pretrained(name)` can work at all in this version."""
        return self.status in ("supported", "unverified")

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able copy, with `slug` and `tag` spelled out."""
        return {"name": self.name, "slug": self.slug, "tag": self.tag, **asdict(self)}

    def how_to_load(self) -> str:
        """The line of Python that loads it, or why there is none."""
        if not self.loadable:
            return f"cannot be loaded: {STATUS_MEANING[self.status]}"
        return f'zoo.from_pretrained("{self.name}")'

    def explain(self) -> str:
        """Say what the checkpoint is, where its files are and what keeps it from loading."""
        lines = [f"{self.name}: {self.summary or self.paper.title}"]
        arxiv = f" (arXiv {self.paper.arxiv})" if self.paper.arxiv else ""
        lines.append(f"  paper: {self.paper.title}{arxiv}")
        lines.append(f"  status: {self.status}, {STATUS_MEANING[self.status]}")
        if self.reason:
            lines.append(f"  why: {self.reason}")
        lines += [f"  files: {place}" for place in self.source.where()] or [self._no_files()]
        lines.append(f"  licence of the weights: {self.license.weights or 'not stated'}")
        if self.license.note:
            lines.append(f"  note on the licence: {self.license.note}")
        if self.requires:
            lines.append(f"  needs also: {', '.join(self.requires)}")
        lines.append(f"  what to do: {self._advice()}")
        return "\n".join(lines)

    def _no_files(self) -> str:
        if self.source.kind == "ours":
            return f"  files: checkpoints/{self.name} of a checkout (not on the Hub yet)"
        return "  files: none are known"

    def _advice(self) -> str:
        if self.source.kind == "ours" and self.source.repo is None:
            return f"pass the folder: zoo.from_pretrained('path/to/checkpoints/{self.name}')"
        if self.status == "planned":
            code = f"; until then see {self.paper.code}" if self.paper.code else ""
            return f"wait for a release of the zoo that has the model '{self.model}'{code}"
        if self.loadable and not self.source.fetchable:
            return f"download the files by hand into DIR/{self.name} and set ZOO_MODELS=DIR"
        if self.status == "unavailable":
            return f"see `zoo list '{self.slug}.*'` for other checkpoints of the same paper"
        return self.how_to_load()
