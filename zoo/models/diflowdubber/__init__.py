"""DiFlowDubber: discrete flow matching for video dubbing (arXiv 2603.14267)."""
