"""A language model over characters, which takes part in the beam search of lip readers."""
