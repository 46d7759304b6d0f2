"""The GE2E speaker encoder against Resemblyzer, and on real recordings."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.parity.golden import Golden, assert_parity, load_golden, official_keys
from zoo.hub.keymap import check_bijection
from zoo.models.ge2e import official
from zoo.models.ge2e.config import GE2EConfig
from zoo.models.ge2e.module import SpeakerEncoder
from zoo.nn.ge2e import HOP, PARTIAL_FRAMES, partial_starts, raise_volume, vad_lacking


@pytest.fixture(scope="module")
def golden() -> Golden:
    return load_golden("ge2e", "ge2e")


@pytest.fixture(scope="module")
def model(golden: Golden) -> SpeakerEncoder:
    config = official.config_from_official(golden.config)
    encoder = SpeakerEncoder(config)
    encoder.load_state_dict(official.to_ours(golden.weights, config).state)
    return encoder.eval()


@pytest.fixture(scope="module")
def released() -> SpeakerEncoder:
    if official.packaged_weights() is None:
        pytest.skip("the package resemblyzer, which carries the weights, is not installed")
    need_vad()
    return SpeakerEncoder.from_package()


def need_vad() -> None:
    reason = vad_lacking()
    if reason:
        pytest.skip(reason)


def utterances(golden: Golden) -> list[int]:
    return sorted(int(name) for name in golden.part("wav"))


def test_mel_is_power_not_log(golden: Golden, model: SpeakerEncoder) -> None:
    for i in utterances(golden):
        assert_parity(model.mel(golden.io[f"wav{i}"]), golden.io[f"mel{i}"], f"mel{i}")


def test_embeddings(golden: Golden, model: SpeakerEncoder) -> None:
    for i in utterances(golden):
        wave = golden.io[f"wav{i}"]
        assert_parity(model.embed_partials(wave), golden.io[f"partials{i}"], f"partials{i}")
        assert_parity(model.embed_utterance(wave), golden.io[f"embed{i}"], f"embed{i}")
        denser = model.embed_utterance(wave, rate=2, min_coverage=0.5)
        assert_parity(denser, golden.io[f"embed{i}_rate2_cov0.5"], f"embed{i}, rate 2")


def test_speaker_batch_and_similarity(golden: Golden, model: SpeakerEncoder) -> None:
    waves = [golden.io["wav0"], golden.io["wav1"]]
    assert_parity(model.embed_speaker(waves), golden.io["embed_speaker"], "embed_speaker")
    with torch.no_grad():
        embedded = model(golden.io["batch_mels"])
    assert_parity(embedded, golden.io["batch_embeds"], "batch_embeds")
    first, second = (model.embed_utterance(wave) for wave in waves)
    found = torch.dot(first, second).reshape(1)
    assert_parity(found, golden.io["similarity_0_1"], "similarity")


def test_volume(golden: Golden) -> None:
    for i in utterances(golden):
        wave = golden.io[f"wav{i}"]
        assert_parity(raise_volume(wave), golden.io[f"volume_normalized{i}"], "volume")
        quiet = raise_volume(0.02 * wave)
        assert_parity(quiet, golden.io[f"quiet_volume_normalized{i}"], "quiet")


def test_silence_is_removed_at_the_same_places(golden: Golden, model: SpeakerEncoder) -> None:
    need_vad()
    if not golden.config.get("have_vad", True):
        pytest.skip("this golden was made without the voice activity detector")
    for i in utterances(golden):
        ours = model.prepare(golden.io[f"wav{i}"])
        assert_parity(ours, golden.io[f"preprocessed{i}"], f"preprocessed{i}")


def test_partial_slices(golden: Golden) -> None:
    given = golden.config["partials"]
    cases = {k: v for k, v in golden.config.items() if k.startswith("slices_n")}
    assert cases
    for name, slices in cases.items():
        size = int(name.removeprefix("slices_n"))
        starts = partial_starts(size, given["rate"], given["min_coverage"])
        assert [[s, s + PARTIAL_FRAMES] for s in starts] == slices
    for i in utterances(golden):
        starts = partial_starts(len(golden.io[f"wav{i}"]))
        ours = [[s * HOP, (s + PARTIAL_FRAMES) * HOP] for s in starts]
        assert ours == golden.config[f"wav_slices{i}"]


def test_every_official_key_fills_every_parameter() -> None:
    config = GE2EConfig.resemblyzer()
    with torch.device("meta"):
        target = SpeakerEncoder(config)
    keys = official_keys("ge2e", "resemblyzer_pretrained")
    report = check_bijection(keys, lambda s: official.to_ours(s, config), target)
    assert report.ok, str(report)
    assert set(report.dropped) == {"similarity_weight", "similarity_bias"}


def test_round_trip_is_exact(golden: Golden, model: SpeakerEncoder) -> None:
    back = official.to_official(model.state_dict(), model.config)
    for key, tensor in golden.weights.items():
        assert torch.equal(back[key], tensor), key


def test_stored_embeddings_of_real_clips(released: SpeakerEncoder, real_root: Path) -> None:
    folder = real_root / "lrs3_mouth"
    clips = sorted((folder / "audio").rglob("*.wav"))
    if not clips:
        pytest.skip(f"no clips in {folder}")
    for clip in clips:
        relative = clip.relative_to(folder / "audio").with_suffix(".npy")
        stored = torch.from_numpy(np.load(folder / "spk_emb" / relative)).flatten().float()
        cosine = torch.cosine_similarity(released.embed(clip), stored, dim=0)
        assert float(cosine) > 0.98, clip


def test_real_speakers_are_told_apart(released: SpeakerEncoder, real_root: Path) -> None:
    clips = sorted((real_root / "librispeech").rglob("*.flac"))
    if not clips:
        pytest.skip("no LibriSpeech clips")
    vectors = {clip: released.embed(clip) for clip in clips}
    same, other = [], []
    for a, b in combinations(clips, 2):
        score = float(torch.dot(vectors[a], vectors[b]))
        (same if a.parent == b.parent else other).append(score)
    thresholds = sorted(same + other)
    rates = [(np.mean([s < t for s in same]), np.mean([s >= t for s in other])) for t in thresholds]
    equal = min(max(pair) for pair in rates)
    print(
        f"equal error rate {100 * equal:.1f} %, same >= {min(same):.3f}, other <= {max(other):.3f}"
    )
    assert min(same) > max(other)
    assert equal == 0.0
