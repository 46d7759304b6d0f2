"""A small model with an official layout of its own, laid out like a folder of `zoo/models`."""
