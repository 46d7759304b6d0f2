"""VoiceCraft-Dub: video dubbing with neural codec language models (arXiv 2504.02386)."""
