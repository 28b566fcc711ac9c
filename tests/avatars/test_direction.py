"""Direction: known, seeded, the same however it is cut; turns: causal, streamed as offline."""

import numpy as np
import pytest

from gwm_core.avatars import turns
from gwm_core.avatars.direction import DIRECTION, INDEX, Director, direct
from gwm_core.errors import AvatarError, GWMError

STILL = dict.fromkeys(("mouth", "expression", "eyes", "gaze", "head"), 0.0)


def states(kind: int, ticks: int) -> np.ndarray:
    return np.eye(3, dtype=np.float32)[np.full(ticks, kind)]


def test_a_tick_is_the_same_however_the_run_is_cut():
    whole = direct(1300, 5)
    assert whole.shape == (1300, len(DIRECTION)) and whole.dtype == np.float32
    np.testing.assert_array_equal(whole[480:1200], direct(720, 5, start=480))
    state = states(2, 1300)
    state[300:700] = [1, 0, 0]
    spoken = direct(1300, 5, state)
    director = Director(5)
    np.testing.assert_array_equal(spoken, [director.tick(row) for row in state])
    assert np.any(spoken != whole) and np.any(whole != direct(1300, 6))


def test_it_is_as_lively_as_people_are():
    ten_minutes = direct(15000, 1)
    blinks = np.flatnonzero(ten_minutes[:, INDEX["blink"]])
    assert 13 < len(blinks) / 10 < 21
    assert np.diff(blinks).min() > 8
    assert len(np.flatnonzero(direct(15000, 1, blink_rate=2.0)[:, 0])) > 1.5 * len(blinks)
    assert not direct(15000, 1, blink_rate=0.0)[:, 0].any()
    away = [np.mean(np.hypot(d[:, 1], d[:, 2]) > 0.2)
            for d in (ten_minutes, direct(15000, 1, states(0, 15000)))]
    assert away[0] < 0.2 < away[1]
    breath = ten_minutes[:, INDEX["breath"]]
    peaks = np.sum((breath[1:-1] > breath[:-2]) & (breath[1:-1] >= breath[2:]))
    assert 13 < peaks / 10 < 17


def test_dials_scale_and_at_zero_all_is_still():
    assert not direct(2000, 3, dials=STILL).any()
    usual, half = direct(2000, 3), direct(2000, 3, dials={"head": 0.5})
    for name in ("turn", "nod", "tilt", "sway", "breath", "beat"):
        np.testing.assert_array_equal(half[:, INDEX[name]], 0.5 * usual[:, INDEX[name]])
    np.testing.assert_array_equal(half[:, INDEX["look_x"]], usual[:, INDEX["look_x"]])


def test_what_does_not_fit_is_named():
    assert direct(0, 0).shape == (0, len(DIRECTION))
    for bad, name in ((dict(ticks=-1, seed=0), "ticks"),
                      (dict(ticks=5, seed=0, dials={"ears": 1}), "ears"),
                      (dict(ticks=5, seed=0, dials={"head": 3}), "head"),
                      (dict(ticks=5, seed=0, state=np.zeros((4, 3))), "state"),
                      (dict(ticks=5, seed=0, blink_rate=float("nan")), "blink_rate")):
        with pytest.raises(AvatarError, match=name):
            direct(**bad)
    with pytest.raises(GWMError, match="seed"):
        direct(5, -1)


def talk(*spans: tuple[float, float], seconds: float = 6.0, noise: float = 1e-3) -> np.ndarray:
    """Noise bursts of -20 dB at the given times, as syllables of 200 ms, over faint noise."""
    draw = np.random.default_rng(0)
    out = noise * draw.standard_normal(int(seconds * turns.RATE))
    for start, end in spans:
        t = np.arange(int(start * turns.RATE), int(end * turns.RATE))
        out[t] += 0.14 * np.abs(np.sin(np.pi * t / 3200)) * draw.standard_normal(len(t))
    return out.astype(np.float32)


@pytest.mark.parametrize("noise", [0.0, 1e-3, 8e-3])
def test_voice_is_active_where_it_is_loud(noise):
    active = turns.activity(talk((1.0, 2.6), (4.0, 5.0), noise=noise))
    assert active.shape == (150,)
    assert active[26:65].all() and active[101:125].all()
    assert not active[:24].any() and not active[72:99].any() and not active[132:].any()


def test_turns_are_the_same_streamed_and_whole():
    own, other = talk((1.0, 2.0)), talk((1.5, 3.5))
    whole = turns.state(own, other)
    assert set(whole.argmax(1)) == {0, 1, 2} and (whole.sum(1) == 1).all()
    assert whole[40].argmax() == 0 and whole[70].argmax() == 1 and whole[140].argmax() == 2
    for size in (1, 640, 999):
        stream = turns.Turns()
        if size == 640:
            rows = [stream.tick(own[i:i + 640], other[i:i + 640]).state
                    for i in range(0, len(own), 640)]
        else:
            count = len(own) if size > 1 else 4000
            rows = [row for i in range(0, count, size)
                    for row in stream.push(own[i:i + size][:count - i],
                                           other[i:i + size][:count - i])]
        np.testing.assert_array_equal(rows, whole[:len(rows)])
        assert len(rows) >= 6
    with pytest.raises(AvatarError, match="equal lengths"):
        turns.Turns().push(own, other[1:])
    with pytest.raises(AvatarError, match="not finite"):
        turns.activity(np.full(640, np.nan, np.float32))
    assert turns.activity(np.zeros(0, np.float32)).shape == (0,)


def test_activity_is_causal():
    sound = talk((1.0, 2.0), (3.0, 4.0))
    changed = sound.copy()
    changed[50 * 640:] = 0.3
    np.testing.assert_array_equal(turns.activity(sound)[:50], turns.activity(changed)[:50])
