"""TAEM: text-driven talking faces by reprogramming audio-driven models (arXiv 2306.16003)."""
