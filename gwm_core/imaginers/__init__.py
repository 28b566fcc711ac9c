"""The imaginers behind :mod:`gwm_core.imagine`."""
