"""Blocks that two or more papers use: plain torch modules, nothing from `zoo.models`."""
