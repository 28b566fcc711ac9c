"""Robots in a world model: policies, rollouts, evaluation, specifications, data sets."""
