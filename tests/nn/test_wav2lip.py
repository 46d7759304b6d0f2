"""Sizes that the golden vectors do not cover, and the gate."""

from __future__ import annotations

import pytest
import torch

from zoo.errors import ConfigError
from zoo.nn.quality_discriminator import QualityDiscriminator
from zoo.nn.sync_expert import SyncExpert
from zoo.nn.wav2lip import (
    AudioEncoder,
    FaceGenerator,
    GeneratorChannels,
    Wav2LipGenerator,
    given_pixels,
    paint,
)

NARROW = (2, 4, 4, 8, 8)


@pytest.mark.parametrize("size", [64, 96, 128])
def test_every_picture_size(size: int) -> None:
    generator = Wav2LipGenerator(GeneratorChannels.scaled(1), size).eval()
    faces, mel = torch.rand(2, 6, size, size), torch.randn(2, 1, 80, 16)
    frames = generator(generator.encode_audio(mel), faces)
    assert frames.shape == (2, 3, size, size)
    assert float(frames.detach().min()) >= 0 and float(frames.detach().max()) <= 1
    expert = SyncExpert(NARROW, NARROW, size).eval()
    sound, seen = expert(mel, torch.rand(2, 15, size // 2, size))
    assert sound.shape == seen.shape == (2, 8)
    assert torch.allclose(seen.norm(dim=1), torch.ones(2)) and float(seen.min()) >= 0
    judged = QualityDiscriminator(NARROW, size)(torch.rand(3, 3, size // 2, size))
    assert judged.shape == (3,)


def test_the_paper_has_its_number_of_parameters() -> None:
    with torch.device("meta"):
        generator = Wav2LipGenerator(GeneratorChannels.scaled(16))
        larger = FaceGenerator(GeneratorChannels.scaled(16), 128, condition_size=1024)
    assert sum(p.numel() for p in generator.parameters()) == 36_298_035
    # sheet synctalkface, section 3: only the kernels at one pixel and the condition differ
    assert larger.face_encoder[6][0].conv.kernel_size == (4, 4)
    assert larger.face_decoder[0][0].conv.in_channels == 1024
    decoder = sum(p.numel() for p in larger.face_decoder.parameters())
    assert 28e6 < decoder < 30e6


def test_a_size_that_cannot_be_halved_is_refused() -> None:
    with pytest.raises(ConfigError, match="multiple of 32"):
        Wav2LipGenerator(GeneratorChannels.scaled(1), 80)


def test_fewer_halvings_keep_the_shape() -> None:
    channels = GeneratorChannels.scaled(2, halvings=4)
    generator = Wav2LipGenerator(channels, 64).eval()
    frames = generator(generator.encode_audio(torch.randn(1, 1, 80, 16)), torch.rand(1, 6, 64, 64))
    assert frames.shape == (1, 3, 64, 64)


def test_a_closed_gate_copies_and_an_open_one_paints() -> None:
    faces, logits = torch.rand(1, 6, 8, 8), torch.zeros(1, 4, 8, 8)
    logits[:, 3] = -100
    assert torch.allclose(paint(logits, faces), given_pixels(faces))
    assert torch.equal(given_pixels(faces)[:, :, :4], faces[:, :3, :4])
    assert torch.equal(given_pixels(faces)[:, :, 4:], faces[:, 3:, 4:])
    logits[:, 3] = 100
    assert torch.allclose(paint(logits, faces), torch.full((1, 3, 8, 8), 0.5))


def test_an_audio_encoder_starts_from_one_of_its_widths_only() -> None:
    shallow, deep, other = (
        AudioEncoder(NARROW),
        AudioEncoder(NARROW, deep=True),
        AudioEncoder((2, 4, 4, 8, 16), deep=True),
    )
    shallow.start_from(deep)
    assert torch.equal(shallow[-2].conv.weight, deep[-2].conv.weight)
    for wrong in (lambda: shallow.start_from(other), lambda: deep.start_from(shallow)):
        with pytest.raises(ConfigError, match="of the same widths"):
            wrong()
