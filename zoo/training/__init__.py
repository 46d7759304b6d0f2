"""Training of every model by one command; LightningCLI underneath."""
