"""What a model card says about the use of a model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Usage:
    """One thing that a model does.

    Attributes:
        name: a task protocol, or a few words where there is none.
        input: what goes in, with shapes.
        output: what comes out.
        example: lines of Python in which `model` is loaded already.
        pipeline_tag: the nearest of the Hub's own task names.
    """

    name: str
    input: str
    output: str
    example: str
    pipeline_tag: str | None = None
