"""Sound of an episode: modal impacts and footsteps, rolling and sliding, the room itself.

24 kHz mono, 2000 samples a tick.  Everything follows from the events and bodies of the episode
and a seed, so it can be made again at any time.
"""

from __future__ import annotations

import numpy as np

from ...model import modes
from . import catalogue as cat

RATE = modes.SAMPLE_RATE
PER_TICK = 2000
PER_SUB = PER_TICK // 2


def lowpass(x: np.ndarray, hertz: float) -> np.ndarray:
    """One-pole low-pass along the last axis."""
    from scipy.signal import lfilter

    a = float(np.exp(-2 * np.pi * hertz / RATE))
    return lfilter([1 - a], [1, -a], x).astype(np.float32)


def strike(kind: int, material: int, strength: float, size: float,
           rng: np.random.Generator) -> np.ndarray:
    """One sound at one metre: float32 [n], at most .9 s."""
    decay = modes.DECAY[material]
    longest = 4.5 * float(decay.max()) if kind != 2 else 0.2
    n = int(min(longest, 0.9) * RATE)
    t = np.arange(n, dtype=np.float32) / RATE
    pitch = modes.size_pitch(size) if kind == 0 else 0.85
    speed = 1.0 if kind == 0 else 1.6
    f = modes.FREQUENCY[material] * pitch
    gain = modes.GAIN[kind, material] * (1 + 0.06 * rng.normal(size=modes.MODES))
    # harder hits are brighter
    gain = gain * np.minimum(1.0, (0.35 + 0.9 * strength) ** (np.arange(modes.MODES) * 0.35))
    out = np.zeros(n, np.float32)
    for k in range(modes.MODES):
        if gain[k] and f[k] < 0.45 * RATE:
            out += (gain[k] * np.sin(2 * np.pi * f[k] * t)
                    * np.exp(-t * speed / decay[k])).astype(np.float32)
    burst = lowpass(rng.normal(size=n).astype(np.float32), modes.NOISE_CUT[material])
    burst = burst / max(float(burst.std()), 1e-6)
    out += modes.NOISE[kind, material] * burst * np.exp(-t / modes.NOISE_DECAY[kind, material])
    if kind == 2:
        out *= np.minimum(t / 0.02, 1)
    ramp = min(n, 24)
    out[:ramp] *= np.linspace(0, 1, ramp, dtype=np.float32)
    tail = min(n, 480)
    out[-tail:] *= np.linspace(1, 0, tail, dtype=np.float32)
    return out * np.float32(modes.loudness(strength))


def ambience(samples: int, time: int, rng: np.random.Generator) -> np.ndarray:
    """The quiet bed of a room: air by day with far birds, a lower dusk, a humming night."""
    cut = (900.0, 600.0, 350.0)[time]
    level = (0.0030, 0.0026, 0.0022)[time]
    air = lowpass(lowpass(rng.normal(size=samples).astype(np.float32), cut), cut)
    out = air / max(float(air.std()), 1e-6) * level
    t = np.arange(samples, dtype=np.float32) / RATE
    if time == 2:
        out += 0.0018 * np.sin(2 * np.pi * 60.0 * t + rng.uniform(0, 6))
        out += 0.0007 * np.sin(2 * np.pi * 120.0 * t + rng.uniform(0, 6))
    n = int(samples / RATE * (0.8, 0.25, 0.0)[time])
    for _ in range(n):  # a far chirp: soft on- and offset, far below any event
        start, length = int(rng.integers(max(samples - 4000, 1))), int(rng.integers(1800, 3600))
        s = np.arange(min(length, samples - start), dtype=np.float32) / RATE
        f = rng.uniform(2600, 4200) + rng.uniform(-6000, 6000) * s
        shape = np.sin(np.pi * np.arange(len(s)) / max(len(s), 1)) ** 2
        out[start : start + len(s)] += 0.0016 * shape * np.sin(2 * np.pi * f * s)
    return out.astype(np.float32)


def _rubbing(episode: dict, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Faint noise of rolling balls and sliding boxes near the floor, by speed and distance."""
    kind, pos, vel = (episode["bodies_" + k] for k in ("kind", "pos", "vel"))
    size, eye = episode["body_size"], episode["pose"]
    t, f, n = kind.shape
    speed = np.linalg.norm(vel[..., :2], axis=-1)
    low = np.abs(pos[..., 2] - size[None, None, :, 2]) < 0.03
    gap = np.linalg.norm(pos - eye[:, :, None, :3], axis=-1)
    on = ((kind == 1) | (kind == 2)) & low & (speed > 0.08)
    weight = np.where(kind == 2, 0.020, 0.006)
    level = np.where(on, weight * np.minimum(speed, 3.0) / np.maximum(gap, 1.0), 0).sum(-1)
    level = level.reshape(t * f)
    if not level.any():
        return np.zeros(samples, np.float32)
    ends = np.concatenate([[level[0]], level])
    envelope = np.interp(np.arange(samples), np.arange(t * f + 1) * PER_SUB, ends)
    noise = lowpass(rng.normal(size=samples).astype(np.float32), 420.0)
    return (envelope * noise / max(float(noise.std()), 1e-6)).astype(np.float32)


def synthesise(episode: dict, time: int, seed: int) -> np.ndarray:
    """audio float32 [T*2000] in -1..1 of an episode (keys events, bodies_*, body_size, pose)."""
    ticks = len(episode["pose"])
    samples = ticks * PER_TICK
    rng = np.random.Generator(np.random.Philox(key=[seed & 0xFFFFFFFF, 0xA0D10]))
    out = ambience(samples, time, rng) + _rubbing(episode, samples, rng)
    size = episode["body_size"]
    for tick, sub, kind, material, strength, slot, x, y, z, step in episode["events"]:
        start = int(tick - 1) * PER_TICK + int(sub) * PER_SUB + int(step) * PER_SUB // 10
        eye = episode["pose"][int(tick) - 1, int(sub), :3]
        gap = float(np.linalg.norm(np.array([x, y, z]) - eye))
        own = int(slot) < 0 or kind == 2
        s = float(size[int(slot)].max()) if slot >= 0 else 0.2
        wave = strike(int(kind), int(material), float(strength), min(s, 0.5), rng)
        wave = wave * np.float32(1.0 if own else modes.distance_gain(gap))
        end = min(start + len(wave), samples)
        if end > start:
            out[start:end] += wave[: end - start]
    return (np.tanh(1.2 * out) / 1.2).astype(np.float32)


assert modes.MATERIALS == cat.MATERIALS
