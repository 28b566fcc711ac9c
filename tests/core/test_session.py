"""Live sessions: what is pushed becomes a track that replays exactly, within limits."""

import threading

import numpy as np
import pytest

from gwm_core import Session
from gwm_core.clip import Clip
from gwm_core.controls import Controls
from gwm_core.errors import (
    ControlError,
    SessionClosed,
    SessionError,
    SessionLimit,
    WorldError,
)
from gwm_core.held import Held
from gwm_core.store import ClipStore


def play(session, ticks, seed=0):
    """Random keys, motion and events; the clips of every tick."""
    rng = np.random.default_rng(seed)
    clips = []
    for tick in range(ticks):
        session.push({"W": int(rng.random() < 0.5), "look": list(rng.normal(0, 12, 2))}, tick + 1)
        session.push({"SPACE": int(rng.random() < 0.2), "grip": float(rng.uniform(-1, 1))})
        if rng.random() < 0.1:
            session.event(f"event {tick}")
        clips.append(session.step())
    return clips


@pytest.mark.parametrize("block", [1, 3])
def test_the_track_replays_what_was_played(fake_model, block):
    model = fake_model(block)
    world = model.new_world().step("W*6")[0].with_event("rain")
    with Session(world) as session:
        clips = play(session, 40)
        track, end = session.track, session.branch()
    assert len(track) == 40 * block and end.tick == 6 + len(track)
    for copy in (track, Controls.parse(track.to_text(), model.embodiment),
                 Controls.from_json(track.to_json(), model.embodiment)):
        again, clip = world.step(copy)
        assert again == end and clip.hash() == Clip.concat(clips).hash()
    fresh = fake_model(block).new_world().step("W*6")[0].with_event("rain")
    assert fresh.step(track)[1].hash() == clip.hash()


def test_a_queue_run_takes_the_kept_ticks(fake_model):
    model, clips = fake_model(), ClipStore()
    session = Session(model.new_world(), clips=clips)
    seen = Clip.concat(play(session, 20))
    calls = model.calls
    assert session.start.step(session.track, clips=clips)[1].hash() == seen.hash()
    assert model.calls == calls
    session.close()
    assert len(clips) == 20


def test_buttons_and_motion_coalesce(fake_model):
    session = Session(fake_model().new_world())
    assert session.push({"W": 1, "look_x": 2.5}, 1) and session.push({"look": (1, -4)}, 2)
    assert session.push({"jump": 1}, 3) and session.push({"SPACE": 0}, 4)
    assert not session.push({"W": 0}, 1), "an old message"
    first, second = session.step(), session.step()
    assert first.controls.values.tolist() == [[1, 1, 3.5, -4, 0]] and first.info["seq"] == 4
    assert second.controls.values.tolist() == [[1, 0, 0, 0, 0]]
    session.push({"W": 0, "grip": 0.5})
    session.push({"grip": -0.25})
    assert session.step().controls.values.tolist() == [[0, 0, 0, 0, -0.25]]
    session.push({"W": 1, "grip": 0})
    session.release()
    assert not session.step().controls.values.any()
    session.push(np.array([1, 0, 0, 0, 0.5], np.float32))
    assert session.step().controls.values.tolist() == [[1, 0, 0, 0, 0.5]]
    session.push(Controls.parse("look(1,1)", session.start.embodiment))
    assert session.step().controls.values.tolist() == [[0, 0, 1, 1, 0]]


def test_quick_motion_arrives_in_the_next_ticks(fake_model):
    held = Held(fake_model().embodiment)
    held.push({"look": (50, -1000)})
    rows = [held.take()[0][0, 2:4].tolist() for _ in range(4)]
    assert rows == [[30, -30], [20, -30], [0, 0], [0, 0]]
    held.push({"look_x": 10.0})
    shared = held.take(3)[0][:, 2]
    assert shared.sum() == 10 and len(set(shared.tolist())) <= 2
    total = 0.0
    for _ in range(100):
        held.push({"look_x": 0.01})
        total += float(held.take()[0][0, 2])
    assert total == pytest.approx(1.0, abs=1 / 64) and total * 64 == int(total * 64)


@pytest.mark.parametrize("given", [
    {"X": 1}, {"W": 0.5}, {"W": 2}, {"W": "1"}, {"W": None}, {"W": [1]}, {"look": 3},
    {"look": [1]}, {"look": [1, 2, 3]}, {"look": [1, None]}, {"look_x": np.nan},
    {"look_x": np.inf}, {"look_x": 1e9}, {"grip": 1.5}, {"grip": -np.inf}, np.zeros(4),
    np.array(["a"] * 5), 3, None, "W", [[0] * 5], {3: 1}, {None: 1},
])
def test_wrong_messages_change_nothing(fake_model, given):
    session = Session(fake_model().new_world())
    with pytest.raises(ControlError):
        session.push(given)
    with pytest.raises(ControlError):
        session.push({"W": 1, "look_y": 3, "jump": 7})
    for seq in (-1, 1.5, "1", None, True):
        with pytest.raises(ControlError, match="sequence"):
            session.push({"W": 1}, seq)
    assert not session.step().controls.values.any()


def test_events(fake_model):
    session = Session(fake_model().new_world())
    session.step()
    session.event("the lights go out")
    assert session.branch().track.pending == ("the lights go out",)
    assert session.track.pending == ("the lights go out",)
    assert session.step().controls.events == ((0, "the lights go out"),)
    session.step()
    assert session.track.events == ((1, "the lights go out"),)
    for bad in ("", "  ", "x" * 501, None, 3):
        with pytest.raises(ControlError, match="event"):
            session.event(bad)
    with pytest.raises(SessionLimit, match="wait"):
        for _ in range(100):
            session.event("rain")


def test_rewinding_and_branching(fake_model):
    model = fake_model()
    world = model.new_world().step("W*5")[0]
    session = Session(world)
    clips = play(session, 12)
    end = session.branch()
    shown = session.rewind(11)
    assert shown.hash() == clips[5].hash() and session.tick == 11 == shown.info["tick"]
    assert session.track == end.track[5:11].without_pending()
    assert session.branch() == end.rewind(11)
    branch = session.branch()
    session.push({"look_x": 7})
    session.step()
    assert branch.tick == 11 and session.tick == 12 and session.branch() != end.rewind(12)
    assert session.start.step(session.track)[0] == session.branch()
    first = session.rewind(5)
    assert first.hash() == world.last_clip().hash() and session.branch() is world
    assert not session.track
    for bad in (4, 6, -1, 2.0, "5", True):
        with pytest.raises(SessionError, match="accepted"):
            session.rewind(bad)
    assert session.made == 13


def test_rewinding_to_forgotten_ticks(fake_model):
    model = fake_model()
    session = Session(model.new_world(), max_bytes=0)
    clips = play(session, 12)
    assert session.kept(0, 12) is None
    model.store.clear()
    assert session.rewind(6).hash() == clips[5].hash()
    calls = model.calls
    session.step()
    assert model.calls == calls + 1, "the state was there already"
    assert session.rewind(0).frames["eye"].shape[0] == 1


def test_a_rewind_can_be_cancelled(fake_model):
    model = fake_model()
    session = Session(model.new_world(), max_bytes=0)
    play(session, 12)
    model.store.clear()
    before = session.branch()

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.rewind(6, stop)
    assert session.branch() == before
    session.step()


def test_a_recorded_walk_is_restored(fake_model):
    model = fake_model()
    session = Session(model.new_world())
    clips = play(session, 12)
    track, end = session.track, session.branch()
    other = Session(fake_model().new_world())
    shown = other.restore(track)
    assert shown.hash() == clips[-1].hash() and other.branch() == end and other.track == track
    other.restore("")
    assert other.tick == 0
    with pytest.raises(ControlError):
        other.restore("X")


def test_kept_ticks(fake_model):
    session = Session(fake_model().new_world())
    clips = play(session, 12)
    assert session.kept(0, 12).hash() == Clip.concat(clips).hash()
    assert session.kept(3, 5).hash() == Clip.concat(clips[3:5]).hash()
    assert session.kept(3, 13) is None and session.kept(3, 3) is None
    small = Session(fake_model().new_world(), max_bytes=5 * clips[0].nbytes)
    play(small, 12)
    assert small.kept(8, 12) is not None and small.kept(0, 12) is None
    assert small.clips.nbytes <= 5 * clips[0].nbytes


def test_pull(fake_model):
    session = Session(fake_model().new_world())
    assert session.pull().info["tick"] == 1, "without a second thread it makes the tick"
    session.step()
    session.step()
    assert session.pull().info["tick"] == 3, "the latest wins"
    assert session.pull(timeout=0) is None
    thread = threading.Thread(target=session.step)
    thread.start()
    assert session.pull(timeout=10).info["tick"] == 4
    thread.join()


def test_limits(fake_model):
    session = Session(fake_model(block=3).new_world(), max_ticks=7)
    session.step()
    session.step()
    with pytest.raises(SessionLimit, match="made 6 ticks, its limit is 7"):
        session.step()
    assert len(session.track) == 6
    now = [0.0]
    session = Session(fake_model().new_world(), max_seconds=60, clock=lambda: now[0])
    session.step()
    now[0] = 61.0
    for call in (session.step, session.pull, lambda: session.push({"W": 1}),
                 lambda: session.event("rain"), lambda: session.rewind(0)):
        with pytest.raises(SessionLimit, match="60 s"):
            call()
    assert session.seconds_left == 0 and len(session.track) == 1
    for bad in ({"max_ticks": 0}, {"max_seconds": 0}, {"max_bytes": -1}):
        with pytest.raises(SessionError, match="accepted"):
            Session(fake_model().new_world(), **bad)
    with pytest.raises(SessionError, match="World"):
        Session("hall.gwm")


def test_a_closed_session(fake_model):
    session = Session(fake_model().new_world())
    session.step()
    waiting = threading.Thread(target=lambda: pytest.raises(SessionClosed, session.pull, 30))
    session.pull()
    waiting.start()
    session.close()
    waiting.join(5)
    assert not waiting.is_alive() and session.closed and session.clips.nbytes == 0
    session.close()
    for call in (session.step, session.pull, lambda: session.push({"W": 1}),
                 lambda: session.event("rain"), lambda: session.rewind(0),
                 lambda: session.restore("W")):
        with pytest.raises(SessionClosed):
            call()
    assert len(session.track) == 1 and session.branch().tick == 1


def test_an_error_in_the_model_leaves_the_session_as_it_was(fake_model):
    model = fake_model()
    session = Session(model.new_world())
    session.step()
    session.event("rain")
    advance = model.advance
    model.advance = lambda *a: (None, None)
    with pytest.raises(WorldError):
        session.step()
    assert session.tick == 1 and session.branch().track.pending == ("rain",)
    model.advance = advance
    assert session.step().controls.events == ((0, "rain"),)


def test_pushes_from_other_threads_are_never_torn(fake_model):
    session = Session(fake_model().new_world())
    done = threading.Event()

    def pusher():
        seq = 0
        while not done.is_set():
            seq += 1
            session.push({"W": seq % 2, "SPACE": seq % 2, "look": (1 / 64, 1 / 64)}, seq)

    threads = [threading.Thread(target=pusher)]
    threads += [threading.Thread(target=lambda: [session.event("x"), session.branch()])]
    for thread in threads:
        thread.start()
    clips = [session.step() for _ in range(60)]
    done.set()
    for thread in threads:
        thread.join()
    session.push({"W": 0, "SPACE": 0})
    clips += [session.step(), session.step()]
    values = Clip.concat(clips).controls.values
    assert np.array_equal(values[:, 2], values[:, 3])
    assert session.start.step(session.track)[1].hash() == Clip.concat(clips).hash()
