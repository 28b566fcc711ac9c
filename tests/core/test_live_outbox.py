"""Live players without a host: what is sent to a page, and what is dropped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gwm_core.live.encode import choose, picture, sound
from gwm_core.live.messages import unpack
from gwm_core.live.outbox import IN_FLIGHT, MOST_WAITING, Outbox, Shown


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


def test_a_page_is_told_how_ticks_were_computed_where_there_are_two_ways(box):
    box.offer(shown(1))
    box.offer(replace(shown(2), computed=(2,)))
    assert ["computed" in header for header in box.sent] == [False, True]
    assert box.sent[1]["computed"] == [2]
