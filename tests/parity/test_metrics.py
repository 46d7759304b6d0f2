"""The metrics against libraries and official scorers, on stored signals and texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from tests.parity.golden import golden_file, golden_json
from zoo.errors import DataError
from zoo.metrics.bleu import BLEU, CocoBLEU
from zoo.metrics.cer import CER
from zoo.metrics.cider import CIDEr
from zoo.metrics.f0 import compare_contours
from zoo.metrics.image import PSNR, SSIM
from zoo.metrics.lmd import LMD
from zoo.metrics.lsd import LSD
from zoo.metrics.mcd import length_ratio, mcd_cut, mcd_dtw
from zoo.metrics.pesq import PESQ
from zoo.metrics.rouge import RougeL
from zoo.metrics.stoi import STOI
from zoo.metrics.wer import WER
from zoo.text import get_normalizer


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    return golden_json("metrics", "metrics_values.json")


@pytest.fixture(scope="module")
def arrays() -> dict[str, Any]:
    return load_file(golden_file("metrics", "metrics_io.safetensors"))


def speech(samples: Any) -> torch.Tensor:
    return torch.from_numpy(samples.astype(np.float32) / 32768.0)


def main_value(scores: dict[str, float]) -> float:
    return next(iter(scores.values()))


@pytest.mark.parametrize("name", ["lrs", "strip_punct", "whisper_basic", "whisper_en"])
def test_normalizers(values: dict[str, Any], name: str) -> None:
    rule = get_normalizer(name)
    try:
        rule("colour")
    except DataError as error:
        pytest.skip(str(error))
    for item in values["text_normalisers"]:
        assert rule(item["raw"]) == item[name]


def test_word_errors_by_kind(values: dict[str, Any]) -> None:
    metric = WER("none")
    for pair in values["wer"]["pairs"]:
        row = metric.score_sample(pair["hyp"], pair["ref"])
        kinds = [row[name] for name in ("substitutions", "deletions", "insertions")]
        assert kinds == [pair["jiwer_S"], pair["jiwer_D"], pair["jiwer_I"]]
        assert (row["errors"], row["length"]) == (pair["word_edits"], pair["n_words"])


def test_character_errors(values: dict[str, Any]) -> None:
    for pair in values["wer"]["pairs"]:
        for kind, spaces in (("space", True), ("nospace", False)):
            row = CER("none", spaces=spaces).score_sample(pair["hyp"], pair["ref"])
            wanted = (pair[f"char_edits_{kind}"], pair[f"n_chars_{kind}"])
            assert (row["errors"], row["length"]) == wanted


def test_corpus_error_rates(values: dict[str, Any]) -> None:
    golden = values["wer"]
    hypotheses = [pair["hyp"] for pair in golden["pairs"]]
    references = [pair["ref"] for pair in golden["pairs"]]
    corpus, mean = WER("none").score(hypotheses, references).values()
    assert corpus / 100 == pytest.approx(golden["corpus_wer"], abs=1e-12)
    assert mean / 100 == pytest.approx(golden["mean_wer"], abs=1e-12)
    for kind, spaces in (("space", True), ("nospace", False)):
        found = main_value(CER("none", spaces=spaces).score(hypotheses, references))
        assert found / 100 == pytest.approx(golden[f"corpus_cer_{kind}"], abs=1e-12)


def test_sacre_bleu(values: dict[str, Any]) -> None:
    pytest.importorskip("sacrebleu")
    golden = values["bleu"]
    metric = BLEU()
    rows = metric.rows(
        [(str(i), "", h, r) for i, (h, r) in enumerate(zip(golden["hyp"], golden["ref"]))]
    )
    figure = metric.figures(rows)[0]
    wanted = golden["signature"].rpartition("|")[0]  # the version is that of the installed library
    assert figure.details["signature"].rpartition("|")[0] == wanted
    score = main_value(metric.score(golden["hyp"], golden["ref"]))
    assert score == pytest.approx(golden["score"], abs=1e-9)
    lower = main_value(BLEU(lowercase=True).score(golden["hyp"], golden["ref"]))
    assert lower == pytest.approx(golden["lowercase_score"], abs=1e-9)


def test_caption_scores_of_split_text(values: dict[str, Any]) -> None:
    items = values["cider"]["items"]
    said, references = [i["hyp"] for i in items], [i["refs"] for i in items]
    data = [(str(k), "", s, r) for k, (s, r) in enumerate(zip(said, references))]
    each = [row.values["cider"] for row in CIDEr("split").rows(data)]
    assert each == pytest.approx(values["cider"]["per_image"], abs=1e-11)
    cider = main_value(CIDEr("split").score(said, references))
    assert cider / 100 == pytest.approx(values["cider"]["cider"], abs=1e-11)
    bleu = CocoBLEU("split").score(said, references)
    ours = [bleu[f"coco_bleu_{n}"] / 100 for n in (1, 2, 3, 4)]
    assert ours == pytest.approx(values["coco_bleu"], abs=1e-11)
    rouge = main_value(RougeL("split").score(said, references))
    assert rouge / 100 == pytest.approx(values["rouge_l"], abs=1e-11)


def degraded(values: dict[str, Any], arrays: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    names = [name for name in values["pesq_stoi"] if f"speech.{name}_int16" in arrays]
    reference = speech(arrays["speech.ref_int16"])
    return [(name, speech(arrays[f"speech.{name}_int16"]), reference) for name in names]


def test_pesq(values: dict[str, Any], arrays: dict[str, Any]) -> None:
    metrics = {
        "pesq_wb": PESQ("wb"),
        "pesq_nb_16k": PESQ("nb", 16_000),
        "pesq_nb_8k_resample_poly": PESQ("nb"),
    }
    for name, generated, reference in degraded(values, arrays):
        for key, metric in metrics.items():
            found = main_value(metric.score([generated], [reference]))
            assert found == pytest.approx(values["pesq_stoi"][name][key], abs=1e-3), (name, key)


def test_stoi(values: dict[str, Any], arrays: dict[str, Any]) -> None:
    pytest.importorskip("pystoi")
    for name, generated, reference in degraded(values, arrays):
        found = STOI().score([generated], [reference])
        for key in ("stoi", "estoi"):
            assert found[key] == pytest.approx(values["pesq_stoi"][name][key], abs=1e-4), name


def test_log_spectral_distance(values: dict[str, Any], arrays: dict[str, Any]) -> None:
    wanted = values["lsd_nfft1024_hop256_hann_periodic_nocenter_eps1e-10"]
    reference = speech(arrays["speech.ref_int16"])
    for name, value in wanted.items():
        found = main_value(LSD().score([speech(arrays[f"speech.{name}_int16"])], [reference]))
        assert found == pytest.approx(value, rel=1e-9)


def test_mel_cepstral_distortion(values: dict[str, Any], arrays: dict[str, Any]) -> None:
    golden = values["mcd"]
    reference, generated = arrays["mcd.c_ref"], arrays["mcd.c_gen"]
    assert mcd_cut(reference, generated) == pytest.approx(golden["excl_c0_truncated"])
    with_c0 = mcd_cut(reference, generated, include_c0=True)
    assert with_c0 == pytest.approx(golden["incl_c0_truncated"])
    warped, path = mcd_dtw(reference, generated)
    assert warped == pytest.approx(golden["dtw_excl_c0"])
    assert [list(step) for step in path] == golden["dtw_path"]
    weighted = warped * length_ratio(reference, generated)
    assert weighted == pytest.approx(golden["dtw_sl_excl_c0"])


def test_pitch(values: dict[str, Any], arrays: dict[str, Any]) -> None:
    found = compare_contours(arrays["f0.ref"], arrays["f0.gen"])
    assert found["rmse"] == pytest.approx(values["f0"]["rmse_hz_both_voiced"])
    assert found["corr"] == pytest.approx(values["f0"]["corr_both_voiced"])
    assert found["vuv_error"] == pytest.approx(values["f0"]["vuv_error"])


def test_landmark_distance(values: dict[str, Any], arrays: dict[str, Any]) -> None:
    found = LMD(face_height=None).score([arrays["lmd.gen"]], [arrays["lmd.ref"]])
    golden = values["lmd"]
    wanted = [golden["mouth20"], golden["mouth20_centred"], golden["all68"]]
    assert list(found.values()) == pytest.approx(wanted)


def test_images(values: dict[str, Any], arrays: dict[str, Any]) -> None:
    golden = values["image"]
    a, b = (torch.from_numpy(arrays[f"image.{k}"]).permute(2, 0, 1)[None] for k in "ab")
    assert main_value(PSNR().score([b], [a])) == pytest.approx(golden["psnr_skimage"], abs=1e-9)
    wanted = {
        "gaussian": golden["ssim_skimage_gaussian_rgb"],
        "uniform": golden["ssim_skimage_default_rgb"],
        "torchmetrics": golden["ssim_torchmetrics_rgb"],
    }
    for window, value in wanted.items():
        assert main_value(SSIM(window).score([b], [a])) == pytest.approx(value, abs=1e-6)
