"""Live players without a host: what they say and show, whose turn it is, and how they end."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest

from gwm_core.controls import Controls
from gwm_core.errors import GWMError, SessionError
from gwm_core.live import Hub, Limits, Player
from gwm_core.live.encode import choose, picture, sound
from gwm_core.live.hub import BEHIND, MOST_ERRANDS
from gwm_core.live.link import BURST, MOST_BAD
from gwm_core.live.messages import MAX_BYTES, BadMessage, read, unpack
from gwm_core.live.messages import say as message
from gwm_core.live.origin import is_near, refusal
from gwm_core.live.outbox import IN_FLIGHT, MOST_WAITING, Outbox, Shown
from gwm_core.walk import Walk

PERIOD = 1 / 12


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Page:
    """What a hub says to a page, and what the page says back."""

    def __init__(self, hub, near=True, acks=True):
        self.texts, self.binary, self.acks, self.ended = [], [], acks, False
        self.said = []
        self.hub = hub
        self.link = hub.connect(self.take, near, self.end)

    def take(self, data):
        if isinstance(data, bytes):
            header, payload = unpack(data)
            self.binary.append(header | {"payload": payload})
            self.said.append(header["kind"])
            if self.acks:
                self.say("ack", n=header["n"])
        else:
            told = json.loads(data)
            self.texts.append(told)
            self.said.append(told["type"])

    def end(self):
        self.ended = True

    def say(self, kind, **values):
        self.link.receive(message(kind, **values))

    def settle(self):
        """Until nothing is under way for it any more."""
        limit = time.monotonic() + 10
        while self.link.seat is not None and self.link.seat.errands:
            assert time.monotonic() < limit
            time.sleep(0.002)
        while self.hub._work._work_queue.qsize():
            time.sleep(0.002)
        for _ in range(3):  # what is sent may be answered, and that sends more
            self.hub._encoder.submit(lambda: None).result(10)

    def open(self, world, walk=None, token="t" * 16):
        self.say("open", token=token, walk=walk)
        self.hub.offer(token, world, nullcontext)
        until(lambda: self.of("opened") or self.of("error"))
        self.settle()
        return self

    def of(self, kind):
        return [text for text in self.texts if text["type"] == kind]

    @property
    def rows(self):
        return [row for header in self.binary for row in header["rows"]]


def until(true, seconds=10):
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, "not in time"
        time.sleep(0.002)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def slow_hub(clock):
    """A hub whose thread the test is: ``hub.turn(seconds)`` makes what is due in that time."""
    hub = Hub(clock=clock)
    hub._start = lambda: None
    hub._wake.wait = lambda seconds: setattr(clock, "now", clock.now + seconds)

    def turn(seconds):
        end = clock.now + seconds
        while clock.now < end and hub._round():
            pass

    hub.turn = turn
    return hub


@pytest.fixture
def hub():
    """A hub as it is, with a thread and the real clock."""
    hub = Hub()
    yield hub
    hub.free("")


# ------------------------------------------------------------------------------ the clock


def test_one_second_of_world_a_second(fake_model, slow_hub, clock):
    page = Page(slow_hub).open(fake_model().new_world())
    page.say("play")
    page.settle()
    slow_hub.turn(2.0)
    page.settle()
    assert 24 <= len(page.rows) <= 25
    dues = [header["due"] for header in page.binary if header["kind"] == "tick"]
    assert np.allclose(np.diff(dues), 1e3 * PERIOD, atol=0.02)
    assert all(h["late"] < 1 for h in page.binary)


def test_a_slow_moment_is_caught_up_with(fake_model, slow_hub, clock):
    model = costly(fake_model(), clock, [0.01, 0.01, 0.2] + [0.01] * 99)
    page = Page(slow_hub).open(model.new_world())
    page.say("play")
    page.settle()
    slow_hub.turn(2.0)
    page.settle()
    assert 23 <= len(page.rows) <= 25
    late = [h["late"] for h in page.binary if h["kind"] == "tick"]
    assert late[3] > 100 and late[8] < 1, late


def test_a_long_stall_is_not_made_up_for(fake_model, slow_hub, clock):
    model = costly(fake_model(), clock, [0.01, 5.0] + [0.01] * 99)
    page = Page(slow_hub).open(model.new_world())
    page.say("play")
    page.settle()
    slow_hub.turn(7.0)
    page.settle()
    assert len(page.rows) < 2 + 24 + BEHIND + 2, "the world went slower than time"
    late = [h["late"] for h in page.binary if h["kind"] == "tick"]
    assert max(late) <= 1e3 * PERIOD * BEHIND + 1 and late[-1] < 1


@pytest.mark.parametrize("costs", [[0.05, 0.05, 0.05], [0.2, 0.02, 0.02], [0.01, 0.3, 0.01, 0.01]])
def test_too_many_players_all_go_slower_by_the_same(fake_model, slow_hub, clock, costs):
    """However much one of them needs, all get equally far."""
    pages = []
    for seed, cost in enumerate(costs):
        model = costly(fake_model(), clock, [cost] * 999)
        page = Page(slow_hub).open(model.new_world(seed=seed), token=f"{seed:016d}")
        pages.append(page)
    for page in pages:
        page.say("play")
        page.settle()
    slow_hub.turn(9.0)
    for page in pages:
        page.settle()
    made = [len(page.rows) for page in pages]
    assert max(made) - min(made) <= 1, made
    assert min(made) >= 9.0 / sum(costs) - 3, "no time is lost"


def test_who_comes_later_is_served_at_once(fake_model, slow_hub, clock):
    model = costly(fake_model(), clock, [0.2] * 999)
    first = Page(slow_hub).open(model.new_world())
    first.say("play")
    first.settle()
    slow_hub.turn(3.0)
    second = Page(slow_hub).open(model.new_world(seed=8), token="u" * 16)
    second.say("play")
    second.settle()
    before = len(first.rows)
    slow_hub.turn(2.0)
    first.settle()
    assert abs(len(second.rows) - (len(first.rows) - before)) <= BEHIND


def test_players_wait_while_the_host_computes(fake_model, slow_hub, clock):
    busy = [False]
    slow_hub._busy = lambda: busy[0]
    page = Page(slow_hub).open(fake_model().new_world())
    page.say("play")
    page.settle()
    slow_hub.turn(0.5)
    busy[0] = True
    slow_hub.turn(20.0)
    page.settle()
    made = len(page.rows)
    assert made <= 7 and page.of("state")[-1]["state"] == "waiting"
    assert "queue" in page.of("state")[-1]["why"]
    busy[0] = False
    slow_hub.turn(1.0)
    page.settle()
    assert page.of("state")[-1]["state"] == "playing"
    assert 11 <= len(page.rows) - made <= 13, "the time of waiting is not caught up with"


def test_a_pause_while_the_host_computes_does_not_move_the_clock(fake_model, slow_hub, clock):
    busy = [False]
    slow_hub._busy = lambda: busy[0]
    page = Page(slow_hub).open(fake_model().new_world())
    for _ in range(2):
        page.say("play")
        page.settle()
        busy[0] = True
        slow_hub.turn(60.0)
        page.say("pause", tick=len(page.rows))
        page.settle()
        slow_hub.turn(60.0)
        busy[0] = False
    made = len(page.rows)
    page.say("play")
    page.settle()
    slow_hub.turn(1.0)
    page.settle()
    assert len(page.rows) - made >= 11


def costly(model, clock, costs):
    """A model whose ticks take so many seconds of a clock."""
    advance, left = model.advance, iter(costs)

    def slow(*given):
        clock.now += next(left)
        return advance(*given)

    model.advance = slow
    return model


# ------------------------------------------------------------------------------ the play head


class Stage:
    """A player with a list of all it says and shows."""

    def __init__(self, world, walk=None, **given):
        self.log = []
        self.player = Player(
            world, walk or Walk(Controls.idle(0, world.embodiment)), clock=Clock(),
            say=lambda kind, **values: self.log.append((kind, values)),
            show=lambda shown: self.log.append(("show", shown)),
            forget=lambda tick: self.log.append(("forget", tick)), **given,
        )

    @property
    def shown(self):
        return [value for kind, value in self.log if kind == "show"]

    @property
    def states(self):
        return [value["state"] for kind, value in self.log if kind == "state"]

    def make(self, ticks, **held):
        if not self.player.active:
            self.player.play()
        self.player.push(held, 0)
        for _ in range(ticks):
            later = self.player.advance()
            if later is not None:
                later(self.player)
        return self.player


@pytest.mark.parametrize("block", [1, 3])
def test_a_walk_is_what_was_shown(fake_model, block):
    world = fake_model(block).new_world()
    stage = Stage(world)
    player = stage.make(6, W=1)
    player.event("rain")
    stage.make(4, W=0)
    player.pause()
    walk = player.walk()
    assert [row for shown in stage.shown for row in shown.rows] == walk.controls.values.tolist()
    assert [e for shown in stage.shown for e in shown.events] == [(6 * block, "rain")]
    assert walk.last == stage.shown[-1].hash and walk.world == world.key
    fresh = fake_model(block).new_world().step(walk.controls)[0]
    assert fresh.last_hash == walk.last


def test_events_that_the_world_came_with_are_no_part_of_the_walk(fake_model):
    world = fake_model().new_world().with_event("before").step("W")[0].with_event("waits")
    stage = Stage(world)
    player = stage.make(1)
    player.event("mine")
    stage.make(2)
    player.pause()
    told = [event for shown in stage.shown for event in shown.events]
    assert told == [(1, "mine")] == list(player.walk().controls.events)
    assert world.step(player.walk().controls)[0].last_hash == stage.shown[-1].hash


def test_playing_from_the_middle(fake_model):
    world = fake_model().new_world()
    stage = Stage(world)
    player = stage.make(10, W=1)
    player.pause()
    player.seek(4)
    assert stage.shown[-1].kind == "still" and stage.shown[-1].hash == stage.shown[3].hash
    assert (player.tick, player.ticks) == (4, 10), "a seek cuts nothing"
    stage.make(1, jump=1)
    assert (player.tick, player.ticks) == (5, 5)
    player.pause()
    track = player.track
    assert track.column("W").tolist() == [1, 1, 1, 1, 0] and track.column("jump")[4] == 1
    assert world.step(track)[0].last_hash == stage.shown[-1].hash


def test_a_pause_cuts_what_was_made_live_and_nothing_else(fake_model):
    stage = Stage(fake_model().new_world())
    player = stage.make(10)
    player.pause(7)
    assert (player.tick, player.ticks, stage.log[-1][1]["ticks"]) == (7, 7, 7)
    assert ("forget", 7) in stage.log
    player.seek(2)
    player.watch()
    stage.make(2)
    player.stop(limit=3)  # as a socket does at once
    player.pause(3)
    assert (player.tick, player.ticks) == (3, 7), "what was recorded stays"
    player.play()
    player.pause(3)
    assert player.ticks == 7, "nothing was made"
    player.play()
    player.advance()
    player.pause(3)
    assert (player.tick, player.ticks) == (3, 7), "nothing was seen of what took its place"
    stage.make(2)
    player.pause(4)
    assert (player.tick, player.ticks) == (4, 4)
    player.event("rain")
    player.seek(1)
    player.pause(0)
    assert (player.tick, player.ticks) == (0, 4), "an event is no live tick"
    player.step(2)
    player.pause(1)
    assert (player.tick, player.ticks) == (1, 1)


def test_a_tick_after_the_limit_is_not_shown(fake_model):
    model = fake_model()
    stage = Stage(model.new_world())
    player = stage.make(2)
    advance = model.advance

    def stop_meanwhile(*given):
        player.stop(limit=2)
        return advance(*given)

    model.advance = stop_meanwhile
    player.advance()
    model.advance = advance
    player.pause(2)
    assert [shown.tick for shown in stage.shown] == [1, 2] and player.ticks == 2
    stage.make(1)
    assert stage.shown[-1].tick == 3


def test_watching_shows_what_was_recorded(fake_model):
    model = fake_model()
    stage = Stage(model.new_world())
    player = stage.make(8, W=1)
    player.event("rain")
    player.pause()
    player.play()
    stage.make(4)
    player.pause()
    live = [(shown.tick, shown.hash, shown.audio.tobytes()) for shown in stage.shown]
    player.seek(0)
    for keep in (True, False):
        if not keep:
            player.session.clips.clear()
            model.store.clear()
            player.seek(0)
        before = len(stage.log)
        player.watch()
        stage.make(14)
        seen = [value for kind, value in stage.log[before:] if kind == "show"]
        assert [(s.tick, s.hash, s.audio.tobytes()) for s in seen] == live
        assert not any(s.rows or s.events for s in seen)
        assert stage.states[-1] == "paused" and player.track.events == ((8, "rain"),)
        player.seek(0)


def test_watching_never_replays_in_the_thread_of_ticks(fake_model):
    """Where kept ticks end and the state is gone, the way there is somebody else's errand."""
    model = fake_model()
    stage = Stage(model.new_world())
    player = stage.make(30)
    player.pause()
    player.seek(0)
    player.watch()
    clips, world = player.session.clips, player.start.after(player.track[:20])
    gone = player.start.after(player.track[:21]).store_key()
    clips._bytes -= clips._clips.pop(gone).nbytes
    del world
    model.store.clear()
    calls = model.calls
    later = [player.advance() for _ in range(20)]
    assert later == [None] * 20 and model.calls == calls, "kept ticks are shown as they are"
    errand = player.advance()
    assert errand is not None and player.state == "busy" and model.calls == calls
    errand(player)
    assert model.calls >= calls + 19 and player.state == "watching"
    stage.make(10)
    assert stage.shown[-1].tick == 30 and player.state == "paused"


def test_a_pause_ends_such_an_errand(fake_model):
    stage = Stage(fake_model().new_world())
    player = stage.make(5)
    player.pause()
    player.seek(0)
    player.watch()
    player.session.clips.clear()
    player.start.store.clear()
    errand = player.advance()
    player.pause()
    errand(player)
    assert player.state == "paused" and stage.states[-1] == "paused"


def test_steps(fake_model):
    stage = Stage(fake_model().new_world())
    stage.player.step(3)
    assert [s.tick for s in stage.shown] == [1, 2, 3] and stage.player.state == "paused"
    stage.player.play()
    stage.player.step(1)
    assert stage.player.state == "paused" and stage.player.tick == 4
    model = stage.player.start.model
    advance, count = model.advance, []

    def stop_after_three(*given):
        count.append(1)
        if len(count) == 3:
            stage.player.stop()
        return advance(*given)

    model.advance = stop_after_three
    stage.player.step(200)
    assert stage.player.tick == 7, "a pause ends it"


def test_what_is_pressed_before_the_world_stands_is_not_lost(fake_model):
    world = fake_model().new_world()
    stage = Stage(world, Walk(Controls.parse("W*9", world.embodiment)))
    stage.player.push({"jump": 1, "look": [3, 0]}, 1)
    stage.player.play()
    stage.player.advance()
    assert stage.shown[-1].rows == ([0, 1, 3, 0, 0],) and stage.shown[-1].seqs == (1,)
    stage.player.pause()
    stage.player.play()
    stage.player.advance()
    assert stage.shown[-1].rows == ([0, 0, 0, 0, 0],), "a pause lets go of everything"


def test_a_newer_seek_ends_an_older_replay(fake_model):
    model = fake_model()
    world = model.new_world()
    walk = Walk(Controls.parse("W*400", world.embodiment))
    stage = Stage(world, walk)
    player, advance = stage.player, model.advance
    reached, go_on = threading.Event(), threading.Event()

    def wait_once(*given):
        if model.calls == 100:
            reached.set()
            go_on.wait(10)
        return advance(*given)

    model.advance = wait_once
    replay = threading.Thread(target=player.seek, args=(390,))
    replay.start()
    assert reached.wait(10)
    player.stop()  # as a link does when the next seek comes in
    go_on.set()
    player.seek(7)
    replay.join(10)
    assert [s.tick for s in stage.shown] == [7] and player.tick == 7
    assert model.calls < 200, "the long replay was left"


def test_a_picture_that_nobody_wants_any_more_is_not_shown(fake_model):
    """Something newer was asked for while the last tick of a replay was made."""
    model = fake_model()
    world = model.new_world()
    stage = Stage(world, Walk(Controls.parse("W*8", world.embodiment)))
    advance = model.advance

    def stop_at_the_end(*given):
        if model.calls == 7:
            stage.player.stop()
        return advance(*given)

    model.advance = stop_at_the_end
    stage.player.open()
    assert model.calls == 8 and not stage.shown


def test_a_replay_tells_how_far_it_is_and_waits_for_the_host(fake_model):
    model = fake_model()
    world = model.new_world()
    busy = [0]

    def held_up():
        busy[0] += 1
        stage.player._clock.now += 0.15
        return 20 < busy[0] < 30

    stage = Stage(world, Walk(Controls.parse("W*60", world.embodiment)), held_up=held_up)
    stage.player.open()
    assert stage.states[-1] == "paused" and "waiting" in stage.states and "busy" in stage.states
    told = [value for kind, value in stage.log if kind == "progress"]
    assert len(told) > 3 and all(0 < t["done"] <= t["total"] for t in told)
    assert stage.shown[-1].tick == 60


def test_an_error_of_the_model_stops_the_player_and_is_told(fake_model):
    model = fake_model()
    stage = Stage(model.new_world())
    stage.make(2)
    advance, model.advance = model.advance, lambda *_: 1 / 0
    with pytest.raises(ZeroDivisionError):
        stage.player.advance()
    assert stage.player.state == "paused"
    assert ("error", {"code": "failed", "message": "division by zero", "fatal": False}) in stage.log
    model.advance = advance
    stage.make(1)
    assert stage.player.tick == 3


def test_limits_of_a_player(fake_model):
    stage = Stage(fake_model().new_world(), max_ticks=3)
    stage.make(4)
    assert stage.player.state == "paused" and stage.player.tick == 3
    (error,) = [value for kind, value in stage.log if kind == "error"]
    assert error["code"] == "limit" and not error["fatal"] and "limit is 3" in error["message"]


def test_whoever_makes_ticks_never_waits_for_an_errand(fake_model):
    stage = Stage(fake_model().new_world())
    stage.make(2)
    held, done = threading.Event(), threading.Event()

    def errand():
        with stage.player._turn:
            held.set()
            done.wait(10)

    thread = threading.Thread(target=errand)
    thread.start()
    held.wait(10)
    assert stage.player.advance() is None and stage.player.tick == 2
    assert stage.player.behind(stage.player._clock()) < 0, "it looks again a little later"
    done.set()
    thread.join()
    stage.make(1)
    assert stage.player.tick == 3


# ------------------------------------------------------------------------------ the outbox


def shown(tick, kind="tick", ticks=1, rows=True, rate=2400, samples=200):
    width = 2
    return Shown(
        kind, tick, np.full((2, 2, width, 3), tick % 256, np.uint8), f"{tick:064x}", ticks,
        tuple([float(t)] for t in range(tick - ticks, tick)) if rows else (),
        (tick,) * ticks if rows else (), ((tick - 1, f"e{tick}"),) if rows else (),
        np.full((1, samples), tick / 1000, np.float32), rate,
    )


@pytest.fixture
def box(clock):
    sent = []
    box = Outbox(lambda data: sent.append(unpack(data)[0]), "raw", clock)
    box.sent = sent
    return box


def test_two_are_on_their_way_and_the_latest_waits(box, monkeypatch):
    encoded = []
    monkeypatch.setattr(
        "gwm_core.live.encode.picture", lambda frame, kind: encoded.append(frame) or b"x"
    )
    for tick in range(1, 8):
        box.offer(shown(tick))
    assert [m["tick"] for m in box.sent] == [1, 2] and IN_FLIGHT == 2
    assert len(encoded) == 4, "what waits is not encoded"
    box.ack(1)
    box.flush()
    last = box.sent[-1]
    assert last["tick"] == 7 and last["n"] == 3 and len(encoded) == 6
    assert last["rows"] == [[2.0], [3.0], [4.0], [5.0], [6.0]] and last["seqs"] == [3, 4, 5, 6, 7]
    assert last["events"] == [[t - 1, f"e{t}"] for t in range(3, 8)]
    assert last["audio"]["samples"] == 1000 and box.dropped == 4
    box.ack(3)
    box.offer(shown(8))
    assert box.sent[-1]["rows"] == [[7.0]]


def test_sound_of_a_late_page_is_capped_and_rows_are_not(box):
    for tick in range(1, 40):
        box.offer(shown(tick))
    box.ack(2)
    box.flush()
    assert box.sent[-1]["audio"]["samples"] == 2400 and len(box.sent[-1]["rows"]) == 37


def test_a_still_never_swallows_rows(box):
    for tick in (1, 2, 3, 4):
        box.offer(shown(tick))
    for tick in (9, 1, 2):
        box.offer(shown(tick, "still", 0, rows=False, samples=0))
    box.offer(shown(3, rows=True))
    box.offer(shown(4, rows=True))
    box.ack(2)
    box.flush()
    assert [(m["kind"], m["tick"], len(m["rows"])) for m in box.sent[2:]] == [
        ("tick", 4, 2), ("tick", 4, 2),
    ], "the stills were replaced, the rows of both rounds were not mixed"


def test_watched_ticks_are_dropped_and_their_sound_is_not(box):
    for tick in range(1, 7):
        box.offer(shown(tick, rows=False))
    box.ack(2)
    box.flush()
    assert box.sent[-1]["tick"] == 6 and box.sent[-1]["audio"]["samples"] == 800


def test_what_waits_is_bounded(box):
    for i in range(100):
        box.offer(shown(50 if i % 2 else 60))
    assert len(box._waiting) == MOST_WAITING


def test_what_was_cut_is_not_sent(box):
    for tick in range(1, 6):
        box.offer(shown(tick))
    box.forget(4)
    box.ack(2)
    box.flush()
    assert len(box.sent) == 2
    box.offer(shown(3))
    assert box.sent[-1]["rows"] == [[2.0]]
    box.close()
    box.offer(shown(4))
    assert box.sent[-1]["tick"] == 3


def test_silence_is_measured_from_the_oldest(box, clock):
    assert box.silent_for() == 0
    box.offer(shown(1))
    clock.now += 3
    box.offer(shown(2))
    assert box.silent_for() == 3
    box.ack(1)
    assert box.silent_for() == 0
    clock.now += 1
    assert box.silent_for() == 1
    box.ack(2**50)
    assert box.silent_for() == 0


def test_a_message_is_header_pictures_and_sound(clock):
    sent = []
    Outbox(sent.append, "raw", clock).offer(shown(7))
    header, payload = unpack(sent[0])
    assert header["frames"] == {"width": 2, "height": 2, "encoding": "raw", "sizes": [12, 12]}
    assert header["audio"] == {"rate": 2400, "channels": 1, "samples": 200, "bytes": 400}
    assert payload[:24] == bytes([7]) * 24
    assert np.frombuffer(payload[24:], "<i2").tolist() == [round(0.007 * 32767)] * 200


@pytest.mark.parametrize("wanted, near, size, kind", [
    ("auto", True, (256, 160), "raw"), ("auto", True, (1280, 720), "raw"),
    ("auto", False, (256, 160), "png"), ("auto", False, (257, 160), "jpeg"),
    ("lossless", True, (1280, 720), "raw"), ("lossless", False, (1280, 720), "png"),
    ("small", True, (64, 40), "jpeg"), ("small", False, (64, 40), "jpeg"),
])
def test_how_pictures_travel(wanted, near, size, kind):
    assert choose(wanted, near, *size) == kind


def test_pictures_and_sound_as_bytes():
    import io

    from PIL import Image

    frame = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    assert picture(frame[:, ::-1], "raw") == frame[:, ::-1].tobytes()
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(picture(frame, "png")))), frame)
    assert Image.open(io.BytesIO(picture(frame, "jpeg"))).size == (6, 4)
    stereo = np.array([[0, 1, -1], [2, -2, 0.5]], np.float32)
    told = np.frombuffer(sound(stereo), "<i2").reshape(-1, 2).T
    assert told.tolist() == [[0, 32767, -32767], [32767, -32767, 16384]]


# ------------------------------------------------------------------------------ messages


@pytest.mark.parametrize("text", [
    "", "{", "[]", "null", "3", '"open"', "{}", '{"type": null}', '{"type": []}', '{"type": "x"}',
    "[" * 20_000, b"{}", '{"type": "open"}', '{"type": "open", "token": null}',
    '{"type": "open", "token": "t", "walk": []}', '{"type": "open", "token": "t", "encoding": 3}',
    '{"type": "open", "token": "t", "encoding": "gif"}', '{"type": "resume"}',
    '{"type": "controls", "held": {}}', '{"type": "controls", "seq": "1", "held": {}}',
    '{"type": "controls", "seq": -1, "held": {}}', '{"type": "controls", "seq": true, "held": {}}',
    '{"type": "controls", "seq": 9007199254740992, "held": {}}',
    '{"type": "controls", "seq": NaN, "held": {}}', '{"type": "controls", "seq": 1, "held": []}',
    '{"type": "pause", "tick": 1.5}', '{"type": "pause", "tick": -1}', '{"type": "seek"}',
    '{"type": "seek", "tick": null}', '{"type": "step", "ticks": null}', '{"type": "event"}',
    '{"type": "event", "text": 3}', '{"type": "ack", "n": {}}', '{"type": "play"' + " " * MAX_BYTES,
    '{"type": "seek", "tick": ' + "9" * 5000 + "}",
])
def test_malformed_messages(text):
    with pytest.raises(BadMessage, match="message"):
        read(text)


@pytest.mark.parametrize("values", [
    {"type": "open", "token": "t", "walk": None}, {"type": "open", "token": "t", "walk": {}},
    {"type": "open", "token": "t", "walk": "W", "encoding": "small"}, {"type": "pause"},
    {"type": "pause", "tick": None}, {"type": "pause", "tick": 0}, {"type": "step"},
    {"type": "controls", "seq": 0, "held": {}, "more": 1}, {"type": "close"},
])
def test_messages_as_they_should_be(values):
    assert read(json.dumps(values)) == values


def test_a_link_refuses_and_lives_on_until_it_is_too_much(fake_model, slow_hub, clock):
    page = Page(slow_hub)
    for _ in range(MOST_BAD - 1):
        page.link.receive("{")
    page.say("release")
    page.link.receive("{")
    assert not page.ended and not any(error["fatal"] for error in page.of("error"))
    for _ in range(MOST_BAD):
        page.link.receive("{")
    assert page.ended and page.of("error")[-1]["fatal"]


def test_an_ended_link_hears_nothing(fake_model, slow_hub):
    page = Page(slow_hub).open(fake_model().new_world())
    for _ in range(MOST_BAD):
        page.link.receive("{")
    told = len(page.texts)
    page.say("close")
    page.say("play")
    assert slow_hub.sessions == 1 and len(page.texts) == told


def test_floods_end_and_haste_does_not(slow_hub, clock):
    page = Page(slow_hub)
    for _ in range(100):  # 200 a second, for long
        for _ in range(20):
            page.say("release")
        clock.now += 0.1
    assert not page.ended
    for _ in range(BURST + 2):
        page.say("release")
    assert page.ended and "a second" in page.of("error")[-1]["message"]


def test_an_unexpected_error_in_a_message_does_not_end_the_link(fake_model, slow_hub, monkeypatch):
    page = Page(slow_hub).open(fake_model().new_world())
    (seat,) = slow_hub._seats.values()
    monkeypatch.setattr(seat.player, "push", lambda *_: 1 / 0)
    page.say("controls", seq=1, held={})
    assert page.of("error")[-1]["code"] == "failed" and not page.ended
    page.say("controls", seq=1, held={"X" * 10_000: 1})
    assert len(page.of("error")[-1]["message"]) < 600


# ------------------------------------------------------------------------------ sessions


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


def slow_hub_track(hub):
    (seat,) = hub._seats.values()
    return seat.player.track


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


# ------------------------------------------------------------------------------ who may come in


@pytest.mark.parametrize("headers, remote, proxies, allowed, well", [
    ({"Host": "a:8188"}, "10.0.0.9", (), None, True),
    ({"Host": "a:8188", "Origin": "http://a:8188"}, "10.0.0.9", (), None, True),
    ({"Host": "a", "Origin": "http://a"}, "10.0.0.9", (), None, True),
    ({"Host": "a", "Origin": "https://a"}, "10.0.0.9", (), None, True),
    ({"Host": "a:80", "Origin": "http://a"}, "10.0.0.9", (), None, True),
    ({"Host": "a", "Origin": "https://a:443"}, "10.0.0.9", (), None, True),
    ({"Host": "[::1]:8188", "Origin": "http://[::1]:8188"}, "::1", (), None, True),
    ({"Host": "A:8188", "Origin": "http://a:8188"}, "::1", (), None, True),
    ({"Host": "a:80", "Origin": "https://a"}, "10.0.0.9", (), None, False),
    ({"Host": "a:8188", "Origin": "http://a:8189"}, "10.0.0.9", (), None, False),
    ({"Host": "a:8188", "Origin": "http://b:8188"}, "10.0.0.9", (), None, False),
    ({"Host": "a:8188", "Origin": "http://a.b:8188"}, "10.0.0.9", (), None, False),
    ({"Host": "a:8188", "Origin": "null"}, "10.0.0.9", (), None, False),
    ({"Host": "a:8188", "Origin": "file://"}, "10.0.0.9", (), None, False),
    ({"Host": "a:8188", "Origin": "http://["}, "10.0.0.9", (), None, False),
    ({"Host": "a:8188", "Origin": "http://a:99999"}, "10.0.0.9", (), None, False),
    ({"Host": "a:8188", "Origin": "ftp://a:8188"}, "10.0.0.9", (), None, False),
    ({"Origin": "http://a"}, "10.0.0.9", (), None, False),
    ({"Host": "", "Origin": "http://a"}, "10.0.0.9", (), None, False),
    ({"Host": "in:8188", "Origin": "https://out", "X-Forwarded-Host": "out"}, "10.0.0.1",
     ("10.0.0.1",), None, True),
    ({"Host": "in:8188", "Origin": "https://out", "X-Forwarded-Host": "out, in"}, "10.0.0.1",
     ("10.0.0.2", "10.0.0.1"), None, True),
    ({"Host": "in:8188", "Origin": "https://out", "X-Forwarded-Host": "out"}, "10.0.0.1",
     (), None, False),
    ({"Host": "in:8188", "Origin": "https://out", "X-Forwarded-Host": "out"}, "10.0.0.9",
     ("10.0.0.1",), None, False),
    ({"Host": "in:8188", "Origin": "https://evil", "X-Forwarded-Host": "out"}, "10.0.0.1",
     ("10.0.0.1",), None, False),
    ({"Host": "a", "Origin": "http://b"}, "10.0.0.9", (), "*", True),
    ({"Host": "a", "Origin": "http://b"}, "10.0.0.9", (), "http://b", True),
    ({"Host": "a", "Origin": "http://c"}, "10.0.0.9", (), "http://b", False),
])
def test_origins(headers, remote, proxies, allowed, well):
    why = refusal(headers, remote, proxies, allowed)
    assert (why is None) == well, why
    if headers.get("X-Forwarded-Host") == "out" and not proxies:
        assert "GWM_TRUSTED_PROXY=10.0.0.1" in why


@pytest.mark.parametrize("headers, remote, near", [
    ({}, "127.0.0.1", True), ({}, "::1", True), ({}, "10.0.0.9", False), ({}, None, False),
    ({}, "a name", False), ({"X-Forwarded-For": "10.0.0.9"}, "127.0.0.1", False),
    ({"Forwarded": "for=10.0.0.9"}, "127.0.0.1", False),
])
def test_near_pages(headers, remote, near):
    assert is_near(headers, remote) is near


def test_what_a_host_holds_is_no_garbage_while_worlds_are_played():
    import gc

    from gwm_core.live.calm import Calm

    before, calm = gc.get_freeze_count(), Calm()
    calm.begin()
    calm.begin()
    assert gc.get_freeze_count() > before + 1000
    calm.end()
    calm.end()
    assert gc.get_freeze_count() == 0
