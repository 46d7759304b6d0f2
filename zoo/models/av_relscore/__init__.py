"""AV-RelScore: audio-visual speech recognition with reliability scoring (arXiv 2303.08536)."""
