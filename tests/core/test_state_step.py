"""The state step on synthetic rooms: guides, tokens, rules, determinism."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gwm_core import physics  # noqa: E402
from gwm_core.bodies import BALL, BOX, DOOR, FIRST_THROWN, Bodies, Player  # noqa: E402
from gwm_core.model.body_tokens import INPUTS, LAYOUTS, MIRROR  # noqa: E402
from gwm_core.model.state import OUT, StateNets  # noqa: E402
from gwm_core.rays import FAR, cast  # noqa: E402
from gwm_core.state_observe import box_frame, onto_floor  # noqa: E402
from gwm_core.state_step import StateModel  # noqa: E402


class Hall:
    """A bare square room of half width `half`, z up, everything known."""

    def __init__(self, half=3.0):
        w = half + 0.1
        self.walls = np.array([(w, 0, 1.5, 0, 0.1, w, 1.5, -2), (-w, 0, 1.5, 0, 0.1, w, 1.5, -2),
                               (0, w, 1.5, 0, w, 0.1, 1.5, -2), (0, -w, 1.5, 0, w, 0.1, 1.5, -2)],
                              np.float64)

    def rays(self, origin, dirs):
        d = cast(np.tile(origin, (len(dirs), 1)), dirs, self.walls, np.zeros((0, 5)))
        return d, np.ones(len(dirs), bool)

    def around(self, place, heights, azimuths):
        dirs = np.stack([np.cos(azimuths), np.sin(azimuths), np.zeros(len(azimuths))], 1)
        d, known = self.rays(np.asarray(place) + (0, 0, 0.5), dirs)
        return np.repeat(d[:, None], len(heights), 1), known

    def material(self, point):
        return 1


@pytest.fixture(scope="module")
def model():
    """Nets whose corrections are zero: the guides alone."""
    nets = StateNets(INPUTS)
    for kind in INPUTS:
        head = getattr(nets, kind).head
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.zeros_(head.bias)
        head.bias.data[OUT["rest"]] = -5.0
        head.bias.data[OUT["ground"]] = 2.0 if kind == "player" else 0.0
        head.bias.data[OUT["event"]] = -5.0
    return StateModel(nets)


def walk(model, player, bodies, controls, ticks):
    hall, events = Hall(), []
    for t in range(ticks):
        result = model.step(player, bodies, controls, hall, t + 1)
        player, bodies = result.players[-1], result.bodies[-1]
        events += result.events
    return player, bodies, events


def keys(**named):
    order = ("w", "a", "s", "d", "jump", "push", "throw", "look_x", "look_y")
    return np.array([named.get(k, 0) for k in order], float)


def test_walks_turns_and_stops_at_the_wall(model):
    start = Player(pos=(0, 0, 0), vel=(0, 0, 0))
    player, _, events = walk(model, start, Bodies.empty(), keys(w=1), 13)
    assert 1.8 < player.pos[0] < 2.0 and abs(player.pos[1]) < 1e-6
    assert [e.kind for e in events] == ["footstep"] * 3
    player, _, _ = walk(model, start, Bodies.empty(), keys(w=1), 36)
    assert abs(player.pos[0] - 2.75) < 0.02
    player, _, _ = walk(model, start, Bodies.empty(), keys(look_x=9), 10)
    assert player.yaw == pytest.approx(-np.pi / 2) and np.allclose(player.pos, 0)


def test_strafing_is_to_the_right(model):
    player, _, _ = walk(model, Player(pos=(0, 0, 0), vel=(0, 0, 0)), Bodies.empty(), keys(d=1), 6)
    assert player.pos[1] < -0.5 and abs(player.pos[0]) < 1e-6


def test_jump_rises_and_lands_with_a_step(model):
    player = Player(pos=(0, 0, 0), vel=(0, 0, 0))
    result = model.step(player, Bodies.empty(), keys(jump=1), Hall(), 1)
    assert result.players[-1].pos[2] > 0.15 and not result.players[-1].on_ground
    player, _, events = walk(model, result.players[-1], Bodies.empty(), keys(), 12)
    assert player.on_ground and player.pos[2] == 0
    assert [e.kind for e in events] == ["footstep"]


def test_throw_makes_one_ball_in_six_ticks_and_three_at_most(model):
    player, bodies, events = walk(model, Player(pos=(0, 0, 0), vel=(0, 0, 0)), Bodies.empty(),
                                  keys(throw=1), 7)
    assert sum(e.kind == "throw" for e in events) == 2
    assert (bodies.id >= FIRST_THROWN).sum() == 2
    _, bodies, _ = walk(model, player, bodies, keys(throw=1), 36)
    assert (bodies.kind == BALL).sum() == 3


def test_a_thrown_ball_flies_and_bounces_back(model):
    player, bodies, _ = walk(model, Player(pos=(0, 0, 0), vel=(0, 0, 0)), Bodies.empty(),
                             keys(throw=1), 1)
    slot = int(bodies.of(BALL)[0])
    assert bodies.pos[slot, 0] == pytest.approx(5.5 / 12, abs=0.02)
    _, bodies, _ = walk(model, player, bodies, keys(), 11)
    assert bodies.vel[slot, 0] < 0 and 0 < bodies.pos[slot, 0] < 2.9
    assert 0.11 < bodies.pos[slot, 2] < 2


def test_push_moves_what_is_in_reach_only(model):
    bodies = Bodies.empty().add(BOX, (0.8, 0, 0.25), size=(0.25,) * 3)
    bodies = bodies.add(BALL, (-0.8, 0, 0.12))
    _, after, _ = walk(model, Player(pos=(0, 0, 0), vel=(0, 0, 0)), bodies, keys(push=1), 2)
    assert after.pos[0, 0] > 0.85 and after.pos[1, 0] == pytest.approx(-0.8)


def test_a_door_is_pushed_open_by_the_walker(model):
    bodies = Bodies.empty().add(DOOR, (1.0, -0.45, 0), yaw=np.pi / 2, size=(0.45, 0.02, 1.0))
    _, after, _ = walk(model, Player(pos=(0, 0, 0), vel=(0, 0, 0)), bodies, keys(w=1), 10)
    assert after.yaw[0] < np.pi / 2 - 0.2


def test_rest_stays_exactly_where_it_is(model):
    bodies = Bodies.empty().add(BOX, (2, 2, 0.25), size=(0.25,) * 3)
    player, after, events = walk(model, Player(pos=(0, 0, 0), vel=(0, 0, 0)), bodies, keys(), 5)
    assert np.array_equal(after.pos, bodies.pos) and np.array_equal(player.pos, np.zeros(3))
    assert not events


def test_same_inputs_same_bits():
    torch.manual_seed(3)
    model = StateModel(StateNets(INPUTS))
    bodies = Bodies.empty().add(BALL, (1, 0.2, 0.12), vel=(1, 2, 0)).add(BOX, (0.7, 0, 0.25))
    runs = [walk(model, Player(pos=(0, 0, 0), vel=(1, 0, 0)), bodies, keys(w=1, throw=1), 4)
            for _ in range(2)]
    assert np.array_equal(runs[0][0].to_array(), runs[1][0].to_array())
    assert all(np.array_equal(a, b) for a, b in zip(runs[0][1].to_arrays().values(),
                                                    runs[1][1].to_arrays().values(), strict=True))


def test_bad_controls_are_named(model):
    with pytest.raises(ValueError, match="expected 9"):
        model.step(Player(pos=(0, 0, 0), vel=(0, 0, 0)), Bodies.empty(), np.zeros(4), Hall())
    with pytest.raises(ValueError, match="expected 9"):
        model.step(Player(pos=(0, 0, 0), vel=(0, 0, 0)), Bodies.empty(),
                   np.full(9, np.nan), Hall())


def test_mirroring_twice_is_the_identity():
    rng = np.random.default_rng(0)
    for kind, (index, sign) in MIRROR.items():
        x = rng.normal(size=INPUTS[kind]).astype(np.float32)
        once = x[index] * sign
        assert np.array_equal(once[index] * sign, x), kind
    assert set(LAYOUTS) == {"player", "ball", "box", "door"}


def test_floor_is_always_known():
    dirs = physics.BALL_DIRS
    static, known = onto_floor(np.full(len(dirs), FAR), np.zeros(len(dirs), bool), 0.5,
                               dirs[:, 2], 0.0)
    assert static[-1] == pytest.approx(0.5) and known[-1] and not known[0]


def test_box_frame_faces_the_walker():
    for yaw in np.linspace(-3, 3, 13):
        for bearing in np.linspace(-3, 3, 17):
            frame = box_frame(yaw, (np.cos(bearing), np.sin(bearing)))
            gap = (bearing - frame + np.pi) % (2 * np.pi) - np.pi
            assert abs(gap) <= np.pi / 4 + 1e-6
            assert abs(np.sin(2 * (frame - yaw))) < 1e-6


def wall_memory(distance, low=0.0, high=3.0):
    """A level picture of one upright wall between two heights, nothing else near."""
    from gwm_core.memory import Keyframe, Memory

    height, width = 160, 256
    focal = height / 2 / np.tan(np.radians(30))
    rows = 1.55 - (np.arange(height) + 0.5 - height / 2) / focal * distance
    depth = np.full((height, width), 9.0, np.float32)
    depth[(rows > low) & (rows < high)] = distance
    rgb = np.full((height, width, 3), 128, np.uint8)
    return Memory().add(Keyframe(rgb=rgb, depth=depth, pose=(0, 0, 1.55, 0, 0)))


def test_a_wall_seen_from_close_goes_on_below_the_picture():
    from gwm_core.state_memory import MemorySurroundings

    around = MemorySurroundings(wall_memory(0.9))
    dist, _ = around.around(np.zeros(3), physics.PLAYER_HEIGHTS, np.array([0.0, 0.1, -0.1]))
    assert np.abs(dist[0] - 0.9).max() < 0.05


def test_one_may_look_through_below_a_thing():
    from gwm_core.state_memory import MemorySurroundings

    around = MemorySurroundings(wall_memory(1.5, low=1.4))
    dist, _ = around.around(np.zeros(3), physics.PLAYER_HEIGHTS, np.array([0.0, 0.1, -0.1]))
    assert abs(dist[0, -1] - 1.5) < 0.05 and dist[0, 3] == FAR


def test_walking_up_to_a_wall_known_from_its_upper_part(model):
    memory = wall_memory(0.9)
    player = Player(pos=(0, 0, 0), vel=(0, 0, 0))
    for t in range(12):
        player = model.step(player, Bodies.empty(), keys(w=1), memory, t + 1).players[-1]
    assert 0.55 < player.pos[0] < 0.72
