"""Episodes of a report are played again; a model that shows something else is found out."""

from types import SimpleNamespace

import numpy as np

from gwm_core.evaluation.worlds import episodes


class Shows:
    """A stand-in model whose pictures are of one grey that its prompt and a shift decide."""

    embodiment = SimpleNamespace(views=[SimpleNamespace(name="eye")])

    def __init__(self, shift=0):
        self.shift = shift

    def frame(self, text):
        return np.full((160, 256, 3), 40 + len(text) + self.shift, np.uint8)

    def new_world(self, prompt, seed):
        frames = {"eye": self.frame(prompt + str(seed))}
        return SimpleNamespace(observation=SimpleNamespace(frames=frames))

    def step(self, world, track):
        return world, SimpleNamespace(frames={"eye": self.frame(track)[None]})


def test_the_same_model_replays_and_another_is_named():
    kept = episodes.record(Shows(), 3)
    assert len(kept) == episodes.COUNT
    assert episodes.record(Shows(), 3) == kept
    draw = np.random.default_rng
    assert episodes.replay(Shows(), kept, draw(0)) == []
    assert episodes.replay(Shows(2), kept, draw(0)) == []  # rounding elsewhere
    problems = episodes.replay(Shows(9), kept, draw(0))
    assert len(problems) == episodes.REPLAYED and "9.0 grey levels" in problems[0]


def test_cells_are_read_row_by_row():
    frame = np.zeros((160, 256, 3), np.uint8)
    frame[:32, 32:64] = 200
    cells = episodes.coarse(frame)
    assert len(cells) == 40 and cells[1] == 200 and sum(cells) == 200
