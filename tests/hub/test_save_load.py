from __future__ import annotations

import json
import logging
import shutil
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import zoo
from tests.hub.toy import Toy, trained_toy
from zoo.errors import CheckpointError, IntegrityError, UnsafeFileError
from zoo.hub.weights import HEADER_LIMIT, parse_size
from zoo.models import MODEL_CLASSES

TOKENS = torch.arange(10).reshape(2, 5)


@pytest.fixture(autouse=True)
def _registered(monkeypatch, tmp_path):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(MODEL_CLASSES, "toy", ("tests.hub.toy", "Toy"))
    monkeypatch.setitem(MODEL_CLASSES, "forgetful", ("tests.hub.toy", "Forgetful"))


@pytest.fixture
def folder(tmp_path) -> Path:
    return trained_toy().save_pretrained(tmp_path / "toy")


def edit_config(folder: Path, **changes) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def edit_weights(folder: Path, change) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    edit_config(folder, files={})


def test_round_trip_is_bitwise(folder):
    model, again = trained_toy(), zoo.from_pretrained(folder)

    assert type(again) is Toy
    assert not again.training
    assert again.config == model.config
    assert again.side_files == {"vocab/units.txt": b"a\nb\n"}
    assert again.provenance == {"tag": "tiny", "training": {"seed": 0}}
    assert torch.equal(again(TOKENS), model(TOKENS))
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    assert again.load_report.clean
    assert len(again.load_report.loaded) == len(model.state_dict()) - 1  # one tensor is tied


def test_saving_what_was_loaded_gives_the_same_files(folder, tmp_path):
    again = zoo.from_pretrained(folder).save_pretrained(tmp_path / "again")
    for name in ("config.json", "model.safetensors", "vocab/units.txt"):
        assert (again / name).read_bytes() == (folder / name).read_bytes(), name


def test_tied_tensors_are_stored_once_and_tied_again(folder):
    assert "out.weight" not in load_file(folder / "model.safetensors")
    model = zoo.from_pretrained(folder)
    assert model.out.weight is model.embed.weight


def test_a_file_that_names_the_other_half_of_a_tie_loads_too(folder):
    edit_weights(
        folder, lambda tensors: tensors.update({"out.weight": tensors.pop("embed.weight")})
    )
    model = zoo.from_pretrained(folder)
    assert model.embed.weight is model.out.weight
    assert torch.equal(model(TOKENS), trained_toy()(TOKENS))


def test_weights_are_mapped_not_copied(folder):
    model = zoo.from_pretrained(folder)
    with open("/proc/self/maps") as maps:
        assert any(str(folder / "model.safetensors") in line for line in maps)
    del model


def test_shards_have_an_index_and_load_equal(tmp_path):
    model = trained_toy("wide")
    folder = model.save_pretrained(tmp_path / "toy", max_shard_size="2KB")
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    shards = set(index["weight_map"].values())
    assert len(shards) > 2
    assert shards < set(json.loads((folder / "config.json").read_text())["files"])
    assert torch.equal(zoo.from_pretrained(folder)(TOKENS), model(TOKENS))


def test_overwriting_removes_the_shards_of_before(tmp_path):
    folder = trained_toy("wide").save_pretrained(tmp_path / "toy", max_shard_size="2KB")
    with pytest.raises(CheckpointError, match="holds a checkpoint already"):
        trained_toy().save_pretrained(folder)
    (folder / "notes.txt").write_text("kept")
    trained_toy().save_pretrained(folder, overwrite=True)
    assert [path.name for path in folder.glob("*.safetensors*")] == ["model.safetensors"]
    assert (folder / "notes.txt").read_text() == "kept"
    assert torch.equal(zoo.from_pretrained(folder)(TOKENS), trained_toy()(TOKENS))


def test_a_failed_save_leaves_nothing_behind(tmp_path):
    model = trained_toy()
    with torch.no_grad():
        model.embed.weight[0, 0] = 1e6
    with pytest.raises(CheckpointError, match=r"embed.weight reaches 1e\+06, which torch.float16"):
        model.save_pretrained(tmp_path / "out" / "toy", dtype="float16")
    assert list((tmp_path / "out").iterdir()) == []


def test_shard_outside_the_folder_is_refused(tmp_path):
    folder = trained_toy("wide").save_pretrained(tmp_path / "toy", max_shard_size="2KB")
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    shutil.copy(folder / index["weight_map"]["norm.weight"], tmp_path / "outside.safetensors")
    for name in ("../outside.safetensors", str(tmp_path / "outside.safetensors"), "C:\\x"):
        index["weight_map"]["norm.weight"] = name
        path.write_text(json.dumps(index))
        edit_config(folder, files={})
        with pytest.raises(UnsafeFileError, match="would leave the folder"):
            zoo.from_pretrained(folder)


def test_listed_file_outside_the_folder_is_refused(folder, tmp_path):
    (tmp_path / "secret").write_text("x")
    edit_config(folder, files={"../secret": "0" * 64})
    with pytest.raises(UnsafeFileError, match="would leave the folder"):
        zoo.from_pretrained(folder)


def test_half_precision_storage_comes_up_in_float32(tmp_path):
    model = trained_toy()
    folder = model.save_pretrained(tmp_path / "toy", dtype="float16")
    stored = load_file(folder / "model.safetensors")
    assert stored["embed.weight"].dtype == torch.float16
    assert stored["norm.running_mean"].dtype == torch.float32  # float32_keys
    assert stored["norm.num_batches_tracked"].dtype == torch.int64

    again = zoo.from_pretrained(folder)
    floating = {t.dtype for t in again.state_dict().values() if t.is_floating_point()}
    assert floating == {torch.float32}
    assert torch.allclose(again(TOKENS), model(TOKENS), atol=1e-2)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("auto", torch.float16), ("bfloat16", torch.bfloat16), (torch.float64, torch.float64)],
)
def test_dtype_argument(tmp_path, dtype, expected):
    folder = trained_toy().save_pretrained(tmp_path / "toy", dtype=torch.float16)
    model = zoo.from_pretrained(folder, dtype=dtype)
    assert model.embed.weight.dtype == expected
    assert model.norm.num_batches_tracked.dtype == torch.int64


def test_dtype_must_be_floating(folder):
    for dtype in ("int8", "flaot16", torch.int64):
        with pytest.raises(ValueError, match="give a floating type"):
            zoo.from_pretrained(folder, dtype=dtype)


def test_device_argument(folder):
    model = zoo.from_pretrained(folder, device="cpu")
    assert {tensor.device.type for tensor in model.state_dict().values()} == {"cpu"}
    assert model.device == torch.device("cpu")


def test_strict_loading_reports_every_group(folder):
    def damage(tensors):
        tensors["norm.bias"] = torch.zeros(3)
        del tensors["norm.running_var"]
        tensors |= {f"extra.{i:02d}": torch.zeros(1) for i in range(30)}

    edit_weights(folder, damage)
    with pytest.raises(CheckpointError) as caught:
        zoo.from_pretrained(folder)
    text = str(caught.value)
    assert "1 missing in the checkpoint:\n    norm.running_var" in text
    assert "norm.bias: (3,) in the file, (8,) in the model" in text
    assert "30 unknown to the model" in text
    assert "extra.19" in text
    assert "extra.20" not in text
    assert "... and 10 more" in text


def test_not_strict_loads_what_fits_and_says_the_rest(folder, caplog):
    def damage(tensors):
        tensors["norm.bias"] = torch.zeros(3)
        del tensors["norm.running_var"]

    edit_weights(folder, damage)
    with caplog.at_level(logging.WARNING, "zoo.hub.load"):
        model = zoo.from_pretrained(folder, strict=False)
    assert "norm.running_var" in caplog.text
    assert model.load_report.missing == ("norm.running_var",)
    assert torch.equal(model.norm.running_var, torch.ones(8))
    assert torch.equal(model.norm.running_mean, trained_toy().norm.running_mean)
    assert model(TOKENS).isfinite().all()


def test_a_buffer_nobody_sets_is_an_error(folder):
    edit_config(folder, model="forgetful")
    with pytest.raises(CheckpointError, match=r"Forgetful: 1 tensors .*: ramp.ramp"):
        zoo.from_pretrained(folder)


def test_unknown_model(folder):
    edit_config(folder, model="os.system", zoo_version="99.0.0")
    with pytest.raises(CheckpointError) as caught:
        zoo.from_pretrained(folder)
    assert "no model is called 'os.system'" in str(caught.value)
    assert "written by zoo 99.0.0, which is newer" in str(caught.value)


def test_newer_config(folder):
    raw = json.loads((folder / "config.json").read_text())
    edit_config(folder, zoo_version="99.0.0", config={**raw["config"], "new_option": 1})
    with pytest.raises(CheckpointError) as caught:
        zoo.from_pretrained(folder)
    assert "unknown key 'new_option'" in str(caught.value)
    assert "pip install -U" in str(caught.value)
    edit_config(folder, zoo_version=zoo.__version__)
    with pytest.raises(CheckpointError, match=r"unknown key 'new_option'$"):
        zoo.from_pretrained(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "has no config.json"),
        ("{", "not valid JSON"),
        ("[]", "was not written by save_pretrained"),
        ('{"model_type": "hubert"}', "was not written by save_pretrained"),
    ],
)
def test_config_that_is_none_of_ours(folder, content, message):
    path = folder / "config.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(CheckpointError, match=message):
        zoo.from_pretrained(folder)


def test_weights_missing(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"neither model.safetensors nor"):
        zoo.from_pretrained(folder)


def test_wrong_bytes_of_equal_length(folder):
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"sha256 [0-9a-f]{64}, expected [0-9a-f]{64}"):
        zoo.from_pretrained(folder)


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("keep", [0, 5, 60, -7])
def test_truncated(folder, keep, listed):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    if not listed:
        edit_config(folder, files={})
    with pytest.raises(IntegrityError, match=r"fetch it again"):
        zoo.from_pretrained(folder)


def test_too_long_a_header_is_not_read(folder):
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", HEADER_LIMIT + 1) + b"{}" * 50)
    edit_config(folder, files={})
    with pytest.raises(IntegrityError, match="header claims 25000001 bytes"):
        zoo.from_pretrained(folder)


def test_hash_is_computed_once_until_the_file_changes(folder, monkeypatch):
    from zoo.hub import hashes

    read = []
    digest = hashes.digest
    monkeypatch.setattr(hashes, "digest", lambda path: read.append(path.name) or digest(path))
    zoo.from_pretrained(folder)
    assert read == []  # save_pretrained has just noted them
    moved = folder.rename(folder.parent / "moved")
    zoo.from_pretrained(moved)
    assert sorted(read) == ["model.safetensors", "units.txt"]
    zoo.from_pretrained(moved)
    assert len(read) == 2
    (moved / "model.safetensors").touch()
    zoo.from_pretrained(moved)
    assert read[2:] == ["model.safetensors"]


def test_a_cache_that_cannot_be_written_is_no_obstacle(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "file" / "cache"))
    assert zoo.from_pretrained(folder).load_report.clean


def test_report_carries_hash_and_origin(folder):
    import hashlib

    edit_config(folder, converter={"name": "toy", "version": 3, "dropped": {"old.key": "unused"}})
    report = zoo.from_pretrained(folder).load_report
    expected = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert report.sha256 == expected
    assert report.converted_from["version"] == 3
    assert "old.key (unused)" in report.describe()
    assert report.commit is None


def test_side_file_names_must_stay_inside(tmp_path):
    model = trained_toy()
    model.side_files = {"../escape.txt": b""}
    with pytest.raises(UnsafeFileError, match="would leave the folder"):
        model.save_pretrained(tmp_path / "toy")


@pytest.mark.parametrize(
    ("size", "expected"),
    [("5GB", 5 * 10**9), ("200mb", 2 * 10**8), (77, 77), ("1.5K", 1500), ("12B", 12)],
)
def test_sizes(size, expected):
    assert parse_size(size) == expected


@pytest.mark.parametrize("size", ["5 TB", "", "GB", 0, -3])
def test_sizes_that_make_no_sense(size):
    with pytest.raises(ValueError, match="max_shard_size"):
        parse_size(size)
