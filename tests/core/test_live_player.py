"""Live players without a host: the play head."""

from __future__ import annotations

import threading

import pytest

from gwm_core.controls import Controls
from gwm_core.walk import Walk

from .live_page import Stage


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


def test_the_page_hears_how_ticks_were_computed(fake_model):
    world = fake_model().new_world()
    world.model.computed = lambda _: (2,) if len(stage.shown) >= 2 else ()
    stage = Stage(world)
    stage.make(4)
    assert [shown.computed for shown in stage.shown] == [(), (), (2,), (2,)]


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
