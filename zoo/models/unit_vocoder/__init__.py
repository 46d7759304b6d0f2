"""Unit vocoders: discrete speech units to a waveform (arXiv 2104.00355, 2107.05604)."""
