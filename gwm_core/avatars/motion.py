"""The motion of a face: a few named numbers per tick, the same for every portrait and drawing.

``left`` and ``right`` are the viewer's, as one sees the picture. A motion is float32
``[T, len(MOTION)]`` at ``TICK_RATE`` rows a second; all zeros is the portrait as it is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from ..errors import AvatarError

TICK_RATE = 25
FORMAT = "gwm-motion"
VERSION = 1


@dataclass(frozen=True)
class Channel:
    """One number of a motion: ``low``..``high``; ``group`` is what a dial scales."""

    name: str
    low: float
    high: float
    group: str
    help: str


MOTION: tuple[Channel, ...] = (
    Channel("jaw", 0, 1, "mouth", "the lower jaw dropped; 1 is as wide as it goes"),
    Channel("close", 0, 1, "mouth", "the lips held together, whatever the jaw does (p, b, m)"),
    Channel("funnel", 0, 1, "mouth", "lips rounded and open (o, sh)"),
    Channel("pucker", 0, 1, "mouth", "lips pushed out to a small ring (u, w)"),
    Channel("stretch", 0, 1, "mouth", "corners drawn sideways (ee)"),
    Channel("smile", -1, 1, "expression", "corners up; below 0 down"),
    Channel("press", 0, 1, "mouth", "lips pressed thin"),
    Channel("bite", 0, 1, "mouth", "lower lip under the upper teeth (f, v)"),
    Channel("tongue", 0, 1, "mouth", "tongue seen between the teeth (th, l)"),
    Channel("upper", 0, 1, "mouth", "upper lip raised, teeth seen (s, z)"),
    Channel("blink_left", 0, 1, "eyes", "left lid closed"),
    Channel("blink_right", 0, 1, "eyes", "right lid closed"),
    Channel("wide", 0, 1, "expression", "eyes wide open"),
    Channel("squint", 0, 1, "expression", "lower lids up"),
    Channel("gaze_x", -1, 1, "gaze", "looking to the right of the picture"),
    Channel("gaze_y", -1, 1, "gaze", "looking up"),
    Channel("brow_left", -1, 1, "expression", "left brow up"),
    Channel("brow_right", -1, 1, "expression", "right brow up"),
    Channel("brow_inner", -1, 1, "expression", "inner ends up (worry); below 0 together (frown)"),
    Channel("yaw", -1, 1, "head", "head turned to the right of the picture; 1 is 25 degrees"),
    Channel("pitch", -1, 1, "head", "head raised; 1 is 18 degrees"),
    Channel("roll", -1, 1, "head", "head tilted clockwise on the screen; 1 is 18 degrees"),
    Channel("sway", -1, 1, "head", "shoulders and head moved to the right"),
    Channel("breath", 0, 1, "head", "shoulders raised by a breath"),
)
NAMES = tuple(channel.name for channel in MOTION)
INDEX = {name: i for i, name in enumerate(NAMES)}
GROUPS = ("mouth", "expression", "eyes", "gaze", "head")
YAW_DEGREES, PITCH_DEGREES, ROLL_DEGREES = 25.0, 18.0, 18.0
_LOW = np.array([channel.low for channel in MOTION], dtype=np.float32)
_HIGH = np.array([channel.high for channel in MOTION], dtype=np.float32)


def still(ticks: int) -> np.ndarray:
    """The portrait as it is: zeros [ticks, 24]."""
    return np.zeros((ticks, len(MOTION)), dtype=np.float32)


def clamp(motion: np.ndarray) -> np.ndarray:
    """``motion`` [..., 24] within every channel's range."""
    return np.clip(motion, _LOW, _HIGH)


def group(name: str) -> list[int]:
    """The columns of one of ``GROUPS``."""
    if name not in GROUPS:
        raise AvatarError(f"group: {name!r}; {', '.join(GROUPS)} are accepted")
    return [i for i, channel in enumerate(MOTION) if channel.group == name]


def scaled(motion: np.ndarray, dials: dict[str, float]) -> np.ndarray:
    """``motion`` [T, 24] with each group multiplied by its dial (left out: 1), within ranges."""
    out = np.array(motion, dtype=np.float32)
    for name, value in dials.items():
        out[..., group(name)] *= value
    return clamp(out)


def to_json(motion: np.ndarray) -> str:
    """Curves that a person can read and edit; ``from_json`` gives them back to 4 decimals."""
    return json.dumps({
        "format": FORMAT, "version": VERSION, "tick_rate": TICK_RATE, "ticks": len(motion),
        "channels": {
            name: [round(float(v), 4) for v in motion[:, i]]
            for i, name in enumerate(NAMES) if np.any(motion[:, i])
        },
    })


def from_json(text: str) -> np.ndarray:
    """A motion [T, 24] from ``to_json``'s text; channels left out are zero.

    AvatarError names what does not fit.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise AvatarError(f"motion: {error}; the JSON of a motion is accepted") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise AvatarError(f'motion: no "format": "{FORMAT}"; the JSON of a motion is accepted')
    if data.get("version") != VERSION:
        raise AvatarError(f"motion: version {data.get('version')!r}; {VERSION} is accepted")
    if data.get("tick_rate") != TICK_RATE:
        raise AvatarError(f"motion: {data.get('tick_rate')!r} ticks a second; "
                          f"{TICK_RATE} is accepted")
    ticks, channels = data.get("ticks"), data.get("channels")
    if isinstance(ticks, bool) or not isinstance(ticks, int) or ticks < 0:
        raise AvatarError(f"motion: ticks {ticks!r}; a whole number from 0 is accepted")
    if not isinstance(channels, dict):
        raise AvatarError("motion: no channels; an object of lists by name is accepted")
    out = still(ticks)
    for name, values in channels.items():
        if name not in INDEX:
            raise AvatarError(f"motion: channel {name!r}; {', '.join(NAMES)} are accepted")
        if not isinstance(values, list) or len(values) != ticks:
            raise AvatarError(f"motion: channel {name!r} needs a list of {ticks} numbers")
        try:
            out[:, INDEX[name]] = np.array(values, dtype=np.float32)
        except (TypeError, ValueError):
            raise AvatarError(f"motion: channel {name!r}: a value is no number") from None
    if not np.isfinite(out).all():
        raise AvatarError("motion: a value is not finite")
    return clamp(out)
