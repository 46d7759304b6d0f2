"""Shared block flow-matching networks and mel vocoders, after F5-TTS."""
