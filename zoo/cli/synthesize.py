"""`zoo synthesize CLIP --out speech.wav`: the speech that belongs to silent lips.

The same from Python::

    model = zoo.from_pretrained("lip2speech_unit.tiny")
    model.synthesize("clip.mp4", speaker="voice.wav").save("speech.wav")
"""

from __future__ import annotations

import argparse
import logging
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError, MediaError

if TYPE_CHECKING:
    from zoo.tasks import Speech

logger = logging.getLogger(__name__)
_SOUND = (".wav", ".flac", ".mp3", ".ogg")
SENTENCE = "The sound of this film was generated: a program read these lips aloud."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("clip", type=Path, help="video of a speaking face, or of a mouth (96 x 96)")
    parser.add_argument("--out", type=Path, required=True, metavar="speech.wav")
    parser.add_argument(
        "--mux", type=Path, metavar="out.mp4", help="write the clip with the new sound as well"
    )
    parser.add_argument(
        "--model",
        default="lip2speech_unit.tiny",
        help="catalogue name, Hub repository or folder (default: %(default)s)",
    )
    parser.add_argument(
        "--speaker",
        type=Path,
        metavar="voice.wav",
        help="a few seconds of the voice to speak in (default: the model's mean voice)",
    )
    parser.add_argument(
        "--landmarks",
        metavar="FILE|DIR|mediapipe|fixed",
        help="where landmarks of the face come from (default: a file beside the clip, else the "
        "fixed crop of LRS-style face tracks)",
    )
    parser.add_argument("--seed", type=int, default=0, help="for models that draw")
    parser.add_argument("--device", help="where to compute, such as cuda (default: cpu)")


def run(args: argparse.Namespace) -> int:
    """Load the model, synthesise, write."""
    from zoo.hub.load import from_pretrained
    from zoo.tasks import VideoToSpeech, implements

    logging.basicConfig(level=logging.INFO, format="zoo: %(message)s")
    _check(args)  # before the model is loaded: it may be large
    model: Any = from_pretrained(args.model, device=args.device)
    if not implements(model, VideoToSpeech):
        raise ConfigError(f"{args.model} is a {type(model).__name__}: it does not read lips aloud")
    made: Any = model.synthesize(args.clip, args.speaker, seed=args.seed, **_options(model, args))
    made.save(args.out)
    logger.info("%s: %.2f s of speech", args.out, made.duration_s)
    if args.mux is not None:
        mux(args.clip, made, args.mux)
        logger.info("%s: the clip with it", args.mux)
    return 0


def _check(args: argparse.Namespace) -> None:
    for path in filter(None, (args.clip, args.speaker)):
        if not path.is_file():
            raise MediaError(f"{path}: there is no such file")
    if args.out.suffix.lower() not in _SOUND:
        raise MediaError(f"{args.out}: speech is written as {', '.join(_SOUND)}")
    if args.mux is not None and args.mux.suffix.lower() != ".mp4":
        raise MediaError(f"{args.mux}: the clip with its new sound is written as .mp4")


def _options(model: Any, args: argparse.Namespace) -> dict[str, Any]:
    if args.landmarks is None:
        return {}
    if "landmarks" not in signature(model.synthesize).parameters:
        raise ConfigError(f"{args.model} finds faces itself: it takes no --landmarks")
    return {"landmarks": args.landmarks}


def mux(clip: str | Path, speech: Speech, path: str | Path) -> Path:
    """Write the pictures of `clip` with `speech` as their sound, and return the path.

    The file says in its `comment` that the sound is generated.
    """
    from zoo.tasks import Video
    from zoo.video import load_video

    pictures = load_video(clip)
    film = Video(pictures.frames, pictures.fps, speech, {"comment": SENTENCE})
    return film.save(path)
