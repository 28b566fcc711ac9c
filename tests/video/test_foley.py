"""Add Sound to Video: any clip gets a sound as long as itself; impacts that are seen are heard."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gwm_core.errors import VideoError
from gwm_core.evaluation.video import clips, ears
from gwm_core.model.audio_tokens import encode_events
from gwm_core.model.impacts import CONTEXT
from gwm_core.noise import rng
from gwm_core.video import foley, foley_parts, foley_reading, foley_surfaces, sound_to_picture
from gwm_core.worlds import load


@pytest.fixture(scope="module")
def rooms():
    return load()


@pytest.fixture(scope="module")
def shot():
    """Two throws of the simulator in a held-out plan, before a still camera."""
    return clips.film(10007, 24, rng(1, "test foley"), "still", 0, midair=False)


@pytest.fixture(scope="module")
def seen(rooms, shot):
    return foley.contacts(shot.frames[1:], 24, rooms)


def test_impacts_of_a_clip_have_their_facts(seen):
    assert seen and [c.time for c in seen] == sorted(c.time for c in seen)
    for c in seen:
        assert 0 <= c.time < 2 and 0 < c.strength <= 1.3 and c.material in foley.MATERIALS
        assert all(0 <= v <= 1 for v in c.place) and 0.5 <= c.sure <= 1


def test_one_impact_is_read_when_it_is_surest_and_where_the_maps_are():
    maps = np.full((12, 6, 20, 32), -6.0, np.float32)
    now = np.full((12, 9), -6.0, np.float32)
    now[5, :3], now[5, 6] = (1.0, 0.7, 0.2), 4.0
    now[6, 0], now[9, 0] = 0.5, 0.3
    maps[6, 0, 10, 8], maps[9, 0, 4, 25] = 1.0, 0.5
    maps[6, 4:6, 10, 8] = 0.25, -0.5
    table = foley_reading.spots(maps)
    first, second = foley_reading.peaks(table, now)
    assert (first.frame, second.frame, second.row, second.column) == (5, 9, 3.5, 24.5)
    assert first.row == pytest.approx(10.0) and first.column == pytest.approx(8.75)
    assert first.loud == pytest.approx(0.7) and first.material.argmax() == 3
    assert len(foley_reading.peaks(table, now, even=0.7)) == 1
    assert foley_reading.peaks(table[:4], now[:4]) == []


def test_reading_by_parts_is_reading_at_once(rooms, shot, seen, monkeypatch):
    monkeypatch.setattr(foley_parts, "AT_ONCE", 5)
    again = foley.contacts(shot.frames[1:], 24, rooms)
    assert [round(c.time, 6) for c in again] == [round(c.time, 6) for c in seen]
    assert [c.sure for c in again] == pytest.approx([c.sure for c in seen], abs=1e-4)


def test_an_answer_depends_on_no_more_than_its_context(rooms):
    network = foley_reading.foley_of(rooms.inverse.path).network
    x = torch.randint(0, 255, (1, 2 * CONTEXT + 9, 9, 80, 128), dtype=torch.uint8)
    other = x.clone()
    other[:, -1] = 255 - other[:, -1]
    with torch.no_grad():
        maps, now = network(x)
        maps2, now2 = network(other)
    assert torch.allclose(now[:, :-CONTEXT - 1], now2[:, :-CONTEXT - 1], atol=1e-5)
    assert torch.allclose(maps[:, :-CONTEXT - 1], maps2[:, :-CONTEXT - 1], atol=1e-5)
    assert not torch.allclose(now[:, -2], now2[:, -2], atol=1e-5)


def test_what_is_found_is_heard_then_and_of_its_material(rooms):
    heard = [foley.Contact(0.5, 0.7, "metal", (0.5, 0.5)), foley.Contact(1.2, 0.7, "wood", (0, 1))]
    effects, ambience = foley._decoded(rooms, heard, [], rooms.parts.ambience[0], 48000, 3)
    at = ears.onset_times(effects + ambience, 24000)
    assert len(at) == 2 and np.abs(at - [0.5, 1.2]).max() < 0.5 / 24
    assert [foley.MATERIALS[ears.material_heard(effects + ambience, 24000, t)] for t in at] == [
        "metal", "wood"]
    assert foley.size_of(0.0) == pytest.approx(0.16)
    token = encode_events([(0, 0, 0, 1, 0.5, 1.0, foley.size_of(0.4))], 1, first_tick=0)[0, 0]
    assert token[14] == pytest.approx(0.4, abs=0.01)


def test_what_is_struck_is_the_floor_unless_another_part_is_seen_there(rooms):
    table = np.asarray(rooms.parts.materials)[:112].reshape(14, 8)
    theme = int(np.flatnonzero(table[:, 0] != table[:, 1])[0])  # its walls are not as its floor

    class Looks:
        def shares(self, rgb, fov):
            parts, themes = np.zeros((9, 40, 64)), np.zeros((15, 40, 64))
            parts[0], parts[1, :, :32], parts[0, :, :32] = 1, 1, 0
            themes[theme if rgb.mean() > 1 else 14] = 1
            return parts, themes

    model = SimpleNamespace(embodiment=rooms.embodiment, parts=SimpleNamespace(
        depth=Looks(), materials=rooms.parts.materials))
    lit, dark = np.full((5, 160, 256, 3), 9, np.uint8), np.zeros((5, 160, 256, 3), np.uint8)
    surfaces = foley_surfaces.Surfaces(model, lit)
    assert surfaces.floor == table[theme, 0] == surfaces.material(0, (0.9, 0.5))
    surfaces.parts *= 5  # so surely a wall that it outweighs the floor
    assert surfaces.material(4, (0.1, 0.5)) == table[theme, 1]
    assert foley_surfaces.Surfaces(model, dark).floor is None


@pytest.mark.parametrize(("count", "fps", "size"), [(1, 24, (32, 48)), (7, 30, (90, 60)),
                                                    (50, 59.94, (64, 64))])
def test_any_clip_gets_a_sound_of_its_length(rooms, count, fps, size):
    still = np.random.default_rng(0).integers(0, 255, (*size, 3)).astype(np.uint8)
    made = foley.add_sound([still] * count, fps, rooms)
    length = round(count / fps * 24000)
    assert made.effects.shape == made.ambience.shape == (length,)
    assert made.effects.dtype == np.float32 and np.isfinite(made.sound).all()
    assert not made.contacts and "tone alone" in " ".join(made.remarks)
    assert np.abs(made.effects).max() == 0 and np.abs(made.ambience).max() > 0


@pytest.mark.parametrize(("frames", "fps", "message"), [
    (np.zeros((0, 32, 32, 3), np.uint8), 24, "no frames"),
    (np.zeros((3, 32, 32, 3), np.float32), 24, "float32"),
    (np.zeros((3, 8, 32, 3), np.uint8), 24, "sides of 16"),
    (np.zeros((3, 32, 32, 3), np.uint8), 0, "fps"),
    (None, 24, "NoneType")])
def test_what_is_no_clip_is_named(frames, fps, message):
    with pytest.raises(VideoError, match=message):
        foley.check_clip(frames, fps)


# ------------------------------------------------------------------ sound to picture
def test_throws_are_put_where_they_land_in_time():
    one = sound_to_picture.Throws(0.0, 0.0, (4,))
    landings = np.array([8.0 + 9, 8.0 + 14])  # 9 and 14 pictures after the throw
    goal = np.array([29.0, 34.0, 61.0, 66.0])
    plan = sound_to_picture.compose(one, landings, goal, 48)
    assert plan.ticks == (10, 26)
    told = sound_to_picture.expected(plan.ticks, landings - 8, 48)
    assert sound_to_picture.iou(told, goal) == 1


def test_a_planned_shot_lands_nearer_than_chance(rooms):
    world = rooms.new_world(prompt="a brick hall", seed=3)
    goal = np.array([20.0, 33.0, 47.0])
    good = sound_to_picture.plan(rooms, world, goal, 26, 12, 0)
    poor = sound_to_picture.plan(rooms, world, goal, 26, 1, 5)
    assert good.iou >= 0.3 and good.iou >= poor.iou
    assert good.controls.values.shape == (26, 9)


@pytest.mark.parametrize(("sound", "rate", "message"), [
    (np.zeros(10, np.int16), 24000, "int16"), (np.zeros(24000 * 31), 24000, "31.0 s"),
    (np.full(100, np.nan), 24000, "NaN"), (np.zeros(100), 100, "rate")])
def test_what_is_no_sound_is_named(sound, rate, message):
    with pytest.raises(VideoError, match=message):
        sound_to_picture.check_sound(sound, rate)
