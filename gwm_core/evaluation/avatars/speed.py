"""`gwm bench avatars`: frames a second, how soon a voice is seen, first frames, memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from ...avatars.character import Character
from ...avatars.landmarks import face_height
from ...noise import rng
from ..bench import compare, resident_mb
from ..report import Metric, Report, machine
from ..worlds.keep import Kept, default_folder
from . import clips
from .long import speech

PORTRAIT = 512
"""Pixels of a side of the portrait that frames are composited into."""
FACES = {"avatars.fps128": (128, ">= 25"), "avatars.fps192": (192, ">= 15")}
"""Heights of the face in it, in pixels."""
WARM, TIMED = 25, 100  # ticks
CHUNK_MS = 10
"""A microphone's pieces."""
NEW = 6
"""New portraits of which the first frame is timed."""
MINUTES, SHORT_MINUTES, SOAK_MINUTES = 10.0, 0.6, 60.0
SETTLED = 0.25
"""Share of a track after which memory must be flat."""
SOAK_DRAWN = 25
"""Ticks from one frame that the soak draws to the next."""
STAND_INS = {"avatars.memory_growth_short_mb": "avatars.memory_growth_mb"}
COMMITTED = Path(__file__).resolve().parents[2] / "checkpoints"
Say = Callable[[str], None]


def portrait(seed: int, height: float) -> tuple[np.ndarray, np.ndarray]:
    """A 512 px picture with a held-out face ``height`` pixels from crown to chin, and its points.
    """
    from ...simulators.faces.faces import HELD_STYLES, Face

    face = Face(clips.FIRST + seed, style=HELD_STYLES[0], split="held")
    picture, points = face.draw(np.zeros(24, np.float32), size=PORTRAIT)
    scale = min(height / float(face_height(points)), 1.0)
    side = round(PORTRAIT * scale)
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    top = (PORTRAIT - side) // 2
    out = cv2.copyMakeBorder(small, top, PORTRAIT - side - top, top, PORTRAIT - side - top,
                             cv2.BORDER_REPLICATE)
    return out, (points * (side / PORTRAIT) + top).astype(np.float32)


def ticks(driver, sound: np.ndarray, chunk: int) -> Iterator[tuple[int, np.ndarray]]:
    """(samples pushed so far, motion) of each tick as it becomes ready, sound in small pieces."""
    for start in range(0, len(sound), chunk):
        driver.push(sound[start: start + chunk])
        for motion in driver.pull():
            yield start + chunk, motion


def frame_rates(model, seed: int, say: Say) -> list[Metric]:
    """Frames a second, voice to composited frame, for both heights of a face."""
    from ...avatars.driver import Driver
    from ...avatars.rig import Rig

    sound, _ = speech(seed, (WARM + TIMED + 10) / 1500)
    out = []
    for id, (height, must) in FACES.items():
        rates = {}
        for name, size in (("", height), ("face of the whole picture", PORTRAIT)):
            say(f"{id}: {name or f'a face of {size} px'}")
            rig = Rig(Character(*portrait(seed, size)), size=PORTRAIT)
            times, works = [], []
            began, worked = time.perf_counter(), time.process_time()
            for _, motion in ticks(Driver(model, seed=seed), sound, 640):
                rig.draw(motion, rest=0.0)
                now, here = time.perf_counter(), time.process_time()
                times.append(now - began)
                works.append(here - worked)
                began, worked = now, here
            rates[name] = 1 / float(np.mean(times[WARM: WARM + TIMED]))
            if not name:
                rates["by processor time"] = 1 / float(np.mean(works[WARM: WARM + TIMED]))
        slowest = float(np.percentile(times[WARM:], 95))
        out.append(Metric(id, rates.pop(""), "1/s", {**rates, "slowest of 20, ms": 1000 * slowest},
                          TIMED, must, note=f"a face {height} px high in a {PORTRAIT} px portrait"))
    return out


def reaction(model, seed: int, say: Say) -> list[Metric]:
    """From the first sample of a tick to its frame: what has to be heard first, and the work."""
    from ...avatars.driver import Driver
    from ...avatars.rig import Rig

    say("how soon a voice is seen")
    sound, _ = speech(seed, (WARM + TIMED + 10) / 1500)
    rig = Rig(Character(*portrait(seed, 192)), size=PORTRAIT)
    driver, chunk = Driver(model, seed=seed), 16 * CHUNK_MS
    waits, works, tick = [], [], 0
    for start in range(0, len(sound), chunk):
        began = time.perf_counter()
        driver.push(sound[start: start + chunk])
        for motion in driver.pull():
            rig.draw(motion, rest=0.0)
            works.append(1000 * (time.perf_counter() - began))
            waits.append((start + chunk) / 16 - 40 * tick)
            tick += 1
    total = np.array(waits[WARM:]) + np.array(works[WARM:])
    return [Metric("avatars.reaction_ms", float(np.percentile(total, 95)), "ms",
                   {"heard first": float(np.median(waits[WARM:])),
                    "work": float(np.median(works[WARM:])), "median": float(np.median(total))},
                   len(total), "<= 160",
                   note=f"slowest of 20; sound in pieces of {CHUNK_MS} ms, from a tick's first "
                        "sample to its frame of 512 px")]


def first_frames(seed: int, say: Say) -> list[Metric]:
    """A picture comes in: finding its face, building its rig, its first frame."""
    from ...avatars.finder import load_finder
    from ...avatars.rig import Rig

    began = time.perf_counter()
    finder = load_finder()
    loaded, seconds = time.perf_counter() - began, []
    motion = rng(seed, "avatars", "first").uniform(0, 0.3, 24).astype(np.float32)
    for k in range(NEW + 1):
        say(f"new portrait {k + 1} of {NEW + 1}")
        picture, _ = portrait(seed + 100 + k, 300)
        began = time.perf_counter()
        points, _, _ = finder.find_or_default(picture)
        Rig(Character(picture, points), size=PORTRAIT).draw(motion, rest=0.0)
        seconds.append(time.perf_counter() - began)
    return [Metric("avatars.first_frame_s", float(np.max(seconds[1:])), "s",
                   {"median": float(np.median(seconds[1:])), "the very first": seconds[0],
                    "loading the finder": loaded}, NEW, "<= 1", note="slowest of all")]


def growth(model, seed: int, minutes: float, id: str, say: Say, drawn: int = 1) -> Metric:
    """Memory that a streamed track adds after its first quarter; every ``drawn``-th frame is
    drawn."""
    from ...avatars.driver import Driver
    from ...avatars.rig import Rig

    block, _ = speech(seed, min(minutes, MINUTES))
    rig = Rig(Character(*portrait(seed, 192)), size=PORTRAIT)
    driver, wanted, done = Driver(model, seed=seed), int(minutes * 1500), 0
    settled, most = 0.0, 0.0
    while done < wanted:
        for _, motion in ticks(driver, block, 16_000):
            if done % drawn == 0:
                rig.draw(motion, rest=0.0)
            done += 1
            if done % 250 == 0:
                here = resident_mb()
                if done <= SETTLED * wanted or not settled:
                    settled = max(settled, here)
                most = max(most, here)
            if done % 3000 == 0:
                say(f"{done / 1500:.0f} of {minutes:g} minutes")
            if done >= wanted:
                break
    return Metric(id, max(0.0, most - settled), "MB", {"after a quarter": settled, "most": most},
                  done, "<= 20", note=f"{minutes:g} minutes, streamed")


def bench(seed: int = 0, full: bool = False, progress: Say = print, model: str = "gwm-faces"
          ) -> Report:
    """Speed and memory. full: also a 10-minute track and an hour's soak, kept as they finish."""
    from ... import load

    began = time.perf_counter()
    loaded = load(model)
    metrics = [Metric("avatars.load_s", time.perf_counter() - began, "s", n=1)]
    metrics += frame_rates(loaded, seed, progress) + reaction(loaded, seed, progress)
    metrics += first_frames(seed, progress)
    report = Report("avatars", metrics, seed, loaded.fingerprint)
    if full:
        kept = Kept(default_folder(), seed, f"avatars bench {loaded.fingerprint} {machine()}")
        for id, minutes, drawn in (("avatars.memory_growth_mb", MINUTES, 1),
                                   ("avatars.soak_growth_mb", SOAK_MINUTES, SOAK_DRAWN)):
            found, before = kept.figures(id, lambda id=id, minutes=minutes, drawn=drawn: [
                growth(loaded, seed, minutes, id, progress, drawn)])
            progress(f"{id}{': kept from before' if before else ''}")
            report.metrics += found
        return report
    piece = growth(loaded, seed, SHORT_MINUTES, "avatars.memory_growth_short_mb", progress)
    compare(report, [piece], COMMITTED / f"{Path(model).stem}.bench.json", STAND_INS)
    return report
