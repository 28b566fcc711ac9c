"""Several players, lost sockets, the host's own work: no walk changes, nothing stays behind."""

from __future__ import annotations

import json
import secrets
import threading
import time

import pytest

from .client import Made, Page, graph, node
from .conftest import GRACE, PLAYERS, eventually

SLOW = 2.0


def test_four_players_at_once_are_each_exact(live, made_clean):
    """Two share a world; all of them are made again alone on a server where nobody plays."""
    worlds = [{"seed": 5}, {"seed": 5}, {"seed": 8}, {"prompt": "a tiled room at night, fog"}]
    pages = [Page(live) for _ in worlds]
    for page, world in zip(pages, worlds, strict=True):
        page.open(**world)
    threads = [threading.Thread(target=page.walk_about, args=(10 + 2 * i,))
               for i, page in enumerate(pages)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, (page, world) in enumerate(zip(pages, worlds, strict=True)):
        assert len(page.rows) >= 10 + 2 * i and not page.wrong
        again = made_clean(page.text(), **world)
        assert again.ui == {"ticks": len(page.rows), "same": True, "changed": [], "note": ""}
        assert again.sound["hash"] == page.heard()
        page.close()


def test_players_share_time_fairly(live):
    """One that began earlier does not hold the others up: all come equally far in equal time."""
    pages = [Page(live) for _ in range(3)]
    for seed, page in enumerate(pages):
        page.open(seed=20 + seed)
    for page in pages:
        page.play()
        page.hold(W=1)
    for page in pages:
        page.wait_tick(3)
    before = [len(page.rows) for page in pages]
    time.sleep(2.5)
    gained = [len(page.rows) - was for page, was in zip(pages, before, strict=True)]
    for page in pages:
        page.close()
    assert min(gained) > 0 and max(gained) - min(gained) <= 4, gained


def test_a_lost_socket_is_resumed_with_everything(live):
    page = Page(live)
    page.open()
    page.walk_about(8)
    page.send("event", text="night falls")
    page.wait("event")
    page.play()
    page.hold(W=1)
    page.wait_tick(len(page.rows) + 3)
    known = len(page.rows)
    page.lose()
    time.sleep(0.5)
    with Page(live) as back:
        still = back.resume(page.session)
        assert back.session == page.session and back.opened["resumed"] is True
        assert still["tick"] == back.opened["tick"] == len(back.rows) >= known
        assert back.rows[:known] == page.rows[:known] and back.events == [(8, "night falls")]
        assert back.quiet(0.4), "it stands until play is pressed again"
        back.walk_about(4)
        assert Made(live, back.text()).ui["same"] is True


def test_a_second_page_takes_a_session_over(live):
    with Page(live) as first, Page(live) as second:
        first.open()
        first.walk_about(3)
        second.resume(first.session)
        assert "another place" in first.wait("closed")["why"]
        assert first.wait_closed() == 1000
        assert second.rows == first.rows
        second.walk_about(3)


def test_a_vanished_page_is_freed_after_the_grace(live):
    page = Page(live)
    page.open()
    page.play()
    page.wait_tick(2)
    page.lose()
    time.sleep(GRACE + 1.5)
    with Page(live) as back:
        back.send("resume", session=page.session)
        error = back.wait("error")
        assert error["code"] == "unknown-session" and error["fatal"] and "Play" in error["message"]


def test_opening_again_replaces_the_session(live):
    with Page(live) as page, Page(live) as look:
        page.open()
        page.walk_about(3)
        before = page.session
        still = page.open(seed=6)
        assert page.session != before and still["tick"] == 0 and page.rows == []
        look.send("resume", session=before)
        assert look.wait("error")["code"] == "unknown-session"
        page.walk_about(3)
        assert Made(live, page.text(), seed=6).ui["same"] is True


def test_the_number_is_bounded_and_said(live):
    pages = [Page(live) for _ in range(PLAYERS)]
    for page in pages:
        page.open()
    with Page(live) as more:
        token = secrets.token_hex(16)
        more.send("open", token=token)
        live.client.submit(graph(json.dumps({"gwm_open": token})))
        error = more.wait("error")
        assert error["code"] == "full" and error["fatal"] and str(PLAYERS) in error["message"]
        pages[0].send("close")
        more.open()
        pages[1].lose()  # one whose page is away makes room before its time
        time.sleep(0.3)
        pages[0].open()
        for page in pages:
            page.close()


def test_sockets_are_bounded(live):
    pages = [Page(live) for _ in range(24)]
    late = Page(live)
    error = late.wait("error")
    assert error["code"] == "full" and "24" in error["message"]
    assert late.wait_closed() == 1000
    for page in [late, *pages]:
        page.close()
    eventually(lambda: _opens(live))


def _opens(live) -> bool:
    with Page(live) as page:
        return not any(m["type"] == "error" for m in page.messages) and page.quiet(0.2, "error")


def test_closing_frees_the_session(live):
    with Page(live) as page:
        page.open()
        session = page.session
        page.send("close")
        page.send("play")
        error = page.wait("error")
        assert error["code"] == "unknown-session" and "press Play" in error["message"]
        page.send("resume", session=session)
        assert page.wait("error")["code"] == "unknown-session"
        page.open()
        page.walk_about(2)


@pytest.mark.parametrize("playing", [True, False])
def test_free_ends_sessions_with_a_word(live, playing):
    with Page(live) as page:
        page.open()
        page.walk_about(5)
        text = page.text()
        if playing:
            page.play()
            page.wait_tick(7)
        live.client.free()
        assert "freed its memory" in page.wait("closed")["why"]
        page.send("seek", tick=1)
        assert page.wait("error")["code"] == "unknown-session"
        assert page.quiet(0.3)
        made = Made(live, text)
        assert made.ui["same"] is True, "made anew, not from what was kept"
        page.open()
        page.walk_about(2)


def test_a_refused_free_frees_nothing(live):
    """Another website may try: the host refuses it, and so nothing must happen here either."""
    import urllib.error
    import urllib.request

    with Page(live) as page:
        page.open()
        page.walk_about(2)
        request = urllib.request.Request(
            f"{live.url}/free", b'{"unload_models": true}',
            {"Content-Type": "application/json", "Origin": "http://evil.example"},
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        assert refused.value.code == 403
        page.walk_about(2)


def test_a_queue_run_makes_players_wait_and_go_on(live):
    with Page(live) as page:
        page.open()
        page.play()
        page.hold(W=1, look=[4, 0])
        page.wait_tick(4)
        run = {"1": node("LiveSlow", seconds=SLOW)}
        began = time.monotonic()
        live.client.submit(run)
        state = page.wait("state", state="waiting")
        assert "queue" in state["why"]
        at = len(page.rows)
        time.sleep(max(0.0, SLOW - 0.5 - (time.monotonic() - began)))
        assert len(page.rows) <= at + 1, "nothing is computed meanwhile"
        page.wait("state", state="playing")
        page.wait_tick(at + 4)
        page.pause()
        late = [m["late"] for m in page.messages if m.get("rows") and m["tick"] > at + 1]
        assert max(late) < 1000 * SLOW, "the time of waiting is not to be caught up with"
        assert Made(live, page.text()).ui["same"] is True


def test_a_pause_while_the_queue_runs(live):
    """Stopped and begun again while it waits: the world goes on as soon as it may."""
    with Page(live) as page:
        page.open()
        page.play()
        page.wait_tick(2)
        live.client.submit({"1": node("LiveSlow", seconds=1.5)})
        page.wait("state", state="waiting")
        page.pause()
        time.sleep(2)
        page.play()
        page.wait_tick(len(page.rows) + 2, within=6)
        page.pause()


def test_a_seek_that_must_compute_waits_for_the_queue(live):
    with Page(live) as page:
        page.open()
        page.walk_about(3)
        walk = page.walk()
    live.client.free()  # nothing of it is kept
    with Page(live) as page:
        page.open()
        token = secrets.token_hex(16)
        page.send("open", token=token, walk=walk)
        live.client.submit(graph(json.dumps({"gwm_open": token})))
        began = time.monotonic()
        live.client.submit({"1": node("LiveSlow", seconds=SLOW)})
        page.wait("opened")
        assert page.wait("state", state="waiting")["why"]
        still = page.wait("binary", kind="still", tick=3)
        assert time.monotonic() - began > SLOW * 0.6
        assert still["hash"] == walk["last"]


def test_a_run_takes_its_usual_time_while_somebody_plays(live):
    def run(seed: int) -> float:
        prompt = graph("W*12", seed=seed)
        began = time.monotonic()
        live.queue(prompt)
        return time.monotonic() - began

    alone = min(run(31), run(32))
    with Page(live) as page:
        page.open()
        page.play()
        page.hold(W=1)
        page.wait_tick(3)
        beside = min(run(33), run(34))
        page.wait_tick(len(page.rows) + 2)
        page.pause()
    assert beside < 1.5 * alone + 0.3, (alone, beside)
