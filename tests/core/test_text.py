"""Prompts and events: the encoder's plumbing, and the shipped weights where they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gwm_core.errors import CheckpointError, GWMError
from gwm_core.model.text import MAX_WORDS, TAGS, TextEncoder, encode_words, grams, split_words
from gwm_core.training.text import Composer, batch
from gwm_core.training.vocabulary import THEMES, all_words
from gwm_core.understand import Thing, Understander, _things


def test_words_and_their_pieces():
    assert split_words("A Brick-hall, d\u00e9j\u00e0 vu!") == ["a", "brick", "hall", "deja", "vu"]
    assert len(split_words("word " * 500)) == MAX_WORDS
    assert grams("ball") == grams("ball") and set(grams("ball")) & set(grams("balls"))
    assert encode_words([[], ["ball"]]).shape[:2] == (2, 1)


def test_sentences_carry_their_tags():
    composer = Composer(0)
    for _ in range(200):
        s = composer.sentence()
        assert len(s.words) == len(s.tags)
        for name in ("time", "lamps", "fog", "floor"):
            assert (s.values[name] > 0) == (TAGS.index(name) in s.tags)
    ids, tags, values = batch(Composer(1), 8, 0.0)
    again, _, _ = batch(Composer(1), 8, 0.0)
    assert (ids == again).all() and tags.shape == ids.shape[:2] and len(values["theme"]) == 8


def test_counts_and_colours_belong_to_the_next_thing():
    words = "two red balls and a box".split()
    tags = ["count2", "red", "ball", "glue", "count1", "box"]
    assert list(_things(words, tags)) == [Thing("ball", "red", 2), Thing("box", None, 1)]
    assert str(Thing("box", "blue", 2)) == "2 blue boxes"


@pytest.fixture(scope="module")
def reader():
    """A reader that was trained for a few seconds on the real vocabulary."""
    torch.manual_seed(0)
    model, composer = TextEncoder(32, 24), Composer(0)
    optimiser = torch.optim.AdamW(model.parameters(), 6e-3)
    for _ in range(150):
        ids, tags, values = batch(composer, 48, 0.0)
        out = model(ids)
        loss = torch.nn.functional.cross_entropy(out["tags"].flatten(0, 1), tags.flatten(),
                                                 ignore_index=-100)
        for name, target in values.items():
            loss = loss + 0.5 * torch.nn.functional.cross_entropy(out[name], target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return Understander(model, tuple(THEMES), all_words())


def test_it_learns_quickly_and_reports_what_it_does_not_know(reader):
    said = reader.understand("two red balls at night with a dragon")
    assert said.attributes["time"] == 2 and said.attributes["balls"] == 2
    assert any("dragon" in w for w in said.ignored)
    assert "night" in said.summary() and "not: " in said.summary()
    assert reader.understand("").summary() == "nothing was asked for"
    assert reader.understand("qwrtzp").ignored == ["qwrtzp"]


def test_events_only_change_what_can_change(reader):
    said = reader.understand("the lights go out", event=True)
    assert said.change == {"lamps": 0} and said.understood == ["lamps off"]
    said = reader.understand("night falls and two boxes", event=True)
    assert said.change == {"time": 2} and "2 boxes" in said.ignored


def test_bad_text_is_named(reader):
    with pytest.raises(GWMError, match="text is accepted"):
        reader.understand(3)
    with pytest.raises(GWMError, match="characters"):
        reader.understand("a" * 5000)
    with pytest.raises(CheckpointError):
        Understander.from_tensors({"nothing": torch.zeros(1)}, {"themes": ["a"]})


def test_reading_is_deterministic(reader):
    a, b = reader.embed("a brick hall"), reader.embed("a brick hall")
    assert torch.equal(a, b) and np.isfinite(a.numpy()).all()
