"""`rooms`: first-person rooms in MuJoCo with rigid bodies, light and sound.

    from gwm_core.simulators.rooms import Rooms
    sim = Rooms(seed=3, condition=4)
    tick = sim.step([1, 0, 0, 0, 0, 0, 0, 6, 0])   # W and a turn to the right
    view = sim.render()                            # rgb, depth, label, body_map
"""

import os
import sys

if sys.platform.startswith("linux"):  # MuJoCo reads this once, at its first import
    os.environ.setdefault("MUJOCO_GL", "egl")

from .catalogue import (  # noqa: E402
    FOGS,
    LAMPS,
    MATERIALS,
    PARTS,
    THEME_NAMES,
    TIMES,
    Condition,
)
from .explorer import Explorer  # noqa: E402
from .layout import HELD_IN, HELD_OUT, make_layout, split_of  # noqa: E402
from .light import Lighting, fog_colour, relight  # noqa: E402
from .sim import EVENT_FIELDS, EVENT_KINDS, FOOTSTEP, IMPACT, THROW, Rooms, Tick  # noqa: E402

__all__ = [
    "EVENT_FIELDS", "EVENT_KINDS", "FOGS", "FOOTSTEP", "HELD_IN", "HELD_OUT", "IMPACT", "LAMPS",
    "MATERIALS", "PARTS", "THEME_NAMES", "THROW", "TIMES", "Condition", "Explorer", "Lighting",
    "Rooms", "Tick", "fog_colour", "make_layout", "relight", "split_of",
]
