"""Errors that speak to the person who gave the input.

Every message says which input was wrong, what was wrong with it, and what is accepted.
"""

from __future__ import annotations


class GWMError(ValueError):
    """Base of all errors that come from an input of the user."""


class EmbodimentError(GWMError):
    """An embodiment (the contract of a checkpoint) is not well formed."""


class ControlError(GWMError):
    """Controls that cannot be read, or do not fit the embodiment.

    ``line`` and ``column`` count from 1 and are ``None`` where the error has no place in a text;
    ``position`` is the offset in characters from 0.
    """

    def __init__(
        self,
        message: str,
        position: int | None = None,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        super().__init__(message)
        self.position = position
        self.line = line
        self.column = column


class ClipError(GWMError):
    """Frames, sound and controls of a clip do not fit together."""


class CheckpointError(GWMError):
    """A file is no checkpoint, is damaged, or does not fit the network."""


class WorldError(GWMError):
    """A world file or value is damaged, or belongs to another model."""


class SessionError(GWMError):
    """A live session was used in a way it does not allow."""


class SessionLimit(SessionError):
    """A live session reached its limit in ticks, bytes or seconds."""


class SessionClosed(SessionError):
    """A live session was used after it had been closed."""


class Cancelled(Exception):
    """The caller asked a running job to stop; nothing is wrong with the input."""


class RoboticsError(GWMError):
    """A policy, episode, data set or specification does not fit, or a package for it is missing."""


class AvatarError(GWMError):
    """A portrait, voice, motion or avatar checkpoint does not fit."""


class VideoError(GWMError):
    """A storyboard, shot, cast member, script or film does not fit.

    ``line`` and ``column`` count from 1 and are ``None`` where the error has no place in a text.
    """

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
