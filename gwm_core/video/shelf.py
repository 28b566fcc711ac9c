"""Finished shots of films, kept in a folder by a digest of all they depend on.

A film that is made again finds its unchanged shots here, and one that was stopped or killed goes
on from its finished ones. The folder is bounded in bytes: the shots used longest ago go first.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from ..errors import VideoError
from .kept_shot import HEAD, KeptShot, bytes_of, read_shot, remove

MOST_BYTES = 8 << 30
PART = ".part-"
STALE_SECONDS = 15 * 60
"""Unfinished work that nobody wrote to for so long is of a run that was killed: swept away."""


class Shelf:
    """folder     where shots are kept; it is made where it is not there
    max_bytes  what may be kept in all; shots of the film at work are never dropped
    """

    def __init__(self, folder: str | os.PathLike[str], max_bytes: int = MOST_BYTES) -> None:
        self.folder, self.max_bytes = Path(folder), int(max_bytes)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise VideoError(f"folder {folder}: shots cannot be kept there ({error})") from None
        self._sweep()

    def get(self, key: str) -> KeptShot | None:
        """The shot of that key, now the one used last; None where it is not kept whole."""
        place = self.folder / key
        shot = read_shot(place, key)
        if shot is not None:
            try:
                os.utime(place / HEAD)
            except OSError:
                pass  # a folder that can only be read is a shelf too
        return shot

    def make(self, key: str, write: Callable[[Path], None], pinned: Iterable[str] = ()
             ) -> KeptShot:
        """Let ``write(folder)`` write a shot, then keep it under ``key``: all of it or nothing.

        pinned  keys that must not be dropped for it
        """
        part = Path(tempfile.mkdtemp(prefix=f"{PART}{key[:8]}-", dir=self.folder))
        place = self.folder / key
        try:
            write(part)
            if place.exists():
                if read_shot(place, key) is None:
                    remove(place)
            try:
                os.replace(part, place)
            except OSError:
                # Another run may have finished the same shot in between: then its is as good.
                if read_shot(place, key) is None:
                    raise
        except OSError as error:
            raise VideoError(f"folder {self.folder}: the shot cannot be kept ({error})") from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
        shot = read_shot(place, key)
        if shot is None:
            raise VideoError(f"folder {self.folder}: the shot just written cannot be read again")
        self.trim({key, *pinned})
        return shot

    def keys(self) -> list[str]:
        """Of all shots kept, the one used longest ago first."""
        return [place.name for _, place in self._places()]

    @property
    def nbytes(self) -> int:
        """What the shots take on disk."""
        return sum(bytes_of(place) for _, place in self._places())

    def trim(self, pinned: Iterable[str] = ()) -> None:
        """Drop the shots used longest ago until the rest fits; ``pinned`` ones stay."""
        places, kept = self._places(), set(pinned)
        sizes = {place: bytes_of(place) for _, place in places}
        total = sum(sizes.values())
        for _, place in places:
            if total <= self.max_bytes:
                return
            if place.name not in kept:
                remove(place)
                total -= sizes[place]

    def clear(self) -> None:
        """Drop every shot."""
        for _, place in self._places():
            remove(place)

    def _places(self) -> list[tuple[float, Path]]:
        found = []
        for place in self.folder.iterdir():
            if not place.name.startswith(PART):
                try:
                    found.append(((place / HEAD).stat().st_mtime, place))
                except OSError:
                    continue
        return sorted(found)

    def _sweep(self) -> None:
        for part in self.folder.glob(f"{PART}*"):
            try:
                newest = max(p.stat().st_mtime for p in (part, *part.iterdir()))
            except OSError:
                continue
            if time.time() - newest > STALE_SECONDS:
                shutil.rmtree(part, ignore_errors=True)
