"""Counting places where a flat wall changes its material, on rooms that are known."""

import numpy as np
import pytest

from gwm_core.evaluation.worlds.breaks import BINS, STEP, breaks, ring

THEMES, CELLS, SIZE = 14, (20, 32), (160, 256)
FOCAL = SIZE[0] / 2 / np.tan(np.radians(30))


def square_room(themes, half=2.5, door=None):
    """A turn in the middle of a square room whose walls have themes by azimuth (a function of
    degrees): shares, frames, depth, yaw. door: azimuths (from, to) that are no wall."""
    yaw = -np.radians(np.arange(48) * 7.5)
    column = (np.arange(SIZE[1]) + 0.5 - SIZE[1] / 2) / FOCAL
    shares = np.zeros((48, *CELLS, THEMES + 1), np.float32)
    frames = np.zeros((48, *SIZE, 3), np.uint8)
    depth = np.zeros((48, *SIZE), np.float32)
    for i, heading in enumerate(yaw):
        azimuth = heading - np.arctan(column)
        far = half / np.maximum(np.abs(np.cos(azimuth)), np.abs(np.sin(azimuth)))
        depth[i] = far * np.cos(azimuth - heading)
        degrees = np.degrees(azimuth) % 360
        theme = np.array([themes(a) for a in degrees])
        if door is not None:
            theme[(degrees > door[0]) & (degrees < door[1])] = THEMES
        frames[i] = (40 + 14 * theme[None, :, None]) * np.array([1, 0.8, 0.6])
        cells = theme.reshape(CELLS[1], -1)[:, 4]
        shares[i, :, np.arange(CELLS[1]), cells] = 1
    return shares, frames, depth, yaw


def count(*args, **options):
    return len(breaks(ring(*square_room(*args, **options))))


def test_a_room_of_one_material_has_none():
    assert count(lambda a: 3) == 0


def test_changes_at_corners_are_no_breaks():
    assert count(lambda a: int((a + 45) % 360 // 90)) == 0


@pytest.mark.parametrize("at", [0, 20, 90, 184, 351])
def test_a_change_within_a_wall_is_one_break_where_it_is(at):
    found = breaks(ring(*square_room(lambda a: 3 if (a - at) % 360 < 180 else 7)))
    assert any(min((b - at) % 360, (at - b) % 360) <= 6 for b in found)
    # The way back to the first theme is opposite: in the middle of a wall too, or at a corner.
    assert len(found) <= 2


def test_a_change_behind_a_door_is_none():
    def themes(a):
        return 3 if 180 < a < 360 else 7

    assert count(themes) == 2
    assert count(themes, door=(170, 190)) == 1


def test_a_narrow_strip_is_none():
    assert count(lambda a: 7 if 86 < a < 92 else 3) == 0


def test_a_change_nobody_sees_is_none():
    shares, frames, depth, yaw = square_room(lambda a: 3 if a < 180 else 7)
    frames[:] = 90  # the judge may waver, the wall looks the same everywhere
    assert breaks(ring(shares, frames, depth, yaw)) == []


def test_directions():
    assert BINS * STEP == 360
