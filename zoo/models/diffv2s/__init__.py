"""DiffV2S: diffusion-based video-to-speech synthesis (arXiv 2308.07787)."""
