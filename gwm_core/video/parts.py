"""The models that shots are made with, loaded once, and the rooms that were already imagined.

    parts = load_parts()                                     # the embedded checkpoints
    parts = load_parts(rooms=model, faces=model)             # loaded models, as nodes hand them in

The model that speaks is only loaded when a line without a recording needs it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any

import numpy as np

from ..avatars.character import Character
from ..errors import VideoError
from ..loading import load
from ..noise import check_seed
from ..world import World
from .matte import Matte, matte_of

KEPT_PLACES, KEPT_MATTES = 4, 16
"""Rooms whose first picture, and characters whose outline is kept in memory."""


class Parts:
    """rooms: the model of rooms; faces: the model of faces. Made by ``load_parts``."""

    def __init__(self, rooms: Any, faces: Any, talker: Any) -> None:
        self._rooms, self._faces, self._talker = rooms, faces, talker
        self._places: OrderedDict[tuple[str, int], World] = OrderedDict()
        self._mattes: OrderedDict[str, Matte] = OrderedDict()

    @property
    def rooms(self) -> Any:
        """The model that rooms are walked through with (``gwm_core.load``)."""
        if isinstance(self._rooms, str):
            self._rooms = load(self._rooms)
        return self._rooms

    @property
    def faces(self) -> Any:
        """The model that moves faces (``gwm_core.avatars.faces_model.load_faces``)."""
        if isinstance(self._faces, str):
            from ..avatars.faces_model import load_faces  # brings torch: not at start

            self._faces = load_faces(self._faces)
        return self._faces

    @property
    def talker(self) -> Any:
        """The model that speaks lines (``gwm_core.speech.talk.load_talker``); CheckpointError
        where there is none."""
        if isinstance(self._talker, str):
            from ..speech.talk import load_talker

            self._talker = load_talker(self._talker)
        return self._talker

    def place(self, prompt: str, seed: int) -> World:
        """The room of a prompt and seed at tick 0: the same value every time, so that all shots
        of a place begin in the same room, seen from the same spot. VideoError for a model whose
        worlds are no rooms with sound."""
        key = (prompt.strip(), check_seed(seed))
        if not hasattr(getattr(self.rooms, "parts", None), "sound"):
            name = getattr(self.rooms, "name", type(self.rooms).__name__)
            raise VideoError(f"rooms: the model {name!r} makes no rooms with sound; gwm-rooms or "
                             "a model of its kind is accepted")
        if key in self._places:
            self._places.move_to_end(key)
        else:
            self._places[key] = self.rooms.new_world(prompt=key[0], seed=key[1])
            while len(self._places) > KEPT_PLACES:
                self._places.popitem(last=False)
        return self._places[key]

    def matte(self, character: Character) -> Matte:
        """The figure of a portrait; it is looked for once for all shots."""
        digest = hashlib.sha256(repr(character.image.shape).encode())
        for array in (character.image, character.points, character.alpha):
            if array is not None:
                digest.update(np.ascontiguousarray(array).data)
        key = digest.hexdigest()
        if key in self._mattes:
            self._mattes.move_to_end(key)
        else:
            self._mattes[key] = matte_of(character)
            while len(self._mattes) > KEPT_MATTES:
                self._mattes.popitem(last=False)
        return self._mattes[key]


def load_parts(
    rooms: Any = "gwm-rooms", faces: Any = "gwm-faces", talker: Any = None
) -> Parts:
    """The models of films: each a loaded one, or the name or path of a checkpoint, which is then
    loaded when it is first needed. talker: left out, the checkpoint of ``faces`` speaks, or
    the embedded one where ``faces`` is a loaded model."""
    if talker is None:
        talker = faces if isinstance(faces, str) else "gwm-faces"
    return Parts(rooms, faces, talker)
