"""Text decoders and the search for the best text: see the modules of this package."""
