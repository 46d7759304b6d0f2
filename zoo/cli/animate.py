"""`zoo animate`: make a face say what a recording says.

The same from Python::

    model = zoo.from_pretrained("wav2lip_syncnet.wav2lip-gan")
    model.animate("face.png", "speech.wav").save("talk.mp4")
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from zoo.errors import ConfigError, MediaError
from zoo.tasks import TalkingFace, implements


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("face", metavar="FACE", help="a picture or a video with one face")
    parser.add_argument("speech", metavar="SPEECH.wav", help="what it shall say")
    parser.add_argument("--out", type=Path, required=True, metavar="TALK.mp4", help="the film")
    parser.add_argument(
        "--model",
        required=True,
        help="catalogue name, Hub repository or folder of a model that animates faces",
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument(
        "--box",
        type=_box,
        metavar="L,T,R,B",
        help="edges of the face in pixels; without this and --landmarks the picture is taken for a "
        "face track as LRS has them",
    )
    place.add_argument(
        "--landmarks", metavar="FILE", help="landmarks of the face, or 'mediapipe' to look for it"
    )
    parser.add_argument(
        "--mark",
        choices=("metadata", "visible", "none"),
        default="metadata",
        help="how the film says that it is generated: tags in the file, letters in the picture as "
        "well, or not at all (default: %(default)s)",
    )
    parser.add_argument(
        "--hard-edges", action="store_true", help="replace the whole box, as Wav2Lip does"
    )
    parser.add_argument("--device", help="where to compute, such as cuda (default: cpu)")


def run(args: argparse.Namespace) -> int:
    """Check the files, load the model, write the film and say where it is."""
    from zoo.audio import probe_audio
    from zoo.hub.load import from_pretrained
    from zoo.models.talking_face.animation import Animator, check_face

    logging.basicConfig(level=logging.WARNING, format="zoo: %(message)s")
    # before the model is loaded: it may be large
    check_face(args.face)
    probe_audio(args.speech)
    if args.out.suffix.lower() != ".mp4":
        raise MediaError(f"{args.out}: the film is written as mp4; use a name that ends in .mp4")
    model = from_pretrained(args.model, device=args.device)
    if not implements(model, TalkingFace):
        raise ConfigError(f"{args.model} is a {type(model).__name__}: it animates no faces")
    if not isinstance(model, Animator):
        raise ConfigError(f"{args.model} is a {type(model).__name__}: it is driven by text")
    film = model.animate(
        args.face,
        args.speech,
        box=args.box,
        landmarks=args.landmarks,
        blend=not args.hard_edges,
        mark=args.mark,
    )
    assert not isinstance(film, list)
    film.save(args.out)
    height, width = film.frames.shape[-2:]
    _say(f"{args.out}: {film.duration_s:.2f} s of {width} x {height} at {film.fps:g} frames/s")
    return 0


def _say(text: str) -> None:
    from rich.console import Console

    Console().print(text, markup=False, highlight=False, soft_wrap=True)


def _box(text: str) -> tuple[float, ...]:
    try:
        edges = tuple(float(part) for part in text.split(","))
    except ValueError:
        edges = ()
    if len(edges) != 4:
        raise argparse.ArgumentTypeError(f"{text!r} is not left,top,right,bottom in pixels")
    return edges
