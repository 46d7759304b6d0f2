"""Mel vocoders: HiFi-GAN (arXiv 2010.05646) and one with an inverse-STFT head."""
