"""`push_to_hub`: a model, or a folder written by `save_pretrained`, into a Hub repository."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from huggingface_hub import HfApi, constants
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
)

from zoo._version import __version__
from zoo.errors import CheckpointError, IntegrityError, SourceError
from zoo.hub import hashes
from zoo.hub.card import EVAL_RESULTS, Card, write_card
from zoo.hub.paths import PathLike, safe_join
from zoo.hub.save import CARD, CONFIG
from zoo.hub.weights import weight_files

if TYPE_CHECKING:
    from zoo.hub.module import ZooModule

# what an earlier upload may have left behind and a reader would trip over
_REPLACED: Final = ["*.safetensors", "*.safetensors.index.json", f"{EVAL_RESULTS}/*.yaml"]


def push_to_hub(
    model_or_folder: ZooModule | PathLike,
    repo_id: str,
    *,
    private: bool | None = None,
    token: str | bool | None = None,
    commit_message: str = "Upload with zoo",
    create_pr: bool = False,
    card: Card | None = None,
    **options: Any,
) -> str:
    """Upload a checkpoint; the repository is made if it does not exist.

    Only what belongs to the checkpoint is sent: config.json, the files it lists, the model card
    and the results. Shards and results of an earlier upload that are no longer part of it are
    deleted in the same commit. An unchanged checkpoint makes no commit.

    Args:
        model_or_folder: a model, or a folder written by `save_pretrained`.
        repo_id: `org/name`.
        private: visibility of a new repository; None follows the organisation's default.
        token: with write permission; by default the one of `hf auth login`.
        commit_message: first line of the commit.
        create_pr: open a pull request instead of committing to main.
        card: for a model: what its card says, see `zoo.hub.card`; a folder has its card already.
        options: for a model: further arguments of `save_pretrained`.

    Returns:
        The address of the commit, or of the pull request.

    Raises:
        CheckpointError: the folder is no whole checkpoint, or the Hub refused.
        SourceError: the repository's name is not valid.
    """

    def upload(folder: Path, what: str) -> str:
        names = checkpoint_files(folder)
        with _explained(repo_id, what):
            return _upload(folder, names, repo_id, private, token, commit_message, create_pr)

    if isinstance(model_or_folder, (str, os.PathLike)):
        return upload(Path(model_or_folder), str(model_or_folder))
    card = card or Card()
    card = replace(card, repo_id=card.repo_id or repo_id)
    with tempfile.TemporaryDirectory(prefix="zoo-push-") as work:
        folder = model_or_folder.save_pretrained(Path(work) / "checkpoint", card=card, **options)
        return upload(folder, type(model_or_folder).__name__)


def _upload(
    folder: Path,
    names: Sequence[str],
    repo_id: str,
    private: bool | None,
    token: str | bool | None,
    commit_message: str,
    create_pr: bool,
) -> str:
    api = HfApi(token=token, library_name="zoo", library_version=__version__)
    api.create_repo(repo_id, private=private, exist_ok=True)
    done = api.upload_folder(
        repo_id=repo_id,
        folder_path=folder,
        allow_patterns=[_literal(name) for name in names],
        delete_patterns=_REPLACED,
        commit_message=commit_message,
        create_pr=create_pr,
    )
    return str(done.pr_url or done.commit_url)


@contextmanager
def _explained(repo_id: str, what: str) -> Iterator[None]:
    """Turn the client's exceptions into what happened and what to do; never shows the token."""
    try:
        yield
    except HFValidationError as error:
        raise SourceError(f"{repo_id!r} is not the name of a Hub repository: {error}") from error
    except OfflineModeIsEnabled as error:
        raise CheckpointError(
            f"{repo_id}: HF_HUB_OFFLINE is set, so {what} was not uploaded; unset it"
        ) from error
    except Exception as error:
        # the client reports a large file that did not get through as a RuntimeError
        cause = error.__cause__ if isinstance(error, RuntimeError) else error
        if isinstance(cause, (HfHubHTTPError, LocalTokenNotFoundError)):
            raise _refused(repo_id, what, cause) from error
        if type(cause).__module__.startswith("httpx"):
            raise CheckpointError(
                f"{constants.ENDPOINT} cannot be reached, {what} was not uploaded to {repo_id}: "
                f"{cause}; check the network and push again"
            ) from error
        raise


def checkpoint_files(folder: Path) -> list[str]:
    """The names of a folder's files that make up the checkpoint, after checking each.

    Raises:
        CheckpointError: config.json or a listed file is missing.
        IntegrityError: a file is not the one that was saved.
    """
    from zoo.hub.load import read_config

    listed: dict[str, str] = dict(read_config(folder).get("files") or {})
    for weights in weight_files(folder):
        if weights.name not in listed:
            raise IntegrityError(f"{weights} is not listed in {folder / CONFIG}; save it again")
    for name, digest in listed.items():
        path = safe_join(folder, name)
        if not path.is_file():
            raise CheckpointError(f"{path} is listed in {CONFIG} but missing; nothing was uploaded")
        hashes.verify(path, digest, what=f"{folder}: {name}")
    if not (folder / CARD).is_file():
        write_card(folder)
    extra = sorted(path.name for path in (folder / EVAL_RESULTS).glob("*.yaml"))
    return [CONFIG, CARD, *listed, *(f"{EVAL_RESULTS}/{name}" for name in extra)]


def _literal(name: str) -> str:
    """A file name as a shell pattern that matches nothing else."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _refused(repo_id: str, what: str, error: Exception) -> CheckpointError:
    response = getattr(error, "response", None)
    status = response.status_code if response is not None else 401
    advice = {
        401: "log in with `hf auth login` or pass token=",
        403: "the token has no write permission there: make one that has, or use another name",
        404: "the repository does not exist and could not be made; check the name and the token",
    }.get(status, "try again later")
    return CheckpointError(
        f"{constants.ENDPOINT} refused to take {what} into {repo_id} (HTTP {status}): {advice}"
    )
