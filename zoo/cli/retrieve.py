"""`zoo retrieve`: rank the pictures of a folder by what somebody says.

The same from Python::

    model = zoo.from_pretrained("speechclip.tiny-cascaded")
    found = rank(model, ["query.wav"], picture_files("photos/"), top_k=5)
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from zoo.errors import MediaError
from zoo.tasks import Keyword, SpeechImageRetriever, implements

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

PICTURE_ENDINGS: Final = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
)


@dataclass(frozen=True)
class Match:
    """One picture found; `score` is the cosine of the embeddings."""

    image: str
    score: float


@dataclass(frozen=True)
class Found:
    """Answer to one spoken query: pictures, best first, and the words heard, if the model says."""

    query: str
    matches: tuple[Match, ...]
    keywords: tuple[Keyword, ...] = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("queries", nargs="+", metavar="QUERY.wav", help="spoken descriptions")
    parser.add_argument(
        "--images", type=Path, required=True, metavar="DIR", help="pictures, also in subfolders"
    )
    parser.add_argument(
        "--model",
        default="speechclip.tiny-parallel",
        help="catalogue name, Hub repository or folder (default: %(default)s)",
    )
    parser.add_argument("--top-k", type=_at_least_one, default=5, help="pictures a query")
    parser.add_argument("--device", help="where to compute, such as cuda (default: cpu)")
    parser.add_argument("--json", action="store_true", help="write one JSON document to stdout")


def run(args: argparse.Namespace) -> int:
    """Load the model, rank, and write the answers to stdout."""
    from zoo.errors import ConfigError
    from zoo.hub.load import from_pretrained

    logging.basicConfig(level=logging.WARNING, format="zoo: %(message)s")
    files = picture_files(args.images)  # before the model is loaded: it may be large
    _check_queries(args.queries)
    model: Any = from_pretrained(args.model, device=args.device)
    if not implements(model, SpeechImageRetriever):
        raise ConfigError(f"{args.model} is a {type(model).__name__}: it does not retrieve")
    found = rank(model, args.queries, files, top_k=args.top_k)
    _write_json(found) if args.json else _write_table(found)
    return 0


def picture_files(folder: str | Path) -> list[Path]:
    """The pictures in a folder and below it, sorted.

    Raises:
        MediaError: there is no such folder, or no picture in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MediaError(f"{folder}: there is no such folder; name one that holds pictures")
    files = [p for p in folder.rglob("*") if p.suffix.lower() in PICTURE_ENDINGS and p.is_file()]
    if not files:
        endings = ", ".join(sorted(PICTURE_ENDINGS))
        raise MediaError(f"{folder}: no picture in it or below it (looked for {endings})")
    return sorted(files)


def rank(
    model: SpeechImageRetriever,
    queries: Sequence[str | Path],
    pictures: Sequence[Path],
    *,
    top_k: int = 5,
) -> list[Found]:
    """Rank pictures by each spoken query; an unreadable picture is reported and left out.

    Args:
        model: any retriever.
        queries: recordings.
        pictures: picture files.
        top_k: pictures a query.

    Raises:
        MediaError: a query cannot be read, or no picture can.
    """
    speech = model.embed_speech(list(queries))
    readable, images = _embed_pictures(model, pictures)
    scores = (speech @ images.T).cpu()
    best = scores.topk(min(top_k, len(readable)), dim=1)
    heard = _keywords(model, queries)
    return [
        Found(
            query=str(query),
            matches=tuple(
                Match(str(readable[column]), round(score, 6))
                for score, column in zip(values.tolist(), columns.tolist(), strict=True)
            ),
            keywords=words,
        )
        for query, values, columns, words in zip(
            queries, best.values, best.indices, heard, strict=True
        )
    ]


def _embed_pictures(
    model: SpeechImageRetriever, pictures: Sequence[Path]
) -> tuple[list[Path], Tensor]:
    import torch
    from rich.console import Console
    from rich.progress import track

    readable, rows = [], []
    console = Console(stderr=True)
    for path in track(
        pictures, "pictures", console=console, transient=True, disable=not console.is_terminal
    ):
        try:
            rows.append(model.embed_image(path))
        except MediaError as error:
            logger.warning("left out %s", error)
        else:
            readable.append(path)
    if not rows:
        raise MediaError(f"none of the {len(pictures)} pictures can be read; see the lines above")
    return readable, torch.cat(rows)


def _keywords(
    model: SpeechImageRetriever, queries: Sequence[str | Path]
) -> list[tuple[Keyword, ...]]:
    """The best word of every slot; nothing from a model that names none."""
    try:
        return [tuple(found) for found in model.keywords(list(queries), top_k=1)]
    except NotImplementedError:
        return [() for _ in queries]


def _check_queries(queries: Sequence[str]) -> None:
    from zoo.audio import probe_audio

    for query in queries:
        probe_audio(query)


def _write_json(found: Sequence[Found]) -> None:
    import sys

    json.dump([asdict(one) for one in found], sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def _write_table(found: Sequence[Found]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for one in found:
        table = Table("rank", "score", "picture", title=one.query, title_justify="left")
        for place, match in enumerate(one.matches, 1):
            table.add_row(str(place), f"{match.score:.3f}", match.image)
        console.print(table)
        if one.keywords:
            words = ", ".join(f"{word.word} ({word.score:.2f})" for word in one.keywords)
            console.print(f"keywords: {words}", markup=False)


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
