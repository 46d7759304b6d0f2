"""Judges: pretrained networks that metrics call (speech recognisers, speaker encoders, MOS)."""
