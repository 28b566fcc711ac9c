"""The table model that is shipped, beside the simulator: things go where they truly go."""

from __future__ import annotations

import numpy as np
import pytest

from gwm_core.evaluation.robotics.open_loop import Run, figures, true_runs
from gwm_core.evaluation.robotics.rollout import correlation
from gwm_core.robotics.loading import load_table


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    """Two runs of each task that nothing was trained on, in the simulator."""
    return true_runs(8, 3)


@pytest.fixture(scope="module")
def found(runs) -> dict[str, dict[str, float]]:
    """One of each, in the model."""
    return figures(load_table(), runs[:4])


def test_things_are_moved_as_they_truly_are(found):
    places = found["places"]
    assert places["moved"] >= 3 and places["still_m"] > 0.1
    assert places["median_m"] < 0.015 and places["r"] > 0.98


def test_pictures_show_it(found):
    for view in ("front", "side", "wrist"):
        assert found[view]["moving_db"] > found[view]["moving_copy_db"] + 8


def test_actions_are_read_from_true_films(runs):
    """From two looks well, with the one before them better; not from a film that runs backwards."""
    model, truth = load_table(), np.stack([r.actions for r in runs])
    films = [{v: np.stack([look["pixels"][v] for look in r.looks]) for v in model.rig.views}
             for r in runs]
    alone, told = (np.stack([model.actions_between(film, alone=how) for film in films])
                   for how in (True, False))
    back = np.stack([model.actions_between({v: film[v][::-1] for v in film}, alone=True)[::-1]
                     for film in films])
    assert correlation(alone, truth) > 0.8
    assert correlation(told, truth) > correlation(alone, truth) + 0.02
    assert correlation(back, truth) < 0
