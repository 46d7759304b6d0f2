"""Official checkpoint files of the goldens, opened without the packages that wrote them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.parity.golden import assert_all_parity, golden_file, golden_json, golden_root
from zoo.hub.describe import describe
from zoo.hub.raw import RawCheckpoint


def expected() -> dict[str, Any]:
    return golden_json("hub", "expected.json")


@pytest.mark.parametrize("name", ["fairseq_like", "fairseq_legacy"])
def test_top_level_keys(name):
    raw = RawCheckpoint.open(golden_file("hub", f"{name}.pt"))
    assert list(raw.container) == expected()["top_level"][name]


def test_configuration_views():
    assert RawCheckpoint.open(golden_file("hub", "fairseq_like.pt")).config == expected()["cfg"]
    legacy = RawCheckpoint.open(golden_file("hub", "fairseq_legacy.pt"))
    assert legacy.plain("args") == expected()["legacy_args"]


@pytest.mark.parametrize("name", ["fairseq_like", "fairseq_legacy"])
def test_tensors(name):
    raw = RawCheckpoint.open(golden_file("hub", f"{name}.pt"))
    wanted = load_file(golden_file("hub", "expected_model.safetensors"))
    assert raw.tensors.keys() == wanted.keys()
    assert_all_parity(raw.tensors, wanted, tolerance=0.0)


def test_dictionary_symbols():
    raw = RawCheckpoint.open(golden_file("hub", "fairseq_like.pt"))
    symbols = raw.plain("task_state.target_dictionary.symbols")
    lines = raw.side_files["target_dictionary.dict.txt"].decode().splitlines()
    assert [line.split()[0] for line in lines] == symbols[4:]


def test_fairseq_hubert_with_omegaconf_and_dictionaries():
    raw = RawCheckpoint.open(golden_file("hubert_units", "hubert_base_style_fairseq.pt"))
    wanted = load_file(golden_file("hubert_units", "hubert_base_style_weights.safetensors"))
    assert_all_parity(raw.tensors, wanted, tolerance=0.0)
    assert raw.plain("cfg.task.normalize") in (True, False)
    first = raw.plain("task_state.dictionaries")[0]
    assert first["symbols"][:4] == ["<s>", "<pad>", "</s>", "<unk>"]
    assert len(raw.side_files["dictionaries.0.dict.txt"].splitlines()) == len(first["symbols"]) - 4


def test_kmeans_centres_of_a_joblib_file():
    raw = RawCheckpoint.open(golden_file("hubert_units", "kmeans_joblib.bin"))
    wanted = _kmeans_centres()
    assert_all_parity({"centers": raw.tensors["cluster_centers_"]}, wanted, tolerance=0.0)
    assert raw.plain("object.n_clusters") == len(wanted["centers"])
    assert any(name.startswith("sklearn.cluster.") for name in raw.stand_ins)


def _kmeans_centres() -> dict[str, torch.Tensor]:
    for path in sorted(golden_file("hubert_units", "kmeans_joblib.bin").parent.glob("*io*")):
        io = load_file(path)
        if "centers" in io:
            return {"centers": io["centers"]}
    pytest.skip("the golden folder has no k-means centres to compare with")


@pytest.mark.parametrize("name", ["utut_prenorm_fairseq_dict", "utut_prenorm_fairseq_omegaconf"])
def test_unit_translator_files(name):
    raw = RawCheckpoint.open(golden_file("utut", f"{name}.pt"))
    wanted = load_file(golden_file("utut", "utut_prenorm_weights.safetensors"))
    assert raw.tensors.keys() == wanted.keys()
    # the older style stores half precision
    tolerance = 0.0 if name.endswith("dict") else 1e-3
    found = {key: tensor.float() for key, tensor in raw.tensors.items()}
    assert_all_parity(found, wanted, tolerance=tolerance)
    assert raw.plain("cfg.task.langs") is not None


def test_vocoder_generator():
    raw = RawCheckpoint.open(golden_file("unit_vocoder", "g_fixture.pt"))
    assert raw.found.place == "generator"
    assert any(key.endswith("weight_g") for key in raw.tensors)


def _all_files() -> list[Any]:
    """Every official file; without goldens one case that says so."""
    try:
        root = golden_root()
    except pytest.skip.Exception as reason:
        return [pytest.param(Path("none/none"), marks=pytest.mark.skip(str(reason)))]
    return sorted(p for p in root.rglob("*") if p.suffix in (".pt", ".bin", ".pth", ".ckpt"))


@pytest.mark.parametrize("path", _all_files(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_official_file_of_the_goldens_is_described(path):
    found = describe(path)
    assert found.problem is None and not found.refused
    assert found.tensors and json.dumps(found.to_dict())
