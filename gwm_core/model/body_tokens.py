"""What each body token reads, as rows of numbers for the state nets; and their mirror images.

All arguments are batches of one kind in that kind's own frame: the player's and a ball's frame of
travel, a box's or door's own axes. Distances enter as exp(-gap/.06) and exp(-gap/.4): sharp near
contact, still aware of what comes next. Unknown directions read as free and are flagged.
"""

from __future__ import annotations

import numpy as np

from ..physics import AZIMUTHS, BALL_DIRS, BALL_MIRROR, BOX_AZIMUTHS, BOX_HEIGHTS, PLAYER_HEIGHTS

NEAR, WIDE = 0.06, 0.4
RAYS = len(BALL_DIRS)
_REACHES = np.array([NEAR, WIDE], np.float32)


def soft(gap) -> np.ndarray:
    """[...] metres -> [..., 2] in 0..1."""
    gap = np.maximum(np.asarray(gap, np.float32), -0.05)[..., None]
    return np.exp(-gap / _REACHES)


def _row(parts):
    rows = len(parts[0])
    return np.concatenate([np.asarray(p, np.float32).reshape(rows, -1) for p in parts], 1)


# Each kind's layout: (name, shape, how it mirrors). "y": second axis of a vector changes sign;
# "az": reversed azimuths; "ball": permuted rays; "five": left and right
# swapped; "flip": changes sign; "": unchanged.
PLAYER = (("vel", (3,), "y"), ("wish", (2,), "y"), ("flags", (3,), ""), ("pushed", (2,), "y"),
          ("static", (AZIMUTHS, len(PLAYER_HEIGHTS), 2), "az"), ("moving", (AZIMUTHS, 2, 2), "az"),
          ("known", (AZIMUTHS,), "az"), ("below", (5, 2), "five"))
BALL = (("speed", (6,), ""), ("touch", (3,), ""), ("normal", (3,), "y"), ("change", (3,), "y"),
        ("mate", (3,), "y"), ("matevel", (3,), "y"),
        ("static", (RAYS, 2), "ball"), ("moving", (RAYS, 2), "ball"), ("known", (RAYS,), "ball"))
BOX = (("vel", (3,), "y"), ("rate", (1,), "flip"), ("size", (3,), ""), ("mate", (2,), "y"),
       ("nearest", (2,), "y"), ("touch", (4,), ""), ("matevel", (2,), "y"), ("wish", (2,), "y"),
       ("static", (BOX_AZIMUTHS, len(BOX_HEIGHTS), 2), "az"),
       ("moving", (BOX_AZIMUTHS, 2), "az"), ("known", (BOX_AZIMUTHS,), "az"))
DOOR = (("rate", (1,), ""), ("size", (2,), ""), ("mate", (2,), ""), ("touch", (4,), ""),
        ("matevel", (2,), ""), ("wish", (2,), ""),
        ("static", (BOX_AZIMUTHS, 2), ""), ("known", (BOX_AZIMUTHS,), ""),
        ("moving", (BOX_AZIMUTHS, 2), ""))
LAYOUTS = {"player": PLAYER, "ball": BALL, "box": BOX, "door": DOOR}


def width(kind: str) -> int:
    """Numbers in one token of `kind`."""
    return int(sum(np.prod(shape) for _, shape, _ in LAYOUTS[kind]))


INPUTS = {kind: width(kind) for kind in LAYOUTS}


def _mirror_tables():
    tables = {}
    for kind, layout in LAYOUTS.items():
        index, sign, at = [], [], 0
        for _, shape, how in layout:
            size = int(np.prod(shape))
            block = np.arange(at, at + size).reshape(shape)
            flip = np.ones(shape, np.float32)
            if how == "az":
                block = block[-np.arange(shape[0]) % shape[0]]
            elif how == "ball":
                block = block[BALL_MIRROR]
            elif how == "five":
                block = block[[0, 1, 4, 3, 2]]
            elif how == "y":
                flip[..., 1] = -1
            elif how == "flip":
                flip[:] = -1
            index.append(block.ravel())
            sign.append(flip.ravel())
            at += size
        tables[kind] = (np.concatenate(index), np.concatenate(sign))
    return tables


MIRROR = _mirror_tables()


def tokens(kind: str, **parts) -> np.ndarray:
    """Assembles float32 [B, INPUTS[kind]] from named parts; KeyError where one is missing."""
    return _row([parts[name] for name, _, _ in LAYOUTS[kind]])
