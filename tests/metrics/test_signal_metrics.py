"""Metrics of sound and pictures: their optimum, their direction, and what cannot be scored."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from zoo.metrics import get_metric
from zoo.metrics.dnsmos import cut_windows, p808_features
from zoo.metrics.dtw import warp
from zoo.metrics.f0 import F0, yin
from zoo.metrics.image import PSNR, PSNR_CAP, SSIM
from zoo.metrics.lmd import LMD
from zoo.metrics.lsd import LSD
from zoo.metrics.mcd import MCD
from zoo.metrics.pesq import PESQ
from zoo.metrics.stoi import STOI
from zoo.metrics.values import MeanMetric

RATE = 16_000


def speech_like(seed: int = 0, seconds: float = 2.0) -> Tensor:
    """A voice-like sound: harmonics of a gliding pitch, in syllables."""
    time = np.arange(int(seconds * RATE)) / RATE
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.7 * time + seed)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    voice = sum(np.sin(k * phase + seed) / k for k in range(1, 20))
    syllables = np.clip(np.sin(2 * np.pi * 3 * time), 0, 1)
    noise = np.random.default_rng(seed).normal(size=len(time)) * 1e-3
    return torch.from_numpy(0.1 * voice * syllables + noise).float()


def noisy(wave: Tensor) -> Tensor:
    noise = torch.from_numpy(np.random.default_rng(9).normal(size=len(wave)) * 0.05)
    return wave + noise.float()


def first(metric: MeanMetric, generated: object, reference: object) -> float:
    return next(iter(metric.score([generated], [reference]).values()))


OPTIMA = [(PESQ(), 4.64), (STOI(), 1.0), (MCD(), 0.0), (LSD(), 0.0)]


@pytest.mark.parametrize(("metric", "best"), OPTIMA, ids=lambda x: getattr(x, "name", None))
def test_a_copy_is_the_optimum_and_noise_is_worse(metric: MeanMetric, best: float) -> None:
    reason = metric.available()
    if reason:
        pytest.skip(reason)
    wave = speech_like()
    assert first(metric, wave, wave) == pytest.approx(best, abs=0.01)
    worse = first(metric, noisy(wave), wave)
    assert worse < best - 0.01 if metric.higher_is_better else worse > best + 1e-4


def test_missing_samples_are_counted_and_not_averaged() -> None:
    wave = speech_like()
    silence = torch.zeros(RATE)
    metric = PESQ()
    rows = metric.rows(
        [("a", "a", wave, wave), ("b", "b", silence, silence), ("c", "c", None, wave)]
    )
    figure = metric.figures(rows)[0]
    assert figure.details["missing"] == 2
    assert sum(row.values.get(figure.count, 0) for row in rows) == 1
    assert first(metric, wave, wave) > 4.6


def test_stoi_of_a_short_clip_is_missing_not_almost_zero() -> None:
    pytest.importorskip("pystoi")
    short = speech_like(seconds=0.2)
    assert np.isnan(first(STOI(), short, short))


def test_unequal_lengths_are_cut() -> None:
    wave = speech_like()
    longer = torch.cat([wave, torch.zeros(4000)])
    assert first(LSD(), longer, wave) == 0.0


@pytest.mark.parametrize("hertz", [80.0, 123.4, 220.0, 400.0])
def test_yin_finds_the_pitch(hertz: float) -> None:
    time = np.arange(RATE) / RATE
    tone = sum(np.sin(2 * np.pi * hertz * k * time) / k for k in (1, 2, 3))
    contour = yin(tone, RATE)[10:-30]
    assert (contour > 0).all()
    assert np.abs(contour / hertz - 1).max() < 0.01


def test_yin_finds_no_pitch_in_noise() -> None:
    noise = np.random.default_rng(0).normal(size=RATE)
    assert (yin(noise, RATE) > 0).mean() < 0.1


def test_f0_directions() -> None:
    wave = speech_like()
    scores = F0().score([wave], [wave])
    assert scores["f0_corr[extractor=yin]"] == pytest.approx(1.0)
    assert scores["f0_ffe[extractor=yin]"] == scores["f0_rmse[extractor=yin]"] == 0.0
    faster = torch.from_numpy(np.interp(np.arange(0, len(wave), 1.1), np.arange(len(wave)), wave))
    changed = F0().score([faster.float()], [wave])
    assert changed["f0_rmse[extractor=yin]"] > 5
    assert changed["f0_corr[extractor=yin]"] < 0.99


def brute_force(cost: np.ndarray) -> float:
    total = np.full((len(cost) + 1, cost.shape[1] + 1), np.inf)
    total[0, 0] = 0
    for i in range(len(cost)):
        for j in range(cost.shape[1]):
            best = min(total[i, j], total[i, j + 1], total[i + 1, j])
            total[i + 1, j + 1] = cost[i, j] + best
    return float(total[-1, -1])


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (6, 1), (7, 11), (20, 9)])
def test_the_warping_path_is_the_cheapest(shape: tuple[int, int]) -> None:
    cost = np.random.default_rng(3).random(shape)
    path = warp(cost)
    assert path[0] == (0, 0) and path[-1] == (shape[0] - 1, shape[1] - 1)
    steps = {(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(path)}
    assert steps <= {(1, 1), (1, 0), (0, 1)}
    assert sum(cost[i, j] for i, j in path) == pytest.approx(brute_force(cost))


def test_warping_forgives_a_delay() -> None:
    wave = speech_like()
    late = torch.cat([torch.zeros(800), wave])
    scores = list(MCD().score([late], [wave]).values())
    assert scores[0] < 0.5 * scores[2]


def frames(seed: int, size: tuple[int, int] = (40, 30)) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, 3, *size), generator=generator, dtype=torch.uint8)


def test_identical_frames_are_capped_and_counted() -> None:
    scores = PSNR().score([frames(0)], [frames(0)])
    assert scores == {"psnr": PSNR_CAP, "psnr_capped": 100.0}


@pytest.mark.parametrize("window", ["gaussian", "uniform", "torchmetrics"])
def test_ssim_optimum_and_direction(window: str) -> None:
    assert first(SSIM(window), frames(0), frames(0)) == pytest.approx(1.0, abs=1e-6)
    assert first(SSIM(window), frames(1), frames(0)) < 0.2


def test_frames_of_other_sizes_are_missing() -> None:
    assert np.isnan(first(SSIM(), frames(0), frames(0, (44, 30))))


def test_landmarks_are_scaled_to_one_face_height() -> None:
    points = np.random.default_rng(0).random((5, 68, 2)) * 50
    scores = LMD().score([points * 3.0], [points])
    assert list(scores.values()) == pytest.approx([0.0, 0.0, 0.0], abs=1e-9)
    moved = LMD(None).score([points + np.array([3.0, 4.0])], [points])
    assert list(moved.values()) == pytest.approx([5.0, 0.0, 5.0], abs=1e-9)


def test_wrong_landmarks_are_missing() -> None:
    assert np.isnan(first(LMD(), np.zeros((5, 20, 2)), np.zeros((5, 68, 2))))


@pytest.mark.parametrize(("seconds", "windows"), [(1.0, 7), (9.01, 1), (12.5, 3)])
def test_dnsmos_windows(seconds: float, windows: int) -> None:
    cut = cut_windows(np.ones(int(seconds * RATE)))
    assert {len(window) for window in cut} == {int(9.01 * RATE)}
    assert len(cut) == windows


def test_p808_features_lie_below_their_peak() -> None:
    features = p808_features(speech_like().double().numpy())
    assert features.shape[1] == 120
    assert features.max() == pytest.approx(1.0) and features.min() >= -1.0


@pytest.mark.parametrize(
    "build",
    [
        lambda: PESQ("wb", 8000),
        lambda: PESQ("xb"),
        lambda: MCD("lpc"),
        lambda: F0("ear"),
        lambda: SSIM("round"),
    ],
)
def test_wrong_options_are_refused(build: Callable[[], object]) -> None:
    with pytest.raises(TypeError):
        build()


MEANS = ("lse", "speaker_similarity", "pesq", "stoi", "mcd", "f0", "lsd", "dnsmos")


@pytest.mark.parametrize("name", [*MEANS, "psnr", "ssim", "lmd"])
def test_every_quantity_has_a_name_a_unit_and_a_direction(name: str) -> None:
    metric = get_metric(name)
    assert isinstance(metric, MeanMetric) and metric.unit
    figures = metric.figures(metric.rows([("a", "a", None, None)]))
    assert len({figure.id for figure in figures}) == len(figures)
    assert figures[0].higher_is_better is metric.higher_is_better
    assert all(
        figure.unit and figure.label and figure.details["missing"] == 1 for figure in figures
    )
