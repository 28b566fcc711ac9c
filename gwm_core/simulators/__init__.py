"""Ground truth: worlds with exact controls, poses, depth, contacts and sound."""
