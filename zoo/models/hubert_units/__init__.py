"""Shared block HuBERT and mHuBERT features with k-means units (arXiv 2106.07447)."""
