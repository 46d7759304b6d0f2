"""Shared block neural codecs: Encodec (arXiv 2210.13438) and FACodec (arXiv 2403.03100)."""
