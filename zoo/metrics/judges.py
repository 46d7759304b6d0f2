"""Whether the network that a metric calls can be had."""

from __future__ import annotations

from pathlib import Path


def lacking(source: str) -> str | None:
    """None when the zoo checkpoint `source` is on this machine, else what is missing.

    Nothing is downloaded; official files that are here are converted once.
    """
    from zoo.errors import ZooError
    from zoo.hub.download import resolve

    if Path(source).is_dir():
        return None
    try:
        resolve(source, local_files_only=True)
    except (ZooError, OSError, ValueError) as error:
        return f"the judge {source} is not on this machine: {str(error).splitlines()[0]}"
    return None


def official_file(name: str) -> Path:
    """The first official file of a catalogue entry; nothing is downloaded.

    Raises:
        CheckpointError: it is not on this machine; says what to do.
    """
    from zoo.hub.catalogue import find
    from zoo.hub.hubrepo import Access
    from zoo.hub.official import official_files

    return official_files(find(name), Access.of(None, True))[0]
