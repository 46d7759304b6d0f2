"""AlignDiT: multimodal aligned diffusion transformer for speech (arXiv 2504.20629)."""
