"""Speech2Lip: speech to lip generation from a short video (arXiv 2309.04814)."""
