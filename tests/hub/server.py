"""A Hub on the loopback interface: the endpoints huggingface_hub uses, with faults on demand.

Everything lives in memory and every request is recorded, so that a test can say what the client
asked for and how often. `FAULTS` lists what can be made to go wrong.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

from tests.hub.repository import Repository, etag_of, git_oid, is_large, sha256_of

FAULTS = {
    "wrong_bytes": "a body of the right length whose bytes differ",
    "short_body": "a body shorter than the size that HEAD announced",
    "dropped_body": "the connection closes half-way through the body",
    "stalled_body": "half of the body, then nothing until the fault is lifted",
    "unavailable": "503 instead of an answer",
    "forbidden": "403 instead of an answer",
    "bare_404": "404 without the X-Error-Code header",
    "redirect": "302 to the same port under the host name localhost",
}
PAGE = 50  # entries of a tree listing before the client has to follow the Link header


@dataclass
class Fault:
    """One thing that goes wrong for file names that contain `path`, `times` times over."""

    kind: str
    path: str = ""
    times: float = float("inf")
    started: threading.Event = field(default_factory=threading.Event)
    lifted: threading.Event = field(default_factory=threading.Event)


@dataclass
class Request:
    """What a client sent and what it was told; names of request headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    status: int = 0
    reply_headers: dict[str, str] = field(default_factory=dict)


class HubServer:
    """The server's state and its switches; use it as a context manager."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.lock = threading.RLock()
        self.repos: dict[str, Repository] = {}
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.hostile_names: list[str] = []
        self.read_tokens: set[str] = set()
        self.on_step: dict[str, Callable[[], Any]] = {}
        handler = type("Handler", (_Handler,), {"hub": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self.port = int(self._http.server_address[1])

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    def __enter__(self) -> HubServer:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        for fault in self.faults:
            fault.lifted.set()
        self._http.shutdown()
        self._http.server_close()

    def create(self, repo_id: str, **flags: bool) -> Repository:
        with self.lock:
            return self.repos.setdefault(repo_id, Repository(repo_id, **flags))

    def put(self, repo_id: str, files: dict[str, bytes], *, branch: str = "main") -> str:
        """Commit files from the server's side; returns the commit."""
        return self.create(repo_id).commit(files, branch=branch, message="from the server")

    def head(self, repo_id: str, branch: str = "main") -> str:
        return self.repos[repo_id].branches[branch]

    def files(self, repo_id: str, branch: str = "main") -> dict[str, bytes]:
        return self.repos[repo_id].commits[self.head(repo_id, branch)]

    @contextmanager
    def fault(self, kind: str, path: str = "", times: float = float("inf")) -> Iterator[Fault]:
        """Let something go wrong inside a `with` block."""
        assert kind in FAULTS, kind
        fault = Fault(kind, path, times)
        self.faults.append(fault)
        try:
            yield fault
        finally:
            self.faults.remove(fault)
            fault.lifted.set()

    def take(self, kind: str, path: str) -> Fault | None:
        """The fault of this kind that applies to a path, counted as one use."""
        with self.lock:
            for fault in self.faults:
                if fault.kind == kind and fault.path in path and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None

    @contextmanager
    def recorded(self) -> Iterator[list[Request]]:
        """The requests made inside a `with` block."""
        first = len(self.requests)
        seen: list[Request] = []
        yield seen
        seen.extend(self.requests[first:])

    def steps(self) -> dict[str, list[Request]]:
        """The requests since each `GET /step/NAME`, by which a client says what it does next."""
        steps: dict[str, list[Request]] = {}
        for request in self.requests:
            before, mark, name = request.path.partition("/step/")
            if mark and before == self.prefix:
                current = steps.setdefault(name, [])
            elif steps:
                current.append(request)
        return steps


class _Reply(Exception):
    """An answer; it can be raised, so that a helper can give it."""

    def __init__(self, status: int, body: Any = None, headers: dict[str, str] | None = None):
        self.status, self.headers = status, headers or {}
        self.body = body if isinstance(body, bytes) else json.dumps(body or {}).encode()


def _missing(code: str, text: str, commit: str | None = None) -> _Reply:
    headers = {"X-Error-Code": code, "X-Error-Message": text}
    status = 403 if code == "GatedRepo" else 404
    return _Reply(status, {"error": text}, headers | ({"X-Repo-Commit": commit} if commit else {}))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: ClassVar[HubServer]
    routes: ClassVar[list[tuple[str, re.Pattern[str], Callable[..., _Reply]]]] = []

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are recorded, not printed."""

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, BrokenPipeError):  # a killed client is part of the tests
            self.close_connection = True

    def answer(self) -> None:
        headers = {k.lower(): v for k, v in self.headers.items()}
        self.request_seen = Request(self.command, self.path, headers)
        self.hub.requests.append(self.request_seen)
        self.body = self.rfile.read(int(headers.get("content-length", 0)))
        url = urlsplit(self.path)
        self.query = {k: v[0] for k, v in parse_qs(url.query).items()}
        if not url.path.startswith(self.hub.prefix + "/"):
            return self.send(_Reply(404, {"error": "outside of the endpoint"}))
        path = url.path[len(self.hub.prefix) :]
        try:
            reply = self.dispatch(path)
        except _Reply as early:
            reply = early
        return self.send(reply)

    do_GET = do_HEAD = do_POST = do_PUT = answer

    def dispatch(self, path: str) -> _Reply:
        if self.hub.take("unavailable", path):
            return _Reply(503, {"error": "try again"})
        if self.hub.take("forbidden", path):
            return _Reply(403, {"error": "no write permission"})
        if path.startswith("/step/"):
            self.hub.on_step.get(path.removeprefix("/step/"), lambda: None)()
        for method, pattern, function in self.routes:
            match = pattern.fullmatch(path)
            if match and self.command in method.split("|"):
                return function(self, *map(unquote, match.groups()))
        return _Reply(404, {"error": "no such endpoint"})

    def send(self, reply: _Reply) -> None:
        headers = {"Content-Type": "application/json", "Content-Length": str(len(reply.body))}
        headers |= reply.headers
        self.request_seen.status, self.request_seen.reply_headers = reply.status, headers
        self.send_response(reply.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.send_body(reply.body)

    def send_body(self, body: bytes) -> None:
        is_file = self.command == "GET" and ("/resolve/" in self.path or "/cdn/" in self.path)
        dropped = is_file and self.hub.take("dropped_body", self.path)
        stalled = is_file and self.hub.take("stalled_body", self.path)
        if not (dropped or stalled):
            self.wfile.write(body)
            return
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        if stalled:
            stalled.started.set()
            stalled.lifted.wait(60)
        self.close_connection = True

    # --- what the endpoints share

    def json(self) -> Any:
        return json.loads(self.body or b"{}")

    def repo(self, repo_id: str) -> Repository:
        repo = self.hub.repos.get(repo_id)
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        if repo is None or (repo.private and token not in self.hub.read_tokens):
            raise _missing("RepoNotFound", "Repository not found")
        return repo

    def revision(self, repo_id: str, revision: str) -> tuple[Repository, str]:
        repo = self.repo(repo_id)
        commit = repo.resolve(revision)
        if commit is None:
            raise _missing("RevisionNotFound", f"Invalid rev id: {revision}")
        return repo, commit

    # --- reading

    def info(self, repo_id: str, revision: str = "main") -> _Reply:
        repo, commit = self.revision(repo_id, revision)
        siblings = [{"rfilename": name} for name in sorted(repo.commits[commit])]
        about = {"_id": git_oid(repo_id.encode())[:24], "id": repo_id, "sha": commit, "tags": []}
        return _Reply(200, about | {"private": repo.private, "siblings": siblings})

    def tree(self, repo_id: str, revision: str, folder: str = "") -> _Reply:
        repo, commit = self.revision(repo_id, revision)
        start = folder + "/" if folder else ""
        entries = [
            _tree_entry(path, data)
            for path, data in sorted(repo.commits[commit].items())
            if path.startswith(start)
        ]
        entries += [_tree_entry(name, b"") for name in self.hub.hostile_names]
        first = int(self.query.get("cursor", 0))
        headers = {}
        if first + PAGE < len(entries):
            path = f"{self.hub.prefix}/api/models/{repo_id}/tree/{commit}"
            url = f"http://{self.headers['host']}{path}?recursive=true&cursor={first + PAGE}"
            headers["Link"] = f'<{url}>; rel="next"'
        return _Reply(200, json.dumps(entries[first : first + PAGE]).encode(), headers)

    def resolve(self, repo_id: str, revision: str, path: str) -> _Reply:
        if self.hub.take("bare_404", path):
            return _Reply(404)
        repo, commit = self.revision(repo_id, revision)
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        if repo.gated and token not in self.hub.read_tokens:
            raise _missing("GatedRepo", f"Access to model {repo_id} is restricted.", commit)
        data = repo.commits[commit].get(path)
        if data is None:
            raise _missing("EntryNotFound", "Entry not found", commit)
        etag = f'"{etag_of(path, data)}"'
        headers = {"X-Repo-Commit": commit, "ETag": etag, "Accept-Ranges": "bytes"}
        if self.hub.take("redirect", path):
            repo.large_files[sha256_of(data)] = data
            place = f"http://localhost:{self.hub.port}{self.hub.prefix}/cdn/{sha256_of(data)}"
            linked = {"X-Linked-Etag": etag, "X-Linked-Size": str(len(data)), "Location": place}
            return _Reply(302, b"", headers | linked)
        return self.file_body(path, data, headers)

    def file_body(self, path: str, data: bytes, headers: dict[str, str]) -> _Reply:
        """The file or the part of it that was asked for, after the faults of bodies."""
        if self.command == "HEAD":
            return _Reply(200, b"", headers | {"Content-Length": str(len(data))})
        if self.hub.take("wrong_bytes", path):
            data = data[:-1] + bytes([data[-1] ^ 0xFF])
        if self.hub.take("short_body", path):
            data = data[: len(data) // 2]
        headers["Content-Type"] = "application/octet-stream"
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
        if wanted is None:
            return _Reply(200, data, headers)
        first, last = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        return _Reply(206, data[first : last + 1], headers)

    def cdn(self, oid: str) -> _Reply:
        for repo in self.hub.repos.values():
            if oid in repo.large_files:
                return self.file_body(oid, repo.large_files[oid], {})
        return _Reply(404)

    # --- writing

    def create(self) -> _Reply:
        asked = self.json()
        repo_id = f"{asked.get('organization') or 'someone'}/{asked['name']}"
        url = {"url": f"{self.hub.endpoint}/{repo_id}"}
        if repo_id in self.hub.repos:
            return _Reply(409, url | {"error": "You already created this model repo"})
        self.hub.create(repo_id, private=asked.get("visibility") == "private")
        return _Reply(200, url)

    def validate_yaml(self) -> _Reply:
        front = re.match(r"---\n(.*?)\n---", self.json()["content"], re.DOTALL)
        errors = []
        try:
            if front and not isinstance(yaml.safe_load(front[1]), dict):
                errors = [{"message": "metadata is not a mapping"}]
        except yaml.YAMLError as error:
            errors = [{"message": str(error)}]
        return _Reply(400 if errors else 200, {"errors": errors, "warnings": []})

    def preupload(self, repo_id: str, revision: str) -> _Reply:
        repo, commit = self.revision(repo_id, revision)
        plans = []
        for file in self.json()["files"]:
            path, here = file["path"], repo.commits[commit].get(file["path"])
            mode = "lfs" if is_large(path, file["size"]) else "regular"
            plan = {"path": path, "uploadMode": mode, "shouldIgnore": False}
            plans.append(plan if here is None else plan | {"oid": etag_of(path, here)})
        return _Reply(200, {"files": plans})

    def lfs_batch(self, repo_id: str) -> _Reply:
        repo = self.repo(repo_id)
        objects = []
        for wanted in self.json()["objects"]:
            known = wanted["oid"] in repo.large_files
            objects.append(wanted if known else wanted | {"actions": self.lfs_actions(repo_id)})
        for entry in objects:
            if "actions" in entry:
                entry["actions"]["upload"]["href"] += entry["oid"]
        return _Reply(200, {"transfer": "basic", "objects": objects})

    def lfs_actions(self, repo_id: str) -> dict[str, Any]:
        base = f"{self.hub.endpoint}/lfs/{repo_id}"
        return {
            "upload": {"href": f"{base}/put/", "header": {}},
            "verify": {"href": f"{base}/verify", "header": {}},
        }

    def lfs_put(self, repo_id: str, oid: str) -> _Reply:
        if sha256_of(self.body) != oid:
            return _Reply(400, {"error": "the bytes do not have this sha256"})
        self.hub.repos[repo_id].large_files[oid] = self.body  # the address itself is the permit
        return _Reply(200, b"", {"ETag": '"stored"'})

    def lfs_verify(self, repo_id: str) -> _Reply:
        asked = self.json()
        stored = self.repo(repo_id).large_files.get(asked["oid"], b"")
        return _Reply(200 if len(stored) == asked["size"] else 404)

    def commit(self, repo_id: str, revision: str) -> _Reply:
        repo, _ = self.revision(repo_id, revision)
        lines = [json.loads(line) for line in self.body.splitlines()]
        header = next(line["value"] for line in lines if line["key"] == "header")
        extra: dict[str, str] = {}
        with self.hub.lock:
            branch = repo.branch_off() if self.query.get("create_pr") else revision
            try:
                oid = repo.apply(lines, branch=branch, message=header["summary"])
            except KeyError as error:
                return _Reply(400, {"error": f"no such large file: {error}"})
        if branch != revision:
            number = branch.rsplit("/", 1)[1]
            extra["pullRequestUrl"] = f"{self.hub.endpoint}/{repo_id}/discussions/{number}"
        url = f"{self.hub.endpoint}/{repo_id}/commit/{oid}"
        done = {"success": True, "commitOid": oid, "commitUrl": url, "hookOutput": ""}
        return _Reply(200, done | extra)


def _tree_entry(path: str, data: bytes) -> dict[str, Any]:
    entry = {"type": "file", "path": path, "size": len(data), "oid": git_oid(data)}
    if is_large(path, len(data)):
        entry["lfs"] = {"oid": sha256_of(data), "size": len(data), "pointerSize": 134}
    return entry


_REPO = r"([\w.-]+/[\w.-]+)"
_REV = r"([^/]+)"
_Handler.routes = [
    (method, re.compile(pattern), function)
    for method, pattern, function in [
        ("GET", f"/api/models/{_REPO}", _Handler.info),
        ("GET", f"/api/models/{_REPO}/revision/{_REV}", _Handler.info),
        ("GET", f"/api/models/{_REPO}/tree/{_REV}", _Handler.tree),
        ("GET", f"/api/models/{_REPO}/tree/{_REV}/(.+)", _Handler.tree),
        ("GET|HEAD", f"/{_REPO}/resolve/{_REV}/(.+)", _Handler.resolve),
        ("GET|HEAD", "/cdn/([0-9a-f]{64})", _Handler.cdn),
        ("POST", "/api/repos/create", _Handler.create),
        ("POST", "/api/validate-yaml", _Handler.validate_yaml),
        ("POST", f"/api/models/{_REPO}/preupload/{_REV}", _Handler.preupload),
        ("POST", f"/{_REPO}[.]git/info/lfs/objects/batch", _Handler.lfs_batch),
        ("PUT", f"/lfs/{_REPO}/put/([0-9a-f]{{64}})", _Handler.lfs_put),
        ("POST", f"/lfs/{_REPO}/verify", _Handler.lfs_verify),
        ("POST", f"/api/models/{_REPO}/commit/{_REV}", _Handler.commit),
    ]
]
