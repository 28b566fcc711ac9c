"""Playing in the page: real keys, real pictures, and what the graph keeps of it."""

from __future__ import annotations

import json

import pytest

from gwm_core.cli.client import failure_of
from gwm_core.controls import Controls
from gwm_core.embodiment import rooms_embodiment

from .play import Play, fit, graph
from .test_queue import finished

HOST_KEYS = ("q", "r", "n", "m", ".", "Delete", "Space")
SIDEBAR = ".side-bar-panel, .p-dialog, .comfy-vue-side-bar-body"


@pytest.fixture
def player(editor):
    """The example without a walk, open and in view."""
    editor.errors.clear()
    editor.load(graph())
    fit(editor)
    play = Play(editor)
    play.until("p")
    yield play
    assert editor.own_errors() == []
    editor.load({"nodes": [], "links": [], "version": 0.4})


def controls_of(walk: dict) -> Controls:
    return Controls.from_json(walk["controls"], rooms_embodiment())


def test_keys_play_esc_leaves_and_run_gives_the_same(editor, player):
    nodes = len(editor.nodes())
    panels = editor.page.locator(SIDEBAR).count()
    player.play()
    assert editor.page.evaluate("() => document.activeElement.className") == "gwm-play-canvas"
    before = player.pixels()
    editor.page.keyboard.down("w")
    player.until("p.track.ticks >= 12")
    for key in HOST_KEYS:
        editor.page.keyboard.press(key)
    player.until("p.stats.keyToPixel.length >= 5")
    editor.page.keyboard.up("w")
    assert player.pixels() != before
    assert len(editor.nodes()) == nodes and editor.page.locator(SIDEBAR).count() == panels
    assert player.walk is None, "the widget is written when the recording ends"
    editor.shot("play")
    steps = player.undo_steps()
    editor.page.keyboard.press("Escape")
    player.until("p.state === 'paused'")
    assert editor.page.evaluate("() => document.activeElement.tagName") == "BODY"
    assert player.undo_steps() == steps + 1, "one recording, one step of undo"
    walk = player.walk
    track = controls_of(walk)
    assert len(track) == player.get("cursor") and track.column("W").sum() >= 6
    assert track.column("jump").any() and track.column("throw").any()
    assert walk["of"]["prompt"].startswith("a brick hall") and len(walk["last"]) == 64
    known = set(editor.comfy.client.call("/history"))
    editor.page.evaluate("async () => { await window.app.queuePrompt(0, 1) }")
    entry = finished(editor, known)
    (told,) = [out["gwm_play"][0] for out in entry["outputs"].values() if "gwm_play" in out]
    assert told["same"] is True and told["ticks"] == len(track) and told["changed"] == []
    # A shared file: another page opens it and holds the same walk, a run gives the same.
    shared = json.loads(editor.page.evaluate("() => JSON.stringify(app.graph.serialize())"))
    editor.load(shared)
    Play(editor).until(f"p && p.ticks === {len(track)}")
    assert player.walk == walk


def test_queueing_while_playing_writes_the_walk_first(editor, player):
    player.play()
    player.until("p.ticks >= 8")
    known = set(editor.comfy.client.call("/history"))
    editor.page.evaluate("async () => { await window.app.queuePrompt(0, 1) }")
    entry = finished(editor, known)
    (told,) = [out["gwm_play"][0] for out in entry["outputs"].values() if "gwm_play" in out]
    assert told["same"] is True and told["ticks"] >= 8
    assert told["ticks"] == len(controls_of(player.walk))
    assert failure_of(entry) is None


def test_events_timeline_branch_and_undo(editor, player):
    player.play()
    field = player.root.locator(".gwm-play-event")
    field.fill("night falls, a dragon")
    field.press("Enter")
    player.until("p.track.events.length === 1 && p.ticks >= 14")
    player.root.locator(".gwm-play-said").filter(has_text="dragon").wait_for()
    player.press("play")
    player.until("p.state === 'paused'")
    whole = player.walk
    assert [text for _, text in whole["controls"]["events"]] == ["night falls, a dragon"]
    end = player.pixels()
    # Back by keyboard: nothing is cut.
    strip = player.root.locator(".gwm-play-timeline")
    strip.focus()
    strip.press("Home")
    player.until("p.cursor === 0 && p.session.state === 'paused'")
    editor.page.wait_for_function(f"(end) => {player.js}.view.canvas.toDataURL() !== end", arg=end)
    assert player.walk == whole
    strip.press("End")
    editor.page.wait_for_function(f"(end) => {player.js}.view.canvas.toDataURL() === end", arg=end)
    # A branch goes on from where one stands.
    player.get("seek(6)")
    player.until("p.cursor === 6 && p.state === 'paused'")
    player.press("branch")
    other = Play(editor, 1)
    other.until("p && p.ticks === 6")
    assert other.walk["controls"]["ticks"] == 6 and player.walk == whole
    worlds = editor.page.evaluate(
        """() => app.graph.nodes.filter((n) => n.type === "GWMPlayWorld").map((n) => {
            const link = app.graph.links.get
                ? app.graph.links.get(n.inputs.find((i) => i.name === "world").link)
                : app.graph.links[n.inputs.find((i) => i.name === "world").link];
            return [link.origin_id, link.origin_slot];
        })"""
    )
    assert worlds[0] == worlds[1]
    fit(editor)
    other.play()
    other.until("p.ticks >= 10")
    other.press("play")
    other.until("p.state === 'paused'")
    sessions = {player.get("session.id"), other.get("session.id")}
    assert len(sessions) == 2 and None not in sessions
    assert controls_of(other.walk)[:6] == controls_of(whole)[:6].without_pending()
    # Playing on from the middle cuts what came after; undo brings it back.
    player.press("big")
    player.until("p.state === 'playing' && p.ticks === p.cursor && p.ticks > 8")
    player.press("play")
    player.until("p.state === 'paused'")
    assert player.walk != whole
    editor.page.evaluate(
        "async () => app.extensionManager.workflow.activeWorkflow.changeTracker.undo()"
    )
    Play(editor).until(f"p && p.ticks === {whole['controls']['ticks']}")
    assert player.walk == whole


def test_copies_bypass_and_subgraphs_keep_the_walk(editor, player):
    player.play()
    player.until("p.ticks >= 8")
    player.press("play")
    player.until("p.state === 'paused'")
    walk = player.walk
    editor.page.evaluate(
        """() => {
            const node = app.graph.nodes.find((n) => n.type === "GWMPlayWorld");
            app.canvas.selectNodes([node]);
            app.canvas.copyToClipboard([node]);
            app.canvas.pasteFromClipboard();
        }"""
    )
    copy = Play(editor, 1)
    copy.until("p && p.ticks > 0")
    assert copy.walk == walk and copy.get("session.id") is None
    editor.page.evaluate(
        """() => app.graph.remove(app.graph.nodes.filter((n) => n.type === "GWMPlayWorld")
            .sort((one, other) => one.id - other.id)[1])"""
    )
    # Bypassed: the world passes through, and the player says so.
    editor.page.evaluate(
        """() => { app.graph.nodes.find((n) => n.type === "GWMPlayWorld").mode = 4 }"""
    )
    player.root.locator(".gwm-play-blocked").wait_for(state="visible")
    editor.page.evaluate(
        """() => { app.graph.nodes.find((n) => n.type === "GWMPlayWorld").mode = 0 }"""
    )
    # Into a subgraph: the walk goes with it, and plays in there.
    editor.page.evaluate(
        """() => {
            const node = app.graph.nodes.find((n) => n.type === "GWMPlayWorld");
            app.graph.convertToSubgraph(new Set([node]));
        }"""
    )
    prompt = editor.prompt()
    (inner,) = [n for n in prompt.values() if n["class_type"] == "GWMPlayWorld"]
    assert json.loads(inner["inputs"]["walk"]) == walk
    editor.page.evaluate(
        """() => {
            const outer = app.graph.nodes.find((n) => n.subgraph);
            app.canvas.openSubgraph ? app.canvas.openSubgraph(outer.subgraph, outer)
                                    : app.canvas.setGraph(outer.subgraph);
        }"""
    )
    inside = (
        "[...app.graph.nodes.find((n) => n.subgraph).subgraph.nodes]"
        ".find((n) => n.type === 'GWMPlayWorld').widgets.find((w) => w.name === 'player').player"
    )
    editor.page.wait_for_function(f"() => {inside}?.ticks === {walk['controls']['ticks']}")
    editor.page.evaluate(f"() => {{ {inside}.play() }}")
    editor.page.wait_for_function(
        f"() => {inside}.ticks > {walk['controls']['ticks'] + 3}", timeout=60_000
    )
    editor.page.evaluate(f"() => {{ {inside}.pause() }}")
    editor.page.evaluate("() => { app.canvas.setGraph(app.graph) }")


def test_a_lost_socket_loses_nothing(editor, player):
    player.play()
    player.until("p.ticks >= 6")
    ticks = player.get("ticks")
    session = player.get("session.id")
    editor.page.evaluate(f"() => {{ {player.js}.session.socket.socket.close() }}")
    player.until("p.mode === 'lost'")
    player.until("p.session.alive && p.mode !== 'lost'")
    assert player.get("session.id") == session
    player.until(f"p.ticks > {ticks} + 3")
    editor.page.keyboard.press("Escape")
    player.until("p.state === 'paused'")
    assert len(controls_of(player.walk)) == player.get("ticks")


def test_a_reload_in_the_middle_loses_nothing(editor, player):
    editor.comfy.client.call("/settings", {"Comfy.Workflow.Persist": True})
    try:
        editor.open()
        editor.load(graph())
        fit(editor)
        player.play()
        player.until("p.ticks >= 24")
        ticks = player.get("ticks")
        editor.open()
        player.until(f"p && p.ticks >= {ticks - 14}", 60_000)
        assert len(controls_of(player.walk)) >= ticks - 14
        fit(editor)
        player.play()
        player.press("play")
        player.until("p.state === 'paused'")
    finally:
        editor.comfy.client.call("/settings", {"Comfy.Workflow.Persist": False})
        editor.open()


def test_another_prompt_keeps_the_walk_and_says_so(editor, player):
    player.play()
    player.until("p.ticks >= 6")
    player.press("play")
    player.until("p.state === 'paused'")
    track = controls_of(player.walk)
    editor.load(graph(json.dumps(player.walk), "a white kitchen by day"))
    fit(editor)
    player.press("big")
    player.root.locator(".gwm-play-notice.is-warning").filter(has_text="prompt").wait_for(
        timeout=60_000
    )
    player.until(f"p.state === 'playing' && p.ticks > {len(track)}")
    player.press("play")
    player.until("p.state === 'paused'")
    assert controls_of(player.walk)[: len(track)] == track
    assert player.walk["of"]["prompt"] == "a white kitchen by day"
