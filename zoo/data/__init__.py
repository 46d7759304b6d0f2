"""Dataset readers, data modules, and the tiny corpora that need no download."""
