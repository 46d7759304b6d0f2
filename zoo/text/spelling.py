"""The British-to-American word list that Whisper's English normaliser needs."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from zoo.errors import DataError

# every Whisper repository on the Hub carries the same list beside its tokenizer
_REPOSITORY = "openai/whisper-large-v3"
_FILE = "normalizer.json"


@cache
def british_to_american() -> dict[str, str]:
    """British word -> American word, from the package `whisper-normalizer` or from the Hub.

    Raises:
        DataError: the package is not installed and the Hub file cannot be had.
    """
    if find_spec("whisper_normalizer") is not None:
        text = files("whisper_normalizer").joinpath("normalizers/english.json").read_text("utf-8")
    else:
        text = _from_hub().read_text("utf-8")
    mapping: dict[str, str] = json.loads(text)
    return mapping


def _from_hub() -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(_REPOSITORY, _FILE))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise DataError(
            f"the normaliser whisper_en needs {_FILE} of {_REPOSITORY}, which is not cached and "
            "cannot be fetched; run once with a network, or `pip install whisper-normalizer`"
        ) from error
