"""UTUT: many-to-many textless unit-to-unit speech translation (arXiv 2308.01831)."""
