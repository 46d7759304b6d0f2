"""Wav2Lip's networks, losses and bookkeeping against the official classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.parity.golden import Golden, assert_parity, load_golden, official_keys
from zoo.hub.keymap import check_bijection
from zoo.models.wav2lip_syncnet import official
from zoo.models.wav2lip_syncnet.config import Wav2LipConfig
from zoo.models.wav2lip_syncnet.module import Wav2Lip
from zoo.nn.face_windows import expert_input, lower_half
from zoo.nn.lip_sync_losses import (
    cosine_bce,
    discriminator_loss,
    perceptual_loss,
    sync_loss,
    weighted_l1,
)
from zoo.nn.modes import mode_of
from zoo.nn.sync_expert import SyncExpert
from zoo.video.face_boxes import smooth_boxes

SLUG = "wav2lip_syncnet"
# component -> preset whose configuration has the paper's sizes, and the name of its key list
COMPONENTS = {
    "wav2lip_generator": ("wav2lip", "wav2lip_generator"),
    "expert_syncnet": ("sync_expert", "expert_syncnet"),
    "quality_discriminator": ("quality", "quality_discriminator"),
}


def shapes(weights: dict[str, Tensor]) -> dict[str, Any]:
    return {"widths": {key: tuple(tensor.shape) for key, tensor in weights.items()}}


def load(component: str) -> tuple[Golden, Wav2Lip]:
    golden = load_golden(SLUG, component)
    config = official.config_from_official(shapes(golden.weights))
    model = Wav2Lip(config)
    model.load_state_dict(official.to_ours(golden.weights, config).state)
    return golden, model.eval()


@pytest.fixture(scope="module")
def generator() -> tuple[Golden, Wav2Lip]:
    return load("wav2lip_generator")


@pytest.fixture(scope="module")
def expert() -> tuple[Golden, Wav2Lip]:
    return load("expert_syncnet")


@pytest.fixture(scope="module")
def discriminator() -> tuple[Golden, Wav2Lip]:
    return load("quality_discriminator")


@pytest.fixture(scope="module")
def losses() -> Golden:
    return load_golden(SLUG, "losses")


def frames_second(x: Tensor) -> Tensor:
    """Official (B, C, T, H, W) as ours, (B, T, C, H, W)."""
    return x.transpose(1, 2)


@torch.no_grad()
def test_generator_on_clips(generator: tuple[Golden, Wav2Lip]) -> None:
    golden, model = generator
    latent = model.encode_audio(golden.io["audio_5d"])
    out = model.generate(latent, frames_second(golden.io["faces_5d"]))
    assert_parity(frames_second(out), golden.io["out_5d"], "out_5d")


@torch.no_grad()
def test_generator_on_frames(generator: tuple[Golden, Wav2Lip]) -> None:
    golden, model = generator
    latent = model.encode_audio(golden.io["audio_4d"][:, None])
    expected = golden.io["audio_embedding_4d"].flatten(1)
    assert_parity(latent[:, 0], expected, "audio_embedding_4d")
    out = model.generate(latent, golden.io["faces_4d"][:, None])
    assert_parity(out[:, 0], golden.io["out_4d"], "out_4d")


@torch.no_grad()
def test_expert(expert: tuple[Golden, Wav2Lip]) -> None:
    golden, model = expert
    assert model.expert is not None
    sound, faces = model.expert(golden.io["mel"], golden.io["faces"])
    assert_parity(sound, golden.io["audio_embedding"], "audio_embedding")
    assert_parity(faces, golden.io["face_embedding"], "face_embedding")
    raw = model.expert.face_encoder(golden.io["faces"]).flatten(1)
    assert_parity(raw, golden.io["face_embedding_raw"], "face_embedding_raw")


@torch.no_grad()
def test_discriminator(discriminator: tuple[Golden, Wav2Lip]) -> None:
    golden, model = discriminator
    assert model.discriminator is not None
    frames = frames_second(golden.io["frames"])
    logits = model.discriminator(lower_half(frames).flatten(0, 1))
    # the official rows run through the frames first
    ours = logits.sigmoid().view(frames.shape[:2]).T.reshape(-1, 1)
    assert_parity(ours, golden.io["prob"], "prob")
    loss = perceptual_loss(model.discriminator, frames)
    assert_parity(loss[None], golden.io["perceptual_loss"], "perceptual_loss")


def fresh_expert(expert: tuple[Golden, Wav2Lip]) -> SyncExpert:
    """Batch statistics change a network; the others of the module must not see it."""
    golden, model = expert
    other = Wav2Lip(model.config)
    other.load_state_dict(official.to_ours(golden.weights, model.config).state)
    assert other.expert is not None
    return other.expert.eval()


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_generator_losses_and_their_gradient(
    losses: Golden,
    expert: tuple[Golden, Wav2Lip],
    discriminator: tuple[Golden, Wav2Lip],
    mode: str,
) -> None:
    io, judge = losses.io, discriminator[1].discriminator
    assert judge is not None
    generated = io["generated"].clone().requires_grad_(True)
    painted, filmed = frames_second(generated), frames_second(io["gt"])
    sync = sync_loss(fresh_expert(expert), io["mel"], painted, batch_statistics=mode == "train")
    l1, perceptual = weighted_l1(painted, filmed), perceptual_loss(judge, painted)
    assert_parity(sync[None], io[f"sync_loss_{mode}"], "sync_loss")
    assert_parity(l1[None], io["l1_loss"], "l1_loss")
    assert_parity(perceptual[None], io["perceptual_loss"], "perceptual_loss")
    w_sync, w_judge = losses.config["syncnet_wt"], losses.config["disc_wt"]
    total = w_sync * sync + w_judge * perceptual + (1 - w_sync - w_judge) * l1
    assert_parity(total[None], io[f"total_loss_{mode}"], "total_loss")
    total.backward()
    assert generated.grad is not None
    ours = generated.grad[:1, :, :, ::4, ::4]
    assert_parity(ours, io[f"grad_g_{mode}"], "grad_g", tolerance=1e-3)
    assert all(p.grad is None for p in judge.parameters())


def test_total_without_discriminator(losses: Golden, expert: tuple[Golden, Wav2Lip]) -> None:
    io, weight = losses.io, losses.config["syncnet_wt_nogan"]
    painted, filmed = frames_second(io["generated"]), frames_second(io["gt"])
    with torch.no_grad():
        sync = sync_loss(fresh_expert(expert), io["mel"], painted)
        total = weight * sync + (1 - weight) * weighted_l1(painted, filmed)
    assert_parity(total[None], io["total_nogan"], "total_nogan")


def test_discriminator_losses(losses: Golden, discriminator: tuple[Golden, Wav2Lip]) -> None:
    judge = discriminator[1].discriminator
    assert judge is not None
    painted, filmed = (frames_second(losses.io[key]) for key in ("generated", "gt"))
    with torch.no_grad():
        total = discriminator_loss(judge, filmed, painted)
    expected = losses.io["disc_real_loss"] + losses.io["disc_fake_loss"]
    assert_parity(total[None], expected, "disc_real_loss + disc_fake_loss")


def test_expert_loss(losses: Golden, expert: tuple[Golden, Wav2Lip]) -> None:
    golden, model = expert
    assert model.expert is not None
    with torch.no_grad():
        sound, faces = model.expert(golden.io["mel"], golden.io["faces"])
    loss = cosine_bce(sound, faces, losses.io["expert_labels"][:, 0])
    assert_parity(loss[None], losses.io["cosine_loss"], "cosine_loss")


def test_batch_statistics_drift_as_in_the_official_scripts(
    losses: Golden, expert: tuple[Golden, Wav2Lip]
) -> None:
    network = fresh_expert(expert)
    before = {name: b.clone() for name, b in network.named_buffers()}
    frames = frames_second(losses.io["generated"])
    sync_loss(network, losses.io["mel"], frames)
    assert all(torch.equal(b, before[name]) for name, b in network.named_buffers())
    sync_loss(network, losses.io["mel"], frames, batch_statistics=True)
    assert any(not torch.equal(b, before[name]) for name, b in network.named_buffers())
    assert not network.training
    with mode_of(network, training=True):
        assert expert_input(frames).shape[1] == 15


def test_smoothed_boxes() -> None:
    golden = load_golden(SLUG, "mel")
    boxes = golden.io["boxes_in"].numpy().astype(np.int64)
    assert np.array_equal(smooth_boxes(boxes), golden.io["boxes_smoothed_int"].numpy())


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_official_key_fills_every_parameter(component: str) -> None:
    preset, name = COMPONENTS[component]
    config = Wav2LipConfig.preset(preset)
    keys = official_keys(SLUG, name)
    assert (
        official.config_from_official({"widths": keys}).replace(batch_size=config.batch_size)
        == config
    )
    with torch.device("meta"):
        target = Wav2Lip(config)
    report = check_bijection(keys, lambda s: official.to_ours(s, config), target)
    assert report.ok, str(report)
    assert not report.dropped


@pytest.mark.parametrize("component", COMPONENTS)
def test_round_trip_is_exact(component: str) -> None:
    golden, model = load(component)
    back = official.to_official(model.state_dict(), model.config)
    assert set(back) == set(golden.weights)
    for key, tensor in golden.weights.items():
        assert torch.equal(back[key], tensor), key
