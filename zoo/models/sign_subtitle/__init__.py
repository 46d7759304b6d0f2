"""Sign-to-subtitle alignment with a selective alignment loss (arXiv 2503.03287)."""
