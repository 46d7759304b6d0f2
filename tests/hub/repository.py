"""In-memory model repositories: files, commits, branches and large-file storage."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any

LARGE_SUFFIXES = (".safetensors", ".bin", ".pt", ".ckpt")
LARGE_BYTES = 1_000_000


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def git_oid(data: bytes) -> str:
    """The id git gives a blob of these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def is_large(path: str, size: int) -> bool:
    """Whether the Hub would keep this file in large-file storage."""
    return path.endswith(LARGE_SUFFIXES) or size > LARGE_BYTES


def etag_of(path: str, data: bytes) -> str:
    return sha256_of(data) if is_large(path, len(data)) else git_oid(data)


@dataclass
class Repository:
    """One repository: immutable commits, and branches (or pull requests) that point at them."""

    repo_id: str
    private: bool = False
    gated: bool = False
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    large_files: dict[str, bytes] = field(default_factory=dict)  # sha256 -> bytes

    def __post_init__(self) -> None:
        self.commit({".gitattributes": b"*.safetensors filter=lfs\n"}, message="initial commit")

    def commit(
        self,
        added: dict[str, bytes],
        deleted: tuple[str, ...] = (),
        *,
        branch: str = "main",
        message: str = "",
    ) -> str:
        """Add one commit to a branch and return its 40-digit id."""
        parent = self.branches.get(branch, "")
        folders = tuple(name for name in deleted if name.endswith("/"))
        kept = self.commits.get(parent, {}).items()
        files = {k: v for k, v in kept if k not in deleted and not k.startswith(folders)}
        files |= added
        content = "".join(f"{path}\n{git_oid(files[path])}\n" for path in sorted(files))
        text = f"{self.repo_id}\n{parent}\n{len(self.commits)}\n{message}\n{content}"
        oid = hashlib.sha1(text.encode()).hexdigest()
        self.commits[oid] = files
        self.branches[branch] = oid
        self.messages.append(message)
        return oid

    def branch_off(self) -> str:
        """Start a pull request from main and return its revision name."""
        name = f"refs/pr/{sum(b.startswith('refs/pr/') for b in self.branches) + 1}"
        self.branches[name] = self.branches["main"]
        return name

    def resolve(self, revision: str) -> str | None:
        """The commit a branch, a pull request or a full hash names; None when there is none."""
        return self.branches.get(revision) or (revision if revision in self.commits else None)

    def apply(self, operations: list[dict[str, Any]], *, branch: str, message: str) -> str:
        """Turn the lines of a commit request into a commit.

        Raises:
            KeyError: a large file is named that was never uploaded.
        """
        added: dict[str, bytes] = {}
        deleted: list[str] = []
        for operation in operations:
            value = operation["value"]
            match operation["key"]:
                case "file":
                    added[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    added[value["path"]] = self.large_files[value["oid"]]
                case "deletedFile":
                    deleted.append(value["path"])
                case "deletedFolder":
                    deleted.append(value["path"].rstrip("/") + "/")
        return self.commit(added, tuple(deleted), branch=branch, message=message)
