"""The exceptions a user of the zoo meets; each message says what was wrong and what to do."""

from __future__ import annotations


class ZooError(Exception):
    """Base of every error the zoo raises on purpose."""


class ConfigError(ZooError, ValueError):
    """A configuration has an unknown key, a wrong type, or values that do not fit together."""


class SourceError(ZooError, ValueError):
    """A `from_pretrained` source is neither a catalogue name, a Hub repository nor a folder."""


class CheckpointError(ZooError):
    """A checkpoint cannot be had or cannot be loaded (offline, gated, missing, wrong shape)."""


class IntegrityError(CheckpointError):
    """A file is not the one the catalogue describes (size, sha256, truncation)."""


class UnsafeFileError(CheckpointError):
    """A file asks for something that is never done with a downloaded file."""


class ConversionError(CheckpointError):
    """An official state dict does not match the converter's key map."""


class MediaError(ZooError, ValueError):
    """An audio, video or image input cannot be used; the message names the file."""


class DataError(ZooError):
    """A dataset folder is not laid out as its reader expects."""


class BenchError(ZooError):
    """A benchmark run cannot start, resume or be scored."""
