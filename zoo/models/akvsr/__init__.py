"""AKVSR: visual speech recognition with compressed audio knowledge (arXiv 2308.07593)."""
