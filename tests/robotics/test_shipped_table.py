"""The table model that is shipped, beside the simulator: things go where they truly go."""

from __future__ import annotations

import pytest

from gwm_core.evaluation.robotics.open_loop import figures, true_runs
from gwm_core.robotics.loading import load_table


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, float]]:
    """A run of each task that nothing was trained on, in the simulator and in the model."""
    return figures(load_table(), true_runs(4, 3))


def test_things_are_moved_as_they_truly_are(found):
    places = found["places"]
    assert places["moved"] >= 3 and places["still_m"] > 0.1
    assert places["median_m"] < 0.015 and places["r"] > 0.98


def test_pictures_show_it(found):
    for view in ("front", "side", "wrist"):
        assert found[view]["moving_db"] > found[view]["moving_copy_db"] + 8
