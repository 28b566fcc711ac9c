"""The models of films, loaded once for all tests of a run."""

from __future__ import annotations

import pytest

from gwm_core.video.parts import Parts, load_parts


@pytest.fixture(scope="session")
def parts() -> Parts:
    return load_parts()
