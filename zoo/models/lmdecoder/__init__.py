"""LMDecoder: lip reading for low-resource languages (arXiv 2308.09311)."""
