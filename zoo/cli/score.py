"""`zoo score GENERATED --reference ORIGINALS`: any metric on anybody's wav and mp4 files."""

from __future__ import annotations

import argparse
from pathlib import Path

_METRICS = "wer,lse,speaker_similarity,pesq,stoi"
_SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("generated", type=Path, nargs="?", help="folder of wav, mp4 ... files")
    parser.add_argument(
        "--reference",
        type=Path,
        help="folder of the originals; files are matched by relative path, whatever their endings",
    )
    parser.add_argument(
        "--pairs", type=Path, help="CSV instead of folders: generated,reference,text,id,cluster"
    )
    parser.add_argument(
        "--metrics",
        default=_METRICS,
        help=f"separated by commas, with options as in pesq:band=nb (default: {_METRICS})",
    )
    parser.add_argument(
        "--text",
        type=Path,
        help="what is said: lines `name<TAB>text`, or a CSV with id and text (default: the .txt "
        "beside each reference)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("result.json"), help="and a .csv beside it"
    )
    parser.add_argument("--name", help="of whoever made the files (default: the folder's name)")
    parser.add_argument(
        "--cluster",
        choices=("file", "folder"),
        default="file",
        help="what the bootstrap resamples: files, or folders of files that hang together",
    )
    parser.add_argument("--workers", type=int, default=0, help="processes that decode and measure")
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--restart", action="store_true", help="measure again what is known")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    judges = parser.add_argument_group("judges")
    judges.add_argument("--asr", help="recogniser, e.g. judge_asr.tiny or openai/whisper-large-v3")
    judges.add_argument("--syncnet", help="judge of lips and sound, e.g. judge_syncnet.tiny")
    judges.add_argument("--speaker", help="checkpoint of the speaker encoder")
    judges.add_argument("--landmarks", help="detector of 68 points, e.g. judge_landmarks.tiny")
    judges.add_argument("--normalizer", help="rule for texts, e.g. lrs@1 or whisper_en@1")
    judges.add_argument("--language", default="en")
    judges.add_argument("--device", help="where judges run, e.g. cuda")


def run(args: argparse.Namespace) -> int:
    """Score and print; exit status 1 where a file could not be scored."""
    from rich.console import Console

    from zoo.bench import table_of
    from zoo.bench.file_pairs import Matched, add_texts, clusters_of, read_texts
    from zoo.bench.file_plans import Judges, build_plans
    from zoo.bench.file_scoring import score_files

    options = ("asr", "syncnet", "speaker", "landmarks", "normalizer", "language", "device")
    plans = build_plans(
        args.metrics.split(","), Judges(**{name: getattr(args, name) for name in options})
    )
    matched = _matched(args)
    texts = None if args.text is None else read_texts(args.text)
    pairs = clusters_of(add_texts(matched.pairs, texts), args.cluster)
    if args.restart:
        args.out.with_name(f"{args.out.stem}.rows.jsonl").unlink(missing_ok=True)
    found = score_files(
        Matched(tuple(pairs), matched.only_generated, matched.only_reference, matched.ambiguous),
        plans,
        args.out,
        name=args.name or _name(args),
        workers=args.workers,
        resamples=args.resamples,
        progress=not args.quiet,
        cluster=args.cluster,
    )
    console = Console(soft_wrap=True, highlight=False)
    console.print(table_of([found.result], all_figures=True))
    for entry in found.result.data["metrics"]:
        if entry["value"] is None:
            console.print(f"[yellow]unavailable[/yellow] {entry['id']}: {entry['reason']}")
    for id_, reasons in list(found.faults.items())[:_SHOWN]:
        for metric, reason in reasons.items():
            console.print(f"[red]not scored[/red] {id_}, {metric}: {reason}")
    _print_unmatched(console, matched)
    console.print(f"{args.out}, {args.out.with_suffix('.csv')}", markup=False)
    return 1 if found.faults else 0


def _matched(args: argparse.Namespace):  # type: ignore[no-untyped-def]
    from zoo.bench.file_pairs import match_folders, read_pairs
    from zoo.errors import BenchError

    if args.pairs is not None:
        if args.generated is not None or args.reference is not None:
            raise BenchError("give either folders or --pairs, not both")
        return read_pairs(args.pairs)
    if args.generated is None:
        raise BenchError("name a folder of generated files, or a CSV with --pairs")
    return match_folders(args.generated, args.reference)


def _name(args: argparse.Namespace) -> str:
    return str((args.pairs.with_suffix("") if args.pairs else args.generated).resolve().name)


def _print_unmatched(console, matched) -> None:  # type: ignore[no-untyped-def]
    for names, text in (
        (matched.only_generated, "without an original"),
        (matched.only_reference, "originals without a generated file"),
        (matched.ambiguous, "passed over for a file of the same name"),
    ):
        if names:
            shown = ", ".join(names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else "")
            console.print(f"{len(names)} {text}: {shown}")
