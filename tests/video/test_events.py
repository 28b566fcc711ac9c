"""The judges of `video.event_iou`: a ball seen to strike, a strike heard, and how they are held
against one another."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gwm_core.bodies import GRAVITY, THROW_RADIUS
from gwm_core.evaluation.video import ball_track, ears, events
from gwm_core.noise import rng
from gwm_core.simulators.rooms.sound import ambience, strike

WIDTH, HEIGHT, RATE = 256, 160, 24000
PITCH = math.radians(-12)
FOCAL = HEIGHT / 2 / math.tan(math.radians(30))


def bounced(bounces: bool = True) -> tuple[np.ndarray, float]:
    """(frames, picture of the contact) of a ball thrown ahead that meets a floor 1.4 m below, or
    falls on through it."""
    rng_ = np.random.default_rng(0)
    still = np.clip(90 + rng_.normal(0, 12, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)
    frames, contact = [still] * 6, None
    place, speed, step = np.array([0.3, -0.15, 0.0]), np.array([0.4, 5.0, 1.0]), 1 / 240
    for frame in range(6, 30):
        for _ in range(10):
            speed[2] -= GRAVITY * step
            place = place + speed * step
            if bounces and place[2] < -1.3 and speed[2] < 0:
                speed[2] *= -0.7
                contact = contact or frame
        frames.append(drawn(still, place))
    return np.stack(frames), contact


def drawn(still: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The ball at a place (right, ahead, up of the eye, m) before a picture."""
    right, ahead, up = place
    z = ahead * math.cos(PITCH) + up * math.sin(PITCH)
    y = -(up * math.cos(PITCH) - ahead * math.sin(PITCH))
    out = still.copy()
    if z > 0.2:
        rows, cols = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
        u, v = right / z * FOCAL + WIDTH / 2, y / z * FOCAL + HEIGHT / 2
        out[np.hypot(cols - u, rows - v) < FOCAL * THROW_RADIUS / z] = (255, 122, 20)
    return out


def seen(frames: np.ndarray) -> list[int]:
    path = ball_track.follow(frames, 6)
    assert len(path) > 10
    return [b.frame for b in ball_track.breaks(path, PITCH, WIDTH, HEIGHT)]


def test_a_bounce_is_seen_and_free_flight_is_not_one():
    frames, contact = bounced()
    found = seen(frames)
    assert any(abs(frame - contact) <= 1 for frame in found) and len(found) <= 2
    assert seen(bounced(bounces=False)[0]) == []


def strikes(times, material: int = 4) -> np.ndarray:
    generator = rng(3, "test events")
    sound = ambience(2 * RATE, 0, generator)
    for time in times:
        wave = 0.3 * strike(0, material, 0.6, 0.12, generator)
        begin = round(time * RATE)
        sound[begin:begin + len(wave)] += wave[: len(sound) - begin]
    return sound


def test_strikes_are_heard_over_ambience_and_over_what_still_rings():
    times = [0.4, 0.7, 1.3]
    found = ears.onset_times(strikes(times), RATE)
    assert len(found) == 3
    assert np.abs(found - times).max() < 0.5 / 24
    assert len(ears.onset_times(strikes([]), RATE)) == 0


def test_materials_are_heard():
    """Most strikes of every material but plaster, which sounds much like wood."""
    times = np.linspace(0.5, 1.5, 8)
    right = [sum(ears.material_heard(strikes([t], material), RATE, t) == material for t in times)
             for material in range(6)]
    assert min(right[:5]) >= 5 and sum(right) >= 36


def test_moved_sound_no_longer_matches():
    at = np.array([10.0, 16.0, 23.0, 31.0])
    assert events.iou([(at, at + 0.6)]) == 1
    assert events.iou([(at, at[:2])]) == 0.5
    late = events.moved(at, (8.0, 40.0), 3)
    assert events.iou([(at, late)]) < 0.2
    assert math.isnan(events.iou([]))
    assert events.offset([(at, at + 0.5)]) == pytest.approx(0.5)
