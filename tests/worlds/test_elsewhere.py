"""The first 12 ticks look alike on every machine: against pictures kept with the checkpoint.

After a new checkpoint: `python tests/worlds/test_elsewhere.py` makes the pictures anew.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

import gwm_core as gwm

KEPT = Path(__file__).parent / "reference"
PROMPT, SEED, TRACK = "a brick hall at dusk, two red balls, lamps on", 11, "W*4 W+look(4,0)*5 Q*3"
TICKS = (1, 4, 8, 12)


def played(model) -> np.ndarray:
    """Last frame of each kept tick, u8 [4, 160, 256, 3]."""
    _, clip = model.step(model.new_world(prompt=PROMPT, seed=SEED), TRACK)
    return np.stack([clip.frames["eye"][2 * tick - 1] for tick in TICKS])


def test_the_first_twelve_ticks_are_those_of_another_machine(model):
    made_by = json.loads((KEPT / "made.json").read_text())
    assert made_by["fingerprint"] == model.fingerprint, "make the reference pictures anew"
    for tick, frame in zip(TICKS, played(model), strict=True):
        kept = np.asarray(Image.open(KEPT / f"tick{tick}.png").convert("RGB"))
        error = np.square(frame.astype(float) - kept).mean()
        assert 10 * np.log10(255**2 / max(error, 1e-9)) >= 40, f"tick {tick}"


if __name__ == "__main__":
    embedded = gwm.load("gwm-rooms")
    KEPT.mkdir(exist_ok=True)
    for number, picture in zip(TICKS, played(embedded), strict=True):
        Image.fromarray(picture).save(KEPT / f"tick{number}.png", optimize=True)
    (KEPT / "made.json").write_text(json.dumps({"fingerprint": embedded.fingerprint}) + "\n")
