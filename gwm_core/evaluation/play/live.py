"""A minute of play in Chromium: real time, keys, sound, and how soon it starts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ...embodiment import rooms_embodiment
from ...noise import rng
from ..report import Metric
from . import figures
from .browser import Chromium, Editor
from .server import Comfy, new_world, played

SECONDS = 60.0
STARTS = 3
SETTLE = 3.0
"""Seconds that the editor is left alone before Play is pressed, as by somebody who looks."""
STEADY = 1.5
"""Seconds of play before the minute: how soon it starts is a figure of its own."""
LEAST_KEYS = 60
PROMPT = "a brick hall at dusk, two red balls"
KEYS = ("KeyW", "KeyW", "KeyW", "KeyA", "KeyD", "KeyS", "Space", "KeyQ", "KeyE")
Say = Callable[[str], None]


@dataclass
class Minute:
    """What was noted while somebody played. ``marks``: tick -> marks of its frames."""

    stats: dict
    notes: dict
    walk: dict
    seconds: float
    marks: dict[int, list[str]] = field(default_factory=dict)


def measure(
    comfy: Comfy, chromium: Chromium, seed: int, say: Say, model: str
) -> tuple[list[Metric], list[str], dict]:
    """(metrics, problems, the walk that was played)."""
    graph = new_world(PROMPT, seed, model)
    starts = []
    for number in range(STARTS):
        comfy.fresh()
        with chromium.page(comfy) as editor:
            editor.build(graph)
            last = number + 1 == STARTS
            if last:
                comfy.listen()
            time.sleep(SETTLE)
            say(f"pressing Play, {number + 1} of {STARTS}")
            starts.append(start(editor))
            if not last:
                continue
            say(f"{SECONDS:.0f} s of play")
            minute = play(editor, SECONDS, seed)
            problems = [f"the page complains: {error}" for error in editor.errors]
            graph = editor.graph()
    heard = comfy.heard()
    minute.marks = {tick: mark[1] for tick, mark in heard[0].items()} if heard else {}
    comfy.listen(False)
    say("the walk as the queue makes it")
    problems += same(comfy, graph, minute.walk)
    beside = {"median": float(np.median(starts))}
    metrics = [*of_minute(minute), Metric("play.start_s", max(starts), "s", beside, len(starts),
                                          "<= 5", "<= 2", "the server freshly started each time")]
    return metrics, problems, minute.walk


def start(editor: Editor) -> float:
    """Seconds from pressing Play to the first moving picture."""
    editor.press_play()
    pressed = editor.notes()["clicks"][-1]
    first = editor.player("player.stats.drawn[0][1]")
    return (first - pressed) / 1000


def play(editor: Editor, seconds: float, seed: int) -> Minute:
    """Walk with keys and mouse for some seconds, once it goes steadily. Gaps in the sound count
    from the very beginning."""
    generator = rng(seed, "play", "keys")
    mouse = Mouse(editor)
    time.sleep(STEADY)
    before = editor.player("player.stats.drawn.length")
    editor.forget()
    ends = time.monotonic() + seconds + 1.0  # the stretch begins with the next tick drawn
    while (left := ends - time.monotonic()) > 0:
        key = KEYS[int(generator.integers(len(KEYS)))]
        editor.page.keyboard.down(key)
        time.sleep(min(left, generator.uniform(0.12, 0.5)))
        if generator.random() < 0.5:
            mouse.stroke(generator)
        editor.page.keyboard.up(key)
        time.sleep(generator.uniform(0.03, 0.35))
    stats, notes = editor.player("player.stats"), editor.notes()
    stats["drawn"] = stats["drawn"][before:]
    editor.leave()
    return Minute(stats, notes, editor.walk(), seconds)


class Mouse:
    """A mouse on the player's picture: locked by a click where that works, else dragging."""

    def __init__(self, editor: Editor):
        self.page = editor.page
        box = self.page.query_selector(".gwm-play-canvas").bounding_box()
        self.x, self.y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.click(self.x, self.y)
        time.sleep(0.3)
        self.locked = bool(self.page.evaluate("Boolean(document.pointerLockElement)"))

    def stroke(self, generator: np.random.Generator) -> None:
        """Move to one side and come to rest there; then the hand goes back to the middle."""
        if not self.locked:
            self.page.mouse.move(self.x, self.y)
            self.page.mouse.down()
        across, up = generator.normal(0, 60), generator.normal(0, 8)
        for step in np.sin(np.linspace(0, np.pi / 2, 8)):
            self.page.mouse.move(self.x + across * step, self.y + up * step)
            time.sleep(0.012)
        if not self.locked:
            self.page.mouse.up()


def of_minute(minute: Minute) -> list[Metric]:
    """The figures of a stretch of play."""
    body = rooms_embodiment()
    period = 1000 / body.tick_rate
    stats, notes = minute.stats, minute.notes
    drawn = [tuple(entry) for entry in stats["drawn"]]
    headers = [header for header in notes["headers"] if header["kind"] == "tick"]
    pace = figures.pace(drawn, minute.seconds, body.tick_rate)
    made = [header["made"] / period for header in headers]
    shown = sorted(tick for tick, _, _ in drawn if tick in minute.marks)
    frames = [mark for tick in shown for mark in minute.marks[tick]]
    real = {
        "p95 tick of its time": figures.quantile(made, 0.95),
        "frames that differ from the last": figures.changing(frames),
        "ticks due": float(pace.due),
        "in time": float(pace.in_time),
        "p95 ms late": figures.quantile(pace.lateness, 0.95),
        "longest gap ms": pace.gap,
    }
    controls = {spec.code: spec.name for spec in body.controls if spec.code}
    keys = [(controls[code], down, at) for code, down, at in notes["keys"] if code in controls]
    waits = figures.key_to_pixel(keys, notes["sent"], figures.consumed_of(headers), drawn)
    told = [float(wait) for wait in stats.get("keyToPixel") or []]
    waited = {"as the player counts": figures.quantile(told, 0.5), "a tick": period}
    offsets = [abs(float(offset)) for offset in stats["audioOffsets"]]
    few = "" if len(waits) >= LEAST_KEYS else f"fewer than {LEAST_KEYS} key events"
    return [
        Metric("play.realtime_ratio", pace.ratio, "x", real, pace.due, ">= 1"),
        Metric("play.key_to_pixel_ms", figures.quantile(waits, 0.5), "ms", waited, len(waits),
               "<= 160", "<= 100", few),
        Metric("play.key_to_pixel_p95_ms", figures.quantile(waits, 0.95), "ms",
               {"as the player counts": figures.quantile(told, 0.95), "a tick": period},
               len(waits), "<= 250"),
        Metric("play.underruns", float(stats["underruns"]), "",
               {"late ticks bridged": float(stats["bridged"])}, len(headers), "<= 0"),
        Metric("play.sound_offset_ms", max(offsets, default=float("nan")), "ms",
               {"median": figures.quantile(offsets, 0.5), "a tick": period}, len(offsets),
               "<= 83.4"),
    ]


def same(comfy: Comfy, graph: dict, walk: dict) -> list[str]:
    """What is wrong when the page's walk is queued: [] where it ends in the frame that was seen.
    """
    if not walk:
        return ["the player wrote no walk"]
    told = comfy.run(played(graph, walk, max_frames=1))["3"]["gwm_play"][0]
    if told["same"] is not True:
        return [f"the queue does not find the last frame that Chromium showed ({told})"]
    return []
