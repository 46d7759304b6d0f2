"""CALS: phonetic context-aware lip-sync for talking faces (arXiv 2305.19556)."""
