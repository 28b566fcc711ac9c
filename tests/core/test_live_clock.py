"""Live players without a host: the clock, and whose turn it is."""

from __future__ import annotations

import numpy as np
import pytest

from gwm_core.live.hub import BEHIND

from .live_page import PERIOD, Page


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
