"""`tabletop`: a gripper over a table in MuJoCo, three cameras, four tasks, exact snapshots.

    from gwm_core.simulators.tabletop import Tabletop
    sim = Tabletop("push", seed=3)
    obs = sim.step([0.02, 0, 0, 0, 0, 0, 0])   # 2 cm to the right
    kept = sim.get_state()                     # branch from here as often as you like
"""

import os
import sys

from ...errors import RoboticsError

if sys.platform.startswith("linux"):  # MuJoCo reads this once, at its first import
    os.environ.setdefault("MUJOCO_GL", "egl")

try:
    import mujoco  # noqa: F401
except ImportError as problem:
    raise RoboticsError(
        'the tabletop simulator needs MuJoCo: pip install "gwm[robotics]"') from problem

from .build import FOVY, VIEWS  # noqa: E402
from .expert import STYLES, Expert, expert  # noqa: E402
from .randomise import OBJECTS, TASKS, ZONES, Scene, make_scene  # noqa: E402
from .record import generate, load_shard, record  # noqa: E402
from .sim import ACTION_LIMIT, ACTION_NAMES, FPS, STATE_NAMES, Tabletop  # noqa: E402
from .tasks import SENTENCES, Truth  # noqa: E402
from .violations import VIOLATIONS  # noqa: E402

__all__ = [
    "ACTION_LIMIT", "ACTION_NAMES", "FOVY", "FPS", "OBJECTS", "SENTENCES", "STATE_NAMES", "STYLES",
    "TASKS", "VIEWS", "VIOLATIONS", "ZONES", "Expert", "Scene", "Tabletop", "Truth", "expert",
    "generate", "load_shard", "make_scene", "record",
]
