"""Intelligible lip-to-speech synthesis with speech units (arXiv 2305.19603)."""
