"""Episodes to write and read back, and how equal they are."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from gwm_core.robotics.episode import Episode

SIZE = 32
VIEWS = ("front", "wrist")


def episode(seed: int, ticks: int | None = None, fps: float = 10.0, size: int = SIZE) -> Episode:
    """Squares that move over a ramp; the state is where they are."""
    rng = np.random.default_rng(seed)
    ticks = ticks or int(rng.integers(5, 12))
    ramp = np.linspace(40, 160, size).astype(np.uint8)
    place = np.cumsum(rng.integers(0, 3, (ticks + 1, 2)), 0) % (size - 10)
    views = {}
    for name in VIEWS:
        frames = np.repeat(np.broadcast_to(ramp[:, None], (size, size))[..., None], 3, 2)
        frames = np.repeat(frames[None], ticks + 1, 0)
        grey = rng.integers(60, 220)
        for frame, (x, y) in zip(frames, place, strict=True):
            frame[y:y + 10, x:x + 10] = [grey, grey - 40, grey + 30]
        views[name] = frames
    state = np.concatenate([place, rng.normal(size=(ticks + 1, 7))], 1).astype(np.float32)
    return Episode(
        views, state, rng.uniform(-1, 1, (ticks, 7)).astype(np.float32), fps,
        f"task {seed % 3}", (True, False, None)[seed % 3], {"drop": (1, ticks)}, {"seed": seed},
    )


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / max(float(((a.astype(float) - b) ** 2).mean()), 1e-9))


def same(got: Episode, want: Episode, frames: int, exact: bool) -> None:
    """``got`` is the first ``frames`` frames of ``want``."""
    assert got.ticks == frames - 1 and list(got.views) == list(want.views)
    for name, view in got.views.items():
        if exact:
            assert np.array_equal(view, want.views[name][:frames])
        else:
            assert psnr(view, want.views[name][:frames]) > 32
            # the right frame at the right place, not its neighbour
            for t in range(1, frames):
                if not np.array_equal(want.views[name][t], want.views[name][t - 1]):
                    mine = psnr(view[t], want.views[name][t])
                    assert mine > psnr(view[t], want.views[name][t - 1])
    assert np.array_equal(got.state, want.state[:frames])
    assert np.array_equal(got.actions, want.actions[:frames - 1])
    assert (got.fps, got.task, got.success) == (want.fps, want.task, want.success)
    assert got.info["seed"] == want.info["seed"]
    assert got.violations["drop"] == tuple(t for t in want.violations["drop"] if t < frames)


def encode(path: Path, frames: list[np.ndarray], fps: int, codec: str = "libx264") -> None:
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream(codec, rate=fps)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            frame = np.ascontiguousarray(frame)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(stream.encode(None))
