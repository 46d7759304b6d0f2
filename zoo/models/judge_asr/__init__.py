"""Judge ASR: a small speech recogniser (characters, CTC) for the generated corpora."""
