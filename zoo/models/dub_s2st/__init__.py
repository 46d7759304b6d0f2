"""Dub-S2ST: textless speech-to-speech translation for dubbing (arXiv 2505.20899)."""
