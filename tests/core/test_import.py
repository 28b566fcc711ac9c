"""Importing the library is cheap, touches no network and no accelerator."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

CODE = """
import socket, sys
socket.socket = None
import gwm_core as gwm
heavy = {"torch", "numba", "mujoco", "scipy", "safetensors"} & set(sys.modules)
assert not heavy, heavy
gwm.Controls, gwm.World, gwm.Session, gwm.Clip, gwm.StateStore, gwm.list_models()
rooms = gwm.rooms_embodiment()
assert gwm.Controls.parse("W*24", rooms).to_text() == "W*24"
heavy = {"torch", "numba", "mujoco", "scipy", "safetensors"} & set(sys.modules)
assert not heavy, heavy
assert set(gwm.__all__) <= set(dir(gwm))
try:
    gwm.nothing
except AttributeError as error:
    print(error)
"""


def test_import_is_light():
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "no attribute 'nothing'" in done.stdout
