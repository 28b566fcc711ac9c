"""Dense motion between two pictures, as the inverse judge reads it: the library's own."""

from ...motion import FIELDS, Motion, fit_turn, turned

__all__ = ["FIELDS", "Motion", "fit_turn", "turned"]
