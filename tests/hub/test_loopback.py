"""Saving, pushing and loading over HTTP, against the loopback Hub.

Functions in front of a test run in a client process of their own (see tests/hub/client.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.hub.client import Client, ClientError, step
from tests.hub.server import HubServer
from tests.socket_guard import attempts

REPO = "org/small"
WEIGHTS = "model.safetensors"


# --- publishing


def saved(folder: Path, *, seed: int = 0, **options: Any) -> dict[str, bytes]:
    """Save a small model; the folder's files by name."""
    from tests.hub.small_model import build

    build(seed).save_pretrained(folder, **options)
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def publish(hub: HubServer, run: Any, tmp_path: Path) -> Callable[..., str]:
    """Put a small model of some seed on the server; returns the commit."""

    def publish(seed: int = 0, repo: str = REPO, **options: Any) -> str:
        folder = tmp_path / f"published-{repo.replace('/', '-')}-{seed}"
        return hub.put(repo, run(save_here, str(folder), seed, options))

    return publish


def save_here(folder: str, seed: int, options: dict[str, Any]) -> dict[str, bytes]:
    return saved(Path(folder), seed=seed, **options)


def load(source: str = REPO, *, seed: int = 0, **options: Any) -> dict[str, Any]:
    """Load and say what came; `same` compares with a model built here from the same seed."""
    import zoo
    from tests.hub.small_model import Small, build, same_state

    model = zoo.from_pretrained(source, **options)
    assert isinstance(model, Small) and not model.training
    report = model.load_report
    return {
        "same": same_state(model, build(seed)),
        "commit": report.commit,
        "sha256": report.sha256,
        "clean": report.clean,
        "attempts": attempts(),
    }


def load_with(options: dict[str, Any]) -> dict[str, Any]:
    return load(**options)


def push_and_load(other: str) -> dict[str, Any]:
    import torch

    import zoo
    from tests.hub.small_model import Small, SmallConfig, build, same_state

    model = build()
    step("push")
    url = model.push_to_hub(REPO, token="hf_writer")
    step("push-again")
    again = model.push_to_hub(REPO, token="hf_writer")
    step("load")
    loaded = Small.from_pretrained(REPO)
    tokens = torch.arange(12).reshape(2, 6)
    folder = loaded.save_pretrained(Path(other))
    return {
        "urls": (url, again),
        "state": same_state(model, loaded),
        "output": torch.equal(model(tokens), loaded(tokens)),
        "config": loaded.config == SmallConfig.tiny(),
        "tied": loaded.out.weight is loaded.embed.weight,
        "side": loaded.side_files,
        "provenance": loaded.provenance,
        "eval": not loaded.training,
        "saved_again": same_state(zoo.from_pretrained(folder), model),
    }


def test_round_trip_is_bitwise(hub: HubServer, run: Any, tmp_path: Path):
    seen = run(push_and_load, str(tmp_path / "again"))
    head = hub.head(REPO)
    assert seen["urls"] == (f"{hub.endpoint}/{REPO}/commit/{head}",) * 2
    for check in ("state", "output", "config", "tied", "eval", "saved_again"):
        assert seen[check], check
    assert seen["side"] == {"units.json": b'{"a": 1}'}
    assert seen["provenance"] == {"tag": "tiny", "training": {"corpus": "none", "seed": 0}}
    assert {WEIGHTS, "config.json", "README.md", "units.json"} <= set(hub.files(REPO))
    assert (tmp_path / "again" / WEIGHTS).read_bytes() == hub.files(REPO)[WEIGHTS]


def test_unchanged_upload_makes_no_commit(hub: HubServer, run: Any, tmp_path: Path):
    run(push_and_load, str(tmp_path / "again"))
    steps = hub.steps()
    assert len([r for r in steps["push"] if "/commit/" in r.path]) == 1
    assert not [r for r in steps["push-again"] if "/commit/" in r.path]
    assert not [r for r in steps["push-again"] if r.method == "PUT"]
    commits = [r for r in steps["push"] if "/commit/" in r.path]
    for request in [*commits, *steps["load"]]:
        assert request.headers["user-agent"].startswith("zoo/")
    assert {r.headers["authorization"] for r in commits} == {"Bearer hf_writer"}


def push_replacements(results: str) -> list[str]:
    import zoo
    from tests.hub.small_model import build, same_state
    from zoo.hub.card import Card
    from zoo.hub.push import push_to_hub

    (folder := Path(results).parent / "folder").mkdir()
    (folder / "last.ckpt").write_bytes(b"not part of the checkpoint")
    build().save_pretrained(folder, max_shard_size="2KB", card=Card(results=[results]))
    push_to_hub(folder, REPO, private=True, commit_message="sharded")
    assert same_state(zoo.from_pretrained(REPO), build())
    build(1).push_to_hub(REPO, commit_message="one file")
    assert same_state(zoo.from_pretrained(REPO), build(1))
    pull = build(2).push_to_hub(REPO, create_pr=True)
    assert same_state(zoo.from_pretrained(REPO), build(1))
    assert same_state(zoo.from_pretrained(REPO, revision="refs/pr/1"), build(2))
    return [pull]


def test_shards_results_and_pull_requests(hub: HubServer, run: Any, tmp_path: Path):
    """Shards and results of an earlier upload do not outlive the weights they belong to."""
    hub.read_tokens.add("hf_loopback")
    shards = run(save_here, str(tmp_path / "a"), 0, {"max_shard_size": "2KB"})
    digests = [
        hashlib.sha256(shards[name]).hexdigest() for name in sorted(shards) if "-of-" in name
    ]
    assert len(digests) > 2
    digest = hashlib.sha256("\n".join(digests).encode()).hexdigest()
    results = tmp_path / "result.json"
    results.write_text(json.dumps(harness_result(digest)))
    (pull,) = run(push_replacements, str(results))

    repo = hub.repos[REPO]
    assert repo.private and repo.messages[1:3] == ["sharded", "one file"]
    first, second = list(repo.commits.values())[1:3]
    assert {"model.safetensors.index.json", ".eval_results/tiny-task-v1.yaml"} <= set(first)
    assert b"41.25" in first["README.md"] and "last.ckpt" not in first
    assert set(second) == {".gitattributes", WEIGHTS, "config.json", "README.md", "units.json"}
    assert pull == f"{hub.endpoint}/{REPO}/discussions/1"


def harness_result(model_sha256: str) -> dict[str, Any]:
    """A result file as the harness writes it."""
    metric = {"id": "recall_at_1", "value": 41.25, "ci95": [38.0, 44.5], "n": 400, "n_failed": 0}
    return {
        "schema": 1,
        "task": {"name": "tiny-task", "version": 1, "split": "test", "n_expected": 400},
        "model": {"name": "small.tiny", "sha256": model_sha256},
        "run": {"started": "2026-01-02T03:04:05Z"},
        "metrics": [metric | {"unit": "%"}],
    }


def refused_pushes(folder: str) -> list[str]:
    from zoo.hub.push import push_to_hub

    texts = []
    for target, repo in [(folder, REPO), (folder + "/nowhere", REPO), (folder, "a/b/c")]:
        try:
            push_to_hub(target, repo)
        except Exception as error:
            texts.append(f"{type(error).__name__}: {error}")
    return texts


def test_a_damaged_folder_is_not_uploaded(hub: HubServer, run: Any, tmp_path: Path):
    folder = tmp_path / "folder"
    run(save_here, str(folder), 0, {})
    weights = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    damaged, nowhere, _ = run(refused_pushes, str(folder))
    assert damaged.startswith("IntegrityError") and WEIGHTS in damaged
    assert nowhere.startswith("CheckpointError") and "config.json" in nowhere
    assert hub.requests == []

    (folder / WEIGHTS).write_bytes(weights)
    with hub.fault("forbidden", path="/api/repos/create"):
        refused, _, misnamed = run(refused_pushes, str(folder))
    assert "HTTP 403" in refused and "write permission" in refused
    assert "hf_loopback" not in refused
    assert misnamed.startswith("SourceError")
    with hub.fault("forbidden", path="/put/"):
        assert run(refused_pushes, str(folder))[0] == refused
    assert len(hub.repos[REPO].commits) == 1
    gone = run(refused_pushes, str(folder), HF_ENDPOINT="http://127.0.0.1:9")[0]
    assert gone.startswith("CheckpointError") and "cannot be reached" in gone
    offline = run(refused_pushes, str(folder), HF_HUB_OFFLINE="1")[0]
    assert offline.startswith("CheckpointError") and "HF_HUB_OFFLINE" in offline


# --- revisions and offline use


def test_pinned_revision_needs_no_request_once_cached(hub: HubServer, run: Any, publish: Any):
    commit = publish()
    with hub.recorded() as first:
        assert run(load_with, {"revision": commit})["same"]
    assert any(r.method == "GET" for r in first)
    # telemetry is on by default: it must not make a request of its own either
    with hub.recorded() as second:
        for source in ({"revision": commit}, {"source": f"{REPO}@{commit}"}):
            seen = run(load_with, source, HF_HUB_DISABLE_TELEMETRY=None)
            assert seen["same"] and seen["commit"] == commit
    assert second == []


def load_moving_branch() -> dict[str, Any]:
    """Three loads of main; the server moves it between the second and the third."""
    import zoo
    from tests.hub.small_model import build, same_state

    outcomes = {}
    for name in ("first", "again", "moved"):
        step(name)
        model = zoo.from_pretrained(REPO)
        outcomes[name] = [same_state(model, build(seed)) for seed in (0, 1)]
    return outcomes


def test_a_moved_branch_gives_the_new_weights(hub: HubServer, run: Any, publish: Any, tmp_path):
    publish(0)
    newer = run(save_here, str(tmp_path / "newer"), 1, {})
    hub.on_step["moved"] = lambda: hub.put(REPO, newer)
    outcomes = run(load_moving_branch)
    assert outcomes == {"first": [True, False], "again": [True, False], "moved": [False, True]}
    steps = hub.steps()
    assert {r.method for r in steps["again"]} <= {"HEAD"}
    assert any(r.method == "GET" for r in steps["moved"])


def test_offline(hub: HubServer, run: Any, publish: Any):
    """Cached: loads. Uncached: says what to do. In both cases no socket is opened."""
    commit = publish()
    offline = {"HF_HUB_OFFLINE": "1"}
    with pytest.raises(ClientError) as uncached:
        run(load_with, {}, **offline)
    assert "CheckpointError" in uncached.value.bases
    for word in (REPO, "config.json", "main", "zoo fetch", "HF_HUB_OFFLINE", "hub"):
        assert word in uncached.value.text, word
    assert hub.requests == []

    run(load_with, {})
    with hub.recorded() as seen:
        for options in ({}, {"revision": commit}, {"source": f"hf://{REPO}"}):
            loaded = run(load_with, options, **offline)
            assert loaded["same"] and loaded["attempts"] == []
        assert run(load_with, {"local_files_only": True})["same"]
        with pytest.raises(ClientError, match="local_files_only"):
            run(load_with, {"revision": "v9", "local_files_only": True})
    assert seen == []


# --- what can go wrong on the way


@pytest.mark.parametrize("file", [WEIGHTS, "units.json", "config.json"])
def test_wrong_bytes_are_noticed_and_thrown_away(
    hub: HubServer, run: Any, publish: Any, tmp_path: Path, file: str
):
    publish()
    wrong = bytearray(hub.files(REPO)[file])
    wrong[-1] ^= 0xFF
    with hub.fault("wrong_bytes", path=file), pytest.raises(ClientError) as error:
        run(load_with, {})
    assert error.value.kind == "IntegrityError"
    assert REPO in error.value.text and file in error.value.text
    blobs = [path.read_bytes() for path in tmp_path.rglob("blobs/*")]
    assert bytes(wrong) not in blobs
    assert run(load_with, {})["same"]


def test_short_dropped_and_refused_answers(hub: HubServer, run: Any, publish: Any, tmp_path: Path):
    publish()
    with hub.fault("short_body", path=WEIGHTS), pytest.raises(ClientError) as short:
        run(load_with, {})
    assert short.value.kind == "IntegrityError" and "truncated" in short.value.text
    assert WEIGHTS in short.value.text
    assert not list(tmp_path.rglob("*incomplete"))
    with hub.fault("bare_404", path=WEIGHTS), pytest.raises(ClientError) as missing:
        run(load_with, {})
    assert "CheckpointError" in missing.value.bases and WEIGHTS in missing.value.text
    dropped = hub.fault("dropped_body", path=WEIGHTS, times=1)
    busy = hub.fault("unavailable", path="units.json", times=2)
    with dropped, busy:
        assert run(load_with, {})["same"]
    asked = [r for r in hub.requests if r.path.endswith(WEIGHTS) and r.method == "GET"]
    assert len(asked) > 2 and 503 in {r.status for r in hub.requests}


def test_redirect_to_another_host_carries_no_token(hub: HubServer, run: Any, publish: Any):
    publish()
    with hub.fault("redirect", path=WEIGHTS):
        assert run(load_with, {"token": "hf_secret"})["same"]
    elsewhere = [r for r in hub.requests if r.path.startswith("/cdn/")]
    here = [r for r in hub.requests if "/resolve/" in r.path and r.headers["host"][0] == "1"]
    assert elsewhere and all("authorization" not in r.headers for r in elsewhere)
    assert {r.headers["authorization"] for r in here} == {"Bearer hf_secret"}


def test_killed_download_is_completed_by_the_next_call(
    hub: HubServer, run: Any, start_client: Callable[..., Client], publish: Any, tmp_path: Path
):
    publish()
    with hub.fault("stalled_body", path=WEIGHTS, times=1) as stalled:
        victim = start_client(load_with, {})
        assert stalled.started.wait(60)
        victim.kill()
    cache = tmp_path / "home" / "hub" / "models--org--small"
    assert list(cache.rglob("*incomplete")), "the kill came after the download"
    assert run(load_with, {})["same"]
    assert not list(cache.rglob("*incomplete"))
    content = {hashlib.sha256(data).digest() for data in hub.files(REPO).values()}
    blobs = {hashlib.sha256(path.read_bytes()).digest() for path in cache.glob("blobs/*")}
    assert blobs <= content


def test_four_processes_load_at_once(
    hub: HubServer, start_client: Callable[..., Client], publish: Any
):
    publish()
    clients = [start_client(load_with, {}) for _ in range(4)]
    assert all(client.result()["same"] for client in clients)


# --- hostile repositories


def _with_files(files: dict[str, bytes], **listed: str) -> dict[str, bytes]:
    config = json.loads(files["config.json"])
    config["files"] |= listed
    return files | {"config.json": json.dumps(config).encode()}


@pytest.mark.parametrize(
    "name", ["../evil.json", "/evil.json", "a/../../evil.json", "..\\evil.json"]
)
def test_names_that_leave_the_folder_are_refused(
    hub: HubServer, run: Any, publish: Any, tmp_path: Path, name: str
):
    publish()
    files = dict(hub.files(REPO))
    hub.put(REPO, _with_files(files, **{name: "0" * 64}))
    with pytest.raises(ClientError) as listed:
        run(load_with, {})
    index = json.dumps({"weight_map": {"a": name}}).encode()
    config = {k: v for k, v in json.loads(files["config.json"]).items() if k != "files"}
    unlisted = {"config.json": json.dumps(config).encode(), "model.safetensors.index.json": index}
    hub.create("org/shards").commit(unlisted)
    with pytest.raises(ClientError) as sharded:
        run(load_with, {"source": "org/shards"})
    for error in (listed.value, sharded.value):
        assert error.kind == "UnsafeFileError" and repr(name) in error.text
    assert not list(tmp_path.rglob("*evil*"))
    assert not any("evil" in r.path for r in hub.requests)


def test_a_hostile_listing_changes_nothing(hub: HubServer, run: Any, publish: Any, tmp_path: Path):
    publish()
    hub.hostile_names += ["../../evil.json", "/evil.json"]
    assert run(load_with, {})["same"]
    assert not list(tmp_path.rglob("evil.json"))


# --- who may read what


def test_access_errors_say_what_to_do(hub: HubServer, run: Any, publish: Any):
    publish()
    hub.repos[REPO].gated = True
    cases = {
        "gated": {"source": REPO},
        "no such repository": {"source": "org/none"},
        "no such revision": {"source": f"{REPO}@v9"},
        "no config": {"source": "org/empty"},
    }
    hub.create("org/empty")
    texts = {}
    for name, options in cases.items():
        with pytest.raises(ClientError) as error:
            run(load_with, options)
        assert "CheckpointError" in error.value.bases, name
        texts[name] = error.value.text
        assert options["source"].split("@")[0] in texts[name]
        assert "hf_loopback" not in texts[name]
        if name == "gated":
            hub.read_tokens.add("hf_loopback")
    for word in ("gated", "1.", "2.", "3.", "accept", "hf auth login", f"{hub.endpoint}/{REPO}"):
        assert word in texts["gated"], word
    assert "spelling" in texts["no such repository"]
    assert "'v9'" in texts["no such revision"]
    assert "config.json" in texts["no config"] and "save_pretrained" in texts["no config"]


def test_endpoint_with_a_path_prefix(run: Any, tmp_path: Path):
    with HubServer(prefix="/mirror/hub") as mirror:
        seen = run(push_and_load, str(tmp_path / "again"), HF_ENDPOINT=mirror.endpoint)
        assert seen["state"] and seen["urls"][0].startswith(mirror.endpoint)
        assert all(r.path.startswith("/mirror/hub/") for r in mirror.requests)


# --- types and devices


def load_types() -> dict[str, Any]:
    import torch

    import zoo
    from tests.hub.small_model import build

    outcomes = {}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for dtype in (None, "auto", torch.float64, "bfloat16"):
        model = zoo.from_pretrained(REPO, dtype=dtype, device=device)
        types = (model.embed.weight.dtype, model.norm.running_mean.dtype)
        outcomes[str(dtype)] = tuple(str(kind).removeprefix("torch.") for kind in types)
        assert {tensor.device.type for tensor in model.state_dict().values()} == {device}
        assert model.out.weight is model.embed.weight
        assert model.ramp.device.type == device
    halved = build().half().float().embed.weight.to(device)
    same = torch.equal(zoo.from_pretrained(REPO, device=device).embed.weight, halved)
    return outcomes | {"upcast": same}


def test_dtype_and_device(run: Any, publish: Any):
    publish(dtype="float16")
    assert run(load_types) == {
        "None": ("float32", "float32"),
        "auto": ("float16", "float32"),
        "torch.float64": ("float64", "float64"),
        "bfloat16": ("bfloat16", "bfloat16"),
        "upcast": True,
    }


# --- checkpoints that need others


MANIFEST = """
schema: 1
paper: {slug: small, title: A small model}
defaults: {model: small, status: supported, license: {code: MIT, weights: MIT}}
checkpoints:
  - {name: small.voice, source: {kind: ours, repo: org/voice, revision: VOICE}}
  - {name: small.main, requires: [small.voice], source: {kind: ours, repo: org/main}}
"""


def with_catalogue(manifests: str, action: str, target: str) -> list[Any]:
    """Fetch `small.main` into a folder, or load what is there, with a catalogue of our own."""
    import tests.hub.small_model  # noqa: F401 - registers the model
    from zoo.hub import catalogue
    from zoo.hub.mirror import mirror

    catalogue.package_files = lambda package: Path(manifests)
    if action == "fetch":
        return [str(path) for path in mirror("small.main", target)]
    return [load("small.voice", seed=1), load("small.main", seed=0)]


def test_a_checkpoint_comes_with_what_it_requires(
    hub: HubServer, run: Any, publish: Any, tmp_path: Path
):
    commit = publish(1, "org/voice")
    publish(0, "org/main")
    (tmp_path / "models" / "small").mkdir(parents=True)
    manifest = MANIFEST.replace("VOICE", commit)
    (tmp_path / "models" / "small" / "checkpoints.yaml").write_text(manifest)
    models, target = str(tmp_path / "models"), tmp_path / "mirror"

    voice, main = run(with_catalogue, models, "load", "")
    assert voice["same"] and main["same"] and voice["commit"] == commit
    files = run(with_catalogue, models, "fetch", str(target))
    assert {str(target / "small.voice" / WEIGHTS), str(target / "small.main" / WEIGHTS)} <= {*files}
    elsewhere = {"HF_HOME": str(tmp_path / "empty"), "ZOO_MODELS": str(target)}
    with hub.recorded() as seen:
        loaded = run(with_catalogue, models, "load", "", HF_HUB_OFFLINE="1", **elsewhere)
    assert [one["same"] for one in loaded] == [True, True]
    assert seen == [] and loaded[0]["attempts"] == []


# --- a real model


def speechclip_round_trip() -> dict[str, Any]:
    import torch

    import zoo
    from tests.hub.small_model import same_state
    from zoo.models.speechclip.config import SpeechCLIPConfig

    outcomes = {}
    for branch in ("parallel", "cascaded"):
        torch.manual_seed(0)
        model = zoo.SpeechCLIP(SpeechCLIPConfig.preset(f"tiny_{branch}")).eval()
        model.push_to_hub(f"org/{branch}", dtype="float16")
        loaded = zoo.from_pretrained(f"org/{branch}", dtype="auto")
        halved = {k: v.to(loaded.state_dict()[k].dtype) for k, v in model.state_dict().items()}
        model.load_state_dict(halved, assign=True)
        speech = torch.randn(8000, generator=torch.Generator().manual_seed(1)) * 0.1
        first = zoo.from_pretrained(f"org/{branch}")
        again = zoo.from_pretrained(f"org/{branch}")
        outcomes[branch] = {
            "state": same_state(model, loaded),
            "config": first.config == model.config,
            "speech": torch.equal(first.embed_speech(speech), again.embed_speech(speech)),
            "float32": {str(p.dtype) for p in first.parameters()} == {"torch.float32"},
        }
    return outcomes


def test_speechclip_round_trip(hub: HubServer, run: Any):
    for branch, checks in run(speechclip_round_trip).items():
        assert all(checks.values()), (branch, checks)
        card = hub.files(f"org/{branch}")["README.md"].decode()
        assert "pipeline_tag: feature-extraction" in card and "embed_speech" in card
