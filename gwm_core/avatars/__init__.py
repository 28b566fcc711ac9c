"""Avatars: any portrait, driven by any voice; talking and listening."""
