"""Live players without a host: messages, malformed ones and floods."""

from __future__ import annotations

import json

import pytest

from gwm_core.live.link import BURST, MOST_BAD
from gwm_core.live.messages import MAX_BYTES, BadMessage, read

from .live_page import Page


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
