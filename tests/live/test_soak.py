"""An hour of play in a real browser, with page reloads: nothing is lost, nothing piles up.

GWM_SOAK_SECONDS sets its length (default 3600); 120 is a rehearsal.
"""

from __future__ import annotations

import os
import re
import time

import numpy as np
import pytest

from gwm_core.evaluation.bench import resident_mb
from gwm_core.evaluation.play.browser import BIG, Chromium, Editor
from gwm_core.evaluation.play.live import KEYS, PROMPT, Mouse
from gwm_core.evaluation.play.server import Comfy, new_world
from gwm_core.noise import rng

SECONDS = float(os.environ.get("GWM_SOAK_SECONDS", 3600))
RELOADS = 12
GRACE = 30  # seconds that a session outlives its page
STATES_MB, CLIPS_MB = 256, 32
SETTLED, MOST_GROWTH_MB = 1200, 60
"""Seconds after which the stores are full, and what the server may grow from there on."""
SETTINGS = {"Comfy.TutorialCompleted": True, "Comfy.Workflow.Persist": True}
LOOK = """({ state: player.state, why: player.session.why, asked: player.session.expected,
  server: player.session.state, tick: player.session.tick, cursor: player.cursor,
  ticks: player.ticks, connected: player.session.connected, said: player.view.notices.innerText,
  waits: player.view.waitText.textContent, focus: document.activeElement?.className })"""
"""What is told of a player that does not do what it should."""
TROUBLE = re.compile(r"Traceback|gwm: .*(failed|stumbled|could not)")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(SECONDS + 900)]


def walk_about(editor: Editor, seconds: float, generator) -> None:
    """Keys, mouse, an event and a rewind, until the time is over; ends while it plays."""
    mouse, ends = Mouse(editor), time.monotonic() + seconds
    editor.player("player.event('dense fog rolls in')")
    rewound = False
    while (left := ends - time.monotonic()) > 0:
        key = KEYS[int(generator.integers(len(KEYS)))]
        editor.page.keyboard.down(key)
        time.sleep(min(left, generator.uniform(0.1, 0.8)))
        mouse.stroke(generator)
        editor.page.keyboard.up(key)
        if not rewound and left < seconds / 2:
            rewound = True
            rewind(editor)
            mouse = Mouse(editor)
        assert editor.player("player.state") in ("playing", "busy", "waiting"), (
            editor.player("[player.state, player.session.why]")
        )


def press_play(editor: Editor) -> None:
    """Play, or an account of why it does not."""
    try:
        editor.press_play()
    except Exception as error:
        raise AssertionError(f"{error}: {editor.player(LOOK)}, {editor.errors}") from error


def rewind(editor: Editor) -> None:
    """A second back, and on from there."""
    editor.leave()
    before = editor.player("player.ticks")
    editor.page.click('[data-gwm="back"]')
    editor.page.wait_for_timeout(500)
    press_play(editor)
    assert before - 13 <= editor.player("player.ticks")


def reload(editor: Editor) -> int:
    """The page is loaded anew while it plays; the ticks that were recorded before."""
    before = editor.player("player.ticks")
    editor.open()
    editor.page.wait_for_selector(BIG, state="visible", timeout=60_000)
    return before


def test_soak(record_testsuite_property):
    graph, generator = new_world(PROMPT, 7), rng(7, "soak")
    memory: list[tuple[float, float]] = []
    speeds: list[float] = []
    try:
        play_on(graph, generator, memory, speeds)
    finally:
        record_testsuite_property("memory", [(round(t), round(mb)) for t, mb in memory])
        record_testsuite_property("ticks a second", [round(speed, 1) for speed in speeds])
    third = len(speeds) // 3
    assert np.median(speeds[-third:]) > np.median(speeds[:third]) / 2, speeds
    settled = [mb for at, mb in memory if at >= SETTLED]
    if len(settled) > 2:
        assert settled[-1] - settled[0] <= MOST_GROWTH_MB, memory


def play_on(graph, generator, memory: list, speeds: list) -> None:
    """The whole time, with a reload of the page after each twelfth of it."""
    with Chromium() as chromium, Comfy(settings=SETTINGS).fresh() as comfy:
        comfy.stores(graph, STATES_MB, CLIPS_MB)
        began = time.monotonic()
        with chromium.page(comfy) as editor:
            editor.build(graph)
            ticks = 0
            while (spent := time.monotonic() - began) < SECONDS:
                press_play(editor)
                assert editor.player("player.ticks") >= ticks
                made, started = editor.player("player.stats.received"), time.monotonic()
                walk_about(editor, min(SECONDS / RELOADS, SECONDS - spent + 1), generator)
                made = editor.player("player.stats.received") - made
                speeds.append(made / (time.monotonic() - started))
                memory.append((time.monotonic() - began, resident_mb(comfy.pid)))
                assert editor.errors == []
                ticks = reload(editor)
                assert editor.player("player.ticks") >= ticks, "recorded ticks were lost"
        time.sleep(GRACE + 5)
        left = comfy.stores(graph, STATES_MB, CLIPS_MB)
        log = comfy.log.read_text(errors="replace")
    assert left["sessions"] == 0, "a vanished page's session was not freed"
    assert not TROUBLE.search(log), log[-3000:]
