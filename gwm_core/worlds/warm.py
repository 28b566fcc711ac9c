"""Compiling ahead: the first walk on a machine would else stop for every kernel that it meets."""

from __future__ import annotations

import logging
import threading

from ..compiled import is_cold, preload

log = logging.getLogger(__name__)
WALK = 'W*24 look(9,2)*24 event("dense fog rolls in") S+D*12 Q idle*24'
"""A walk that meets every kernel: it looks around far enough to imagine new views, and in fog."""
_lock = threading.Lock()
_begun = False


def warm_up(model: str = "gwm-rooms") -> bool:
    """Compile everything that a walk needs, if this machine has not done so before (half a minute
    once; then nothing). True where there was something to compile."""
    from ..clearance import _carry_down
    from ..imaginers import panorama, seams
    from ..model.patches import _cut_patches
    from ..physics import _push_out
    from ..state_inputs import _legs, _reaches
    from ..state_memory import _nearest

    if not any(map(is_cold, (panorama.agreement, panorama.bin_points, seams._cut, _nearest,
                             _carry_down, _cut_patches, _push_out, _legs, _reaches))):
        return False
    from . import load

    world = load(model).new_world(prompt="a brick hall, a red ball", seed=7)
    world.step(WALK)
    return True


def ready() -> None:
    """What every walk needs is compiled or read, and whatever else was compiled before is read:
    a walk then never stops for a kernel that it meets late."""
    from .. import guide, physics, state_inputs, state_memory  # noqa: F401
    from ..imaginers import panorama, seams  # noqa: F401
    from ..model import patches  # noqa: F401
    from . import light  # noqa: F401

    guide.warm_up()
    preload()


def warm_up_soon() -> None:
    """``warm_up`` in a thread of its own, once in a process; errors are logged, nothing else."""
    global _begun
    with _lock:
        if _begun:
            return
        _begun = True

    def work() -> None:
        from .threads import stand_back

        stand_back()
        try:
            warm_up()
        except Exception:
            log.warning("gwm: compiling ahead failed", exc_info=True)

    threading.Thread(target=work, name="gwm-warm", daemon=True).start()
