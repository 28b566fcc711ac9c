"""Ready-made camera moves, and camera matrices of walked paths."""

import numpy as np
import pytest

from gwm_core.camera_path import MOVES, camera_path
from gwm_core.controls import Controls
from gwm_core.embodiment import rooms_embodiment
from gwm_core.errors import GWMError

ROOMS = rooms_embodiment()


@pytest.mark.parametrize("name", list(MOVES))
@pytest.mark.parametrize("seconds", [2.0, 3.25, 6.0])
def test_every_move_is_plain_controls(name, seconds):
    controls = camera_path(name, ROOMS, seconds)
    assert len(controls) == round(seconds * 12)
    assert Controls.parse(controls.to_text(), ROOMS) == controls
    turned = controls.column("look_x").astype(np.float64).sum()
    swing = MOVES[name].swing
    assert turned == pytest.approx(MOVES[name].turn if swing == "once" else 0, abs=0.11)
    assert not controls.events and camera_path(name, ROOMS, seconds) == controls


@pytest.mark.parametrize("degrees", [360.0, -90.0, 12.5, 1000.0])
def test_turns_by_what_was_asked_with_a_gentle_start_and_end(degrees):
    steps = camera_path("full turn", ROOMS, 10.0, turn_deg=degrees).column("look_x")
    assert steps.astype(np.float64).sum() == pytest.approx(degrees, abs=0.06)
    middle = abs(steps[len(steps) // 2])
    assert abs(steps[0]) < 0.3 * middle and abs(steps[-1]) < 0.3 * middle
    assert (np.sign(degrees) * steps >= 0).all()


def test_looking_around_reaches_both_sides_and_comes_home():
    angle = np.cumsum(camera_path("look around", ROOMS, 4.0, turn_deg=60).column("look_x"))
    assert angle.max() == pytest.approx(60, abs=2) and angle.min() == pytest.approx(-60, abs=2)
    assert angle[-1] == pytest.approx(0, abs=0.1)


def test_walking_and_tilting():
    controls = camera_path("walk in an arc", ROOMS, 3.0, turn_deg=-45, tilt_deg=20)
    assert controls.column("W").all() and controls.column("look_x").sum() < 0
    assert controls.column("look_y").astype(np.float64).sum() == pytest.approx(20, abs=0.06)
    back = camera_path("there and back", ROOMS, 4.0)
    assert back.column("W").sum() == back.column("S").sum() == 24
    assert not (back.column("W") * back.column("S")).any()
    assert not camera_path("stand still", ROOMS, 1.0).values.any()


@pytest.mark.parametrize("arguments, message", [
    (("fly", ROOMS), "no move is called 'fly'; there are: walk forward"),
    (("full turn", ROOMS, 0.5), "30"), (("full turn", ROOMS, 0.0), "seconds"),
    (("full turn", ROOMS, -1.0), "seconds"), (("full turn", ROOMS, float("nan")), "seconds"),
    (("full turn", ROOMS, float("inf")), "seconds"),
    (("stand still", ROOMS, 1e12), "ticks at most"),
])
def test_what_is_refused(arguments, message):
    with pytest.raises(GWMError, match=message):
        camera_path(*arguments)


def test_a_world_without_these_controls(fake_model):
    with pytest.raises(GWMError, match="no control 'A'.*W, jump"):
        camera_path("step left", fake_model().embodiment)


def test_camera_matrices_point_where_the_pose_looks():
    pytest.importorskip("torch")
    from gwm_core.plucker import camera_matrices

    quarter = np.pi / 2
    matrices = camera_matrices([[1, 2, 3, 0, 0], [0, 0, 0, quarter, 0], [0, 0, 0, 0, quarter / 3]])
    assert np.allclose(matrices[0, :3, 3], (1, 2, 3))
    assert np.allclose(matrices[0, :3, :3].T, [(0, -1, 0), (0, 0, -1), (1, 0, 0)])
    assert np.allclose(matrices[1, :3, 2], (0, 1, 0)) and np.allclose(matrices[1, :3, 0], (1, 0, 0))
    assert matrices[2, 2, 2] == pytest.approx(0.5), "pitch up looks up"
    turned = matrices[:, :3, :3]
    assert np.allclose(turned @ turned.transpose(0, 2, 1), np.eye(3))
    assert np.allclose(np.linalg.det(turned), 1)
