"""`zoo prepare VIDEO --preset avhubert --out DIR`: mouth crop and 16 kHz sound of any clip."""

from __future__ import annotations

import argparse
from pathlib import Path

_ENDINGS = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".mpg")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `zoo prepare` takes."""
    parser.add_argument("videos", nargs="+", type=Path, help="videos, or folders with videos")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    parser.add_argument(
        "--preset",
        default="avhubert",
        help="avhubert, auto_avsr_retinaface, auto_avsr_mediapipe or av_relscore; models know "
        "which they were trained on",
    )
    parser.add_argument(
        "--landmarks",
        metavar="FILE|DIR|mediapipe|fixed|judge_landmarks.tiny",
        help="where landmarks come from (default: a .npy, .pkl or .json beside the video, else the "
        "fixed crop of LRS-style face tracks)",
    )
    parser.add_argument("--landmark-model", type=Path, help="model file of the detector")


def run(args: argparse.Namespace) -> int:
    """Prepare every video; the exit status tells whether all went well."""
    from rich.console import Console

    from zoo.errors import MediaError
    from zoo.video.mouth import get_preset
    from zoo.video.prepare import prepare

    get_preset(args.preset)
    console, failed = Console(soft_wrap=True, highlight=False), 0
    for path, name in _videos(args.videos):
        try:
            done = prepare(
                path, args.out / name, args.preset, args.landmarks, model=args.landmark_model
            )
        except MediaError as error:
            if len(args.videos) == 1 and args.videos[0] == path:
                raise
            failed += 1
            console.print(f"[red]failed[/red] {error}")
        else:
            console.print(f"{done.video}  {done.frames} frames, mouths by {done.landmarks}")
    return 1 if failed else 0


def _videos(given: list[Path]) -> list[tuple[Path, Path]]:
    """Every video with its path below the output folder, without ending."""
    from zoo.errors import MediaError

    found = []
    for path in given:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in _ENDINGS)
            if not inside:
                raise MediaError(f"{path}: holds no video ({', '.join(_ENDINGS)})")
            found += [(one, one.relative_to(path).with_suffix("")) for one in inside]
        else:
            found.append((path, Path(path.stem)))
    return found
