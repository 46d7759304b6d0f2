"""Shared block AV-HuBERT: audio-visual hidden units (arXiv 2201.02184)."""
