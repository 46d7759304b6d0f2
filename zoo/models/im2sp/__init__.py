"""Im2Sp: image-to-speech captioning with multi-modal tokens (arXiv 2309.08531)."""
