"""`zoo transcribe CLIP|FOLDER --model NAME`: what is said in videos, with a confidence a word.

The same from Python::

    model = zoo.from_pretrained("av_relscore.tiny")
    rows = transcribe_files(model, video_files([Path("clips/")]))
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Literal

from zoo.errors import MediaError, ZooError
from zoo.tasks import Recognizer, Transcript, implements

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

VIDEO_ENDINGS: Final = frozenset((".mp4", ".avi", ".mkv", ".mov", ".webm", ".mpg", ".m4v"))
OUTPUT_ENDINGS: Final = (".csv", ".json", ".txt")
FIXED: Final = "fixed"
_MEDIAPIPE: Final = "mediapipe"
_SURE, _UNSURE = 0.8, 0.5

Streams = Literal["auto", "video", "audio", "both"]


@dataclass(frozen=True)
class Row:
    """One clip: what is said in it, or why that cannot be told."""

    file: str
    transcript: Transcript | None
    error: str = ""

    @property
    def confidence(self) -> float | None:
        """Mean over the words; None where there are none."""
        if self.transcript is None or not self.transcript.words:
            return None
        words = self.transcript.words
        return sum(word.confidence for word in words) / len(words)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "videos", nargs="+", type=Path, metavar="CLIP|FOLDER", help="videos, or folders of them"
    )
    parser.add_argument(
        "--model",
        default="av_relscore.tiny",
        help="catalogue name, Hub repository or folder (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write a .csv, .json or .txt (default: one clip to the screen, several as CSV)",
    )
    parser.add_argument(
        "--landmarks",
        metavar="FILE|DIR|mediapipe|fixed|judge_landmarks.tiny",
        help="where the mouth is found (default: landmarks beside the video, else the fixed crop "
        "of LRS-style face tracks)",
    )
    parser.add_argument("--landmark-model", type=Path, help="model file of the detector")
    parser.add_argument(
        "--streams",
        choices=("auto", "video", "audio", "both"),
        default="auto",
        help="read lips, listen, or both (default: what the model takes and the clip has)",
    )
    parser.add_argument(
        "--language", metavar="CODE", help="what is spoken, such as es: another model is refused"
    )
    parser.add_argument("--lm", help="language model for the search, where the model takes one")
    parser.add_argument("--batch", type=_at_least_one, default=8, help="clips at once")
    parser.add_argument("--device", help="where to compute, such as cuda (default: cpu)")


def run(args: argparse.Namespace) -> int:
    """Transcribe every clip and write the result; 1 if none could be."""
    from zoo.errors import ConfigError
    from zoo.hub.load import from_pretrained

    logging.basicConfig(level=logging.WARNING, format="zoo: %(message)s")
    files = video_files(args.videos)  # before the model is loaded: it may be large
    if args.out is not None and args.out.suffix.lower() not in OUTPUT_ENDINGS:
        raise ConfigError(f"--out {args.out}: end it in {', '.join(OUTPUT_ENDINGS)}")
    model: Any = from_pretrained(args.model, device=args.device)
    if not implements(model, Recognizer):
        raise ConfigError(f"{args.model} is a {type(model).__name__}: it does not transcribe")
    known = getattr(model, "language", "en")
    if args.language not in (None, known):
        raise ConfigError(
            f"{args.model} knows {known!r} only, not {args.language!r}: name a checkpoint of that "
            "language (`zoo list`)"
        )
    if args.lm is not None:
        _attach(model, args.model, from_pretrained(args.lm, device=args.device))
    rows = transcribe_files(
        model,
        files,
        landmarks=args.landmarks,
        landmark_model=args.landmark_model,
        streams=args.streams,
        batch=args.batch,
    )
    single = len(args.videos) == 1 and not args.videos[0].is_dir()
    write_rows(rows, args.out, on_screen=single and args.out is None)
    return 0 if any(row.transcript is not None for row in rows) else 1


def _attach(model: Any, name: str, language_model: Any) -> None:
    from zoo.errors import ConfigError

    if not hasattr(model, "attach_language_model"):
        raise ConfigError(f"--lm: {name} searches without a language model")
    model.attach_language_model(language_model)


def video_files(places: Iterable[Path]) -> list[Path]:
    """The videos named, and those in and below the folders named, each once.

    Raises:
        MediaError: a place does not exist, or a folder has no video.
    """
    files: list[Path] = []
    for place in places:
        if not place.exists():
            raise MediaError(f"{place}: there is no such video or folder")
        found = [place]
        if place.is_dir():
            found = sorted(p for p in place.rglob("*") if p.suffix.lower() in VIDEO_ENDINGS)
            if not found:
                endings = ", ".join(sorted(VIDEO_ENDINGS))
                raise MediaError(f"{place}: no video in it or below it (looked for {endings})")
        files += found
    return list(dict.fromkeys(files))


def transcribe_files(
    model: Recognizer,
    files: Sequence[Path],
    *,
    landmarks: str | Path | None = None,
    landmark_model: Path | None = None,
    streams: Streams = "auto",
    batch: int = 8,
) -> list[Row]:
    """Transcribe clips; one that cannot be used gives a row with the reason.

    Args:
        model: any recogniser.
        files: videos.
        landmarks: where mouths are found, as `zoo transcribe --landmarks`.
        landmark_model: model file of the detector.
        streams: what the model is given.
        batch: clips at once.
    """
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    groups = [files[first : first + batch] for first in range(0, len(files), batch)]
    rows: list[Row] = []
    for group in track(
        groups,
        "clips",
        console=console,
        transient=True,
        disable=len(files) == 1 or not console.is_terminal,
    ):
        clips = [_read(model, path, landmarks, landmark_model, streams) for path in group]
        rows += _transcribe(model, clips)
    return rows


@dataclass(frozen=True)
class _Clip:
    """A clip as the model takes it, or what is wrong with it."""

    file: str
    video: Tensor | None = None
    audio: Tensor | None = None
    error: str = ""


def _read(
    model: Any,
    path: Path,
    landmarks: str | Path | None,
    landmark_model: Path | None,
    streams: Streams,
) -> _Clip:
    try:
        wants_video, wants_audio = _wanted(model, path, streams)
        video = _mouths(model, path, landmarks, landmark_model) if wants_video else None
        audio = _sound(path) if wants_audio else None
    except (MediaError, OSError) as error:
        return _Clip(str(path), error=str(error))
    return _Clip(str(path), video, audio)


def _wanted(model: Any, path: Path, streams: Streams) -> tuple[bool, bool]:
    """Whether the model gets the clip's pictures, and its sound."""
    if streams != "auto":
        return streams in ("video", "both"), streams in ("audio", "both")
    from zoo.video.decode import probe_video

    reads = getattr(model, "reads", ("video",))
    hears = "audio" in reads and ("video" not in reads or probe_video(path).has_audio)
    return "video" in reads, hears


def _mouths(
    model: Any, path: Path, landmarks: str | Path | None, landmark_model: Path | None
) -> Tensor:
    """Mouth crops (T, 3, 96, 96) by the pipeline that the model was trained on."""
    from zoo.video.mouth_source import mouth_crops

    default = getattr(getattr(model, "config", None), "mouth_preset", "avhubert")
    preset = getattr(model, "mouth_preset", default)
    if preset == FIXED:
        if landmarks not in (None, FIXED):
            logger.warning("%s: landmarks are not used: the model wants the fixed crop", path)
        preset, landmarks = "avhubert", _fixed_unless_cropped(path)
    elif landmarks == _MEDIAPIPE:
        preset = "auto_avsr_mediapipe"  # the one pipeline that makes do with its four points
    grey = mouth_crops(path, preset, landmarks, model=landmark_model)
    return grey.unsqueeze(1).expand(-1, 3, -1, -1)


def _fixed_unless_cropped(path: Path) -> str | None:
    from zoo.video.decode import probe_video
    from zoo.video.mouth import CROP_SIZE

    info = probe_video(path)
    return None if (info.width, info.height) == (CROP_SIZE, CROP_SIZE) else FIXED


def _sound(path: Path) -> Tensor:
    from zoo.audio import load_audio

    return load_audio(path)


def _transcribe(model: Recognizer, clips: Sequence[_Clip]) -> list[Row]:
    """Rows of clips, together where they have the same streams, else one by one."""
    good = [clip for clip in clips if not clip.error]
    kinds = {(clip.video is None, clip.audio is None) for clip in good}
    found: dict[str, Row] = {}
    if len(kinds) == 1 and len(good) > 1:
        try:
            said = model.transcribe(
                video=_several([clip.video for clip in good]),
                audio=_several([clip.audio for clip in good]),
            )
            assert isinstance(said, list)
            found = {clip.file: Row(clip.file, one) for clip, one in zip(good, said, strict=True)}
        except ZooError:
            logger.info("a clip of the batch cannot be used; going on one by one")
    return [found.get(clip.file) or _row(model, clip) for clip in clips]


def _several(items: list[Tensor | None]) -> Any:
    return None if items[0] is None else items


def _row(model: Recognizer, clip: _Clip) -> Row:
    if clip.error:
        return Row(clip.file, None, clip.error)
    try:
        said = model.transcribe(video=clip.video, audio=clip.audio)  # type: ignore[arg-type]
    except ZooError as error:
        return Row(clip.file, None, str(error))
    assert isinstance(said, Transcript)
    return Row(clip.file, said)


def write_rows(rows: Sequence[Row], out: Path | None, *, on_screen: bool = False) -> None:
    """Write the rows to a file, as CSV to stdout, or for a reader on the screen."""
    if on_screen:
        for row in rows:
            _show(row)
        return
    if out is None:
        _write_csv(rows, sys.stdout)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", encoding="utf-8", newline="") as stream:
        if out.suffix.lower() == ".json":
            json.dump([_plain(row) for row in rows], stream, ensure_ascii=False, indent=2)
            stream.write("\n")
        elif out.suffix.lower() == ".txt":
            stream.writelines(f"{_text(row)}\n" for row in rows)
        else:
            _write_csv(rows, stream)
    failed = [row for row in rows if row.transcript is None]
    for row in failed:
        logger.warning("%s: %s", row.file, row.error)
    logger.warning("wrote %s: %d clips, %d without a text", out, len(rows), len(failed))


def _write_csv(rows: Sequence[Row], stream: IO[str]) -> None:
    writer = csv.writer(stream)
    writer.writerow(["file", "text", "confidence", "words", "error"])
    for row in rows:
        words = row.transcript.words if row.transcript else ()
        spelt = " ".join(f"{word.text}:{word.confidence:.2f}" for word in words)
        mean = "" if row.confidence is None else f"{row.confidence:.3f}"
        writer.writerow([row.file, _text(row), mean, spelt, row.error])


def _text(row: Row) -> str:
    return "" if row.transcript is None else row.transcript.text


def _plain(row: Row) -> dict[str, Any]:
    said = None if row.transcript is None else asdict(row.transcript)
    return {"file": row.file, "transcript": said, "error": row.error or None}


def _show(row: Row) -> None:
    from rich.console import Console
    from rich.table import Table

    if row.transcript is None:
        Console(stderr=True).print(
            f"zoo: {row.error}", markup=False, highlight=False, soft_wrap=True
        )
        return
    console = Console(highlight=False)
    console.print(row.transcript.text or "(nothing recognised)", markup=False, soft_wrap=True)
    table = Table("word", "from", "to", "confidence")
    for word in row.transcript.words:
        colour = "green" if word.confidence >= _SURE else "yellow"
        colour = colour if word.confidence >= _UNSURE else "red"
        shown = f"[{colour}]{word.confidence:.2f}[/]"
        table.add_row(word.text, f"{word.start_s:.2f} s", f"{word.end_s:.2f} s", shown)
    if row.transcript.words:
        console.print(table)


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
