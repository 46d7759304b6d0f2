from __future__ import annotations

import pytest
import torch

from zoo.audio.mel import CONFIGS, mel_front_end
from zoo.errors import ConfigError
from zoo.nn.istft_vocoder import GuessedMelVocoder, ISTFTVocoder, ISTFTVocoderConfig
from zoo.nn.mel_inversion import GriffinLim

INVERTIBLE = [n for n, c in CONFIGS.items() if c.log_floor is not None and c.power == 1]


def small(front_end: str = "tacotron16k", **changes: object) -> ISTFTVocoder:
    torch.manual_seed(0)
    config = ISTFTVocoderConfig(front_end=front_end, width=16, num_blocks=1, ffn_size=32)
    return ISTFTVocoder(config.replace(**changes)).eval()


def hum(samples: int) -> torch.Tensor:
    """Eight harmonics of 150 Hz (1, S)."""
    time = torch.arange(samples) / 16_000
    return torch.stack([0.1 * torch.sin(2 * torch.pi * 150 * k * time) for k in range(1, 9)]).sum(
        dim=0, keepdim=True
    )


@pytest.mark.parametrize("front_end", INVERTIBLE)
def test_the_spectrum_of_a_waveform_is_inverted_exactly(front_end: str) -> None:
    model = small(front_end)
    mel = CONFIGS[front_end]
    waveform = torch.randn(2, 20 * mel.hop_length)
    spectrum = model.frames.analyse(waveform)
    made = model.frames.invert(spectrum)
    inside = slice(mel.n_fft, -mel.n_fft)  # the last frames overlap with none that follow
    assert torch.allclose(made[:, inside], waveform[:, inside], atol=1e-5)
    front = mel_front_end(front_end)
    assert torch.allclose(spectrum.abs(), front.magnitude(waveform)[:, :, :20], atol=1e-2)


@pytest.mark.parametrize("frames", [1, 2, 3, 50])
def test_any_number_of_frames(frames: int) -> None:
    model = small(refinements=2)
    made = model(torch.full((1, 80, frames), -5.0))
    assert made.shape == (1, 1, frames * model.hop)
    assert bool(made.isfinite().all())


def test_refinements_bring_the_mel_nearer_to_the_given_one() -> None:
    front = mel_front_end("tacotron16k")
    mel = front(hum(16_000))
    distances = []
    for refinements in (0, 8):
        made = small(refinements=refinements)(mel)[:, 0]
        distances.append(float((front(made)[:, :, :-1].exp() - mel.exp()).abs().mean().detach()))
    assert distances[1] < distances[0]


def test_gradients_stay_finite_in_silence() -> None:
    model = small(refinements=2).train()
    model(torch.full((1, 80, 6), -11.5)).square().sum().backward()
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)


def test_what_cannot_be_inverted_is_refused() -> None:
    for name in ("ge2e", "wav2lip", "nothing"):
        with pytest.raises(ConfigError, match="not a log-mel"):
            small(name)


def test_buffers_come_back_after_a_build_without_memory() -> None:
    model = small()
    with torch.device("meta"):
        empty = ISTFTVocoder(model.config)
    empty.to_empty(device="cpu")
    empty.frames.reset_buffers()
    assert torch.equal(empty.frames.inverse, model.frames.inverse)
    assert torch.equal(empty.frames.window, model.frames.window)


def test_griffin_lim_needs_nothing_learned_and_repeats_itself() -> None:
    front = mel_front_end("tacotron16k")
    mel = front(hum(8000))
    distances = []
    for iterations in (0, 32):
        vocoder = GriffinLim(iterations=iterations)
        made = vocoder(mel)
        assert torch.equal(made, vocoder(mel))
        distances.append(float((front(made[:, 0])[:, :, :-1].exp() - mel.exp()).abs().mean()))
    assert distances[1] < 0.5 * distances[0]


def test_a_vocoder_of_anything_speaks_the_mel_that_it_guesses() -> None:
    torch.manual_seed(0)
    speaks = small()
    model = GuessedMelVocoder(5, speaks.config, 320).eval()
    model.start_from(speaks)
    x = torch.randn(2, 5, 7)
    made = model(x)
    assert made.shape == (2, 1, 7 * 320)
    torch.nn.init.zeros_(model.head.weight)
    flat = model(x)
    assert torch.allclose(flat, speaks(torch.full((2, 80, 14), -5.0)), atol=1e-5)
    assert not torch.allclose(flat, made, atol=1e-3)
    with pytest.raises(ConfigError, match="not a multiple of 160"):
        GuessedMelVocoder(5, speaks.config, 240)
    with pytest.raises(ConfigError, match="same sizes"):
        model.start_from(small(width=24))


def test_a_pitch_draws_harmonics_as_deep_as_the_network_says() -> None:
    config = ISTFTVocoderConfig.tiny()
    vocoder = GuessedMelVocoder(4, config, 320, melodic=True).eval()
    x, f0 = torch.randn(2, 4, 5), torch.tensor([[200.0] * 5, [0.0, -1.0, 200.0, 0.0, 0.0]])
    assert torch.equal(vocoder.guess(x, f0), vocoder.guess(x)), "not at the start"
    torch.nn.init.ones_(vocoder.depth.bias)
    drawn = vocoder.guess(x, f0) - vocoder.guess(x)
    assert drawn.shape == (2, 80, 10)
    voiced = drawn.abs().amax(dim=1) > 0.5
    assert voiced[0].all() and voiced[1].tolist() == [k in (4, 5) for k in range(10)]
    assert not hasattr(GuessedMelVocoder(4, config, 320), "front_end")
