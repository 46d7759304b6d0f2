"""The loopback Hub, driven by the real huggingface_hub client.

`test_transcript` replays what the client once exchanged with a Hub (golden/hub) step by step; the
others check the switches that the loading tests rely on.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.hub.client import ClientError, step
from tests.hub.server import PAGE, HubServer, Request

CARD = b"---\nlicense: mit\n---\n"
WEIGHTS = bytes(range(256)) * 8
FILES = {"config.json": b'{"a":1}', "README.md": CARD, "model.safetensors": WEIGHTS}


def _outcome(function: Any, *args: Any, **kwargs: Any) -> Any:
    """The result, or the name of the exception's class."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        return type(error).__name__


def replay(folder: str, cache: str) -> dict[str, Any]:
    """Walk through the transcript's steps; returns what the caller saw at each."""
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download

    api, outcomes = HfApi(), {}
    repo = "org/m"

    def do(name: str, function: Any, *args: Any, **kwargs: Any) -> None:
        step(name)
        outcomes[name] = _outcome(function, *args, **kwargs)

    do("create_repo", api.create_repo, repo)
    do("create_repo_existing", api.create_repo, repo, exist_ok=True)
    do("upload_folder", api.upload_folder, repo_id=repo, folder_path=folder)
    do("upload_folder_unchanged", api.upload_folder, repo_id=repo, folder_path=folder)
    commit = outcomes["upload_folder"].oid
    do("download_branch_first", hf_hub_download, repo, "config.json")
    do("download_branch_again", hf_hub_download, repo, "config.json")
    do("download_pinned_cached", hf_hub_download, repo, "config.json", revision=commit)
    do("missing_file", hf_hub_download, repo, "no.bin")
    do("missing_repo", hf_hub_download, "org/none", "x")
    do("missing_revision", hf_hub_download, repo, "config.json", revision="v9")
    do("snapshot_branch", snapshot_download, repo, cache_dir=cache + "/a", max_workers=1)
    patterns = {"allow_patterns": ["*.json"], "cache_dir": cache + "/b"}
    do("snapshot_pinned_patterns", snapshot_download, repo, revision=commit, **patterns)
    return {name: str(outcome) for name, outcome in outcomes.items()}


def _shape(method: str, path: str) -> tuple[str, str]:
    """A request without what belongs to one server: hashes, commits, its own upload addresses."""
    if method == "PUT":
        return method, "(upload)"
    if method == "POST" and path.endswith("verify"):
        return method, "(verify)"
    return method, re.sub(r"[0-9a-f]{40}|COMMIT\d+", "COMMIT", path)


def _compare(golden: list[dict[str, Any]], seen: list[Request]) -> None:
    assert sorted(_shape(r["method"], r["path"]) for r in golden) == sorted(
        _shape(r.method, r.path) for r in seen
    )
    for row in golden:
        same = [r for r in seen if _shape(r.method, r.path) == _shape(row["method"], row["path"])]
        assert row["status"] in {r.status for r in same}
        wanted = {name for name in row["response_headers"] if name.startswith(("X-", "ETag"))}
        assert wanted <= set(same[0].reply_headers), row["path"]
        for header in ("authorization", "x-hf-download-counter"):
            assert (header in row["request_headers"]) == (header in same[0].headers), row["path"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    path.mkdir()
    for name, data in FILES.items():
        (path / name).write_bytes(data)
    return path


def test_transcript(hub: HubServer, run: Any, folder: Path, tmp_path: Path, golden_root: Path):
    rows = json.loads((golden_root / "hub" / "http_transcript.json").read_text())
    outcomes = run(replay, str(folder), str(tmp_path))
    steps = hub.steps()
    assert steps["download_pinned_cached"] == []
    for name in steps:
        golden = [row for row in rows if row["step"] == name and "method" in row]
        _compare(golden, steps[name])
        for row in rows:
            if row["step"] == name and "client_exception" in row:
                assert outcomes[name] == row["client_exception"]


def test_upload_is_stored_and_an_unchanged_one_makes_no_commit(
    hub: HubServer, run: Any, folder: Path, tmp_path: Path
):
    run(replay, str(folder), str(tmp_path))
    assert {name: hub.files("org/m")[name] for name in FILES} == FILES
    assert len(hub.repos["org/m"].commits) == 2  # the initial one and ours
    assert not [r for r in hub.steps()["upload_folder_unchanged"] if "/commit/" in r.path]
    snapshot = tmp_path / "a" / "models--org--m" / "snapshots" / hub.head("org/m")
    assert {name: (snapshot / name).read_bytes() for name in FILES} == FILES


def ranges_and_pages() -> tuple[Any, ...]:
    from huggingface_hub import HfApi, get_safetensors_metadata

    names = HfApi().list_repo_files("org/m")
    return names, list(get_safetensors_metadata("org/m").files_metadata)


def test_long_listings_are_paged_and_ranges_are_honoured(hub: HubServer, run: Any):
    import torch
    from safetensors.torch import save

    weights = save({"a": torch.zeros(40_000)})
    many = {f"part/{i:03d}.txt": b"x" for i in range(2 * PAGE)}
    hub.put("org/m", many | {"model.safetensors": weights})
    names, parsed = run(ranges_and_pages)
    assert set(names) == {*many, "model.safetensors", ".gitattributes"}
    assert parsed == ["model.safetensors"]
    partial = [r for r in hub.requests if r.status == 206]
    assert partial and int(partial[0].reply_headers["Content-Range"].split("/")[1]) == len(weights)


def download(repo: str, *names: str, **options: Any) -> dict[str, Any]:
    """Each file's bytes, or the class of the exception."""
    from huggingface_hub import hf_hub_download

    return {n: _outcome(lambda n=n: Path(hf_hub_download(repo, n)).read_bytes()) for n in names}


@pytest.mark.parametrize(
    ("fault", "times", "expected"),
    [
        ("wrong_bytes", 9, WEIGHTS[:-1] + b"\0"),  # the client does not look at the content
        ("short_body", 9, "OSError"),
        ("dropped_body", 1, WEIGHTS),  # it asks for the rest
        ("unavailable", 1, WEIGHTS),  # it tries again
        ("bare_404", 9, "LocalEntryNotFoundError"),
        ("redirect", 9, WEIGHTS),
    ],
)
def test_faults(hub: HubServer, run: Any, fault: str, times: int, expected: bytes | str):
    hub.put("org/m", FILES)
    with hub.fault(fault, path="model.safetensors", times=times):
        seen = run(download, "org/m", "config.json", "model.safetensors")
    assert seen == {"config.json": FILES["config.json"], "model.safetensors": expected}


def test_redirect_to_another_host_drops_the_authorization(hub: HubServer, run: Any):
    hub.put("org/m", FILES)
    with hub.fault("redirect", path="model.safetensors"):
        run(download, "org/m", "model.safetensors")
    at_cdn = [r for r in hub.requests if r.path.startswith("/cdn/")]
    asked = [r for r in hub.requests if "/resolve/" in r.path]
    assert at_cdn and all(r.headers["host"].startswith("localhost:") for r in at_cdn)
    assert all("authorization" not in r.headers for r in at_cdn)
    assert all("authorization" in r.headers for r in asked)


def listing() -> str:
    from huggingface_hub import snapshot_download

    return str(_outcome(snapshot_download, "org/m"))


@pytest.mark.parametrize("name", ["../evil.json", "a/../../evil.json", "/evil.json"])
def test_hostile_names_reach_the_client(hub: HubServer, run: Any, tmp_path: Path, name: str):
    hub.put("org/m", FILES)
    hub.hostile_names.append(name)
    assert run(listing) in ("ValueError", "RemoteEntryNotFoundError")
    assert not list(tmp_path.rglob("evil.json"))


def access() -> dict[str, Any]:
    return {repo: download(repo, "config.json")["config.json"] for repo in ("o/gated", "o/private")}


def test_gated_and_private_repositories_ask_for_a_token(hub: HubServer, run: Any):
    for flag in ("gated", "private"):
        hub.create(f"o/{flag}", **{flag: True})
        hub.put(f"o/{flag}", FILES)
    assert run(access) == {"o/gated": "GatedRepoError", "o/private": "RepositoryNotFoundError"}
    hub.read_tokens.add("hf_loopback")
    assert set(run(access).values()) == {FILES["config.json"]}


def pull_request(folder: str) -> tuple[str, str]:
    from huggingface_hub import HfApi

    info = HfApi().upload_folder(repo_id="org/m", folder_path=folder, create_pr=True)
    return str(info.pr_revision), str(info.pr_url)


def test_pull_request_leaves_main_alone(hub: HubServer, run: Any, folder: Path):
    before = hub.put("org/m", {"old.txt": b"old"})
    revision, url = run(pull_request, str(folder))
    assert revision == "refs/pr/1" and url.endswith("/org/m/discussions/1")
    assert hub.head("org/m") == before
    assert hub.files("org/m", revision)["model.safetensors"] == WEIGHTS


def bad_card(folder: str) -> str:
    from huggingface_hub import HfApi

    (Path(folder) / "README.md").write_text("---\n- not\n- a mapping\n---\n")
    return str(_outcome(HfApi().upload_folder, repo_id="org/m", folder_path=folder))


def test_a_card_with_broken_metadata_is_refused(hub: HubServer, run: Any, folder: Path):
    hub.create("org/m")
    assert run(bad_card, str(folder)) == "ValueError"
    assert len(hub.repos["org/m"].commits) == 1


def outside() -> None:
    import urllib.request

    urllib.request.urlopen("http://192.0.2.1/")


def test_no_client_reaches_another_machine(run: Any):
    with pytest.raises(ClientError, match="loopback interface only"):
        run(outside)
