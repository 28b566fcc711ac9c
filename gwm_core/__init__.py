"""GWM: world models that you can walk through, as a library.

Importing this package is cheap: names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "load": "worlds",
    "World": "world",
    "Observation": "world",
    "load_world": "world",
    "Session": "session",
    "Controls": "controls",
    "Clip": "clip",
    "Embodiment": "embodiment",
    "rooms_embodiment": "embodiment",
    "StateStore": "store",
    "list_models": "checkpoint",
    "add_model_folder": "checkpoint",
    "GWMError": "errors",
    "Cancelled": "errors",
    "CheckpointError": "errors",
    "ClipError": "errors",
    "ControlError": "errors",
    "EmbodimentError": "errors",
    "SessionError": "errors",
    "WorldError": "errors",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_PUBLIC[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])


if TYPE_CHECKING:
    from .checkpoint import add_model_folder as add_model_folder
    from .checkpoint import list_models as list_models
    from .clip import Clip as Clip
    from .controls import Controls as Controls
    from .embodiment import Embodiment as Embodiment
    from .embodiment import rooms_embodiment as rooms_embodiment
    from .errors import (
        Cancelled as Cancelled,
    )
    from .errors import (
        CheckpointError as CheckpointError,
    )
    from .errors import (
        ClipError as ClipError,
    )
    from .errors import (
        ControlError as ControlError,
    )
    from .errors import (
        EmbodimentError as EmbodimentError,
    )
    from .errors import (
        GWMError as GWMError,
    )
    from .errors import (
        SessionError as SessionError,
    )
    from .errors import (
        WorldError as WorldError,
    )
    from .session import Session as Session
    from .store import StateStore as StateStore
    from .world import Observation as Observation
    from .world import World as World
    from .world import load_world as load_world
    from .worlds import load as load
