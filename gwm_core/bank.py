"""The bank of remembered places: a second file beside a checkpoint, at most 24 MB.

It holds panoramas of simulator rooms (held-in layouts, daylight, lamps on, no fog) as pictures
in WebP, surfaces (an index per pixel, packed losslessly), one plane and one label per surface,
a coarse description of each place for the search, and what each place is like. The imaginer
*remembered* looks places up in it; the model's card says so openly.
"""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from .checkpoint import read_bank, save_bank
from .errors import CheckpointError
from .imaginers.panorama import CELLS_U, CELLS_V, HEIGHT, WIDTH, Panorama

MAX_BYTES = 24_000_000
PLACES_KEPT, PICTURES_KEPT = 160, 24
"""Decoded places in memory: .26 MB each, .8 MB more with the picture."""
KIND = "remembered places"
_NAMES = {
    "pictures", "picture_ends", "surfaces", "surface_ends", "planes", "labels", "plane_ends",
    "cells", "places",
}


def pack_surface(surface: np.ndarray) -> bytes:
    """Packs an index map u8 [H, W] without loss (as a grey WebP)."""
    out = io.BytesIO()
    Image.fromarray(surface).save(out, "WEBP", lossless=True, method=4)
    return out.getvalue()


def unpack_surface(data: bytes) -> np.ndarray:
    """Inverse of :func:`pack_surface`: u8 [296, 880]."""
    return _decode(data, "L")


def unpack_picture(data: bytes) -> np.ndarray:
    """Inverse of :func:`pack_picture` but for what WebP loses: u8 [296, 880, 3]."""
    return _decode(data, "RGB")


def _decode(data: bytes, mode: str) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data), formats=("WEBP",)) as picture:
            size = picture.size
            # Grey was stored in all three channels: any one of them is exact.
            out = np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError):
        raise CheckpointError("bank: a remembered place is damaged") from None
    if size != (WIDTH, HEIGHT):
        raise CheckpointError(f"bank: a remembered place is {size}, not {(WIDTH, HEIGHT)}")
    return np.ascontiguousarray(out[..., 1]) if mode == "L" else out


def pack_picture(rgb: np.ndarray, quality: int) -> bytes:
    """WebP of rgb u8 [H, W, 3]."""
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "WEBP", quality=quality, method=6)
    return out.getvalue()


@dataclass(frozen=True)
class Place:
    """What is known of a remembered place; all are small integers but for position."""

    index: int
    theme: int
    floor: int
    layout: int
    doorway: bool


class Bank:
    """A bank in memory; the decoded places used last are kept (thread-safe).

    ``cells`` u8 [N, 10, 36, 5]: mean red, green, blue, coded nearness and commonest theme + 1
    (0: none) per 10 degrees. ``places`` i32 [N, 6]: theme, floor material, layout seed, doorway
    (0/1), x and y in centimetres in its layout. ``info``: metadata of the file.
    """

    def __init__(self, tensors: dict[str, np.ndarray], info: dict, fingerprint: str) -> None:
        if (info.get("kind"), info.get("width"), info.get("height")) != (KIND, WIDTH, HEIGHT):
            raise CheckpointError(f"bank: kind {info.get('kind')!r}; {KIND!r} of {WIDTH}x{HEIGHT} "
                                  "panoramas is accepted")
        missing = _NAMES - set(tensors)
        if missing:
            raise CheckpointError(f"bank: the tensors {sorted(missing)} are missing")
        self._t = tensors
        self.info = info
        self.fingerprint = fingerprint
        self.cells = tensors["cells"]
        self.places = tensors["places"]
        n = len(self.places)
        if self.cells.shape != (n, CELLS_V, CELLS_U, 5) or n == 0:
            raise CheckpointError(f"bank: cells have the shape {self.cells.shape} for {n} places")
        for name in ("picture_ends", "surface_ends", "plane_ends"):
            ends = tensors[name]
            if ends.shape != (n,) or (np.diff(ends) < 0).any():
                raise CheckpointError(f"bank: {name} does not describe {n} places")
        if (
            tensors["picture_ends"][-1] != tensors["pictures"].size
            or tensors["surface_ends"][-1] != tensors["surfaces"].size
            or tensors["plane_ends"][-1] != len(tensors["planes"])
        ):
            raise CheckpointError("bank: the file is cut short")
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, Panorama] = OrderedDict()

    def __len__(self) -> int:
        return len(self.places)

    def place(self, index: int) -> Place:
        """What is known of place ``index``."""
        row = self.places[index]
        return Place(int(index), int(row[0]), int(row[1]), int(row[2]), bool(row[3]))

    def _span(self, name: str, index: int) -> slice:
        ends = self._t[name]
        return slice(int(ends[index - 1]) if index else 0, int(ends[index]))

    def geometry(self, index: int) -> Panorama:
        """Place ``index`` without its picture (``rgb`` is None unless it was decoded before)."""
        with self._lock:
            kept = self._kept.get(index)
            if kept is not None:
                self._kept.move_to_end(index)
                return kept
        data = self._t["surfaces"][self._span("surface_ends", index)].tobytes()
        span = self._span("plane_ends", index)
        pano = Panorama(
            None,
            unpack_surface(data),
            self._t["planes"][span].astype(np.float32),
            self._t["labels"][span],
        )
        self._keep(index, pano)
        return pano

    def panorama(self, index: int) -> Panorama:
        """Place ``index`` with its picture."""
        pano = self.geometry(index)
        if pano.rgb is None:
            data = self._t["pictures"][self._span("picture_ends", index)].tobytes()
            pano = Panorama(unpack_picture(data), pano.surface, pano.planes, pano.labels)
            self._keep(index, pano)
        return pano

    def _keep(self, index: int, pano: Panorama) -> None:
        with self._lock:
            self._kept[index] = pano
            self._kept.move_to_end(index)
            while len(self._kept) > PLACES_KEPT:
                self._kept.popitem(last=False)
            shown = [i for i, p in self._kept.items() if p.rgb is not None]
            for i in shown[:-PICTURES_KEPT]:
                self._kept[i] = replace(self._kept[i], rgb=None)


def write_bank(path, entries, info: dict) -> int:
    """Writes a bank file (replacing it whole) and returns its size in bytes.

    Each entry is a dict: picture and surface (packed bytes), planes [S, 3], labels u8 [S], cells
    u8 [10, 36, 5], place i32 [6] (see Bank.places).
    """
    pictures = [e["picture"] for e in entries]
    surfaces = [e["surface"] for e in entries]
    planes = [e["planes"] for e in entries]
    labels = [e["labels"] for e in entries]

    def ends(parts):
        return np.cumsum([len(p) for p in parts]).astype(np.int64)

    tensors = {
        "pictures": np.frombuffer(b"".join(pictures), np.uint8),
        "picture_ends": ends(pictures),
        "surfaces": np.frombuffer(b"".join(surfaces), np.uint8),
        "surface_ends": ends(surfaces),
        "planes": np.concatenate(planes).astype(np.float16),
        "labels": np.concatenate(labels).astype(np.uint8),
        "plane_ends": ends(planes),
        "cells": np.stack([e["cells"] for e in entries]),
        "places": np.stack([e["place"] for e in entries]).astype(np.int32),
    }
    info = {**info, "kind": KIND, "width": WIDTH, "height": HEIGHT, "places": len(entries)}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_bank(path, tensors, info)
    return path.stat().st_size


def open_bank(path) -> Bank:
    """Reads a bank file; CheckpointError says what is wrong with a file that is none."""
    tensors, info = read_bank(path)
    return Bank(tensors, info, info["fingerprint"])
