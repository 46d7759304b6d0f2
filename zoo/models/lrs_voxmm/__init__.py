"""LRS-VoxMM: a benchmark for in-the-wild audio-visual speech recognition (arXiv 2604.27866)."""
