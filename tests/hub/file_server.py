"""A loopback web server with plain files: ranges, slow and broken answers, what was asked."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass
class FileServer:
    """Serves `files` (path -> bytes); the switches change how."""

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    stop_after: int | None = None  # bytes of a body after which the connection is cut
    cuts: int = 0  # how many answers are cut that way
    pause_after: int | None = None  # bytes after which the server waits
    fail_first: int = 0  # 503 answers before the first good one
    redirect_to: str | None = None
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def __enter__(self) -> Self:
        outer = self

        class Handler(_Handler):
            owner = outer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{path}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: FileServer

    def log_message(self, *_: object) -> None:
        return

    def do_GET(self) -> None:
        owner, path = self.owner, self.path.lstrip("/")
        owner.requests.append((path, {k.lower(): v for k, v in self.headers.items()}))
        if owner.redirect_to:
            self._head(302, b"", {"Location": owner.redirect_to})
        elif owner.fail_first > 0:
            owner.fail_first -= 1
            self._head(503, b"", {})
        elif path not in owner.files:
            self._head(404, b"", {})
        else:
            self._send(owner.files[path])

    def _send(self, data: bytes) -> None:
        etag = f'"{hashlib.md5(data).hexdigest()}"'
        start = self._start(etag)
        if start is not None and start >= len(data):
            self._head(416, b"", {"Content-Range": f"bytes */{len(data)}"})
            return
        body = data[start or 0 :]
        headers = {"ETag": etag}
        if start is not None:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self._head(200 if start is None else 206, body, headers)
        self._body(body)

    def _start(self, etag: str) -> int | None:
        asked = self.headers.get("Range")
        fresh = self.headers.get("If-Range", etag) == etag
        if asked is None or not self.owner.ranges or not fresh:
            return None
        return int(asked.removeprefix("bytes=").split("-")[0])

    def _head(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()

    def _body(self, body: bytes) -> None:
        owner = self.owner
        if owner.cuts > 0 and owner.stop_after is not None:
            owner.cuts -= 1
            self.wfile.write(body[: owner.stop_after])
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
            return
        if owner.pause_after is not None and len(body) > owner.pause_after:
            self.wfile.write(body[: owner.pause_after])
            self.wfile.flush()
            time.sleep(60)
        self.wfile.write(body)
