"""What the inverse judge reads: turns from pictures, and which keys count as having done
something."""

import math

import numpy as np
import pytest

from gwm_core.evaluation.worlds.cases import Case
from gwm_core.evaluation.worlds.control import effective


def picture(seed=0):
    """A smooth random panorama u8 [160, 1600, 3]."""
    from scipy import ndimage

    noise = np.random.default_rng(seed).random((160, 1600))
    soft = ndimage.gaussian_filter(noise, 3) * 2 + ndimage.gaussian_filter(noise, 1)
    soft = (soft - soft.min()) / np.ptp(soft)
    return np.repeat((soft * 255).astype(np.uint8)[..., None], 3, 2)


def view(wide, right):
    """The panorama (cylinder of focal length 138.56) from a camera turned right."""
    focal = 80 / math.tan(math.radians(30))
    y, x = np.mgrid[0:160, 0:256] + 0.5
    slope = (x - 128) / focal
    column = (np.arctan(slope) + right) * focal + 800
    row = (y - 80) / np.sqrt(1 + slope**2) + 80
    return wide[row.astype(int), column.astype(int) % wide.shape[1]]


@pytest.mark.parametrize("degrees", [0.0, 1.0, -4.0, 9.0, -13.0])
def test_turns_are_read_to_a_fraction_of_a_degree(degrees):
    pytest.importorskip("cv2")
    from gwm_core.evaluation.judges.flow import Motion

    motion, wide = Motion(), picture()
    fields, turn = motion.between(motion.look(view(wide, 0)),
                                  motion.look(view(wide, math.radians(degrees))))
    assert abs(turn[0] * 5 - degrees) < 0.3 and abs(turn[1] * 5) < 0.3
    sure = fields[2] > 0.5
    assert sure.mean() > 0.4 and np.abs(fields[0][sure]).mean() * 4 < 1.0


def walk(controls, poses, bodies=None, shown=0):
    ticks = len(controls)
    still = {"kind": np.zeros(3, np.int8), "vel": np.zeros((3, 3)), "id": np.zeros(3, np.int32)}
    body_map = np.zeros((1 + 2 * ticks, 8, 20), np.uint8)
    body_map[:, :, :shown] = 1
    return Case(0, None, None, np.array(poses, float), np.array(controls, np.float32), 0,
                bodies or [still] * (1 + 2 * ticks), body_map, None, [])


def keys(**held):
    row = np.zeros(9)
    for name, value in held.items():
        row["W A S D jump push throw".split().index(name)] = value
    return row


def test_a_key_counts_where_the_camera_moved_its_way():
    x = [0, 0.05, 0.1, 0.1, 0.1]
    case = walk([keys(W=1, D=1), keys(W=1)], [[v, 0, 1.55, 0, 0] for v in x])
    assert effective(case)[:, 0].tolist() == [True, False]
    assert not effective(case)[:, 3].any()


def test_jump_counts_where_it_leaves_the_ground_only():
    z = [0, 0.1, 0.2, 0.3, 0.4, 0.4, 0.3]
    case = walk([keys(jump=1)] * 3, [[0, 0, 1.55 + v, 0, 0] for v in z])
    assert effective(case)[:, 4].tolist() == [True, False, False]


@pytest.mark.parametrize("shown, counts", [(0, False), (5, True)])
def test_a_push_counts_where_it_shows(shown, counts):
    def bodies(speed):
        return {"kind": np.array([1, 0, 0]), "vel": np.array([[speed, 0, 0], [0] * 3, [0] * 3]),
                "id": np.arange(3)}

    case = walk([keys(push=1)], [[0, 0, 1.55, 0, 0]] * 3, [bodies(0), bodies(1), bodies(1)], shown)
    assert effective(case)[0, 5] == counts
