"""`zoo bench` as it is called, and the cost of importing the harness."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

from tests.bench.toy import ToyRetriever
from tests.bench.toy_clips import ToyReader, clip_run, make_clips
from zoo.bench.result import load_result
from zoo.bench.site import data_of
from zoo.cli import main


def test_list(capsys) -> None:
    assert main(["bench", "list"]) == 0
    assert "flickr8k-retrieval@1" in capsys.readouterr().out


def test_run_from_a_source(monkeypatch, corpus, tmp_path, capsys) -> None:
    import zoo.hub.load

    monkeypatch.setattr(zoo.hub.load, "from_pretrained", lambda source: ToyRetriever())
    task = [
        "--task",
        "tiny-flickr8k-retrieval",
        "--data",
        str(corpus),
        "--out",
        str(tmp_path / "r"),
    ]
    flags = ["--limit", "2", "--accelerator", "cpu", "--workers", "0", "--quiet"]
    assert main(["bench", "run", "--model", "toy.tiny", *task, *flags]) == 0
    out = capsys.readouterr().out
    assert "speech→image R@1" in out and "result.json" in out
    data = load_result(tmp_path / "r").data
    assert data["model"]["name"] == "toy.tiny"
    assert data["run"]["command"].startswith("zoo bench run --model toy.tiny --task")
    assert str(tmp_path) not in data["run"]["command"]


def test_score_and_its_exit_codes(finished, tmp_path, capsys) -> None:
    copy = shutil.copytree(finished.folder, tmp_path / "copy")
    assert main(["bench", "score", str(copy)]) == 0
    shard = copy / "predictions" / "shard-00000.jsonl"
    lines = shard.read_text().splitlines(keepends=True)
    shard.write_text("".join(lines[1:]))
    assert main(["bench", "score", str(copy)]) == 3
    assert "image:1000_scene" in capsys.readouterr().err
    shard.write_text("".join([*lines, json.dumps({"id": "alien"}) + "\n"]))
    assert main(["bench", "score", str(copy)]) == 4


def test_compare(finished, worse, capsys) -> None:
    assert main(["bench", "compare", str(finished.folder), str(worse.folder)]) == 0
    assert "toy.a against toy.b" in capsys.readouterr().out
    assert main(["bench", "compare", str(finished.folder), "nowhere"]) == 1


def test_leaderboard_and_site(finished, tmp_path, corpus) -> None:
    results, published = tmp_path / "results", tmp_path / "published"
    results.mkdir(), published.mkdir()
    finished.save(results / "toy.json")
    where = ["--published", str(published), "--out"]
    board = tmp_path / "LEADERBOARD.md"
    assert main(["bench", "leaderboard", "--results", str(results), *where, str(board)]) == 0
    assert "**toy.a**" in board.read_text()
    site = tmp_path / "site"
    run = [str(finished.folder), "--data", str(corpus), "--media", "2"]
    assert main(["bench", "site", *run, *where, str(site)]) == 0
    assert len(list((site / "media").glob("*.wav"))) == 2
    assert main(["bench", "site", str(results), *where, str(tmp_path / "plain")]) == 0
    assert not (tmp_path / "plain" / "media").exists()


def test_each_run_finds_its_own_data(finished, corpus, tmp_path) -> None:
    root = make_clips(tmp_path / "clips", 2, 2)
    other = make_clips(tmp_path / "others", 2, 2, seed=5)
    (other / "test" / "video000000" / "00001.txt").write_text("Text:  SOMETHING ELSE\n")
    clip_run(ToyReader(), "tiny-lrs3-vsr", root, tmp_path / "run", limit=3)
    runs = [str(finished.folder), str(tmp_path / "run")]
    data = ["--data", str(other), str(corpus), "--data", str(root), "--media", "2"]
    out = ["--published", str(tmp_path), "--out", str(tmp_path / "site")]
    assert main(["bench", "site", *runs, *data, *out]) == 0
    media = [path.suffix for path in (tmp_path / "site" / "media").iterdir()]
    assert media.count(".wav") == 2 and media.count(".mp4") == 2
    assert data_of(load_result(tmp_path / "run"), [other, corpus, tmp_path]) is None
    assert data_of(load_result(tmp_path / "run"), [other, root]) == root


def test_importing_the_harness_is_cheap() -> None:
    code = (
        "import sys, zoo.bench, zoo.metrics, zoo.cli.bench;"
        "heavy = {'torch', 'lightning', 'transformers', 'numpy', 'av', 'jinja2'} & set(sys.modules);"
        "sys.exit(f'{heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
