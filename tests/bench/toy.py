"""A small corpus in the Flickr8k layout and a deterministic retriever that solves most of it.

A picture is a plain colour with noise; a recording is a tone whose pitch tells the hue. The
retriever reads hue and pitch with fixed arithmetic, so that its embeddings are the same bits
wherever they are computed.
"""

from __future__ import annotations

import colorsys
from pathlib import Path

import numpy as np
import soundfile
import torch
from PIL import Image
from torch import Tensor, nn

from zoo.audio import as_waveform
from zoo.tasks import Keyword
from zoo.video import as_image

RATE = 16_000
COLOURS = ["red", "orange", "yellow", "lime", "green", "teal", "cyan", "blue", "violet", "pink"]


def make_corpus(root: Path, images: int = 10, captions: int = 5, seed: int = 0) -> Path:
    """Write `images` test pictures with `captions` recordings each, in the official layout."""
    rng = np.random.default_rng(seed)
    names = [f"{1000 + i}_scene.jpg" for i in range(images)]
    (root / "Flicker8k_Dataset").mkdir(parents=True)
    (root / "flickr_audio" / "wavs").mkdir(parents=True)
    tokens, speakers = [], []
    for i, name in enumerate(names):
        hue = i / images
        _picture(hue, rng).save(root / "Flicker8k_Dataset" / name, quality=95)
        for k in range(captions):
            tokens.append(f"{name}#{k}\tA {colour_of(hue)} square number {i} .")
            wav = f"{Path(name).stem}_{k}.wav"
            _tone(root / "flickr_audio" / "wavs" / wav, hue, rng)
            speakers.append(f"{wav} {k % 3}")
    (root / "Flickr8k.token.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    (root / "Flickr_8k.testImages.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    (root / "flickr_audio" / "wav2spk.txt").write_text("\n".join(speakers), encoding="utf-8")
    return root


def colour_of(hue: float) -> str:
    return COLOURS[min(int(hue * len(COLOURS)), len(COLOURS) - 1)]


def _picture(hue: float, rng: np.random.Generator) -> Image.Image:
    colour = np.array(colorsys.hsv_to_rgb(hue, 0.9, 0.9)) * 255
    noisy = colour + rng.normal(0, 12, (48, 64, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def _tone(path: Path, hue: float, rng: np.random.Generator) -> None:
    samples = int(RATE * rng.uniform(0.3, 0.6))
    pitch = 300 + 3000 * (hue + rng.normal(0, 0.03))
    tone = 0.4 * np.sin(2 * np.pi * pitch * np.arange(samples) / RATE)
    soundfile.write(path, tone + rng.normal(0, 0.01, samples), RATE)


class ToyRetriever(nn.Module):
    """Implements SpeechImageRetriever; with `keywords=False` it names none."""

    def __init__(self, gain: float = 1.0, names: bool = True, noise: float = 0.0) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(float(gain)))
        self.names = names
        self.noise = noise

    def embed_speech(self, speech) -> Tensor:
        return torch.stack([self._circle(self._hue_of_sound(one)) for one in _listed(speech)])

    def embed_image(self, image) -> Tensor:
        return torch.stack([self._circle(_hue_of_picture(one)) for one in _listed(image)])

    def keywords(self, speech, top_k: int = 5) -> list[list[Keyword]]:
        if not self.names:
            raise NotImplementedError("this retriever names no keywords")
        return [self._names(self._hue_of_sound(one), top_k) for one in _listed(speech)]

    def _names(self, hue: float, top_k: int) -> list[Keyword]:
        first = COLOURS.index(colour_of(max(0.0, min(hue, 0.999))))
        near = [COLOURS[(first + i) % len(COLOURS)] for i in range(min(top_k, 2))]
        useless = ["dog", "cat"][:top_k]
        heard = [Keyword(word, 1.0 - 0.1 * i, 0) for i, word in enumerate(near)]
        return heard + [Keyword(word, 0.5, 1) for word in useless]

    def _hue_of_sound(self, speech) -> float:
        wave = as_waveform(speech)
        spectrum = torch.fft.rfft(wave).abs()
        pitch = spectrum.argmax().item() * RATE / len(wave)
        return (pitch - 300) / 3000 + self.noise * float(wave[:50].sum())

    def _circle(self, hue: float) -> Tensor:
        angle = torch.tensor(hue * 2 * np.pi * 0.9, dtype=torch.float64) * self.gain.double()
        return torch.stack([angle.cos(), angle.sin()]).float()


def _listed(items) -> list:
    return list(items) if isinstance(items, list | tuple) else [items]


def _hue_of_picture(image) -> float:
    red, green, blue = np.asarray(as_image(image), dtype=np.float64).mean((0, 1)) / 255
    return colorsys.rgb_to_hsv(red, green, blue)[0]
