"""Camera moves, branch texts and the labelled grid, without a server."""

from __future__ import annotations

import numpy as np
import pytest

from gwm_core.camera_path import MOVES, camera_path
from gwm_core.controls import Controls
from gwm_core.embodiment import rooms_embodiment
from gwm_core.errors import GWMError
from gwm_core.side_by_side import grid_shape, parse_branches, side_by_side

ROOMS = rooms_embodiment()
LOOK_X = ROOMS.control_names.index("look_x")
LOOK_Y = ROOMS.control_names.index("look_y")


@pytest.mark.parametrize("name", MOVES)
def test_moves_turn_by_the_amount_and_print_as_text(name):
    move = MOVES[name]
    controls = camera_path(name, ROOMS, seconds=4.0, tilt_deg=10)
    assert len(controls) == 48
    wanted = move.turn if move.swing == "once" else 0.0
    assert controls.values[:, LOOK_X].sum() == pytest.approx(wanted, abs=0.1)
    assert controls.values[:, LOOK_Y].sum() == pytest.approx(10, abs=0.1)
    assert Controls.parse(controls.to_text(), ROOMS) == controls


def test_look_around_reaches_both_sides():
    angle = np.cumsum(camera_path("look around", ROOMS, 4.0).values[:, LOOK_X])
    assert angle.max() == pytest.approx(60, abs=1) and angle.min() == pytest.approx(-60, abs=1)


def test_there_and_back_uses_the_same_time_both_ways():
    values = camera_path("there and back", ROOMS, 3.0).values
    forward, back = (ROOMS.control_names.index(key) for key in ("W", "S"))
    assert values[:, forward].sum() == values[:, back].sum() == 18


@pytest.mark.parametrize(
    ("name", "seconds", "word"),
    [("fly", 1, "no move"), ("full turn", 0.5, "or turn less"), ("full turn", -1, "seconds")],
)
def test_bad_moves(name, seconds, word):
    with pytest.raises(GWMError, match=word):
        camera_path(name, ROOMS, seconds)


def test_branches_with_and_without_names():
    text = '# three\nleft: A*3\n\nW*2 event("a: b")\nto the far right : D*2'
    found = parse_branches(text, ROOMS)
    assert [label for label, _ in found] == ["left", 'W*2 event("a: b")', "to the far right"]
    assert [len(controls) for _, controls in found] == [3, 2, 2]


def test_branch_errors_name_the_place_in_the_whole_text():
    with pytest.raises(GWMError, match="line 2, column 12"):
        parse_branches("left: A*3\nright: W*2 Z", ROOMS)


def test_grid_holds_the_last_picture_and_is_even():
    clips = [np.full((n, 15, 25, 3), 40 * n, np.uint8) for n in (2, 4, 3)]
    grid = side_by_side(clips, ["one", "two", "a label that is much too long for its column"])
    assert len(grid) == 4 and grid.shape[1] % 2 == 0 and grid.shape[2] % 2 == 0
    assert (grid[3] == 80).any(), "the short clip holds its last picture"
    assert grid_shape(3) == (3, 1) and grid_shape(4) == (2, 2) and grid_shape(9) == (3, 3)
    with pytest.raises(GWMError, match="one frame size"):
        side_by_side([clips[0], clips[1][:, :10]], ["a", "b"])
