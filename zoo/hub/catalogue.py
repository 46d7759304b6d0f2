"""The catalogue: every known checkpoint, read from `zoo/models/*/checkpoints.yaml`.

Reading is cheap (no torch, no network) and lazy: `find` opens the one file a name belongs to.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files as package_files
from importlib.resources.abc import Traversable
from typing import Any, Final

import yaml

from zoo.errors import SourceError
from zoo.hub.entry import (
    STATUSES,
    Converter,
    Entry,
    License,
    ModelConfig,
    Paper,
    RemoteFile,
    Result,
    Source,
)
from zoo.models import MODEL_CLASSES

__all__ = ["STATUSES", "Entry", "find", "list_checkpoints", "list_models", "load_manifest"]
__all__ += ["read_manifest", "validate"]

MANIFEST: Final = "checkpoints.yaml"
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def find(name: str) -> Entry:
    """The entry called `name` (`slug.tag`, or with another beginning that its manifest allows).

    Raises:
        SourceError: no such entry; the message lists the nearest names, or the tags of the slug
            when only a slug was given.
    """
    prefix, _, tag = name.partition(".")
    slug = prefix if prefix in list_models() else _slug_of(prefix)
    if slug is not None:
        entries = list_checkpoints(slug)
        for entry in entries:
            if entry.tag == tag:
                return entry
        if not tag:
            names = ", ".join(entry.name for entry in entries) or "none"
            raise SourceError(f"'{name}' is a model, not a checkpoint; its checkpoints: {names}")
    raise SourceError(f"no checkpoint is called '{name}' in the catalogue{_hint(name)}")


def list_models(pattern: str | None = None, *, built: bool = False) -> list[str]:
    """Slugs of the papers and blocks of the catalogue, sorted.

    Args:
        pattern: shell-style filter such as `"*2s*"`.
        built: only models whose code this version has.
    """
    slugs = (folder.name for folder in _folders() if not built or folder.name in MODEL_CLASSES)
    return sorted(slug for slug in slugs if pattern is None or fnmatchcase(slug, pattern))


def list_checkpoints(
    slug: str | None = None, *, pattern: str | None = None, status: str | None = None
) -> list[Entry]:
    """Entries in the order of the manifests.

    Args:
        slug: only those of one paper or block.
        pattern: shell-style filter on the whole name, such as `"avhubert.large-*"`.
        status: only those with this status.

    Raises:
        SourceError: unknown slug or status.
    """
    if status is not None and status not in STATUSES:
        raise SourceError(f"no status '{status}'; there are: {', '.join(STATUSES)}")
    if slug is not None and slug not in list_models():
        near = get_close_matches(slug, list_models(), n=3, cutoff=0.5)
        raise SourceError(f"no model '{slug}' in the catalogue; nearest: {', '.join(near) or '-'}")
    entries = [e for one in ([slug] if slug else list_models()) for e in load_manifest(one)]
    entries = [e for e in entries if pattern is None or fnmatchcase(e.name, pattern)]
    return [e for e in entries if status is None or e.status == status]


def read_manifest(slug: str) -> dict[str, Any]:
    """The manifest of one slug as it is written (YAML, safe loader)."""
    text = (package_files("zoo.models") / slug / MANIFEST).read_text(encoding="utf-8")
    document = yaml.load(text, Loader=_LOADER)  # noqa: S506 - CSafeLoader is the safe loader in C
    if not isinstance(document, dict):
        raise SourceError(f"{slug}/{MANIFEST} is not a mapping")
    return document


@cache
def load_manifest(slug: str) -> tuple[Entry, ...]:
    """The entries of one slug, in the order of the file."""
    document = read_manifest(slug)
    return tuple(_entry(raw, document["paper"]) for raw in merged_entries(document))


def merged_entries(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries of a manifest with its `defaults` filled in (whole keys, not deep)."""
    defaults = document.get("defaults", {})
    return [{**defaults, **raw} for raw in document["checkpoints"]]


def validate() -> list[str]:
    """Everything that is wrong with the manifests, one line each; empty when all is well."""
    problems: list[str] = []
    for slug in list_models():
        problems += [f"{slug}: {text}" for text in _schema_problems(read_manifest(slug))]
    if problems:
        return problems
    entries = list_checkpoints()
    names = [f"{entry.slug}.{entry.tag}" for entry in entries]
    problems += [
        f"{name}: listed twice" for name in sorted({n for n in names if names.count(n) > 1})
    ]
    for entry in entries:
        problems += [
            f"{entry.name}: {text}"
            for text in _entry_problems(entry, {*names, *(e.name for e in entries)})
        ]
    return problems


def _slug_of(alias: str) -> str | None:
    """The slug whose manifest lists `alias` as another beginning of its names."""
    for slug in list_models():
        if alias in read_manifest(slug)["paper"].get("aliases", ()):
            return slug
    return None


def _folders() -> Iterator[Traversable]:
    for folder in package_files("zoo.models").iterdir():
        if folder.is_dir() and (folder / MANIFEST).is_file():
            yield folder


def _hint(name: str) -> str:
    if not name.strip("."):
        return "; `zoo list` shows all names"
    names = [entry.name for entry in list_checkpoints()]
    begun = [other for other in names if other.startswith(name)]
    alike = get_close_matches(name, names, n=5, cutoff=0.6)
    held = [other for other in names if name in other]
    near = list(dict.fromkeys([*begun, *alike, *held]))[:8]
    return f"; nearest: {', '.join(near)}" if near else "; `zoo list` shows all names"


def _entry(raw: Mapping[str, Any], paper: Mapping[str, Any]) -> Entry:
    source = dict(raw["source"])
    source["files"] = tuple(RemoteFile(**file) for file in source.get("files", ()))
    converter = raw.get("converter")
    fields = {
        "paper": _paper({**paper, **raw.get("paper", {})}),
        "config": ModelConfig(**raw.get("config", {})),
        "source": Source(**source),
        "converter": Converter(**converter) if converter else None,
        "license": License(**raw["license"]),
        "requires": tuple(raw.get("requires", ())),
        "results": tuple(Result(**result) for result in raw.get("results", ())),
    }
    return Entry(**{**raw, **fields})


def _paper(raw: Mapping[str, Any]) -> Paper:
    return Paper(**{**raw, "aliases": tuple(raw.get("aliases", ()))})


def _schema_problems(document: Mapping[str, Any]) -> Iterator[str]:
    from jsonschema import Draft202012Validator  # only the tests and `zoo` developers need it

    text = (package_files("zoo.hub") / "manifest_schema.json").read_text(encoding="utf-8")
    schema = json.loads(text)
    for error in Draft202012Validator(schema).iter_errors(document):
        yield f"{error.json_path}: {error.message}"
    complete = {"$defs": schema["$defs"], "$ref": "#/$defs/complete_entry"}
    for raw in merged_entries(document) if "checkpoints" in document else []:
        for error in Draft202012Validator(complete).iter_errors(raw):
            yield f"{raw.get('name', '?')} {error.json_path}: {error.message}"


def _entry_problems(entry: Entry, names: set[str]) -> Iterator[str]:
    source = entry.source
    yield from (f"requires unknown '{name}'" for name in entry.requires if name not in names)
    if entry.name.partition(".")[0] not in (entry.paper.slug, *entry.paper.aliases):
        yield f"name and paper disagree: {entry.name} and {entry.paper.slug}"
    if entry.status == "unavailable" and not entry.reason:
        yield "is unavailable without a reason"
    if entry.status != "unavailable" and source.kind != "ours" and not source.where():
        yield "says nowhere where its files are"
    if (source.url or source.drive_id) and not source.files:
        yield "does not name the file at its address"
    if entry.loadable and entry.model not in MODEL_CLASSES:
        yield f"is {entry.status} but the model '{entry.model}' is not built"
    if entry.status == "supported" and source.kind != "ours":
        yield from _pinning_problems(source.files, source)


def _pinning_problems(files: Sequence[RemoteFile], source: Source) -> Iterator[str]:
    if source.repo and not source.revision:
        yield "is supported but its revision is not pinned"
    for file in files:
        if file.sha256 is None:
            yield f"is supported but {file.path} has no sha256"
