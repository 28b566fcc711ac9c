"""Live players without a host: sessions, their beginning, their end and their limits."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest

from gwm_core.controls import Controls
from gwm_core.errors import GWMError, SessionError
from gwm_core.live import Hub, Limits
from gwm_core.live.hub import MOST_ERRANDS
from gwm_core.walk import Walk

from .live_page import Page, slow_hub_track, until


def test_what_is_said_first(fake_model, hub):
    world = fake_model().new_world()
    walk = Walk(Controls.parse("W*5", world.embodiment)).to_json()
    page = Page(hub).open(world, walk)
    assert page.said[:2] == ["opened", "still"]
    (opened,) = page.of("opened")
    assert (opened["tick"], opened["ticks"], opened["resumed"]) == (5, 5, False)
    assert page.binary[0]["tick"] == 5
    page.say("play")
    until(lambda: len(page.rows) >= 3)
    page.say("pause", tick=len(page.rows) + 5)
    page.settle()
    assert page.of("state")[-1]["state"] == "paused"


def test_pictures_and_words_come_in_the_order_in_which_it_happened(fake_model, hub, monkeypatch):
    """Also where encoding takes its time: what comes after the word of a pause is new."""
    monkeypatch.setattr(
        "gwm_core.live.encode.picture", lambda frame, kind: time.sleep(0.03) or frame.tobytes()
    )
    page = Page(hub).open(fake_model().new_world())
    page.say("step", ticks=2)
    page.settle()
    assert page.said[-3:] == ["tick", "tick", "state"]
    assert page.of("state")[-1]["tick"] == 2


def test_a_late_page_gets_every_row_however_it_stops(fake_model, slow_hub):
    """Paused without a tick and moved: ticks that still wait are sent before the picture."""
    page = Page(slow_hub, acks=False).open(fake_model().new_world())
    page.say("play")
    page.settle()
    slow_hub.turn(1.0)
    page.say("pause")
    page.say("seek", tick=2)
    page.settle()
    page.acks = True
    page.say("ack", n=page.binary[-1]["n"])
    page.settle()
    assert [h["kind"] for h in page.binary[-2:]] == ["tick", "still"]
    assert len(page.rows) == page.of("state")[-1]["ticks"] >= 11


def test_a_pause_with_a_tick_forgets_what_waits(fake_model, slow_hub):
    page = Page(slow_hub, acks=False).open(fake_model().new_world())
    page.say("play")
    page.settle()
    slow_hub.turn(1.0)
    page.settle()
    known = len(page.rows)
    assert 0 < known < 5
    page.say("pause", tick=known)
    page.settle()
    assert page.of("state")[-1]["ticks"] == known
    page.acks = True
    page.say("ack", n=page.binary[-1]["n"])
    page.settle()
    assert len(page.rows) == known
    page.say("play")
    page.settle()
    slow_hub.turn(0.5)
    page.settle()
    assert len(page.rows) >= known + 5
    assert page.rows == slow_hub_track(slow_hub).values.tolist()


def test_a_resumed_page_is_given_the_whole_walk(fake_model, slow_hub):
    first = Page(slow_hub, acks=False).open(fake_model().new_world())
    first.say("play")
    first.settle()
    slow_hub.turn(1.0)
    first.link.left()
    second = Page(slow_hub)
    second.say("resume", session=first.of("opened")[0]["session"])
    second.settle()
    assert [kind for kind in second.said if kind != "state"][:2] == ["opened", "still"]
    (opened,) = second.of("opened")
    track = Controls.from_json(opened["walk"]["controls"], fake_model().embodiment)
    assert opened["resumed"] and len(track) == opened["ticks"] == second.binary[0]["tick"] >= 11
    assert second.rows == [], "and nothing twice"
    second.say("pause", tick=4)  # a page that has seen less keeps to what it has seen
    second.settle()
    assert second.of("state")[-1]["ticks"] == 4 == len(slow_hub_track(slow_hub))


def test_sessions_end_after_their_grace_when_idle_and_in_time(fake_model, slow_hub, clock):
    limits = slow_hub.limits
    pages = [
        Page(slow_hub).open(fake_model().new_world(), token=f"{i:016d}") for i in range(2)
    ]
    pages[0].link.left()
    slow_hub.turn(limits.grace - 1)
    assert slow_hub.sessions == 2
    slow_hub.turn(2)
    assert slow_hub.sessions == 1
    for _ in range(3):
        clock.now += limits.idle - 60
        pages[1].say("release")
        slow_hub.turn(1)
    assert slow_hub.sessions == 1
    clock.now += limits.idle + 1
    slow_hub.turn(1)
    assert slow_hub.sessions == 0 and "paused for long" in pages[1].of("closed")[0]["why"]
    page = Page(slow_hub).open(fake_model().new_world())
    for _ in range(8):
        clock.now += limits.seconds / 8
        page.say("release")
        slow_hub.turn(0.3)
    assert slow_hub.sessions == 0 and "4 hours" in page.of("closed")[0]["why"]


def test_a_page_that_left_as_it_pressed_play_is_freed_too(fake_model, slow_hub, clock):
    page = Page(slow_hub).open(fake_model().new_world())
    (seat,) = slow_hub._seats.values()
    page.link.left()
    seat.player.play()  # an errand that was still under way
    slow_hub.turn(1)
    assert seat.player.state == "paused"
    slow_hub.turn(slow_hub.limits.grace + 1)
    assert slow_hub.sessions == 0


def test_a_silent_page_stops_alone(fake_model, slow_hub, clock):
    silent = Page(slow_hub, acks=False).open(fake_model().new_world())
    other = Page(slow_hub).open(fake_model().new_world(seed=8), token="u" * 16)
    for page in (silent, other):
        page.say("play")
        page.settle()
    for _ in range(13):
        slow_hub.turn(1.0)
        other.settle()
    assert silent.of("state")[-1]["state"] == "paused"
    assert "did not answer" in silent.of("state")[-1]["why"]
    assert len(other.rows) > 150


def test_the_number_of_players_is_bounded(fake_model, clock):
    hub = Hub(Limits(players=2, links=5), clock=clock)
    hub._start = lambda: None
    world = fake_model().new_world()
    first, second = (Page(hub).open(world, token=f"{i:016d}") for i in range(2))
    third = Page(hub)
    third.open(world, token="u" * 16)
    (error,) = third.of("error")
    assert error["code"] == "full" and error["fatal"] and "2 worlds" in error["message"]
    first.link.left()
    third.open(world, token="v" * 16)
    assert third.of("opened") and hub.sessions == 2, "one whose page is away makes room"
    second.open(world, token="w" * 16)
    assert len(second.of("opened")) == 2 and hub.sessions == 2, "one's own is replaced"
    for _ in range(3):
        Page(hub)
    with pytest.raises(SessionError, match="5 players are connected"):
        Page(hub)


def test_a_page_that_leaves_while_it_is_let_in_leaves_nothing(fake_model, hub, monkeypatch):
    """Found by a hundred opens and closes: such a seat would have been kept for an hour."""
    made, go_on = threading.Event(), threading.Event()
    seat_for = hub._seat_for

    def slowly(*given):
        seat = seat_for(*given)
        made.set()
        go_on.wait(10)
        return seat

    welcome, done = hub._welcome, threading.Event()
    monkeypatch.setattr(hub, "_seat_for", slowly)
    monkeypatch.setattr(hub, "_welcome", lambda offer: (welcome(offer), done.set()))
    page = Page(hub)
    page.say("open", token="t" * 16)
    hub.offer("t" * 16, fake_model().new_world(), nullcontext)
    made.wait(10)
    page.link.left()
    go_on.set()
    assert done.wait(10)
    assert hub.sessions == 0 and not page.texts


def test_two_opens_at_once_of_one_page_leave_one_session(fake_model, hub):
    page = Page(hub)
    world = fake_model().new_world()
    for i in range(8):
        page.say("open", token=f"{i:016d}")
        hub.offer(f"{i:016d}", world, nullcontext)
    until(lambda: len(page.of("opened")) >= 1)
    page.settle()
    time.sleep(0.05)
    assert hub.sessions == 1
    (seat,) = hub._seats.values()
    assert page.link.seat is seat and seat.link is page.link


def test_worlds_and_pages_that_never_meet(fake_model, slow_hub, clock):
    limits = slow_hub.limits
    page = Page(slow_hub)
    slow_hub.offer("w" * 16, fake_model().new_world(), nullcontext)
    for i in range(50):
        page.say("open", token=f"{i:016d}", walk="x")
    assert len(slow_hub._offers) == 2, "a page waits for one world at a time"
    slow_hub.turn(limits.wait + 1)
    assert page.of("error")[-1]["code"] == "unknown-token" and len(slow_hub._offers) == 1
    slow_hub.turn(limits.token - limits.wait + 1)
    assert not slow_hub._offers
    page.say("open", token="x" * 16)
    page.link.left()
    assert not slow_hub._offers


def test_requests_are_bounded_and_those_of_an_ended_session_are_dropped(fake_model, hub):
    model = fake_model()
    advance = model.advance
    model.advance = lambda *given: time.sleep(0.01) or advance(*given)
    page = Page(hub).open(model.new_world())
    for _ in range(MOST_ERRANDS + 10):
        page.say("step", ticks=240)
    assert "wait already" in page.of("error")[-1]["message"]
    (seat,) = hub._seats.values()
    assert len(seat.errands) <= MOST_ERRANDS
    page.say("close")
    until(lambda: not seat.errands, 2)
    assert model.calls < 400 and hub.sessions == 0


def test_freeing_ends_all_and_forgets_all(fake_model, hub):
    model = fake_model()
    page = Page(hub).open(model.new_world())
    waiting = Page(hub)
    waiting.say("open", token="u" * 16)
    page.say("play")
    until(lambda: len(page.rows) > 3)
    hub.free("memory is needed")
    assert page.of("closed") == [{"type": "closed", "why": "memory is needed"}]
    assert waiting.of("error")[-1]["fatal"]
    assert hub.sessions == 0 and len(hub.clips) == 0 and len(model.store) == 0
    sent = len(page.binary)
    time.sleep(0.2)
    assert len(page.binary) == sent and page.said[-1] == "closed"
    until(lambda: hub._thread is None)
    page.say("play")
    assert page.of("error")[-1]["code"] == "unknown-session"


def test_the_world_of_a_player_may_be_used_only_inside_running(fake_model, hub):
    """The host's memory management decides when the model is there."""
    model = fake_model()
    advance, inside = model.advance, threading.local()

    @contextmanager
    def running():
        inside.now = True
        try:
            yield
        finally:
            inside.now = False

    def checked(*given):
        assert inside.now
        return advance(*given)

    model.advance = checked
    page = Page(hub)
    page.say("open", token="t" * 16, walk="W*5")
    hub.offer("t" * 16, model.new_world(), running)
    until(lambda: page.binary)
    for kind, values in [("play", {}), ("pause", {}), ("step", {"ticks": 3}), ("seek", {"tick": 2}),
                         ("event", {"text": "rain"}), ("watch", {}), ("pause", {})]:
        page.say(kind, **values)
        time.sleep(0.1)
        page.settle()
    assert not page.of("error") and len(page.rows) > 3


class Walker(Page):
    """A page that does anything in any order, and keeps its walk as a real one does."""

    def __init__(self, hub, seed):
        self.walk, self.events, self.shown, self.deaf = [], [], 0, False
        self.rng, self.lock = np.random.default_rng(seed), threading.Lock()
        super().__init__(hub)

    def take(self, data):
        with self.lock:
            super().take(data)
            if isinstance(data, str):
                return
            header = self.binary[-1]
            if header["rows"] and not self.deaf:
                start = header["tick"] - len(header["rows"])
                assert start <= len(self.walk), "a gap"
                self.walk[start:] = header["rows"]
                self.events = [e for e in self.events if e[0] < start]
                self.events += map(tuple, header["events"])
            if not self.deaf:
                self.shown = header["tick"]

    def pause(self):
        """What comes until the server's word on it is not wanted."""
        with self.lock:
            self.deaf, tick = True, self.shown
        self.say("pause", tick=tick)
        self.settle()
        with self.lock:
            state = [t for t in self.texts if t["type"] == "state"][-1]
            assert state["state"] == "paused"
            self.shown = state["tick"]
            del self.walk[state["ticks"] :]
            self.events = [e for e in self.events if e[0] < state["ticks"]]
            self.deaf = False

    def act(self):
        pick = self.rng.integers(0, 12)
        if pick < 4:
            self.say("play")
            held = {"W": int(self.rng.integers(0, 2)), "look": [float(self.rng.normal(0, 9)), 0]}
            self.say("controls", seq=len(self.texts), held=held)
        elif pick == 4:
            self.say("event", text="rain")
        elif pick == 5:
            self.acks = not self.acks
            if self.acks and self.binary:
                self.say("ack", n=self.binary[-1]["n"])
        else:
            self.pause()
            if pick == 6:
                self.shown = int(self.rng.integers(0, len(self.walk) + 1))
                self.say("seek", tick=self.shown)
            elif pick == 7:
                self.say("watch")
            elif pick == 8:
                self.say("step", ticks=int(self.rng.integers(1, 5)))
            elif pick == 9 and not self.acks:
                self.acks = True
                self.say("ack", n=self.binary[-1]["n"])
            self.settle()
        time.sleep(float(self.rng.uniform(0, 0.02)))


@pytest.mark.parametrize("seed", range(3))
def test_anything_in_any_order(fake_model, seed):
    """Four players at once, at thirty times the speed; some of them answer late. Whatever they do,
    the server's walk is the page's, and it is what was shown."""
    began = time.monotonic()
    hub = Hub(clock=lambda: began + 30 * (time.monotonic() - began))
    hub.limits = Limits(silent=1e9)
    model = fake_model()
    walkers = [Walker(hub, 10 * seed + i) for i in range(4)]
    for i, walker in enumerate(walkers):
        walker.open(model.new_world(seed=i % 2), token=f"{i:016d}")
    troubles = []

    def live(walker):
        try:
            for _ in range(25):
                walker.act()
            walker.acks = True
            walker.say("ack", n=walker.binary[-1]["n"])
            walker.settle()
            walker.pause()
        except BaseException as error:
            troubles.append(error)

    threads = [threading.Thread(target=live, args=(walker,)) for walker in walkers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not troubles and not any(thread.is_alive() for thread in threads), troubles
    for i, walker in enumerate(walkers):
        assert not walker.of("error")
        player = walker.link.seat.player
        track = player.track
        assert walker.walk == track.values.tolist()
        assert walker.events == [e for e in track.events if e[0] < len(track)]
        if len(track):
            last = fake_model().new_world(seed=i % 2).step(track)[0].last_hash
            hashes = [h["hash"] for h in walker.binary if h["tick"] == len(track)]
            assert player.walk().last in (last, "") and (last in hashes or not hashes)
    hub.free("")


def test_limits_from_text():
    assert Limits.parse("") == Limits()
    assert Limits.parse("players=3, grace = 1.5,") == Limits(players=3, grace=1.5)
    for bad in ("players", "players=0", "grace=x", "lives=9", "players=1.5", "grace=-1"):
        with pytest.raises(GWMError, match="players=4, grace=10"):
            Limits.parse(bad)
