"""Playing worlds live: players with a clock, their messages, and the hub that bounds them.

Nothing here knows of a transport: a connection is two functions that send text and bytes.
"""

from .hub import Hub
from .player import Player
from .seat import Limits

__all__ = ["Hub", "Limits", "Player"]
