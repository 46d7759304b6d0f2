"""Shared block unit HiFi-GAN: speech from discrete units (arXiv 2104.00355)."""
