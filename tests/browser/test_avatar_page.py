"""The page of `gwm serve --avatars`: a microphone and a picture of one's own become a face."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gwm_core.avatars.faces_model import FacesModel, Reading, new_dynamics
from gwm_core.serve.avatar_server import AvatarServer, portraits_in

PORTRAITS = Path(__file__).parents[1] / "avatars" / "portraits"
KEY = "a/key=1"
LIVE = "() => /fps/.test(document.querySelector('#status').textContent)"
UNREADABLE = "() => /cannot be read/.test(document.querySelector('#told').textContent)"
IDLE = "() => document.querySelector('#go').textContent === 'Start'"


@pytest.fixture(scope="module")
def server():
    torch.manual_seed(0)
    net = new_dynamics(stem_width=32, width=32, depth=1, heads=2, window=4)
    torch.nn.init.normal_(net.outlets["motion"].out.weight, std=0.1)
    torch.nn.init.constant_(net.outlets["motion"].out.bias, 0.3)
    model, portraits = FacesModel(net, Reading(32)), portraits_in([PORTRAITS / "mascot.png"])
    with AvatarServer(model, portraits, key=KEY) as one:
        yield one


@pytest.fixture
def page(browser, server):
    page = browser.new_page()
    errors: list[str] = []
    page.on("console", lambda m: m.type in ("error", "warning") and errors.append(m.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_default_timeout(60_000)
    page.goto(f"{server.url}/avatar#key={KEY}")
    page.wait_for_function("() => document.querySelectorAll('#portrait option').length === 2")
    yield page
    page.close()
    assert errors == []


def pixels(page) -> str:
    return page.evaluate("() => document.querySelector('#canvas').toDataURL()")


def test_the_microphone_moves_a_portrait(page, server):
    still = pixels(page)
    page.click("#go")
    page.wait_for_function(LIVE)
    assert server.stage.sessions == 1 and pixels(page) != still
    page.click("#go")
    page.wait_for_function(IDLE)
    assert page.inner_text("#told") == ""


def test_a_picture_and_a_sound_of_ones_own(page, server):
    with page.expect_file_chooser() as chooser:
        page.select_option("#portrait", "a file…")
    chooser.value.set_files(str(PORTRAITS / "astronaut.jpg"))
    page.wait_for_function("() => document.querySelector('#portrait').value === 'astronaut.jpg'")
    page.select_option("#own", "nothing")
    page.click("#go")
    page.wait_for_function(LIVE)
    with page.expect_file_chooser() as chooser:
        page.select_option("#other", "a file…")
    chooser.value.set_files(str(PORTRAITS / "points.json"))
    page.wait_for_function(UNREADABLE)
    assert page.input_value("#other") == "nothing"
    page.click("#go")
    page.wait_for_function(IDLE)
