"""Training: episodes on disk, losses and loops of every part of a checkpoint."""
