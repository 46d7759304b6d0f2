"""What the audio-driven talking-face models share: configuration, use and training."""
