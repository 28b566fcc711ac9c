"""Speech tokens and their decoder: a causal harmonic-plus-noise synthesiser that carries its state.

A tick of 40 ms at 24 kHz has 8 sub-frames of 69 numbers, the voice at the end of each 5 ms:

    envelope   log gain of 64 bands from 0 to 11 kHz, ever wider to the top (nepers; 0 is as loud
               as white noise of standard deviation 1)
    pitch      log2 of the fundamental over 100 Hz, going on smoothly where nothing is voiced
    voicing    share of the energy that is periodic in 4 regions, 0..1

Between sub-frames the harmonics' amplitudes and minimum phases are faded linearly; the rest is
white noise, keyed by (seed, tick), through the same envelope, overlap-added. After DDSP (Engel et
al. 2020) and WORLD (Morise et al. 2016). What still sounds at the end of a tick is a value
(``Speaking``), from which the next tick goes on exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..noise import noise as keyed_noise

RATE, TICK, SUBS = 24000, 960, 8
"""Samples a second, samples a tick, sub-frames a tick."""
HOP = TICK // SUBS
BANDS, REGIONS = 64, 4
TOP, CORNER = 11000.0, 1500.0
"""Hertz: the highest band's centre; up to the corner bands are about equally wide."""
EDGES = (1000.0, 2500.0, 5000.0)
"""Hertz between the regions of voicing."""
ENVELOPE, PITCH, VOICING = slice(0, BANDS), BANDS, slice(BANDS + 1, BANDS + 1 + REGIONS)
WIDTH = BANDS + 1 + REGIONS
REFERENCE = 100.0
QUIET = -8.0
"""Lowest value of an envelope."""
LOWEST, HIGHEST = 50.0, 600.0
FFT = 1024
TAIL = (SUBS - 1) * HOP + FFT - TICK


def centres() -> np.ndarray:
    """Hertz f64 [64]: the centres of the bands, of which the first is 0."""
    return CORNER * np.expm1(np.linspace(0, math.log1p(TOP / CORNER), BANDS))


@lru_cache(maxsize=1)
def _grids() -> tuple[Tensor, Tensor, Tensor]:
    """(bands to log gain [64, bins], bands to minimum phase [64, bins], regions to bins [4, bins]).

    The minimum phase is the Hilbert transform of the log gain: linear in it, hence a matrix.
    """
    hertz = np.arange(FFT // 2 + 1) * RATE / FFT
    place = np.interp(hertz, centres(), np.arange(BANDS))
    gain = np.maximum(0, 1 - np.abs(place - np.arange(BANDS)[:, None]))
    cepstrum = np.fft.irfft(gain, axis=1)
    fold = np.zeros(FFT)
    fold[0] = fold[FFT // 2] = 1
    fold[1: FFT // 2] = 2
    phase = np.fft.rfft(cepstrum * fold, axis=1).imag
    middle = np.array([EDGES[0] / 2, *(np.sqrt(np.multiply(EDGES[:-1], EDGES[1:]))), 7500.0])
    region = np.interp(hertz, middle, np.arange(REGIONS))
    share = np.maximum(0, 1 - np.abs(region - np.arange(REGIONS)[:, None]))
    with torch.inference_mode(False):  # kept: they may be wanted for training later
        return tuple(torch.from_numpy(x.astype(np.float32)) for x in (gain, phase, share))


@dataclass(frozen=True, eq=False)
class Speaking:
    """What the synthesiser carries from tick to tick; an immutable value.

    phase: turns of the fundamental, 0..1. last f32 [69]: the newest sub-frame. tail f32 [TAIL]:
    noise that sounds on.
    """

    phase: float
    last: Tensor
    tail: Tensor


def silence() -> Speaking:
    """The state before anything was said."""
    last = torch.zeros(WIDTH)
    last[ENVELOPE] = QUIET
    return Speaking(0.0, last, torch.zeros(TAIL))


def decode(tokens: Tensor, state: Speaking | None = None, seed: int = 0, tick: int = 0
           ) -> tuple[Tensor, Speaking]:
    """Waveform f32 [T * 960] of tokens [T, 8, 69] that begin at ``tick``, and the state after it.

    The same sound to the bit however a take is cut into calls. Differentiable in the tokens, but
    for the number of harmonics.
    """
    if tokens.dim() != 3 or tokens.shape[1:] != (SUBS, WIDTH):
        raise ValueError(f"speech: tokens must be [T, {SUBS}, {WIDTH}], got {tuple(tokens.shape)}")
    state, waves = state or silence(), []
    for i, one in enumerate(tokens.float()):
        wave, state = _tick(one, state, seed, tick + i)
        waves.append(wave)
    return (torch.cat(waves) if waves else torch.zeros(0)), state


def _tick(one: Tensor, state: Speaking, seed: int, tick: int) -> tuple[Tensor, Speaking]:
    gain, phase, region = _grids()
    rows = torch.cat([state.last[None], one])
    level = rows[:, ENVELOPE].clamp(min=QUIET, max=4.0)
    log_gain, angle = level @ gain, level @ phase
    voiced = rows[:, VOICING].clamp(0.0, 1.0) @ region
    # at the floor there is silence, not a whisper at the level of the floor
    audible = (log_gain > QUIET + 0.01).float()
    periodic = log_gain.exp() * (voiced + 1e-9).sqrt() * audible
    hertz = (REFERENCE * 2.0 ** rows[:, PITCH]).clamp(LOWEST, HIGHEST)
    wave, turns = _harmonics(periodic, angle, hertz, state.phase)
    rest = log_gain.exp() * (1.0 - voiced).clamp(min=1e-9).sqrt() * audible
    noise, tail = _noise(torch.polar(rest[1:], angle[1:]), state.tail, seed, tick)
    return wave + noise, Speaking(turns, one[-1].detach().clone(), tail)


def _harmonics(gain: Tensor, angle: Tensor, hertz: Tensor, phase: float) -> tuple[Tensor, float]:
    """Sum of the harmonics [960] of gains and phases on the grid [9, bins], and the phase after."""
    count = max(int(TOP / float(hertz.detach().min())), 1)
    order = torch.arange(1, count + 1, dtype=torch.float32)
    place = (order * hertz[:, None] * (FFT / RATE)).clamp(max=FFT // 2 - 1e-3)  # [9, K]
    low = place.detach().floor().long()
    part = place - low

    def at(x: Tensor) -> Tensor:
        return torch.lerp(x.gather(1, low), x.gather(1, low + 1), part)

    fade = ((TOP - order * hertz[:, None]) / 500.0).clamp(0.0, 1.0)
    size = at(gain) * fade * (2.0 * (hertz[:, None] / RATE).sqrt())
    turn = at(angle)
    # a phase that jumps between sub-frames is faded as a complex amplitude
    real, imag = size * turn.cos(), size * turn.sin()
    ramp = (torch.arange(HOP, dtype=torch.float32) + 1) / HOP
    step = torch.lerp(hertz[:-1, None], hertz[1:, None], ramp).flatten().double() / RATE
    turns = phase + step.cumsum(0)
    angles = ((turns.remainder(1.0) * (2 * math.pi))[:, None] * order).float()
    fades = torch.stack([1.0 - ramp, ramp], dim=1)  # [HOP, 2]
    a, b = (fades @ torch.stack([x[:-1], x[1:]], dim=1) for x in (real, imag))
    wave = (a.flatten(0, 1) * angles.cos() - b.flatten(0, 1) * angles.sin()).sum(1)
    return wave, float(turns[-1].detach() % 1.0)


def _noise(response: Tensor, tail: Tensor, seed: int, tick: int) -> tuple[Tensor, Tensor]:
    """Noise [960] through the responses [8, bins], on top of the tail; and the tail after it."""
    white = torch.from_numpy(keyed_noise(seed, tick, 0, "speech", (SUBS, 2 * HOP)))
    window = torch.sin(math.pi * (torch.arange(2 * HOP) + 0.5) / (2 * HOP))
    spectrum = torch.fft.rfft(white * window, FFT)
    pieces = torch.fft.irfft(spectrum * response, FFT)
    size = TICK + TAIL
    added = F.fold(pieces.T[None], (1, size), (1, FFT), stride=(1, HOP)).flatten()
    out = added + F.pad(tail, (0, TICK))
    return out[:TICK], out[TICK:].clone()
