"""The camera's turn is found whatever the depth, where most of the flow comes from walking."""

from __future__ import annotations

import numpy as np
import pytest

from gwm_core.egomotion import turn_of_tick
from gwm_core.motion import FOCAL, GRID, WIDTH, rays, turn_fields

STILL = np.zeros(3)


def flow_of(turn, travel, seed=0):
    """Flow [20, 32, 2] in cells of a turn (right, up, roll) and a travel [3] in metres before a
    rough scene 1 to 6 m away, and how sure it is."""
    generator = np.random.default_rng(seed)
    h, w = GRID
    x, y = rays(w, h)
    near = 1 / generator.uniform(1, 6, (h, w))
    focal = FOCAL * w / WIDTH
    out = np.tensordot(np.asarray(turn), turn_fields(w, h), 1).T.reshape(h, w, 2)
    out[..., 0] += focal * near * (travel[0] - x * travel[2])
    out[..., 1] += focal * near * (travel[1] - y * travel[2])
    noise = generator.normal(size=out.shape) * 0.01
    return (out + noise).astype(np.float32), np.ones((h, w), np.float32)


@pytest.mark.parametrize("travel", [
    (0, 0, 0), (0, 0, 0.08), (0.08, 0, 0), (-0.05, 0.0, 0.06), (0.03, -0.12, 0.05)])
@pytest.mark.parametrize("turn", [(0, 0, 0), (0.01, -0.004, 0.001), (-0.02, 0.01, 0)])
def test_the_turn_is_found_beside_travel(turn, travel):
    flow, sure = flow_of(turn, travel)
    found = turn_of_tick([flow], [sure], [STILL])
    assert np.abs(found.turn - turn).max() < np.radians(0.08)
    if np.linalg.norm(travel) > 0:
        along = abs(found.travel @ np.array(travel)) / np.linalg.norm(travel)
        assert along > 0.95


def test_two_pairs_of_a_tick_share_their_turn_whatever_they_were_measured_against():
    turn = np.array([0.05, -0.01, 0.0])
    bases = [np.array([0.045, -0.012, 0.0]), np.array([0.056, -0.007, 0.0])]
    pairs = [flow_of(turn - base, (0.07, 0, 0.03), seed) for seed, base in enumerate(bases)]
    found = turn_of_tick([p[0] for p in pairs], [p[1] for p in pairs], bases)
    assert np.abs(found.turn - turn).max() < np.radians(0.05)


def test_what_moves_by_itself_does_not_count():
    flow, sure = flow_of((0.01, 0, 0), (0, 0, 0.08))
    flow[8:16, 4:12] += (0.8, -0.5)
    found = turn_of_tick([flow], [sure], [STILL])
    assert np.abs(found.turn - (0.01, 0, 0)).max() < np.radians(0.1)


def test_where_nothing_is_seen_the_guess_stays():
    flow, sure = flow_of((0.02, 0, 0), (0, 0, 0.08))
    found = turn_of_tick([flow], [sure * 0], [np.array([0.03, 0.01, 0.0])])
    assert np.allclose(found.turn, (0.03, 0.01, 0.0), atol=1e-6)
    known = turn_of_tick([flow], [sure], [STILL])
    assert np.diag(known.known).min() > 100 * np.diag(found.known).max() > 0


def test_opencvs_threads_are_put_back():
    cv2 = pytest.importorskip("cv2")
    from gwm_core.motion import Motion, steady_flow

    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(2)
        many = cv2.getNumThreads()
        motion = Motion()
        first = motion.look(np.random.default_rng(0).integers(0, 255, (160, 256, 3), np.uint8))
        with steady_flow():
            motion.measure(first, first)
            assert cv2.getNumThreads() == 1
        assert cv2.getNumThreads() == many
    finally:
        cv2.setNumThreads(before)
