"""Multi-token prediction and speculative decoding for codec TTS (arXiv 2410.13839)."""
