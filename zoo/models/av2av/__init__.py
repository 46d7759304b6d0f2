"""AV2AV: audio-visual speech to audio-visual speech translation (arXiv 2312.02512)."""
