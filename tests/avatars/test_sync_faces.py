"""How open a mouth is in pictures: follows a face, bridges gaps, and reads real frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from gwm_core.avatars.actor import Actor
from gwm_core.avatars.character import Character
from gwm_core.avatars.finder import load_finder
from gwm_core.avatars.landmarks import INDEX, face_height
from gwm_core.avatars.motion import INDEX as CHANNEL
from gwm_core.avatars.motion import still
from gwm_core.avatars.mouth import aperture
from gwm_core.avatars.portrait import portrait_of
from gwm_core.avatars.sync_faces import LOST, TOGETHER, MouthReader
from gwm_core.errors import AvatarError
from gwm_core.simulators.faces.faces import Face

POINTS = Character.default_points(100, 100)


@dataclass
class Pointer:
    """A stand-in of the finder: the first pixel of a frame is how open its mouth is; 255 and 254
    are frames without a face, 254 one where it is only lost."""

    looked: int = 0

    def find(self, frame):
        self.looked += 1
        return [self] if frame[0, 0, 0] != 255 else []

    @property
    def points(self):
        return POINTS

    def read(self, frames, around):
        assert np.array_equal(around[INDEX["chin"]], POINTS[INDEX["chin"]])
        points = np.repeat(POINTS[None], len(frames), 0)
        points[:, INDEX["inner_bottom"], 1] += [frame[0, 0, 0] for frame in frames]
        lost = np.array([frame[0, 0, 0] >= 254 for frame in frames])
        spread = np.where(lost, 1.1 * LOST, 0.1 * LOST) * face_height(POINTS)
        return points, np.repeat(spread[:, None], 44, 1)


def frames(*openings: int) -> list[np.ndarray]:
    return [np.full((8, 8, 3), opening, np.uint8) for opening in openings]


def test_a_face_is_looked_for_once_and_then_followed():
    finder, seen = Pointer(), []
    curve = MouthReader(finder).opening(frames(*range(20)), progress=seen.append)
    assert np.allclose(curve * face_height(POINTS), np.arange(20), atol=1e-4)
    assert finder.looked == 1 and seen == [8, 16, 20] and TOGETHER == 8


def test_where_it_is_lost_the_curve_is_drawn_through():
    finder = Pointer()
    curve = MouthReader(finder).opening(frames(*[4] * 7, 254, *[254] * 8, *[10] * 8))
    heights = curve * face_height(POINTS)
    assert np.allclose(heights[:7], 4, atol=1e-4) and np.allclose(heights[16:], 10, atol=1e-4)
    assert (np.diff(heights[6:17]) > 0).all() and finder.looked > 1


def test_no_face_in_any_frame_is_said():
    with pytest.raises(AvatarError, match="no face is found in any of them"):
        MouthReader(Pointer()).opening(frames(*[255] * 20))
    with pytest.raises(AvatarError, match="no face"):
        MouthReader(Pointer()).opening([])


def test_a_film_of_a_portrait_is_read_as_it_was_moved():
    """The shipped finder on frames that the rig drew of a found portrait."""
    image = Face(5, "anime", "held").draw(still(1)[0], 256)[0]
    made = portrait_of(image)
    assert made.found
    motion = still(24)
    motion[:, CHANNEL["jaw"]] = np.abs(np.sin(np.arange(24) / 3)) * 0.8
    actor = Actor(made.character, 256)
    curve = MouthReader().opening(actor.draw(row) for row in motion)
    assert np.corrcoef(curve, aperture(motion))[0, 1] > 0.9
    assert curve.min() < 0.03 < 0.07 < curve.max()


def test_two_faces_and_no_face():
    left, right = (Face(seed, "cartoon", "held").draw(still(1)[0], 200)[0] for seed in (3, 4))
    both = np.concatenate([left, right], axis=1)
    made = portrait_of(both)
    assert made.found and "faces found; the largest is used" in made.message
    middle = made.character.points.mean(axis=0)[0]
    share = 0.75 if middle < 200 else 0.25
    other = f'{{"chin": [{share}, 0.7]}}'
    placed = portrait_of(both, anchors=other)
    assert (placed.character.points.mean(axis=0)[0] < 200) != (middle < 200)
    nothing = portrait_of(np.full((200, 200, 3), 120, np.uint8))
    assert not nothing.found and "no face found" in nothing.message
    assert load_finder() is load_finder()
