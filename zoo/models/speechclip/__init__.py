"""SpeechCLIP: speech tied to pictures through a frozen CLIP (arXiv 2210.00705)."""
