"""V2SFlow: video-to-speech with speech decomposition and rectified flow (arXiv 2411.19486)."""
