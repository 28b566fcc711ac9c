"""Faces: procedural portraits and performances, the truth that avatars are trained on."""
