"""A real server for live players, with short waits, and a second clean one for comparison."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .client import Made, Page, graph

LAB = Path(__file__).parent / "lab"
PATHS = "lab:\n  base_path: {base}\n  custom_nodes: nodes\n"
GRACE, SILENT, PLAYERS = 3, 4, 6
LIMITS = f"grace={GRACE}, silent={SILENT}, wait=6, players={PLAYERS}, links=24"
PROXY = "127.0.0.1"


def _server(start_comfy, tmp_path_factory, **environment: str):
    base = tmp_path_factory.mktemp("live")
    (base / "nodes").mkdir()
    (base / "nodes" / "lab").symlink_to(LAB, target_is_directory=True)
    (base / "paths.yaml").write_text(PATHS.format(base=base))
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        comfy = start_comfy("--extra-model-paths-config", str(base / "paths.yaml"))
        comfy.queue(graph())  # the model is loaded, so that what follows has its usual times
        return comfy
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="session")
def _live_server(start_comfy, tmp_path_factory):
    return _server(start_comfy, tmp_path_factory, GWM_LIVE_LIMITS=LIMITS, GWM_TRUSTED_PROXY="")


@pytest.fixture(scope="session")
def clean(start_comfy, tmp_path_factory):
    """A second server, on which nobody plays; it trusts a proxy on this machine."""
    return _server(start_comfy, tmp_path_factory, GWM_TRUSTED_PROXY=PROXY)


@pytest.fixture
def live(_live_server) -> Iterator:
    """The server that the players share. After each test it must be well, with nothing in its log
    that went wrong inside."""
    start = len(_live_server.log_text())
    yield _live_server
    assert _live_server.server.alive()
    log = _live_server.log_text()[start:]
    trouble = re.search(r"Traceback|stumbled|Error handling request|never retrieved", log)
    assert trouble is None, log[-3000:]


@pytest.fixture(scope="session")
def made_clean(clean):
    """made_clean(text of a walk) -> what the second server makes of it."""
    return lambda walk, **world: Made(clean, walk, **world)


@pytest.fixture(scope="module")
def _somebody(_live_server) -> Iterator[Page]:
    with Page(_live_server) as page:
        page.open(seed=11)
        page.play()
        page.hold(W=1)
        yield page


@pytest.fixture
def other(_somebody) -> Iterator[Page]:
    """Somebody who plays all the while; the world must have gone on for them at the end."""
    yield _somebody
    _somebody.wait_tick(len(_somebody.rows) + 4, within=20)


def eventually(check, within: float = 10) -> None:
    """Until a check is true."""
    limit = time.monotonic() + within
    while not check():
        assert time.monotonic() < limit, "not in time"
        time.sleep(0.05)
