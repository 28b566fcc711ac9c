"""The embedded model, loaded once for the tests of worlds."""

from __future__ import annotations

import pytest

import gwm_core as gwm


@pytest.fixture(scope="session")
def model():
    return gwm.load("gwm-rooms")


@pytest.fixture(scope="session")
def walked(model):
    """A world some ticks in, with what was seen and heard on the way."""
    world = model.new_world(prompt="a brick hall at dusk, two red balls, lamps on", seed=7)
    return model.step(world, "W*3 W+look(6,0)*3 Q look(-4,2)*2")
