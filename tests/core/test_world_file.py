"""World files: saved, loaded, gone on exactly; and every way in which one can be wrong."""

import json
import os
import struct

import numpy as np
import pytest

from gwm_core import load_world
from gwm_core.errors import WorldError
from gwm_core.store import StateStore

WALK = 'W*30 event("the lights \u263e go out") look(6,-2)*5 SPACE'


def saved(model, path, walk=WALK):
    world = model.new_world().step(walk)[0]
    world.save(path)
    return world


@pytest.mark.parametrize("block", [1, 3])
def test_a_loaded_world_goes_on_exactly_without_replay(fake_model, tmp_path, block):
    path = tmp_path / "deep" / "hall.gwm"
    world = saved(fake_model(block), path)
    wanted = world.step("W*3")[1].hash()
    model = fake_model(block)
    loaded = load_world(path, model)
    assert loaded == world and loaded.last_hash == world.last_hash
    assert loaded.last_clip().hash() == world.last_clip().hash() and model.calls == 0
    assert loaded.with_event("rain").last_clip().hash() == world.last_clip().hash()
    assert loaded.prompt == "a hall" and loaded.seed == 7 and loaded.tick == 36
    assert loaded.track == world.track and np.array_equal(loaded.path, world.path)
    assert loaded.understood == ("hall",)
    assert loaded.step("W*3")[1].hash() == wanted
    assert model.starts == 0 and model.calls == 3 // block and model.thaws == 1
    assert loaded.step("W*3")[0].last_clip().hash() != loaded.last_clip().hash()
    assert loaded.rewind(30).last_clip().hash() == world.rewind(30).last_clip().hash()
    assert loaded.rewind(30).step("W*3")[0] == world.rewind(30).step("W*3")[0]
    model.store.clear()
    assert loaded.step("W*3")[1].hash() == wanted
    assert os.listdir(path.parent) == ["hall.gwm"]


def test_the_beginning_and_waiting_events_are_saved_too(fake_model, tmp_path):
    model = fake_model()
    for world in (model.new_world(), model.new_world(seed=2**64 - 1).with_event("rain")):
        world.save(tmp_path / "a.gwm")
        fresh = fake_model()
        loaded = load_world(tmp_path / "a.gwm", fresh)
        assert loaded == world and loaded.step("W*2")[1].hash() == world.step("W*2")[1].hash()


def test_a_dropped_state_is_replayed_before_saving(fake_model, tmp_path):
    model = fake_model()
    world = model.new_world().step(WALK)[0]
    model.store.clear()
    seen = []
    world.save(tmp_path / "a.gwm", lambda done, total, frame: seen.append(done))
    assert seen[-1] == 36 and load_world(tmp_path / "a.gwm", fake_model()) == world


def test_the_same_world_gives_the_same_file(fake_model, tmp_path):
    saved(fake_model(), tmp_path / "a.gwm")
    load_world(tmp_path / "a.gwm", fake_model()).save(tmp_path / "b.gwm")
    assert (tmp_path / "a.gwm").read_bytes() == (tmp_path / "b.gwm").read_bytes()


def test_the_model_is_found_by_its_name(fake_model, tmp_path):
    world = saved(fake_model(), tmp_path / "a.gwm")
    asked = []
    model = fake_model()
    loaded = load_world(tmp_path / "a.gwm", loader=lambda name: asked.append(name) or model)
    assert loaded == world and asked == ["fake"] and loaded.model is model


def test_another_model_is_refused(fake_model, tmp_path):
    saved(fake_model(), tmp_path / "a.gwm")
    with pytest.raises(WorldError, match="made with model 'fake' .*ffffffffffff.*aaaaaaaaaaaa"):
        load_world(tmp_path / "a.gwm", fake_model(fingerprint="a" * 64))
    with pytest.raises(WorldError, match="embodiment"):
        load_world(tmp_path / "a.gwm", fake_model(block=3))


def test_nothing_is_left_of_a_failed_write(fake_model, tmp_path, monkeypatch):
    path = tmp_path / "a.gwm"
    world = saved(fake_model(), path, "W")
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(WorldError, match="disk full"):
        world.step("W")[0].save(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["a.gwm"]


def test_every_truncation_and_change_is_noticed(fake_model, tmp_path):
    path = tmp_path / "a.gwm"
    saved(fake_model(), path, "W*3")
    data = path.read_bytes()
    for size in range(0, len(data), 61):
        path.write_bytes(data[:size])
        with pytest.raises(WorldError):
            load_world(path, fake_model())
    for position in range(9, len(data), 37):
        changed = bytearray(data)
        changed[position] ^= 1
        path.write_bytes(changed)
        try:
            load_world(path, fake_model())
        except WorldError as error:
            assert str(path) in str(error)
        else:
            raise AssertionError(f"the change of byte {position} was not noticed")


def edit(path, change):
    """Rewrite the JSON in the header of a world file."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    inner = json.loads(header["__metadata__"]["gwm"])
    change(inner)
    header["__metadata__"]["gwm"] = json.dumps(inner)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])


@pytest.mark.parametrize("change, message", [
    (lambda h: h.update(format="gwm-checkpoint"), "format 'gwm-checkpoint'; 'gwm-world'"),
    (lambda h: h.update(version=2), "version 2; this GWM reads version 1"),
    (lambda h: h.pop("track"), "track is missing"), (lambda h: h.update(seed="7"), "seed"),
    (lambda h: h.update(seed=True), "seed"), (lambda h: h.update(seed=8), "match its key"),
    (lambda h: h.update(seed=-1), "seed"), (lambda h: h.update(prompt="other"), "match its key"),
    (lambda h: h["track"].update(ticks=5), "values for 5 ticks|key"),
    (lambda h: h["track"]["columns"].update(W=[1, "1*2 0"]), "match its key"),
    (lambda h: h["track"].update(events=[[1, "x"]]), "match its key"),
    (lambda h: h["observation"].update(pose=[0] * 5), "match its key"),
    (lambda h: h["observation"].update(ignored=[]), "match its key"),
    (lambda h: h["state"].update(meta={}), "contents do not match its hash"),
    (lambda h: h.update(sha256=""), "its hash"), (lambda h: h.update(last_hash="0"), "its hash"),
    (lambda h: h["model"].update(name=3), "model"), (lambda h: h.update(model=[]), "model"),
    (lambda h: h["embodiment"].update(tick_rate=24), "embodiment"),
    (lambda h: h["model"].update(fingerprint="0" * 64), "the same checkpoint is needed"),
])
def test_headers_that_do_not_fit(fake_model, tmp_path, change, message):
    path = tmp_path / "a.gwm"
    saved(fake_model(), path, "W*3")
    edit(path, change)
    with pytest.raises(WorldError, match=message):
        load_world(path, fake_model())


def test_names_in_a_file_cannot_leave_the_folders(fake_model, tmp_path):
    saved(fake_model(), tmp_path / "a.gwm", "W")
    edit(tmp_path / "a.gwm", lambda h: h["model"].update(name="../../secret"))
    with pytest.raises(ValueError, match="plain name"):
        load_world(tmp_path / "a.gwm")


def test_a_state_that_the_model_refuses(fake_model, tmp_path):
    path = tmp_path / "a.gwm"
    model = fake_model()
    world = model.new_world().step("W")[0]
    state = world.state()
    object.__setattr__(state, "place", np.zeros(3))
    world.save(path)
    with pytest.raises(WorldError, match=r"damaged \(place has shape \(3,\)"):
        load_world(path, fake_model())


@pytest.mark.parametrize("data", [b"", b"hello", b"PK\x03\x04" * 20, b"\x80\x04" * 20])
def test_foreign_files(fake_model, tmp_path, data):
    path = tmp_path / "a.gwm"
    path.write_bytes(data)
    with pytest.raises(WorldError, match=str(path)):
        load_world(path, fake_model())
    with pytest.raises(WorldError, match="no such file"):
        load_world(tmp_path / "b.gwm", fake_model())


def test_models_share_no_state_by_accident(fake_model, tmp_path):
    store = StateStore()
    world = saved(fake_model(store=store), tmp_path / "a.gwm")
    assert load_world(tmp_path / "a.gwm", fake_model(store=store)) == world
