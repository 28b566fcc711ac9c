"""A finished shot on disk: its pictures without loss, its sounds by stem, and what it tells.

One folder holds one shot and appears all at once when the shot is whole:

    shot.json          counts, rates, contacts, spoken lines, sizes of the other files
    pictures.mkv       every frame, bit for bit
    dialogue.wav, ...  float samples by stem; dialogue.after.wav: what rings on after the end
    kept.npz           arrays that a retake goes on from
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..errors import VideoError
from .picture_file import PictureFile, pictures
from .sound_file import CHANNELS, SoundFile, write_sound

STEMS = ("dialogue", "effects", "ambience")
FORMAT = 1
HEAD, PICTURES, KEPT = "shot.json", "pictures.mkv", "kept.npz"


@dataclass(frozen=True)
class Spoken:
    """One line as it was spoken: ``start`` and ``end`` in seconds from the shot's beginning."""

    who: str
    text: str
    start: Fraction
    end: Fraction


@dataclass(frozen=True, eq=False)
class KeptShot:
    """A finished shot. All of it is read from ``folder`` as it is needed.

    key       the digest of everything it depends on
    frames    how many; ``samples`` of every stem; ``fps`` and ``rate`` of both
    contacts  seconds from its beginning at which an impact is seen
    spoken    the lines
    about     other values the shot told, JSON
    """

    folder: Path
    key: str
    frames: int
    samples: int
    fps: Fraction
    rate: int
    contacts: tuple[float, ...] = ()
    spoken: tuple[Spoken, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    def pictures(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Frames [start, stop), uint8 [H, W, 3], one after another."""
        return pictures(self.folder / PICTURES, start, self.frames if stop is None else stop)

    def sound(self, stem: str) -> SoundFile:
        """One of ``STEMS``, open for reading."""
        return SoundFile(self.folder / f"{stem}.wav")

    def after(self, stem: str) -> np.ndarray:
        """What of a stem rings on after the end, float32 [2, M]; M is 0 where nothing does."""
        path = self.folder / f"{stem}.after.wav"
        if not path.exists():
            return np.zeros((CHANNELS, 0), np.float32)
        with SoundFile(path) as sound:
            return sound[:, :]

    def kept(self) -> dict[str, np.ndarray]:
        """The arrays that a retake goes on from, by name."""
        path = self.folder / KEPT
        if not path.exists():
            return {}
        with np.load(path, allow_pickle=False) as file:
            return dict(file)


class Take(Protocol):
    """A shot while it is made: frames first, then the rest.

    contacts  seconds at which an impact is seen
    spoken    (who, text, start, end) of each line, seconds
    after     what of each stem rings on after the end, float32 [2, M] by name
    """

    contacts: Iterable[float]
    spoken: Iterable[tuple[str, str, Any, Any]]

    def frames(self) -> Iterator[np.ndarray]: ...

    def sounds(self) -> Mapping[str, np.ndarray]: ...

    def to_keep(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Wanted:
    """What a film needs of a shot: exact counts, (width, height) and both rates."""

    frames: int
    samples: int
    size: tuple[int, int]
    fps: Fraction
    rate: int
    called: str = "shot"


def write_shot(
    folder: Path, key: str, take: Take, wanted: Wanted,
    seen: Callable[[int, np.ndarray], None] | None = None,
) -> None:
    """Write a shot into the empty ``folder``; the head comes last.

    ``seen(number, frame)`` is called after each frame and may raise to stop. VideoError where
    frames or samples are not exactly those that the film needs: nothing is padded here.
    """
    _write_pictures(folder, take, wanted, seen)
    sounds, after = take.sounds(), getattr(take, "after", None) or {}
    for stem in STEMS:
        part = sounds.get(stem)
        part = np.zeros((CHANNELS, wanted.samples), np.float32) if part is None else part
        if part.shape != (CHANNELS, wanted.samples) or not np.isfinite(part).all():
            raise VideoError(f"{wanted.called}: {stem} is {list(part.shape)} or not finite; finite "
                             f"[{CHANNELS}, {wanted.samples}] is needed")
        write_sound(folder / f"{stem}.wav", part, wanted.rate)
        tail = after.get(stem)
        if tail is not None and tail.shape[1]:
            write_sound(folder / f"{stem}.after.wav", tail, wanted.rate)
    kept = dict(take.to_keep() or {})
    arrays = {name: value for name, value in kept.items() if isinstance(value, np.ndarray)}
    if arrays:
        np.savez(folder / KEPT, **arrays)
    head = {
        "format": FORMAT, "key": key, "frames": wanted.frames, "samples": wanted.samples,
        "fps": str(wanted.fps), "rate": wanted.rate,
        "contacts": [float(c) for c in take.contacts],
        "spoken": [[who, text, str(Fraction(start)), str(Fraction(end))]
                   for who, text, start, end in take.spoken],
        "about": {name: value for name, value in kept.items() if name not in arrays},
        "files": {p.name: p.stat().st_size for p in sorted(folder.iterdir())},
    }
    (folder / HEAD).write_text(json.dumps(head), encoding="utf-8")


def _write_pictures(
    folder: Path, take: Take, wanted: Wanted, seen: Callable[[int, np.ndarray], None] | None
) -> None:
    width, height = wanted.size
    with PictureFile(folder / PICTURES, wanted.fps) as file:
        for frame in take.frames():
            if frame.dtype != np.uint8 or frame.shape != (height, width, 3):
                raise VideoError(f"{wanted.called}: a frame of {frame.dtype} {list(frame.shape)}; "
                                 f"uint8 [{height}, {width}, 3] is needed")
            file.add(frame)
            if seen is not None:
                seen(file.frames, frame)
    if file.frames != wanted.frames:
        raise VideoError(f"{wanted.called}: {file.frames} frames were made; {wanted.frames} are "
                         "needed")


def read_shot(folder: Path, key: str) -> KeptShot | None:
    """The shot in a folder; None where there is none, or it is damaged or of another version."""
    try:
        head = json.loads((folder / HEAD).read_text(encoding="utf-8"))
        if head["format"] != FORMAT or head["key"] != key:
            return None
        if any((folder / name).stat().st_size != size for name, size in head["files"].items()):
            return None
        spoken = tuple(Spoken(who, text, Fraction(a), Fraction(b))
                       for who, text, a, b in head["spoken"])
        return KeptShot(folder, key, int(head["frames"]), int(head["samples"]),
                        Fraction(head["fps"]), int(head["rate"]), tuple(head["contacts"]), spoken,
                        head["about"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def bytes_of(folder: Path) -> int:
    """What a shot's folder takes on disk."""
    return sum(p.stat().st_size for p in folder.iterdir() if p.is_file())


def remove(folder: Path) -> None:
    """Take a shot's folder away; its head goes first, so that a half of it is no shot."""
    (folder / HEAD).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
