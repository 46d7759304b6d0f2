"""`zoo list` and `zoo info`, through the command itself."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from zoo.cli import main
from zoo.hub.catalogue import find, list_checkpoints


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def test_list_shows_every_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert all(entry.name in out for entry in list_checkpoints())
    assert f"{len(list_checkpoints())} checkpoints" in out


def test_names_are_whole_on_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["list", "avhubert"]) == 0
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if "avhubert.large-vox-vsr-433h-selftrain " in line)
    assert "unverified" in row and "lip reader" in row
    assert all(len(line) <= 80 for line in lines)


def test_list_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [item["name"] for item in listed] == [entry.name for entry in list_checkpoints()]
    tiny = next(item for item in listed if item["name"] == "speechclip.tiny-cascaded")
    assert tiny["slug"] == "speechclip" and tiny["source"]["kind"] == "ours"


def test_list_pattern_and_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "avhubert.large-*", "--status", "unverified", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed and all(item["name"].startswith("avhubert.large-") for item in listed)
    assert main(["list", "wav2lip", "--json"]) == 0
    part = {item["name"] for item in json.loads(capsys.readouterr().out)}
    assert part == {entry.name for entry in list_checkpoints("wav2lip_syncnet")}
    assert main(["list", "--status", "supported", "--status", "unverified", "--json"]) == 0
    found = {item["status"] for item in json.loads(capsys.readouterr().out)}
    assert found <= {"supported", "unverified"} and found


def test_list_without_a_match(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "nosuchthing"]) == 1
    assert "no checkpoint matches" in capsys.readouterr().out
    assert main(["list", "nosuchthing", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (
            "speechclip.large-spokencoco-parallel",
            ["2210.00705", "speechclip/models", "84.0128.ckpt", "BSD-3-Clause", "84.01"],
        ),
        ("utut.vocoder-it", ["1--j3LGnxmEdyb-urT0hilbXsOX66B0g_", "config.json", "not built yet"]),
        ("v2sflow.vocoder", ["unavailable", "no download address is known"]),
        ("avhubert.base-vox-vsr-30h", ["46.1", "[unverified]", "av-hubert-license"]),
        ("hubert_units.mhubert-base", ["23527cd6311a6617bfa199f574e2eed478cd6a58a634f400"]),
    ],
)
def test_info(name: str, parts: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", name]) == 0
    out = capsys.readouterr().out
    assert not [part for part in parts if part not in out]


def test_info_json_is_the_entry(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "av2av.translator-5lang", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == json.loads(json.dumps(find("av2av.translator-5lang").to_dict()))


def test_info_of_an_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "speechclip.tiny-paralel"]) == 1
    assert "speechclip.tiny-parallel" in capsys.readouterr().err


def test_list_needs_no_torch() -> None:
    code = (
        "import sys; from zoo.cli import main; main(['list']);"
        "sys.exit(10 * ('torch' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0
