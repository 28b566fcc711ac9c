"""The bank file: what is packed comes back, and damaged files are refused."""

from __future__ import annotations

import numpy as np
import pytest

from gwm_core.bank import open_bank, pack_surface, unpack_surface, write_bank
from gwm_core.errors import CheckpointError
from gwm_core.imaginers.panorama import HEIGHT, WIDTH, place_basis, view
from gwm_core.training.surfaces import cut

from .box_places import box_bank, box_entries, box_place, directions


def test_a_surface_map_is_kept_exactly():
    surface = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH)).astype(np.uint8)
    assert (unpack_surface(pack_surface(surface)) == surface).all()


def test_a_bank_written_is_the_bank_read(tmp_path):
    path = tmp_path / "rooms.bank.safetensors"
    entries = box_entries()
    size = write_bank(path, entries, {"seed": 0})
    bank = open_bank(path)
    assert size == path.stat().st_size and len(bank) == len(entries)
    for k in (0, 7):
        pano = bank.panorama(k)
        assert (pano.surface == unpack_surface(entries[k]["surface"])).all()
        np.testing.assert_allclose(pano.planes, entries[k]["planes"], rtol=1e-3)
        assert bank.place(k).theme == entries[k]["place"][0]
        assert pano.rgb.shape == (HEIGHT, WIDTH, 3)
    assert not [p for p in tmp_path.iterdir() if p != path]


def test_damaged_banks_are_refused(tmp_path):
    path = tmp_path / "rooms.bank.safetensors"
    write_bank(path, box_entries(), {})
    data = path.read_bytes()
    for bad in (data[: len(data) // 2], b"hello", b""):
        path.write_bytes(bad)
        with pytest.raises(CheckpointError):
            open_bank(path)
    with pytest.raises(CheckpointError):
        open_bank(tmp_path / "missing.safetensors")


def test_kept_places_are_few():
    bank = box_bank()
    for k in range(len(bank)):
        bank.panorama(k)
    assert bank.panorama(3) is bank.panorama(3)


def test_depth_is_cut_into_planes_and_seen_from_aside():
    room = box_place(2.0, 1.5, 2.5, 1.8, 4)
    rays = directions()
    points = rays / (room.planes[room.surface] * rays).sum(-1, keepdims=True)
    surface, planes, labels = cut(points, room.labels[room.surface])
    assert len(planes) == 6 and set(labels) == set(room.labels)
    error = np.abs((planes[surface] * points).sum(-1) - 1)
    assert error.max() < 0.013 and error.mean() < 1e-4
    for plane in planes:  # snapped to the axes
        assert (np.abs(plane) > 1e-6).sum() == 1
    _, depth, label, seen, scale = view(room, (0.5, 0.2, 0.1), place_basis(0.0, 0.0, False),
                                        65, 41, 40.0)
    assert seen.all()
    assert abs(float(depth[20, 32]) - 1.5) < 1e-3, "the wall is nearer after a step to it"
    assert int(label[20, 32]) == 33 and scale[20, 32] > 1.2
