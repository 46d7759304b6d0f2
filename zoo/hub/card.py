"""The model card of a checkpoint folder: README.md with `model-index`, and `.eval_results/*.yaml`.

Numbers are never typed: each is copied from a result file of the harness whose sha256 the card
names, and a result of other weights is refused.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from huggingface_hub import EvalResult, EvalResultEntry, ModelCard, ModelCardData
from huggingface_hub import eval_result_entries_to_yaml as entries_to_yaml
from safetensors import safe_open

from zoo.errors import CheckpointError, SourceError
from zoo.hub import hashes
from zoo.hub.agreement import agreement
from zoo.hub.card_results import HarnessResult, read_result
from zoo.hub.catalogue import find, list_checkpoints
from zoo.hub.entry import Entry
from zoo.hub.paths import PathLike
from zoo.hub.usage import Usage
from zoo.hub.weights import weight_files

if TYPE_CHECKING:
    from zoo.hub.module import ZooModule

EVAL_RESULTS: Final = ".eval_results"
_TEMPLATES: Final = package_files("zoo.hub") / "templates"
_NO_LIMITS: Final = "No study of its failures or biases was made; check it on your own data."


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a card says beyond what the folder itself tells; None and empty mean "look it up".

    The catalogue fills paper, licence, summary and published figures of a known `slug.tag`.
    """

    title: str | None = None
    summary: str | None = None
    repo_id: str | None = None
    """The Hub repository the usage example names."""
    license: str | None = None
    """Identifier of the Hub (`apache-2.0`, `mit` ...), or `other` with name and link."""
    license_name: str | None = None
    license_link: str | None = None
    datasets: Sequence[str] = ()
    languages: Sequence[str] = ()
    base_model: str | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    """Corpus, command, seed, minutes ...; added to `training` of config.json."""
    parity: str | None = None
    limitations: Sequence[str] = ()
    citation: str | None = None
    results: Sequence[PathLike] = ()
    """Result files of the harness."""


def write_card(
    folder: PathLike,
    model: ZooModule | type[ZooModule] | None = None,
    card: Card | None = None,
) -> Path:
    """Write README.md and `.eval_results/*.yaml` into a zoo folder.

    Args:
        folder: written by `save_pretrained` (config.json and the weights must be there).
        model: the model or its class; by default the class that config.json names.
        card: what to say beyond what the folder and the catalogue know.

    Returns:
        The path of README.md.

    Raises:
        CheckpointError: no zoo folder, or a result that was measured on other weights.
    """
    folder = Path(folder)
    about = _Facts.of(folder, card or Card())
    results = [read_result(path) for path in about.card.results]
    _check_results(results, folder)
    text = _render(about, results, _uses(model, about.config))
    _write_eval_results(folder, results)
    path = folder / "README.md"
    path.write_text(str(text), encoding="utf-8")
    return path


@dataclass(frozen=True)
class _Facts:
    """Card, folder and catalogue entry, brought together."""

    folder: Path
    config: dict[str, Any]
    card: Card
    entry: Entry | None
    sibling: Entry | None

    @classmethod
    def of(cls, folder: Path, card: Card) -> _Facts:
        from zoo.hub.load import read_config

        config = read_config(folder)
        entry = _entry(config["model"], config.get("tag"))
        sibling = entry or next(iter(_entries(config["model"])), None)
        if entry is not None:
            card = _complete(card, entry)
        return cls(folder, config, card, entry, sibling)

    @property
    def name(self) -> str:
        if self.entry is not None:
            return self.entry.name
        tag = self.config.get("tag")
        return f"{self.config['model']}.{tag}" if tag else str(self.config["model"])

    @property
    def source(self) -> str:
        if self.card.repo_id:
            return self.card.repo_id
        return self.entry.name if self.entry else "path/to/this/folder"

    @property
    def licence(self) -> str:
        name = self.card.license_name or self.card.license or "not stated"
        return f"[{name}]({self.card.license_link})" if self.card.license_link else name

    @property
    def training(self) -> list[tuple[str, Any]]:
        return list({**self.config.get("training", {}), **self.card.training}.items())


def _entries(slug: str) -> list[Entry]:
    try:
        return list_checkpoints(slug)
    except SourceError:
        return []


def _entry(slug: str, tag: str | None) -> Entry | None:
    try:
        return find(f"{slug}.{tag}") if tag else None
    except SourceError:
        return None


def _complete(card: Card, entry: Entry) -> Card:
    """Fill the gaps of a card from the catalogue."""
    stated = entry.license.weights
    known = card.license or (stated.lower() if stated else None)
    return replace(
        card,
        summary=card.summary or entry.summary,
        license=known if card.license or known in _HUB_LICENSES else known and "other",
        license_name=card.license_name or (stated if known not in _HUB_LICENSES else None),
        parity=card.parity or agreement(entry, _entries(entry.slug)),
        base_model=card.base_model or (entry.source.repo if entry.converter else None),
        limitations=card.limitations or tuple(filter(None, [entry.license.note, entry.notes])),
    )


# identifiers the Hub knows; anything else is `other` with a name
_HUB_LICENSES: Final = frozenset(
    (
        *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "gpl-3.0", "agpl-3.0", "openrail"),
        *("cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0"),
        *("cc-by-nc-sa-4.0", "cc-by-nc-nd-4.0"),
    )
)


@cache
def _protocol_uses() -> tuple[Usage, ...]:
    text = (_TEMPLATES / "protocols.yaml").read_text(encoding="utf-8")
    return tuple(Usage(name=name, **texts) for name, texts in yaml.safe_load(text).items())


def _uses(model: ZooModule | type[ZooModule] | None, config: Mapping[str, Any]) -> list[Usage]:
    """Each task protocol the model fulfils, or what its class says of itself."""
    from zoo.hub.load import model_class
    from zoo.tasks import implements

    if model is None:
        model = model_class(config["model"])
    cls = model if isinstance(model, type) else type(model)
    able = cls.does_its_task(cls.Config.from_dict(config["config"]))
    uses = [use for use in _protocol_uses() if able and implements(cls, use.name)]
    return uses or ([cls.usage] if cls.usage else [])


def _check_results(results: Sequence[HarnessResult], folder: Path) -> None:
    if not results:
        return
    digest = _weights_sha256(folder)
    for result in results:
        if result.model_sha256 != digest:
            raise CheckpointError(
                f"{result.path} was measured on weights with sha256 {result.model_sha256}, "
                f"{folder} holds {digest}; run `zoo bench run` on this folder again"
            )


def _weights_sha256(folder: Path) -> str:
    """What `load_report.sha256` will be: of the file, or of the list of the shards' hashes."""
    found = [hashes.sha256(path) for path in weight_files(folder)]
    return found[0] if len(found) == 1 else hashlib.sha256("\n".join(found).encode()).hexdigest()


def _stored(paths: Sequence[Path]) -> tuple[int, str]:
    """How many numbers the files hold, and as which types."""
    count, types = 0, set()
    for path in paths:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - safe_open is no mapping
                part = file.get_slice(name)
                count += math.prod(part.get_shape())
                types.add(str(part.get_dtype()))
    return count, ", ".join(sorted(types))


def _render(about: _Facts, results: Sequence[HarnessResult], uses: Sequence[Usage]) -> ModelCard:
    card, config = about.card, about.config
    paper = about.sibling.paper if about.sibling else None
    converter = config.get("converter") or {}
    weights = weight_files(about.folder)
    count, storage = _stored(weights)
    rendered: ModelCard = ModelCard.from_template(
        _metadata(about, results, uses),
        template_str=(_TEMPLATES / "card.md.jinja").read_text(encoding="utf-8"),
        title=card.title or about.name,
        summary=card.summary or (paper.title if paper else f"A `{config['model']}` model."),
        model=config["model"],
        tag=config.get("tag"),
        paper_title=paper.title if paper else None,
        arxiv=paper.arxiv if paper else None,
        parameters=count,
        bytes=sum(path.stat().st_size for path in weights),
        storage=storage,
        licence=about.licence,
        zoo_version=config["zoo_version"],
        uses=uses,
        source=about.source,
        converter=converter,
        converted_files=list((converter.get("files") or {}).items()),
        dropped=list((converter.get("dropped") or {}).items()),
        training=about.training,
        files=list(config["files"].items()),
        parity=card.parity,
        results=results,
        published=about.entry.results if about.entry else (),
        limitations=card.limitations or (_NO_LIMITS,),
        citation=card.citation,
    )
    return rendered


def _metadata(
    about: _Facts, results: Sequence[HarnessResult], uses: Sequence[Usage]
) -> ModelCardData:
    card = about.card
    tag = uses[0].pipeline_tag if uses else None
    index = [_index_row(result, row, tag) for result in results for row in result.numbers()]
    return ModelCardData(
        library_name="zoo",
        pipeline_tag=tag,
        license=card.license,
        license_name=card.license_name,
        license_link=card.license_link,
        base_model=card.base_model,
        datasets=list(card.datasets) or None,
        language=list(card.languages) or None,
        tags=["audio-visual-speech", about.config["model"]],
        model_name=about.name,
        eval_results=index or None,
    )


def _index_row(result: HarnessResult, metric: Mapping[str, Any], tag: str | None) -> EvalResult:
    return EvalResult(
        task_type=tag or "other",
        task_name=result.task,
        dataset_type=result.dataset,
        dataset_name=result.dataset,
        dataset_split=result.split,
        metric_type=metric["id"],
        metric_name=metric["id"],
        metric_value=metric["value"],
        metric_args={"ci95": metric.get("ci95"), "n": metric.get("n")},
    )


def _write_eval_results(folder: Path, results: Sequence[HarnessResult]) -> None:
    """One file a task; files of earlier results go, they belong to other numbers."""
    target = folder / EVAL_RESULTS
    for stale in target.glob("*.yaml"):
        stale.unlink()
    for result in results:
        target.mkdir(exist_ok=True)
        entries = [
            EvalResultEntry(
                dataset_id=result.dataset,
                task_id=f"{result.task}/{metric['id']}",
                value=metric["value"],
                date=result.date,
                notes=result.note(metric),
            )
            for metric in result.numbers()
        ]
        name = re.sub(r"[^\w.-]+", "-", result.task.replace("@", "-v")).strip("-")
        path = target / f"{name}.yaml"
        path.write_text(yaml.safe_dump(entries_to_yaml(entries), sort_keys=False), "utf-8")


def read_eval_results(folder: PathLike) -> list[dict[str, Any]]:
    """Every entry of `.eval_results/*.yaml` of a folder."""
    entries: list[dict[str, Any]] = []
    for path in sorted((Path(folder) / EVAL_RESULTS).glob("*.yaml")):
        entries += yaml.safe_load(path.read_text(encoding="utf-8"))
    return entries


def card_metrics(folder: PathLike) -> dict[tuple[str, str], Any]:
    """The numbers in a card's front matter, by task and metric."""
    data = ModelCard.load(Path(folder) / "README.md").data
    return {(row.task_name, row.metric_type): row.metric_value for row in data.eval_results or []}
