"""Judge GE2E: speaker embeddings, as in Resemblyzer and Real-Time-Voice-Cloning."""
