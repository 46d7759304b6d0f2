from __future__ import annotations

from pathlib import Path

import pytest

from zoo.cli import main
from zoo.data.flickr8k import read_flickr8k


def test_make_and_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "corpus"
    words = ["corpus", "make", "tiny-flickr8k", str(folder), "--seed", "1", "--workers", "1"]
    assert main([*words, "--clips", "2,1,1"]) == 0
    assert str(folder) in capsys.readouterr().out.replace("\n", "")
    assert [len(read_flickr8k(folder, s)) for s in ("train", "dev", "test")] == [2, 1, 1]
    sheet = tmp_path / "sheet.png"
    assert main(["corpus", "show", str(folder), "--out", str(sheet)]) == 0
    assert sheet.read_bytes().startswith(b"\x89PNG")
    assert main([*words, "--clips", "3"]) == 1
    assert "is not empty" in capsys.readouterr().err


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "list"]) == 0
    out = capsys.readouterr().out
    assert "tiny-flickr8k" in out
    assert "tiny-coco" in out


@pytest.mark.parametrize("clips", ["2,1", "many"])
def test_bad_numbers(clips: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["corpus", "make", "tiny-flickr8k", str(tmp_path / "x"), "--clips", clips])


def test_nothing_heavy_to_make_a_corpus() -> None:
    import subprocess
    import sys

    code = "import sys, zoo.data.corpora, zoo.cli.corpus; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
