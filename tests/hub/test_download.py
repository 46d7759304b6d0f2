from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import zoo
from tests.hub.file_server import FileServer
from tests.hub.toy import trained_toy
from zoo.cli import main
from zoo.errors import (
    CheckpointError,
    ConversionError,
    IntegrityError,
    SourceError,
    UnsafeFileError,
)
from zoo.hub import catalogue, convert, download, mirror, official, source, transfer
from zoo.hub.entry import Entry, License, ModelConfig, Paper, RemoteFile, Source
from zoo.hub.hubrepo import Access
from zoo.hub.official import LOCK_FILE, official_files
from zoo.models import MODEL_CLASSES

DATA = random.Random(0).randbytes(3_000_000)
SHA = hashlib.sha256(DATA).hexdigest()
ONLINE = Access(offline=False)


@pytest.fixture(autouse=True)
def _own_caches(monkeypatch, tmp_path):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(MODEL_CLASSES, "toy", ("tests.hub.toy", "Toy"))
    monkeypatch.setattr(transfer, "_FIRST_PAUSE", 0.0)


@pytest.fixture
def server():
    with FileServer({"a.pt": DATA}) as running:
        yield running


def entry_of(name="toy.official", *, requires=(), status="unverified", **source_fields) -> Entry:
    return Entry(
        name=name,
        model="toy",
        paper=Paper(slug="toy", title="Toys"),
        source=Source(**{"kind": "official", **source_fields}),
        license=License(code="MIT", weights="MIT"),
        status=status,
        requires=requires,
    )


def know(monkeypatch, *entries: Entry) -> None:
    table = {entry.name: entry for entry in entries}
    for module in (source, mirror):
        monkeypatch.setattr(module, "find", lambda name: table.get(name) or catalogue.find(name))


def a_file(**fields) -> RemoteFile:
    return RemoteFile(path="a.pt", **{"sha256": SHA, "bytes": len(DATA), **fields})


def get(server: FileServer, path: Path, **fields) -> Path:
    return transfer.download_url(server.url("a.pt"), path, file=a_file(**fields), name="toy.x")


def listing(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir() if not p.name.endswith(".lock")}


def test_a_file_arrives_whole_and_alone(server, tmp_path):
    path = get(server, tmp_path / "sub" / "a.pt")
    assert path.read_bytes() == DATA
    assert listing(path.parent) == {"a.pt"}
    get(server, path)
    assert len(server.requests) == 1


def test_no_token_goes_to_a_plain_address(server, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    get(server, tmp_path / "a.pt")
    assert "authorization" not in server.requests[0][1]
    assert "hf_secret" not in str(server.requests)


def test_cut_connections_are_continued(server, tmp_path):
    server.stop_after, server.cuts = 1_200_000, 2
    assert get(server, tmp_path / "a.pt").read_bytes() == DATA
    starts = [headers.get("range", "bytes=0-") for _, headers in server.requests]
    first, second, third = (int(text[6:-1]) for text in starts)
    assert first == 0
    assert 1_100_000 < second <= 1_200_000
    assert 2_200_000 < third <= 2_400_000


def test_a_server_without_ranges_sends_all_again(server, tmp_path):
    server.ranges, server.stop_after, server.cuts = False, 1_200_000, 1
    assert get(server, tmp_path / "a.pt").read_bytes() == DATA


def test_a_file_replaced_on_the_server_is_not_glued_to_the_old_half(server, tmp_path):
    server.stop_after, server.cuts = 500_000, 5
    with pytest.raises(CheckpointError, match="what has arrived is kept"):
        get(server, tmp_path / "a.pt")
    server.files["a.pt"] = new = random.Random(1).randbytes(2_000_000)
    digest = hashlib.sha256(new).hexdigest()
    path = get(server, tmp_path / "a.pt", sha256=digest, bytes=len(new))
    assert path.read_bytes() == new
    assert server.requests[-1][1]["if-range"]


def test_a_complete_part_needs_no_bytes(server, tmp_path):
    (tmp_path / "a.pt.part").write_bytes(DATA)
    assert get(server, tmp_path / "a.pt").read_bytes() == DATA
    assert server.requests[0][1]["range"] == f"bytes={len(DATA)}-"


def test_a_part_that_is_too_long_starts_over(server, tmp_path):
    (tmp_path / "a.pt.part").write_bytes(DATA + b"more")
    assert get(server, tmp_path / "a.pt").read_bytes() == DATA


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.fail_first = 2
    assert get(server, tmp_path / "a.pt").read_bytes() == DATA
    server.fail_first = 99
    with pytest.raises(CheckpointError, match="503"):
        get(server, tmp_path / "b.pt")


def test_a_missing_file_is_not_asked_for_twice(server, tmp_path):
    with pytest.raises(CheckpointError, match=r"toy.x: http://.*/none.pt could not .*404"):
        transfer.download_url(server.url("none.pt"), tmp_path / "n.pt", file=a_file(), name="toy.x")
    assert len(server.requests) == 1


def test_nobody_listens(tmp_path):
    with FileServer() as server:
        url = server.url("a.pt")
    with pytest.raises(CheckpointError, match="could not be downloaded"):
        transfer.download_url(url, tmp_path / "a.pt", file=a_file(), name="toy.x")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bytes(len(DATA)), f"sha256 is [0-9a-f]+, expected {SHA}"),
        (DATA[:-1], "2999999 bytes arrived, expected 3000000"),
        (b"\n<!DOCTYPE html><html>log in</html>", "sent a web page instead of the file"),
    ],
)
def test_the_wrong_file_never_gets_the_final_name(server, tmp_path, content, message):
    server.files["a.pt"] = content
    with pytest.raises(IntegrityError, match=message):
        get(server, tmp_path / "a.pt")
    assert listing(tmp_path) <= {"cache"}
    server.files["a.pt"] = DATA
    assert get(server, tmp_path / "a.pt").read_bytes() == DATA


def test_encryption_is_not_given_up():
    with pytest.raises(CheckpointError, match="not encrypted"):
        transfer._refuse_downgrade("https://host/a", "http://host/a")
    transfer._refuse_downgrade("http://host/a", "https://host/a")


def _fetch_in_process(url: str, path: str, cache: str) -> None:
    os.environ["ZOO_CACHE"] = cache
    transfer.download_url(url, Path(path), file=a_file(), name="toy.x")


def _start(server: FileServer, tmp_path: Path) -> multiprocessing.Process:
    arguments = (server.url("a.pt"), str(tmp_path / "a.pt"), str(tmp_path / "cache"))
    process = multiprocessing.get_context("fork").Process(target=_fetch_in_process, args=arguments)
    process.start()
    return process


def test_a_killed_download_is_continued(server, tmp_path):
    server.pause_after = 2_200_000
    process = _start(server, tmp_path)
    part, deadline = tmp_path / "a.pt.part", time.monotonic() + 30
    while not (part.exists() and part.stat().st_size >= 1_000_000):
        assert time.monotonic() < deadline
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    kept = part.stat().st_size
    assert 0 < kept < len(DATA)
    assert not (tmp_path / "a.pt").exists()

    server.pause_after = None
    assert get(server, tmp_path / "a.pt").read_bytes() == DATA
    assert server.requests[-1][1]["range"] == f"bytes={kept}-"
    assert listing(tmp_path) <= {"a.pt", "cache"}


def test_four_processes_download_once(server, tmp_path):
    processes = [_start(server, tmp_path) for _ in range(4)]
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert (tmp_path / "a.pt").read_bytes() == DATA
    assert len(server.requests) == 1


def test_google_drive_goes_through_gdown(tmp_path, monkeypatch):
    import gdown

    asked = {}

    def fake(*, id, output, **options):
        asked.update(id=id, **options)
        Path(output).write_bytes(DATA)
        return output

    monkeypatch.setattr(gdown, "download", fake)
    entry = entry_of(drive_id="1AbC", files=(a_file(),))
    (path,) = official_files(entry, ONLINE)
    assert path.read_bytes() == DATA
    assert asked["id"] == "1AbC"
    assert asked["resume"]


def test_google_drive_quota_names_the_way_out(monkeypatch):
    import gdown

    def fake(**_):
        raise gdown.exceptions.FileURLRetrievalError("Cannot retrieve the public link")

    monkeypatch.setattr(gdown, "download", fake)
    with pytest.raises(CheckpointError) as caught:
        official_files(entry_of(files=(a_file(drive_id="1AbC"),)), ONLINE)
    text = str(caught.value)
    assert "https://drive.google.com/file/d/1AbC/view" in text
    assert "DIR/toy.official/a.pt" in text
    assert "ZOO_MODELS=DIR" in text


def test_unpublished_hash_is_recorded_and_then_enforced(server, tmp_path):
    entry = entry_of(url=server.url("a.pt"), files=(a_file(sha256=None, bytes=None),))
    (path,) = official_files(entry, ONLINE)
    lock = tmp_path / "cache" / "downloads" / LOCK_FILE
    line = json.loads(lock.read_text())["files"]["toy.official/a.pt"]
    assert line == {"sha256": SHA, "bytes": len(DATA)}

    path.write_bytes(DATA[::-1])
    with pytest.raises(IntegrityError, match=f"the first download had {SHA}"):
        official_files(entry, ONLINE)

    path.unlink()
    server.files["a.pt"] = DATA[::-1]
    with pytest.raises(IntegrityError, match=f"expected {SHA}"):
        official_files(entry, ONLINE)
    server.files["a.pt"] = DATA
    assert official_files(entry, ONLINE) == [path]


def test_a_damaged_cached_file_is_noticed(server):
    entry = entry_of(url=server.url("a.pt"), files=(a_file(bytes=None),))
    (path,) = official_files(entry, ONLINE)
    content = bytearray(DATA)
    content[7] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=f"expected {SHA}"):
        official_files(entry, ONLINE)


def test_a_hostile_path_in_a_manifest_is_refused(server):
    for bad in ("../a.pt", "/etc/x", "a/../../b", "C:/x", "a\\b"):
        entry = entry_of(url=server.url("a.pt"), files=(RemoteFile(path=bad),))
        with pytest.raises(UnsafeFileError, match="would leave the folder"):
            official_files(entry, ONLINE)
    assert server.requests == []


def test_offline_asks_nobody_and_says_what_to_do(server):
    entry = entry_of(url=server.url("a.pt"), files=(a_file(),))
    with pytest.raises(CheckpointError) as caught:
        official_files(entry, Access(offline=True))
    assert "`zoo fetch toy.official --to DIR`" in str(caught.value)
    assert server.requests == []
    official_files(entry, ONLINE)
    assert official_files(entry, Access(offline=True))


def test_what_no_program_can_fetch(tmp_path, monkeypatch):
    entry = entry_of(page="https://example.org/form", files=(a_file(),))
    with pytest.raises(CheckpointError, match=r"download it in a browser.*DIR/toy.official/a.pt"):
        official_files(entry, ONLINE)
    (tmp_path / "m" / "toy.official").mkdir(parents=True)
    (tmp_path / "m" / "toy.official" / "a.pt").write_bytes(DATA)
    monkeypatch.setenv("ZOO_MODELS", f"{tmp_path / 'none'}{os.pathsep}{tmp_path / 'm'}")
    assert official_files(entry, ONLINE) == [tmp_path / "m" / "toy.official" / "a.pt"]


def test_planned_and_unavailable_entries_explain_themselves(monkeypatch):
    planned = entry_of("toy.later", status="planned", url="https://example.org/a.pt")
    gone = replace(entry_of("toy.gone", status="unavailable"), reason="the link has expired")
    know(monkeypatch, planned, gone)
    with pytest.raises(CheckpointError, match=r"toy.later cannot be loaded(.|\n)*not built yet"):
        zoo.from_pretrained("toy.later")
    with pytest.raises(CheckpointError, match="the link has expired"):
        zoo.from_pretrained("toy.gone")
    with pytest.raises(CheckpointError, match="the link has expired"):
        mirror.mirror("toy.gone", "unused")


def test_every_entry_that_cannot_be_loaded_says_why():
    for entry in catalogue.list_checkpoints():
        if not entry.loadable:
            with pytest.raises(CheckpointError, match=f"{entry.name} cannot be loaded"):
                download.resolve(entry.name)


def official_file(preset: str = "tiny") -> bytes:
    state = {f"net.{key}": value for key, value in trained_toy(preset).state_dict().items()}
    content = io.BytesIO()
    torch.save({"model": {**state, "counter": torch.zeros(1)}, "epoch": 3}, content)
    return content.getvalue()


def served(server: FileServer, content: bytes, **fields) -> Entry:
    server.files["a.pt"] = content
    file = RemoteFile(path="a.pt", sha256=hashlib.sha256(content).hexdigest(), **fields)
    entry = entry_of(url=server.url("a.pt"), files=(file,))
    return replace(entry, config=ModelConfig(preset="tiny"))


@pytest.fixture
def online(monkeypatch):
    monkeypatch.setattr(Access, "of", lambda *_: ONLINE)


def test_an_official_checkpoint_is_fetched_and_converted_once(
    server, tmp_path, monkeypatch, online
):
    know(monkeypatch, served(server, official_file()))
    first = zoo.from_pretrained("toy.official")
    for name, tensor in trained_toy().state_dict().items():
        assert torch.equal(first.state_dict()[name], tensor), name
    assert first.load_report.dropped == {"counter": "only training reads it"}
    assert (
        first.load_report.converted_from["source"]["sha256"]
        == hashlib.sha256(server.files["a.pt"]).hexdigest()
    )

    monkeypatch.setattr(convert, "convert", None)
    again = zoo.from_pretrained("toy.official")
    assert len(server.requests) == 1
    assert again.load_report.folder == first.load_report.folder
    (folder,) = (p for p in (tmp_path / "cache" / "converted").iterdir() if p.is_dir())
    assert Path(again.load_report.folder) == folder


def test_another_version_of_the_converter_converts_again(server, monkeypatch, online):
    from tests.hub import official as converter

    know(monkeypatch, served(server, official_file()))
    first = zoo.from_pretrained("toy.official").load_report.folder
    monkeypatch.setattr(converter, "VERSION", 2)
    assert zoo.from_pretrained("toy.official").load_report.folder != first


def test_an_official_file_is_hashed_before_it_is_parsed(server, monkeypatch, online):
    know(monkeypatch, served(server, official_file()))
    server.files["a.pt"] = official_file()[:-1] + b"x"
    monkeypatch.setattr(convert.RawCheckpoint, "open", None)
    with pytest.raises(IntegrityError, match="expected"):
        zoo.from_pretrained("toy.official")


def test_an_official_file_of_another_size_is_named(server, monkeypatch, online):
    know(monkeypatch, served(server, official_file("wide")))
    with pytest.raises(ConversionError, match="does not fit toy with this configuration"):
        zoo.from_pretrained("toy.official")


@pytest.fixture
def ours(monkeypatch, tmp_path) -> Entry:
    entry = entry_of("toy.tiny", kind="ours", status="supported")
    know(monkeypatch, entry)
    monkeypatch.setattr(download, "checkout_folder", lambda: tmp_path / "checkpoints")
    return entry


def test_ours_comes_from_the_checkout(ours, tmp_path):
    trained_toy(seed=1).save_pretrained(tmp_path / "checkpoints" / "toy.tiny")
    assert zoo.from_pretrained("toy.tiny").provenance["training"] == {"seed": 1}


def test_zoo_models_is_searched_first(ours, tmp_path, monkeypatch):
    trained_toy(seed=1).save_pretrained(tmp_path / "checkpoints" / "toy.tiny")
    trained_toy(seed=2).save_pretrained(tmp_path / "models" / "toy.tiny")
    monkeypatch.setenv("ZOO_MODELS", str(tmp_path / "models"))
    assert zoo.from_pretrained("toy.tiny").provenance["training"] == {"seed": 2}


def test_ours_outside_a_checkout_names_the_folder_argument(ours, tmp_path):
    with pytest.raises(CheckpointError) as caught:
        zoo.from_pretrained("toy.tiny")
    text = str(caught.value)
    assert "not published on the Hub yet" in text
    assert "zoo.from_pretrained('path/to/checkpoints/toy.tiny')" in text
    assert str(tmp_path / "checkpoints" / "toy.tiny") in text


def test_a_published_one_is_looked_for_on_the_hub(ours, monkeypatch):
    know(monkeypatch, replace(ours, source=replace(ours.source, repo="zoo-org/toy-tiny")))
    with pytest.raises(CheckpointError, match=r"zoo-org/toy-tiny@main is not in .*no network"):
        zoo.from_pretrained("toy.tiny")


def test_official_entries_are_pinned(monkeypatch, server):
    know(monkeypatch, entry_of(url=server.url("a.pt"), files=(a_file(),)))
    with pytest.raises(SourceError, match="pinned by the catalogue"):
        zoo.from_pretrained("toy.official", revision="main")


def test_offline_hub_repository_names_everything(tmp_path):
    with pytest.raises(CheckpointError) as caught:
        zoo.from_pretrained("org/none@v1", cache_dir=tmp_path / "c", local_files_only=True)
    for part in ("org/none@v1", str(tmp_path / "c"), "HF_HUB_OFFLINE", "zoo fetch org/none"):
        assert part in str(caught.value)


def test_fetch_mirrors_an_entry_and_what_it_requires(server, ours, tmp_path, monkeypatch):
    trained_toy(seed=1).save_pretrained(tmp_path / "checkpoints" / "toy.tiny")
    server.files |= {"b.pt": b"b" * 10}
    part = entry_of(
        "toy.part", url=server.url("b.pt"), files=(RemoteFile(path="deep/b.pt"),), status="planned"
    )
    whole = entry_of(url=server.url("a.pt"), files=(a_file(),), requires=("toy.part", "toy.tiny"))
    know(monkeypatch, ours, part, whole)
    target = tmp_path / "out"

    paths = mirror.mirror("toy.official", target, access=ONLINE)

    lock = official.read_lock(target / LOCK_FILE)
    relative = {path.relative_to(target).as_posix() for path in paths}
    assert {"toy.part/deep/b.pt", "toy.official/a.pt", "toy.tiny/config.json"} < relative
    assert {"toy.part/deep/b.pt", "toy.tiny/model.safetensors"} < set(lock)
    assert lock["toy.part/deep/b.pt"]["bytes"] == 10

    asked = len(server.requests)
    mirror.mirror("toy.official", target, access=ONLINE)
    assert len(server.requests) == asked
    monkeypatch.setenv("ZOO_MODELS", str(target))
    assert zoo.from_pretrained("toy.tiny").load_report.folder == str(target / "toy.tiny")
    assert official_files(whole, Access(offline=True)) == [target / "toy.official" / "a.pt"]
    (target / "toy.part" / "deep" / "b.pt").write_bytes(b"c" * 10)
    with pytest.raises(IntegrityError, match="the first download had"):
        official_files(part, Access(offline=True))


def test_entries_that_require_each_other_are_an_error(monkeypatch, tmp_path):
    know(
        monkeypatch,
        entry_of("toy.a", url="http://x", files=(a_file(),), requires=("toy.b",)),
        entry_of("toy.b", url="http://x", files=(a_file(),), requires=("toy.a",)),
    )
    with pytest.raises(CheckpointError, match="requires itself"):
        mirror.mirror("toy.a", tmp_path / "out", access=ONLINE)


def test_fetch_command(ours, tmp_path, capsys):
    trained_toy().save_pretrained(tmp_path / "checkpoints" / "toy.tiny")
    assert main(["fetch", "toy.tiny", "--to", str(tmp_path / "out")]) == 0
    assert "model.safetensors" in capsys.readouterr().out
    assert (tmp_path / "out" / "toy.tiny" / "config.json").is_file()
    assert main(["fetch", "toy.tinny", "--to", str(tmp_path / "out")]) == 1
    assert "no checkpoint is called 'toy.tinny'" in capsys.readouterr().err
