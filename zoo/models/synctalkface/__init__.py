"""SyncTalkFace: talking faces with an audio-lip memory (arXiv 2211.00924)."""
