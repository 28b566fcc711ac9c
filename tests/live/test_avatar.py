"""Live avatars in a real server: what is seen live is what a run of the take gives, bit for bit."""

from __future__ import annotations

import time

import aiohttp
import numpy as np
import pytest
from PIL import Image

from .caller import RATE, Caller, graph
from .client import tell, told

TICK = RATE // 25


@pytest.fixture
def caller(live):
    caller = Caller(live)
    yield caller
    caller.close()


def babble(seconds: float) -> np.ndarray:
    """Something like two people who take turns: int16 [N, 2]."""
    at = np.arange(round(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 110 * k * at) / k for k in range(1, 30))
    swell = np.clip(np.sin(2 * np.pi * 3 * at), 0, 1)
    mine = np.where(at % 2 < 1.2, buzz * swell, 0)
    theirs = np.where(at % 2 >= 1.2, buzz * swell, 0)
    return np.rint(6000 * np.stack([mine, theirs], 1)).astype(np.int16)


def talk(caller: Caller, pcm: np.ndarray, block: int = 1024) -> None:
    """As a page does: in time."""
    began = time.monotonic()
    for start in range(0, len(pcm), block):
        caller.speak(pcm[start : start + block])
        time.sleep(max(0, began + start / RATE - time.monotonic()))


def pictures(live, entry: dict) -> np.ndarray:
    """The frames that a Save Image node wrote, uint8 [T, H, W, 3]."""
    return np.stack([np.asarray(Image.open(path)) for path in live.outputs(entry)
                     if path.suffix == ".png"])


def test_the_film_of_a_take_is_what_was_seen(live, caller):
    caller.start()
    _, first = caller.frames[0]
    assert first.shape == (120, 96, 3) and (first == (0x80, 0x90, 0xA0)).all()
    talk(caller, babble(0.5))  # no part of the take
    caller.say("record", on=1)
    caller.until(lambda: caller.told("recording"))
    before = len(caller.frames)
    pcm = babble(2.4)
    talk(caller, pcm)
    caller.until(lambda: caller.frames[-1][0]["tick"] >= 55)
    caller.say("record", on=0)
    take = caller.until(lambda: caller.told("recording")[1:])[0]
    assert take["seconds"] == 2.4
    prompt = graph(take["file"])
    prompt["5"] = {"class_type": "SaveImage",
                   "inputs": {"images": ["4", 0], "filename_prefix": "avatar"}}
    sound = tell(prompt, "4", 1)
    entry = live.queue(prompt)
    film = pictures(live, entry)
    assert len(film) == 60
    assert told(entry, sound)["shape"] == [1, len(pcm)] and told(entry, sound)["rate"] == RATE
    seen = [(h["tick"], frame) for h, frame in caller.frames[before:] if 0 < h["tick"] <= 60]
    assert len(seen) >= 6, "frames may be left out, not all of them"
    for tick, frame in seen:
        assert np.array_equal(frame, film[tick - 1]), f"tick {tick}"
    assert (film[20] != film[0]).any(), "it moves"


def test_it_answers_within_a_moment(caller):
    caller.start()
    for _ in range(20):  # a slow machine leaves frames out
        talk(caller, babble(1.2))
        if len(caller.frames) >= 15:
            break
    caller.until(lambda: len(caller.frames) >= 15)
    late = [header["made"] for header, _ in caller.frames[-10:]]
    # How quick it is, `gwm bench avatars` says; here only that it never falls behind.
    assert max(late) < 3000, "milliseconds from the sound's coming to the frame"
    ticks = [header["tick"] for header, _ in caller.frames]
    assert ticks == sorted(set(ticks))


def test_a_strange_page_is_refused(live):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        Caller(live, {"Origin": "http://evil.test"})
    assert refused.value.status == 403


@pytest.mark.parametrize("take", ["../secret.flac", "/etc/passwd", "no_such.flac", "a\0b"])
def test_a_take_is_a_file_of_the_input_folder(live, take):
    start = len(live.log_text())
    entry = live.queue(graph(take))  # the character alone is shown
    assert "4" not in entry["outputs"]
    assert "is no file in ComfyUI's input folder" in live.log_text()[start:]


def test_freeing_memory_ends_it(live, caller):
    caller.start()
    live.client.call("/free", {"unload_models": True, "free_memory": True})
    caller.until(lambda: caller.told("closed"))
    again = Caller(live)
    again.start()
    again.close()
