"""Checkpoints: finding, fetching, verifying, converting, loading, saving and publishing them."""
