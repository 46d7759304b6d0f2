"""Times video to speech: real-time factors of the whole chain and of the vocoders alone.

A real-time factor is seconds of computing a second of speech; below 1 is faster than real time.

Run: python benchmarks/speed/video_to_speech.py [--model NAME] [--clip FILE] [--seconds 4]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from zoo.hub.load import from_pretrained
from zoo.models.lip2speech_unit.config import SAMPLES_A_FRAME, Lip2SpeechUnitConfig
from zoo.models.lip2speech_unit.module import Lip2SpeechUnit
from zoo.models.mel_vocoder.config import MelVocoderConfig
from zoo.models.mel_vocoder.module import MelVocoder
from zoo.models.unit_vocoder.config import UnitVocoderConfig
from zoo.models.unit_vocoder.module import UnitVocoder
from zoo.nn.weight_norm import fold

FPS = 25
RATE = 16_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="checkpoint of a lip-to-speech model (default: untrained)")
    parser.add_argument("--clip", help="video (default: noise of 96 x 96 pixels)")
    parser.add_argument("--seconds", type=float, nargs="+", default=[0.24, 4.0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    print(f"{args.threads} threads; best of {args.repeats}")
    _chain(args)
    for seconds in args.seconds:
        _vocoders(seconds, args.repeats)


def _chain(args: argparse.Namespace) -> None:
    """The clip's decoding and mouth crops are part of it where a clip is given."""
    model = _model(args.model)
    clips = [args.clip] if args.clip else [_noise(seconds) for seconds in args.seconds]
    for clip in clips:
        spent, speech = _best(partial(model.synthesize, clip), args.repeats)
        print(f"chain      {speech.duration_s:6.2f} s   RTF {spent / speech.duration_s:.3f}")


def _model(source: str | None) -> Lip2SpeechUnit:
    if source is not None:
        return from_pretrained(source)
    model = Lip2SpeechUnit(Lip2SpeechUnitConfig.tiny()).eval()
    model.mean_speaker.fill_(1 / 16)
    return model


def _noise(seconds: float) -> Tensor:
    return torch.randint(0, 256, (round(seconds * FPS), 3, 96, 96), dtype=torch.uint8)


def _vocoders(seconds: float, repeats: int) -> None:
    """Paper-scale vocoders with weight norm as it is stored and folded, and the tiny one."""
    frames = round(seconds * FPS)
    units = torch.randint(0, 200, (1, 2 * frames))
    mel, voice = torch.randn(1, 80, 4 * frames) - 5, torch.rand(1, 256)
    multi = Lip2SpeechUnit(Lip2SpeechUnitConfig.vocoder_only()).eval().vocoder
    single = UnitVocoder(UnitVocoderConfig.mhubert_km1000()).eval().network
    hifigan = MelVocoder(MelVocoderConfig.hifigan_16k_hop160()).eval().network
    istft = MelVocoder(MelVocoderConfig.tiny()).eval().network
    assert multi is not None
    networks = {
        "multi-input": (multi, lambda network: network(units, mel, voice)),
        "unit": (single, lambda network: network(units).waveform),
        "mel": (hifigan, lambda network: network(mel)),
        "istft tiny": (istft, lambda network: network(mel)),
    }
    length = frames * SAMPLES_A_FRAME / RATE
    for name, (network, call) in networks.items():
        stored, _ = _best(partial(call, network), repeats)
        plain = fold(network)
        folded, _ = _best(partial(call, plain), repeats)
        print(
            f"{name:11s}{length:6.2f} s   RTF {stored / length:.3f} unfolded, "
            f"{folded / length:.3f} folded ({stored / folded:.2f} x)"
        )


def _best(call: Callable[[], object], repeats: int) -> tuple[float, object]:
    """Processor seconds a thread of the fastest of several runs, and its result.

    Other programs on the machine do not count; with one thread it is the time of an idle core.
    """
    best, result = float("inf"), None
    with torch.inference_mode():
        call()  # the first builds what is kept
        for _ in range(repeats):
            start = time.process_time()
            result = call()
            best = min(best, (time.process_time() - start) / torch.get_num_threads())
    return best, result


if __name__ == "__main__":
    main()
