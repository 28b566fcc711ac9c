"""Metrics, protocols and reports: how good and how fast a checkpoint is."""
