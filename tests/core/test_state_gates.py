"""Where the nets are heard: gates, sliding along walls, and what a real picture denies."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gwm_core import physics  # noqa: E402
from gwm_core.bodies import RADIUS, WALK_SPEED, Bodies, Player  # noqa: E402
from gwm_core.memory import Keyframe, Memory  # noqa: E402
from gwm_core.model.body_tokens import INPUTS  # noqa: E402
from gwm_core.model.state import StateNets  # noqa: E402
from gwm_core.physics import PLAYER_HEIGHTS  # noqa: E402
from gwm_core.state_inputs import walker_guide  # noqa: E402
from gwm_core.state_memory import MemorySurroundings, wall_heading  # noqa: E402
from gwm_core.state_step import StateModel  # noqa: E402

AZIMUTHS = 2 * np.pi * np.arange(48) / 48


def test_nets_are_not_heard_in_free_motion():
    """Nets of random weights leave a walk and a flight through the open as the guides have them."""
    class Open:
        def rays(self, origin, dirs):
            return np.full(len(dirs), 6.0, np.float32), np.ones(len(dirs), bool)

        def around(self, place, heights, azimuths):
            shape = (len(azimuths), len(heights))
            return np.full(shape, 6.0, np.float32), np.ones(len(azimuths), bool)

        def material(self, point):
            return 0

    start = Player(pos=(0, 0, 0), vel=(0, 0, 0))
    bodies = Bodies.empty().add(1, (3, 3, 1.5), vel=(1, 0, 2))
    ends = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        model, player, things = StateModel(StateNets(INPUTS)), start, bodies
        for t in range(3):
            out = model.step(player, things, np.array([1, 0, 0, 0, 0, 0, 0, 5, 0.0]), Open(), t + 1)
            player, things = out.players[-1], out.bodies[-1]
        ends.append((player.to_array(), things.pos))
    assert np.array_equal(ends[0][0], ends[1][0]) and np.array_equal(ends[0][1], ends[1][1])
    # 6 frames of 10 steps, each moving by the speed it ends with.
    fall = 2 * 0.25 - 0.5 * 9.81 * 0.25**2 * (61 / 60)
    assert ends[0][1][0] == pytest.approx((3.25, 3, 1.5 + fall), abs=1e-6)


def test_a_disc_slides_along_a_slanted_wall():
    """The guide takes the wall's own normal, not the nearest ray's."""
    slant = np.radians(19.0)
    normal = np.array([np.cos(slant), np.sin(slant)])
    along = np.stack([np.cos(AZIMUTHS), np.sin(AZIMUTHS)], 1) @ normal
    reach = np.where(along > 0.05, RADIUS / np.maximum(along, 0.05), 6.0)[None]
    move = physics.push_out(np.array([[0.08, 0.0]]), reach)[0]
    free = np.array([0.08, 0.0])
    assert move == pytest.approx(free - (free @ normal) * normal, abs=2e-3)


def test_a_surface_one_stands_in_does_not_throw_one_back():
    reach = np.full((1, 48), 6.0)
    reach[0, :5] = 0.1
    move = physics.push_out(np.array([[0.05, 0.0]]), reach)[0]
    assert -0.02 < move[0] < 0.02


def test_strength_is_limited_along_the_walls():
    wish = WALK_SPEED * np.array([[np.cos(0.3), np.sin(0.3)]])
    rest, ground, height = np.zeros((1, 3)), np.ones(1, bool), np.zeros(1)
    plain = walker_guide(rest, wish, ground, height)[0][0, :2]
    turned = walker_guide(rest, wish, ground, height, axes=0.3)[0][0, :2]
    assert np.arctan2(turned[1], turned[0]) == pytest.approx(0.3)
    assert np.arctan2(plain[1], plain[0]) > 0.31


def _wall(away: float, yaw: float = 0.0, origin: str = "first") -> Keyframe:
    """A picture of a wall that stands `away` metres off, turned by yaw."""
    h, w = 96, 160
    focal = h / 2 / np.tan(np.radians(30))
    side = (np.arange(w) + 0.5 - w / 2) / focal
    depth = away / (1 + side * np.tan(yaw))
    return Keyframe(rgb=np.zeros((h, w, 3), np.uint8), origin=origin, pose=(0, 0, 1.55, 0, 0),
                    depth=np.tile(depth.astype(np.float32), (h, 1)))


def test_the_walls_tell_their_heading():
    for yaw in (0.0, 0.2, -0.3):
        assert abs(wall_heading(_wall(3.0, yaw))) == pytest.approx(abs(yaw), abs=0.02)


def test_what_is_imagined_stops_nobody_where_one_sees_through():
    memory = Memory().add(_wall(1.4))
    alone = MemorySurroundings(memory).around(np.zeros(3), PLAYER_HEIGHTS, AZIMUTHS)[0]
    both = MemorySurroundings(memory.add(_wall(0.6, origin="bank"))).around(
        np.zeros(3), PLAYER_HEIGHTS, AZIMUTHS)[0]
    assert alone[0, 3] == pytest.approx(1.4, abs=0.03)
    assert both[0, 3] == pytest.approx(alone[0, 3])
    none = MemorySurroundings(Memory().add(_wall(0.6, origin="bank"))).around(
        np.zeros(3), PLAYER_HEIGHTS, AZIMUTHS)[0]
    assert none[0, 3] == pytest.approx(0.6, abs=0.03)
