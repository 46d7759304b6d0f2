"""The whole way from an official file to a zoo folder and back, through the `zoo` command."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.hub.pickles import Call, foreign, importable, save
from zoo import cli
from zoo.errors import ConfigError, ConversionError, SourceError, UnsafeFileError
from zoo.hub.catalogue import Entry
from zoo.hub.convert import convert, convert_entry, converter_version, to_official
from zoo.hub.entry import Converter, License, ModelConfig, Paper, RemoteFile, Source
from zoo.hub.load import from_pretrained
from zoo.models import MODEL_CLASSES


@pytest.fixture(autouse=True)
def registered(monkeypatch, tmp_path):
    monkeypatch.setitem(
        MODEL_CLASSES, "converted", ("tests.hub.converted.module", "ConvertedModel")
    )
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))


def official_state(width: int = 4, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).to(dtype)

    state = {
        "encoder.layers.0.fc1.weight": draw(6, width),
        "encoder.layers.0.fc1.bias": draw(6),
        "decoder.pos_conv.weight_g": draw(1, 1, 3),
        "decoder.pos_conv.weight_v": draw(2, 2, 3),
        "encoder.version": torch.tensor([3.0]),
    }
    return {**state, "copy.fc1.bias": state["encoder.layers.0.fc1.bias"].clone()}


def official_file(path: Path, *, form: str = "zip", **state: Any) -> Path:
    dictionary = foreign(
        "fairseq.data.dictionary.Dictionary", symbols=["<s>", "<pad>", "a"], count=[1, 1, 3]
    )
    width = state.get("width", 4)
    content = {
        "args": None,
        "cfg": {"model": argparse.Namespace(width=width, hidden=6)},
        "model": official_state(**state),
        "task_state": {"target_dictionary": dictionary},
    }
    with importable(dictionary):
        return save(content, path, form)


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


@pytest.mark.parametrize("form", ["zip", "legacy"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_an_official_file_becomes_a_model_and_goes_back(tmp_path, capsys, form, dtype):
    source = official_file(tmp_path / "checkpoint.pt", form=form, dtype=dtype)
    folder = tmp_path / "out"
    assert run("convert", source, "--model", "converted.best", "--out", folder, "--check") == 0
    assert "checked: 4 official tensors" in capsys.readouterr().out

    model = from_pretrained(folder)
    expected = official_state(dtype=dtype)
    assert torch.equal(model.up.weight, expected["encoder.layers.0.fc1.weight"].float())
    assert model.load_report.dropped == {
        "copy.fc1.bias": "equal to encoder.layers.0.fc1.bias",
        "encoder.version": "a constant of the training code",
    }
    config = json.loads((folder / "config.json").read_text())
    assert config["tag"] == "best" and config["converter"]["version"] == 3
    assert config["converter"]["source"]["place"] == "model"
    assert len(config["converter"]["source"]["sha256"]) == 64
    assert (folder / "target_dictionary.dict.txt").read_bytes() == b"a 3\n"
    assert "target_dictionary.dict.txt" in config["files"]

    for name in ("back.pt", "back.safetensors"):
        out = tmp_path / name
        assert run("convert", folder, "--to-official", "--out", out, "--check") == 0
        back = (
            load_file(out)
            if out.suffix == ".safetensors"
            else torch.load(out, weights_only=True)["model"]
        )
        assert back.keys() == expected.keys() - {"encoder.version", "copy.fc1.bias"}
        assert all(torch.equal(back[key], expected[key]) for key in back)


def test_the_same_bytes_in_give_the_same_bytes_out(tmp_path):
    """Also in another process with another hash seed, from a file of another name."""
    first = official_file(tmp_path / "a.pt")
    second = tmp_path / "elsewhere"
    second.mkdir()
    (second / "b.ckpt").write_bytes(first.read_bytes())
    convert(first, "converted.x", tmp_path / "one")
    script = (
        "from zoo.models import MODEL_CLASSES\n"
        "MODEL_CLASSES['converted'] = ('tests.hub.converted.module', 'ConvertedModel')\n"
        "from zoo.hub.convert import convert\n"
        f"convert({str(second / 'b.ckpt')!r}, 'converted.x', {str(tmp_path / 'two')!r})\n"
    )
    root = Path(__file__).resolve().parents[2]
    subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        cwd=root,
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(root)},
    )
    names = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*"))
    assert names == sorted(p.relative_to(tmp_path / "two") for p in (tmp_path / "two").rglob("*"))
    for name in names:
        one, two = tmp_path / "one" / name, tmp_path / "two" / name
        assert one.is_dir() or one.read_bytes() == two.read_bytes(), name


def test_the_configuration_comes_from_preset_file_or_checkpoint(tmp_path):
    wide = official_file(tmp_path / "wide.pt", width=9)
    assert convert(wide, "converted", tmp_path / "1").config_from == "the checkpoint"
    # dashes and underscores are the same in the name of a preset
    assert convert(wide, "converted", tmp_path / "2", preset="wide").config_from == "preset wide"
    bare = save(official_state(), tmp_path / "bare.pth", "zip")
    with pytest.raises(ConfigError, match=r"bare\.pth.*--preset \(tiny_one, wide\)"):
        convert(bare, "converted", tmp_path / "3")
    convert(bare, "converted", tmp_path / "3", preset="tiny-one")
    (tmp_path / "config.yaml").write_text("model: {width: 4, hidden: 6}\n")
    convert(bare, "converted", tmp_path / "4", config_file=tmp_path / "config.yaml")
    (tmp_path / "other.json").write_text('{"vocoder": 1}')
    with pytest.raises(ConfigError, match=r"other\.json.*not those of converted"):
        convert(bare, "converted", tmp_path / "5", config_file=tmp_path / "other.json")
    (tmp_path / "evil.yaml").write_text("!!python/object/apply:os.system ['true']")
    with pytest.raises(ConfigError, match=r"evil\.yaml"):
        convert(bare, "converted", tmp_path / "5", config_file=tmp_path / "evil.yaml")
    assert not (tmp_path / "5").exists()


def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path, capsys):
    source = official_file(tmp_path / "checkpoint.pt")
    out = tmp_path / "out"
    assert run("convert", source, "--model", "converted", "--out", out, "--preset", "wide") == 1
    error = capsys.readouterr().err
    assert "up.weight (6, 4) (expected (6, 9))" in error and "--preset" in error
    content = torch.load(save({"model": official_state()}, tmp_path / "x.pt", "zip"))
    content["model"]["decoder.new"] = torch.zeros(1)
    save(content, tmp_path / "x.pt", "zip")
    with pytest.raises(ConversionError, match=r"decoder\.new"):
        convert(tmp_path / "x.pt", "converted", out, preset="tiny_one")
    del content["model"]["decoder.new"], content["model"]["decoder.pos_conv.weight_v"]
    save(content, tmp_path / "x.pt", "zip")
    with pytest.raises(ConversionError, match=r"1 missing: conv.*original1"):
        convert(tmp_path / "x.pt", "converted", out, preset="tiny_one")
    assert not out.exists()


def test_a_hostile_file_is_refused_by_the_command(tmp_path, capsys):
    mark = tmp_path / "mark"
    source = save({"model": Call(os.system, f"touch {mark}")}, tmp_path / "evil.pt", "zip")
    assert run("convert", source, "--model", "converted", "--out", tmp_path / "out") == 1
    assert "posix.system" in capsys.readouterr().err
    assert run("inspect", source) == 1
    assert "REFUSED" in capsys.readouterr().out
    assert not mark.exists() and not (tmp_path / "out").exists()


def test_checkpoints_in_archives(tmp_path):
    official_file(tmp_path / "weights.pt")
    with zipfile.ZipFile(tmp_path / "release.zip", "w") as archive:
        archive.write(tmp_path / "weights.pt", "release/weights.pt")
        archive.writestr("release/README.txt", "hello")
    assert convert(tmp_path / "release.zip", "converted", tmp_path / "out").mapped == 4
    with zipfile.ZipFile(tmp_path / "release.zip", "a") as archive:
        archive.writestr("../weights.pt", b"")
    with pytest.raises(UnsafeFileError, match="points outside"):
        convert(tmp_path / "release.zip", "converted", tmp_path / "again")


def test_an_entry_of_the_catalogue_is_converted_with_its_preset_and_files(tmp_path):
    entry = Entry(
        name="converted.wide",
        model="converted",
        paper=Paper(slug="converted", title="A paper"),
        config=ModelConfig(preset="wide", overrides={"kernel": 3}),
        source=Source(
            kind="official",
            files=(RemoteFile(path="w.pt"), RemoteFile(path="bpe.model", role="tokenizer")),
        ),
        converter=Converter(name="converted"),
        license=License(code=None, weights=None),
        status="supported",
    )
    source = official_file(tmp_path / "w.pt", width=9)
    (tmp_path / "bpe.model").write_bytes(b"model")
    convert_entry(entry, [source, tmp_path / "bpe.model"], tmp_path / "out")
    model = from_pretrained(tmp_path / "out")
    assert model.config.width == 9 and model.side_files["bpe.model"] == b"model"
    assert converter_version(entry) == "converted.wide-v3"


def test_wrong_commands(tmp_path, capsys):
    source = official_file(tmp_path / "checkpoint.pt")
    assert run("convert", source, "--out", tmp_path / "o") == 1
    assert "--model SLUG.TAG" in capsys.readouterr().err
    assert run("convert", source, "--model", "nobody.x", "--out", tmp_path / "o") == 1
    assert "no model is called 'nobody'" in capsys.readouterr().err
    absent = tmp_path / "absent.pt"
    assert run("convert", absent, "--model", "converted.x", "--out", tmp_path / "o") == 1
    assert f"{absent}: there is no such file" in capsys.readouterr().err
    (tmp_path / "there.pt").write_bytes(b"")
    out = tmp_path / "there.pt"
    assert run("convert", "anything", "--to-official", "--out", out) == 1
    assert "exists already" in capsys.readouterr().err
    with pytest.raises(SourceError, match=r"\.safetensors"):
        to_official(source, tmp_path / "out.zip")


def test_a_check_that_fails_says_which_tensors(tmp_path, monkeypatch):
    from tests.hub.converted import official

    source = official_file(tmp_path / "checkpoint.pt")
    honest = official.MAP.to_official

    def rounded(state: dict[str, Tensor]) -> dict[str, Tensor]:
        return {key: tensor.half().float() for key, tensor in honest(state).items()}

    monkeypatch.setattr(official.MAP, "to_official", rounded)
    with pytest.raises(ConversionError, match=r"4 of 4 tensors.*fc1\.weight"):
        convert(source, "converted", tmp_path / "out", check=True)


def test_inspect_shows_files_and_folders(tmp_path, capsys):
    source = official_file(tmp_path / "checkpoint.pt")
    convert(source, "converted.x", tmp_path / "out")
    assert run("inspect", source) == 0
    text = capsys.readouterr().out
    assert "fairseq.data.dictionary.Dictionary: inert stand-in" in text
    assert "encoder.layers.0.fc1.weight" in text and "[6, 4]" in text and '"width": 4' in text
    assert run("inspect", tmp_path / "out", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["format"] == "zoo folder" and found["config"]["model"] == "converted"
    assert {"name": "up.bias", "shape": [6], "dtype": "F32"} in found["tensors"]
    assert run("inspect", tmp_path / "absent.pt") == 1
    assert "absent.pt: there is no such file" in capsys.readouterr().err
