"""Panoramas of plain box rooms, made without a simulator."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from gwm_core.bank import Bank, open_bank, pack_picture, pack_surface, write_bank
from gwm_core.imaginers.panorama import HEIGHT, STEP, TOP, WIDTH, Panorama

EYE = 1.55


def directions() -> np.ndarray:
    az = (np.arange(WIDTH) + 0.5) * STEP
    el = TOP - (np.arange(HEIGHT) + 0.5) * STEP
    return np.stack([np.cos(el)[:, None] * np.cos(az), np.cos(el)[:, None] * np.sin(az),
                     np.repeat(np.sin(el)[:, None], WIDTH, 1)], -1)


def box_place(east, north, west, south, theme, height=2.7, shade=(150, 120, 90)) -> Panorama:
    """A room with walls so many metres to the four sides; every surface has its own shade."""
    planes = np.array([(1 / east, 0, 0), (0, 1 / north, 0), (-1 / west, 0, 0), (0, -1 / south, 0),
                       (0, 0, 1 / (height - EYE)), (0, 0, -1 / EYE)], np.float32)
    surface = (directions() @ planes.T).argmax(-1).astype(np.uint8)
    tone = np.array([1.0, 0.9, 0.8, 0.95, 1.3, 0.6])[surface][..., None]
    rgb = np.clip(np.array(shade) * tone, 0, 255).astype(np.uint8)
    labels = np.array([theme * 8 + part for part in (1, 1, 1, 1, 2, 0)], np.uint8)
    return Panorama(rgb, surface, planes, labels)


def entry(pano: Panorama, theme: int, index: int, describe) -> dict:
    return {"picture": pack_picture(pano.rgb, 90), "surface": pack_surface(pano.surface),
            "planes": pano.planes, "labels": pano.labels, "cells": describe(pano),
            "place": np.array([theme, theme % 6, index, 0, 0, 0], np.int32)}


SHADES = ((170, 90, 70), (90, 150, 110), (120, 140, 190))


def box_entries() -> list[dict]:
    """Nine rooms of three themes."""
    from gwm_core.training.panoramas import describe

    rng = np.random.default_rng(0)
    out = []
    for k in range(9):
        theme = k % 3
        pano = box_place(*rng.uniform(1.2, 3.0, 4), theme, float(rng.uniform(2.5, 3.0)),
                         SHADES[theme])
        out.append(entry(pano, theme, k, describe))
    return out


def box_bank() -> Bank:
    """The same as a bank in memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "boxes.bank.safetensors"
        write_bank(path, box_entries(), {})
        return open_bank(path)
