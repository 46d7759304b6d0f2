"""Shared block Wav2Lip: generator, discriminator and lip-sync expert (arXiv 2008.10010)."""
