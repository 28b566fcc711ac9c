"""The pack's wire types and the values that travel on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from comfy_api.v0_0_2 import io

if TYPE_CHECKING:
    from ..gwm_core.avatars.character import Character
    from ..gwm_core.robotics.episode import Episode
    from ..gwm_core.robotics.eyes import Eyes
    from ..gwm_core.video.film_report import FilmReport
    from ..gwm_core.video.storyboard import CastMember, Shot, Storyboard
    from ..gwm_core.world import World
    from .host import HostModel

GWMModel = io.Custom("GWM_MODEL")
GWMWorld = io.Custom("GWM_WORLD")
GWMControlTrack = io.Custom("GWM_CONTROLS")
GWMPolicy = io.Custom("GWM_POLICY")
GWMRollouts = io.Custom("GWM_ROLLOUTS")
GWMCharacterWire = io.Custom("GWM_CHARACTER")
GWMCast = io.Custom("GWM_CAST")
GWMShots = io.Custom("GWM_SHOTS")
GWMStoryboardWire = io.Custom("GWM_STORYBOARD")
GWMFilm = io.Custom("GWM_FILM")


@dataclass(frozen=True)
class WorldOnWire:
    """What a GWM_WORLD wire carries: an immutable world and its model in the host's care."""

    world: World
    host: HostModel

    def get_ram_usage(self) -> int:
        """Bytes, for ComfyUI's caches; the model is counted at its own wire."""
        return int(self.world.get_ram_usage())


@dataclass(frozen=True)
class PolicyOnWire:
    """What a GWM_POLICY wire carries: a name, and ``make(task, eyes) -> policy`` of one run."""

    name: str
    make: Callable[[str, Eyes], Any]


@dataclass(frozen=True)
class RolloutsOnWire:
    """What a GWM_ROLLOUTS wire carries: recorded runs, which nobody changes."""

    episodes: tuple[Episode, ...]

    def get_ram_usage(self) -> int:
        """Bytes, for ComfyUI's caches."""
        arrays = [a for e in self.episodes for a in (*e.views.values(), e.state, e.actions)]
        return sum(int(a.nbytes) for a in arrays)


@dataclass(frozen=True)
class CharacterOnWire:
    """What a GWM_CHARACTER wire carries: a portrait with its points, and how strongly it moves.

    found  whether its points come from a face that was found, and not from a centred default
    """

    character: Character
    strength: float
    found: bool

    def get_ram_usage(self) -> int:
        """Bytes, for ComfyUI's caches."""
        alpha = self.character.alpha
        return int(self.character.image.nbytes + (0 if alpha is None else alpha.nbytes))


@dataclass(frozen=True)
class CastOnWire:
    """What a GWM_CAST wire carries: the characters of a film so far, in order."""

    members: tuple[CastMember, ...]

    def get_ram_usage(self) -> int:
        """Bytes, for ComfyUI's caches."""
        return sum(int(m.character.image.nbytes) for m in self.members if m.character is not None)


@dataclass(frozen=True)
class ShotsOnWire:
    """What a GWM_SHOTS wire carries: the shots of a film so far, in order."""

    shots: tuple[Shot, ...]


@dataclass(frozen=True)
class StoryboardOnWire:
    """What a GWM_STORYBOARD wire carries: a whole storyboard, checked, and its readable text."""

    board: Storyboard
    text: str


@dataclass(frozen=True, eq=False)
class FilmOnWire:
    """What a GWM_FILM wire carries: what is told of a finished film, its storyboard and retakes
    among it. Finished shots lie on the shelf, so that this is all a further retake needs."""

    report: FilmReport
