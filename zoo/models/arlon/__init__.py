"""ARLON: autoregressive tokens steering a diffusion transformer for video (arXiv 2410.20502)."""
