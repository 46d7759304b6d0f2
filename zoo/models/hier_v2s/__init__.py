"""From Faces to Voices: hierarchical video-to-speech (arXiv 2503.16956)."""
