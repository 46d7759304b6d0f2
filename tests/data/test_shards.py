from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from tests.data import lrs_layouts
from zoo.cli import main
from zoo.data.audio_visual import AudioVisualDataModule
from zoo.data.lrs3 import read_lrs3
from zoo.data.shard_format import ABOUT, UTTERANCES, Sample, pack, unpack
from zoo.data.speech_image import SpeechImageDataModule
from zoo.data.utterances import Utterance, WordTime
from zoo.errors import DataError

pytest.importorskip("litdata", reason="the extra [shards] is not installed")

from zoo.data.shard_stream import Shards, ShardStream
from zoo.data.shard_write import Extras, write_shards

COUNT = 60


def said(number: int = 0, **values: Any) -> Utterance:
    settings = {"id": f"v/{number:05d}", "dataset": "lrs3", "split": "train", "text": "A"}
    return Utterance(**{"video": f"v/{number}.mp4", "audio": None, **settings, **values})


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITDATA_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def lrs3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lrs_layouts.lrs3(tmp_path_factory.mktemp("lrs3"))


@pytest.fixture(scope="module")
def shards(lrs3: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shards") / "lrs3"
    made = write_shards("auto", lrs3, out, ["train30", "dev", "test"], chunk_bytes=40_000)
    assert made.splits == {"train30": 4, "dev": 2, "test": 2}
    return out


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of `COUNT` samples of different sizes in many chunks."""
    from litdata.streaming import Cache

    out = tmp_path_factory.mktemp("numbered")
    (out / "train").mkdir()
    cache = Cache(str(out / "train"), chunk_bytes=30_000)
    sizes = np.random.default_rng(0).permutation(COUNT) * 100 + 50
    for k in range(COUNT):
        cache[k] = pack(Sample(said(k), {"a.bin": bytes(int(sizes[k]))}))
    cache.done()
    cache.merge()
    about = {"version": 1, "kind": UTTERANCES, "dataset": "lrs3", "splits": {"train": COUNT}}
    (out / ABOUT).write_text(json.dumps(about))
    return out


@pytest.fixture
def address(shards: Path) -> Iterator[str]:
    handler = partial(SimpleHTTPRequestHandler, directory=str(shards))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def size_of(sample: Sample) -> dict[str, Any]:
    assert isinstance(sample.entry, Utterance)
    return {"id": sample.entry.id, "size": len(sample.files["a.bin"])}


def test_a_sample_survives_packing() -> None:
    words = (WordTime("A", 0.1, 0.2, 3.0),)
    sample = Sample(said(words=words, text_raw="Ä"), {"v/0.mp4": b"12", "landmarks/v/0.npz": b""})
    assert unpack(pack(sample), UTTERANCES) == sample


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "a\\x", ""])
def test_names_stay_inside(name: str) -> None:
    with pytest.raises(DataError, match="outside"):
        unpack(pack(Sample(said(), {name: b"1"})), UTTERANCES)


@pytest.mark.parametrize("cut", [3, 40, -1])
def test_damage_is_said(cut: int) -> None:
    with pytest.raises(DataError, match="damaged"):
        unpack(pack(Sample(said(), {"a": b"12"}))[:cut], UTTERANCES)


def batches(root: str | Path, split: str, **options: Any) -> list[dict[str, Any]]:
    settings = {"size": 32, "batch_size": 2, "num_workers": 0, "train_split": "train30"}
    module = AudioVisualDataModule(str(root), **{**settings, **options})
    return list(module.train_dataloader() if split == "train" else module.test_dataloader())


@pytest.mark.parametrize("workers", [0, 2])
def test_same_items_as_from_the_folder(lrs3: Path, shards: Path, workers: int) -> None:
    """Each worker deals its own batches, so only what is in them is the same."""

    def items(found: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
        return {
            name: (text, *(b[k][i, : b[f"{k}_len"][i]] for k in ("video", "audio")))
            for b in found
            for i, (name, text) in enumerate(zip(b["id"], b["text"]))
        }

    folder, streamed = (
        items(batches(root, "test", num_workers=workers)) for root in (lrs3, shards)
    )
    assert folder.keys() == streamed.keys()
    for name, (text, video, audio) in folder.items():
        assert streamed[name][0] == text
        assert torch.equal(video, streamed[name][1])
        assert torch.equal(audio, streamed[name][2])


def test_texts_without_media(lrs3: Path, shards: Path) -> None:
    folder = {one.id: one.text for one in read_lrs3(lrs3, "train30")}
    streamed = Shards(str(shards)).entries(UTTERANCES, "train30")
    assert {one.id: one.text for one in streamed if isinstance(one, Utterance)} == folder


def test_over_the_network(address: str, shards: Path, tmp_path: Path) -> None:
    here, there = (batches(root, "test") for root in (shards, address))
    assert [b["id"] for b in here] == [b["id"] for b in there]
    assert torch.equal(here[0]["audio"], there[0]["audio"])
    assert len(batches(address, "train", num_workers=2)) == 2
    assert list((tmp_path / "cache").rglob("chunk-*.bin"))  # fetched to where it was told


def test_another_set_at_the_same_address(address: str, lrs3: Path, shards: Path) -> None:
    """What was fetched before is not mixed up with what is there now, nor one split with another."""
    first = batches(address, "test")
    module = AudioVisualDataModule(address, size=32, batch_size=2, num_workers=0)
    assert [b["id"] for b in module.val_dataloader()] != [b["id"] for b in first]
    kept = shards.with_name("kept")
    shards.rename(kept)
    try:
        write_shards("lrs3", lrs3, shards, ["train30", "dev"])
        shutil.move(shards / "dev", shards / "test")
        about = (shards / ABOUT).read_text().replace('"dev"', '"test"')
        (shards / ABOUT).write_text(about)
        now = batches(address, "test")
    finally:
        shutil.rmtree(shards)
        kept.rename(shards)
    assert sum(len(b["id"]) for b in now) == 2
    assert {name for b in now for name in b["id"]}.isdisjoint(
        name for b in first for name in b["id"]
    )


def test_nothing_at_the_address(address: str) -> None:
    with pytest.raises(DataError, match=f"none/{ABOUT} cannot be read: 404"):
        Shards(f"{address}/none")


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_every_sample_once_over_ranks_and_workers(
    numbered: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from litdata.utilities.env import _DistributedEnv

    seen: list[str] = []
    counts = []
    for rank in range(2):
        env = _DistributedEnv(2, rank, 1)
        monkeypatch.setattr(_DistributedEnv, "detect", classmethod(lambda cls, e=env: e))
        stream = Shards(str(numbered)).stream(
            UTTERANCES, "train", size_of, batch_size=5, num_workers=workers, train=True
        )
        loader = DataLoader(stream, batch_size=5, num_workers=workers, collate_fn=list)
        found = list(loader)
        assert [len(batch) for batch in found] == [5] * stream.batches
        counts.append(len(found))
        seen += [item["id"] for batch in found for item in batch]
    assert counts[0] == counts[1]  # or one process would wait for the other for ever
    assert len(set(seen)) == len(seen) == COUNT


def stream_of(root: Path, **options: Any) -> ShardStream:
    settings = {"batch_size": 8, "num_workers": 0, "train": True}
    return Shards(str(root)).stream(UTTERANCES, "train", size_of, **{**settings, **options})


def test_batches_of_like_length_in_a_new_order(numbered: Path) -> None:
    stream = stream_of(numbered)
    first, second = ([item["size"] for item in stream] for _ in range(2))
    assert sorted(first) != first != second
    assert len(first) == len(second) == 56  # whole batches of the 60

    def spread(sizes: list[int]) -> float:
        return float(np.std(np.reshape(sizes, (-1, 8)), axis=1).mean())

    plain = [item["size"] for item in stream_of(numbered, bucket=False)]
    assert spread(first) < 0.4 * spread(plain)
    assert [item["size"] for item in stream_of(numbered)] == first  # the same again


def test_too_few_for_whole_batches_are_not_lost(numbered: Path) -> None:
    stream = stream_of(numbered, batch_size=64)
    assert stream.batches is None
    assert len(list(stream)) == COUNT


def test_a_bad_sample_is_told_and_ends_nothing(
    lrs3: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = Path(shutil.copytree(lrs3, tmp_path / "copy"))
    clip = next((copy / "test").rglob("00002.mp4"))
    clip.write_bytes(b"no film")
    write_shards("lrs3", copy, tmp_path / "out", ["test"])
    (batch,) = batches(tmp_path / "out", "test")
    assert batch["id"] == [f"{lrs_layouts.LRS3_VIDEOS['test'][0]}/00003"]
    assert "left out (1 so far)" in caplog.text


def test_landmarks_come_along(lrs3: Path, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    for clip in (lrs3 / "test").rglob("*.mp4"):
        path = (marks / clip.relative_to(lrs3)).with_suffix(".npy")
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(1)
        np.save(path, 20 + 24 * rng.random((1, 68, 2)).repeat(25, axis=0))
    made = write_shards("lrs3", lrs3, tmp_path / "out", ["test"], extras=Extras(landmarks=marks))
    assert made.landmarks
    folder = batches(lrs3, "test", landmarks=str(marks), mouth_preset="avhubert")
    streamed = batches(tmp_path / "out", "test", mouth_preset="avhubert")
    assert folder[0]["id"] == streamed[0]["id"]
    assert torch.equal(folder[0]["video"], streamed[0]["video"])


def test_pictures(flickr8k: Path, tmp_path: Path) -> None:
    write_shards("flickr8k", flickr8k, tmp_path / "out", ["train", "dev", "test"])
    pairs = []
    for root in (flickr8k, tmp_path / "out"):
        module = SpeechImageDataModule(str(root), image_size=16, batch_size=8, num_workers=0)
        found = {
            name: (batch["image"][k], int(batch["id"][k]), batch["caption"][k])
            for batch in module.test_dataloader()
            for k, name in enumerate(batch["caption_id"])
        }
        pairs.append(found)
        assert len(list(module.train_dataloader())) == 60 // 8
        assert {e.image_id for e in module.entries("dev")} == {
            entry.image_id for entry in SpeechImageDataModule(str(flickr8k)).entries("dev")
        }
    assert pairs[0].keys() == pairs[1].keys()
    for name, (image, number, caption) in pairs[0].items():
        assert torch.equal(image, pairs[1][name][0])
        assert (number, caption) == pairs[1][name][1:]


def test_refusals(shards: Path, numbered: Path, lrs3: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not empty"):
        write_shards("lrs3", lrs3, shards)
    with pytest.raises(DataError, match=r"has no split 'train'.*train_split"):
        AudioVisualDataModule(str(shards)).train_dataloader()
    with pytest.raises(DataError, match=r"holds utterances \(lrs3\), not pictures"):
        SpeechImageDataModule(str(shards)).entries("dev")
    with pytest.raises(DataError, match="name the dataset's own folder"):
        AudioVisualDataModule(str(shards)).utterances("dev")
    other = type("Other", (AudioVisualDataModule,), {"make_dataset": lambda *_: None})
    with pytest.raises(DataError, match="Other reads folders only"):
        other(str(shards)).val_dataloader()
    evil = Path(shutil.copytree(numbered, tmp_path / "evil"))
    index = json.loads((evil / "train" / "index.json").read_text())
    index["config"]["data_format"] = ["pickle"]
    (evil / "train" / "index.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match="was not written by `zoo data shard`"):
        stream_of(evil)


def test_command(lrs3: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["data", "shard", "lrs3", str(lrs3), str(out), "--splits", "test"]) == 0
    assert "2 in test" in capsys.readouterr().out
    assert (out / ABOUT).is_file()
    assert main(["data", "shard", "lrs3", str(lrs3), str(out)]) == 1
    assert "not empty" in capsys.readouterr().err
