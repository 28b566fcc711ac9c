"""GWM: world models that you can walk through, as a library.

Importing this package is cheap: names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "load": "loading",
    "World": "world",
    "Observation": "observation",
    "load_world": "world",
    "Session": "session",
    "Controls": "controls",
    "Clip": "clip",
    "InverseReading": "inverse",
    "Embodiment": "embodiment",
    "rooms_embodiment": "embodiment",
    "StateStore": "store",
    "AvatarStream": "avatars.stream",
    "list_models": "checkpoint",
    "add_model_folder": "checkpoint",
    "GWMError": "errors",
    "AvatarError": "errors",
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
    from .avatars.stream import AvatarStream  # noqa: F401
    from .checkpoint import add_model_folder, list_models  # noqa: F401
    from .clip import Clip  # noqa: F401
    from .controls import Controls  # noqa: F401
    from .embodiment import Embodiment, rooms_embodiment  # noqa: F401
    from .errors import (  # noqa: F401
        AvatarError,
        Cancelled,
        CheckpointError,
        ClipError,
        ControlError,
        EmbodimentError,
        GWMError,
        SessionError,
        WorldError,
    )
    from .inverse import InverseReading  # noqa: F401
    from .loading import load  # noqa: F401
    from .observation import Observation  # noqa: F401
    from .session import Session  # noqa: F401
    from .store import StateStore  # noqa: F401
    from .world import World, load_world  # noqa: F401
