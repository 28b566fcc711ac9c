"""Playing live: what a page sees and hears is the walk that it keeps, and the queue gives it."""

from __future__ import annotations

import json

import pytest

from gwm_core.controls import Controls

from .client import Made, Page, digest
from .conftest import eventually

TICKS = 30


@pytest.fixture(scope="module")
def played(_live_server):
    """A page that has walked about for a while, with an event on the way."""
    page = Page(_live_server)
    still = page.open()
    assert still["tick"] == 0 and still["rows"] == [] and not still["pcm"]
    page.walk_about(TICKS // 2)
    page.send("event", text="night falls")
    page.answer = page.wait("event", text="night falls")
    page.walk_about(TICKS - TICKS // 2)
    yield page
    page.close()
    assert not page.wrong, page.wrong


@pytest.fixture(scope="module")
def queued(_live_server, played):
    return Made(_live_server, played.text())


def test_a_session_is_opened_with_all_a_page_needs(live, played):
    opened = played.opened
    assert len(opened["session"]) == 32 and opened["tick"] == opened["ticks"] == 0
    assert opened["of"] == {
        "model": "gwm-rooms", "fingerprint": opened["of"]["fingerprint"],
        "prompt": "a stone hall at dusk", "seed": "5", "tick": 0,
    }
    assert len(opened["world"]) == 64 and opened["changed"] == []
    assert opened["grace"] > 0 and opened["limits"]["ticks"] > 1000
    names = [spec["name"] for spec in opened["embodiment"]["controls"]]
    assert {"W", "A", "S", "D", "look"} <= set(names)


def test_ticks_come_whole_and_in_order(live, played):
    ticks = [m for m in played.messages if m["type"] == "binary" and m["kind"] == "tick"]
    assert [m["n"] for m in played.messages if m["type"] == "binary"] == list(
        range(1, len(ticks) + 2)
    )
    assert len(played.rows) == TICKS and not played.wrong
    for message in ticks:
        assert message["frames"]["encoding"] == "raw", "the page is on this machine"
        assert (message["frames"]["width"], message["frames"]["height"]) == (256, 160)
        assert len(message["pictures"]) == 2 and len(message["hash"]) == 64
        audio = message["audio"]
        assert (audio["rate"], audio["channels"]) == (24000, 1)
        assert audio["samples"] == 2000 * len(message["rows"])
        assert message["late"] >= 0 and message["made"] > 0
    numbers = [n for m in ticks for n in m["seqs"]]
    assert numbers == sorted(numbers) and numbers[-1] > 0
    for first, second in zip(ticks, ticks[1:], strict=False):
        if second["due"] > 0:  # not the first one after a pause
            assert second["due"] - first["due"] > 80, "twelve a second"


def test_what_is_pressed_is_what_is_recorded(live):
    with Page(live) as page:
        page.open()
        number = page.hold(W=1, look=[6, -3])  # before the first tick is made
        page.play()
        page.wait_tick(2)
        assert page.track.column("W").all()
        assert page.track.column("look_x").tolist()[:2] == [6, 0]
        assert page.track.column("look_y").sum() == -3
        first = next(m for m in page.messages if m.get("rows"))
        assert first["seqs"][0] == number
        number = page.hold(W=0, D=1)
        used = page.wait(lambda m: m.get("seqs") and m["seqs"][-1] == number)
        page.pause()
        assert page.track.column("W")[used["tick"] - 1] == 0
        assert page.track.column("D")[used["tick"] - 1] == 1
        page.step(2)
        assert page.track.column("D")[-2:].tolist() == [0, 0], "a pause lets go of everything"


def test_the_queue_gives_exactly_what_was_played(live, played, queued):
    assert queued.ui == {"ticks": TICKS, "same": True, "changed": [], "note": ""}
    assert queued.frames["shape"] == [2 * TICKS, 160, 256, 3]
    assert queued.sound == {"shape": [1, 2000 * TICKS], "rate": 24000, "hash": played.heard()}
    assert queued.world["tick"] == TICKS and queued.world["hash"] == played.hashes[TICKS]
    if len(played.frames) == TICKS + 1:  # no tick was skipped on the way to the page
        assert queued.frames["hash"] == played.seen()


def test_another_clean_server_gives_the_same_bits(live, played, queued, made_clean):
    again = made_clean(played.text())
    assert again.ui["same"] is True and again.ui["changed"] == []
    assert again.frames == queued.frames and again.sound == queued.sound
    assert again.world == queued.world


def test_an_event_is_understood_told_and_kept(live, played, made_clean):
    assert played.answer["understood"] and isinstance(played.answer["ignored"], list)
    assert played.events == [(TICKS // 2, "night falls")]
    without = played.walk()
    without["controls"]["events"] = []
    assert made_clean(json.dumps(without)).ui["same"] is False, "the event changed the world"


def test_seek_shows_any_tick_and_cuts_nothing(live, played):
    for tick in (3, TICKS, 0, 17):
        played.send("seek", tick=tick)
        still = played.wait("binary", kind="still", tick=tick)
        state = played.wait("state", state="paused")
        assert (state["tick"], state["ticks"]) == (tick, TICKS)
        assert still["rows"] == [] and not still["pcm"]
        if tick:
            assert still["hash"] == played.hashes[tick]
            assert digest(still["pictures"][0]) == digest(played.frames[tick][-256 * 160 * 3 :])
    played.send("seek", tick=10**6)
    assert played.wait("binary", kind="still")["tick"] == TICKS


def test_watching_shows_the_same_again(live, played):
    hashes, pcm = dict(played.hashes), dict(played.pcm)
    played.send("seek", tick=0)
    played.wait("binary", kind="still", tick=0)
    played.send("watch")
    played.wait("state", state="watching")
    seen = []
    while not seen or seen[-1]["tick"] < TICKS:
        seen.append(played.wait("binary", kind="tick"))
    end = played.wait("state", state="paused")
    assert (end["tick"], end["ticks"]) == (TICKS, TICKS)
    assert all(m["rows"] == [] and m["hash"] == hashes[m["tick"]] for m in seen)
    assert b"".join(m["pcm"] for m in seen) == b"".join(pcm[t] for t in sorted(pcm))
    assert played.seen() and len(played.rows) == TICKS


def test_a_pause_while_watching_cuts_nothing(live, played):
    played.send("seek", tick=0)
    played.wait("binary", kind="still", tick=0)
    played.send("watch")
    shown = played.wait("binary", kind="tick")["tick"]
    played.send("pause", tick=shown)
    state = played.wait("state", state="paused", tick=shown)
    assert state["ticks"] == TICKS
    assert played.quiet(0.4)


def test_a_shared_walk_opens_at_its_end(live, played):
    with Page(live) as page:
        still = page.open(played.walk())
        assert still["tick"] == TICKS and still["hash"] == played.hashes[TICKS]
        assert page.opened["ticks"] == TICKS and page.opened["changed"] == []
        page.walk_about(4)
        assert len(page.rows) == TICKS + 4
        assert Controls.from_json(page.walk()["controls"], page.embodiment)[:TICKS] == played.track
        assert Made(live, page.text()).ui["same"] is True


def test_pause_cuts_what_the_page_has_not_seen(live):
    with Page(live, acks=False) as page:
        page.open()
        page.play()
        page.hold(W=1)
        last = page.wait_tick(1)
        # Without an answer the page gets one more message; the world has gone on meanwhile.
        assert page.quiet(0.7)
        known = len(page.rows)
        state = page.pause()
        assert state["tick"] == state["ticks"] == known
        page.acks = True
        page.send("ack", n=last["n"])
        page.walk_about(3)
        assert len(page.rows) == known + 3
        assert Made(live, page.text()).ui["same"] is True


def test_a_late_page_loses_no_row_and_no_sound(live):
    with Page(live, acks=False) as page:
        page.open()
        page.play()
        page.hold(W=1, look=[5, 0])
        last = page.wait_tick(1)
        assert page.quiet(0.6)
        page.acks = True
        page.send("ack", n=last["n"])
        behind = page.wait(lambda m: m["type"] == "binary" and len(m["rows"]) >= 4)
        samples = 2000 * min(12, len(behind["rows"]))
        assert behind["audio"]["samples"] == samples == len(behind["pcm"]) // 2
        assert len(behind["pictures"]) == 2, "pictures of the newest tick alone"
        page.wait_tick(behind["tick"] + 2)
        page.pause()
        assert Made(live, page.text()).ui["same"] is True


def test_steps_one_by_one(live):
    with Page(live) as page:
        page.open()
        page.hold(W=1)
        page.send("step")
        first = page.wait("binary", kind="tick")
        assert first["tick"] == 1 and len(first["rows"]) == 1 and first["pcm"]
        assert page.wait("state", state="paused")["ticks"] == 1
        page.send("step", ticks=3)
        page.wait("state", state="paused", tick=4, ticks=4)
        eventually(lambda: len(page.rows) == 4)  # pictures wait for their answers, words do not
        assert page.track.column("W").tolist() == [1, 1, 1, 1]
        assert page.quiet(0.4), "paused it stays"
        assert Made(live, page.text()).ui["same"] is True


def test_playing_from_the_middle_cuts_the_rest(live, played, made_clean):
    with Page(live) as page:
        page.open(played.walk())
        page.send("seek", tick=12)
        page.wait("binary", kind="still", tick=12)
        page.play()
        page.hold(S=1)
        shown = page.wait("binary", kind="tick")
        assert shown["tick"] - len(shown["rows"]) == 12
        page.wait_tick(16)
        page.pause()
        assert 16 <= len(page.rows) < TICKS
        assert page.rows[:12] == played.rows[:12]
        assert page.track.column("S")[-1] == 1
        again = made_clean(page.text())
        assert again.ui["same"] is True and again.sound["shape"] == [1, 2000 * len(page.rows)]


def test_cut_forgets_the_rest(live, played):
    with Page(live) as page:
        page.open(played.walk())
        page.send("seek", tick=5)
        page.wait("binary", kind="still", tick=5)
        page.send("cut")
        assert page.wait("state", state="paused", ticks=5)["tick"] == 5
        page.send("seek", tick=TICKS)
        assert page.wait("binary", kind="still")["tick"] == 5


def test_a_walk_under_another_prompt_is_kept_and_told(live, played):
    with Page(live) as page:
        still = page.open(played.walk(), prompt="a tiled room at night", seed=6)
        assert page.opened["changed"] == ["prompt", "seed"]
        assert still["tick"] == page.opened["ticks"] == TICKS
        assert still["hash"] != played.hashes[TICKS]


@pytest.mark.parametrize("encoding, kind", [("lossless", "raw"), ("small", "jpeg")])
def test_encodings_change_bytes_and_nothing_else(live, encoding, kind):
    with Page(live) as page:
        page.open(encoding=encoding)
        page.send("step", ticks=2)
        page.wait("state", state="paused", tick=2)
        shown = [m for m in page.messages if m["type"] == "binary"]
        assert {m["frames"]["encoding"] for m in shown} == {kind}
        if kind == "jpeg":
            assert all(p[:3] == b"\xff\xd8\xff" for m in shown for p in m["pictures"])
        assert Made(live, page.text()).ui["same"] is True


def test_far_pages_get_lossless_pictures(live):
    with Page(live, headers={"X-Forwarded-For": "192.0.2.7"}) as page:
        still = page.open()
        assert still["frames"]["encoding"] == "png"
        assert still["pictures"][0][:8] == b"\x89PNG\r\n\x1a\n"
