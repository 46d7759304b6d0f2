"""MAVFlow: zero-shot AV2AV translation by conditional flow matching (arXiv 2503.11026)."""
