"""An hour of one live avatar in a real server: it keeps in time, and nothing piles up.

GWM_SOAK_SECONDS sets its length (default 3600); 120 is a rehearsal.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from gwm_core.evaluation.avatars.clips import FIRST
from gwm_core.evaluation.bench import resident_mb
from gwm_core.simulators.faces.faces import HELD_STYLES, Face
from gwm_core.simulators.faces.performance import perform

from .caller import Caller, graph
from .client import node

SECONDS = float(os.environ.get("GWM_SOAK_SECONDS", 3600))
RATE, BLOCK = 16_000, 640
TALKS = 12
"""Conversations of 20 s that are repeated."""
EACH = 60
"""Seconds from one look at the memory to the next."""
SETTLED, MOST_GROWTH_MB = 900, 20
"""Seconds after which the memory must be flat, and what it may grow from there on."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(SECONDS + 900)]


def conversation() -> np.ndarray:
    """Two people who talk: int16 [N, 2]."""
    talks = [perform(FIRST + 7_000_000 + k, split="held", seconds=20.0, layout="dialogue")
             for k in range(TALKS)]
    pcm = np.concatenate([np.stack([talk.audio_self, talk.audio_other], 1) for talk in talks])
    return np.rint(np.clip(pcm, -1, 1) * 32767).astype(np.int16)


def blocks(pcm: np.ndarray) -> Iterator[np.ndarray]:
    """Each 40 ms of it, [640, 2], again and again."""
    while True:
        for start in range(0, len(pcm) - BLOCK + 1, BLOCK):
            yield pcm[start : start + BLOCK]


def portrait(comfy) -> str:
    """A drawing in the server's input folder."""
    picture, _ = Face(FIRST, style=HELD_STYLES[0], split="held").draw(
        np.zeros(24, np.float32), size=512)
    Image.fromarray(picture).save(comfy.base_dir / "input" / "soak.png")
    return "soak.png"


def test_soak(start_comfy, record_testsuite_property):
    pcm = conversation()
    comfy = start_comfy()
    prompt = graph(size=512)
    prompt["2"] = node("LoadImage", image=portrait(comfy))
    caller = Caller(comfy)
    caller.start(prompt)
    speech, memory, made, shown = blocks(pcm), [], [], 0
    began, sent = time.monotonic(), 0
    try:
        while sent * BLOCK / RATE < SECONDS:
            caller.speak(next(speech), RATE)
            sent += 1
            time.sleep(max(0.0, began + sent * BLOCK / RATE - time.monotonic()))
            if sent % 25 == 0:  # what has been seen is let go
                count = len(caller.frames) - 1
                shown += count
                made += [header["made"] for header, _ in caller.frames[:count]]
                del caller.frames[:count]
            if sent % (25 * EACH) == 0:
                memory.append((sent / 25, resident_mb(comfy.server.process.pid)))
        header = caller.frames[-1][0]
        assert caller.told("error") == [] and caller.told("closed") == []
    finally:
        record_testsuite_property("memory", [(round(t), round(mb, 1)) for t, mb in memory])
        record_testsuite_property("frames a second", round(shown / SECONDS, 1))
        if made:
            record_testsuite_property("ms from sound to frame, median and slowest of 20",
                                      [round(float(np.percentile(made, q)), 1) for q in (50, 95)])
        caller.close()
    # Sound that no machine could follow is dropped: then the figures say nothing.
    assert header["lost"] == 0
    assert header["tick"] >= sent - 25, "all that was heard moved the face"
    settled = [mb for at, mb in memory if at >= SETTLED]
    if len(settled) > 2:
        assert max(settled) - settled[0] <= MOST_GROWTH_MB, memory
    assert "Traceback" not in comfy.log_text()
