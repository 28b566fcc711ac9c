"""Storyboards, shots and films with native sound."""
