"""Audio tokens and their decoder: a differentiable modal synthesiser that carries its ringing.

A tick has 3 tokens of 16 numbers, about 0..1:

    two sub-frames   impact strength by material (6), footstep strength by material (6), throw,
                     time offset within the sub-frame (0..1), pitch of impacts (-1..1), spare
    the bed          ambience level of 8 octave bands, level of rolling and sliding, spare

Strengths excite banks of decaying modes and bursts of filtered noise; nothing is sampled or
triggered. What still rings at the end of a tick is a value (``Ringing``), from which the next tick
goes on exactly. Noise is keyed by (seed, tick).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
import torch
from scipy.signal import butter, sosfilt
from torch import Tensor, nn

from ..noise import noise as keyed_noise
from . import modes

TOKENS, WIDTH = 3, 16
MATERIALS = len(modes.MATERIALS)
IMPACT, FOOTSTEP = slice(0, MATERIALS), slice(MATERIALS, 2 * MATERIALS)
THROW, OFFSET, PITCH = 2 * MATERIALS, 2 * MATERIALS + 1, 2 * MATERIALS + 2
BANDS = 8
BED, ROLLING = slice(0, BANDS), BANDS
AIR = 5
"""The material row that a throw's breath of air takes from the tables."""

PITCHES = (0.8, 1.0, 1.25)
"""Impacts ring in one of these banks; small things ring higher."""
STEP_PITCH, STEP_SPEED = 0.85, 1.6
SILENT = 0.02
"""Strengths below this make no sound: a network's zero is never exact."""
LIMIT = 1.2
LEVEL = 1e-4
ROLL_CUT = 420.0
TAPS = 1024
"""Length of the noise filters: what a tick needs of the noise before it."""


@dataclass(frozen=True, eq=False)
class Ringing:
    """What the synthesiser carries from tick to tick; an immutable value.

    modes f32 [2, K] (real and imaginary part), bursts f32 [E], tail f32 [2, TAPS - 1]: the last
    of the raw noise, levels f32 [9]: bed levels at the end of the last tick.
    """

    modes: Tensor
    bursts: Tensor
    tail: Tensor
    levels: Tensor

    @property
    def nbytes(self) -> int:
        return 4 * sum(t.numel() for t in (self.modes, self.bursts, self.tail, self.levels))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Named arrays for a file; ``from_arrays`` restores the same value."""
        return {f.name: getattr(self, f.name).detach().numpy() for f in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Ringing:
        return cls(**{f.name: torch.from_numpy(np.array(arrays[f.name])) for f in fields(cls)})


@lru_cache(maxsize=4)
def noise_filters(rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Impulse responses f64 (low-passes [materials + 1, TAPS], band-passes [8, TAPS]), each of
    unit energy: white noise comes out with standard deviation 1. The last low-pass is rolling."""
    n = np.arange(TAPS)
    low = [np.exp(-2 * np.pi * float(cut) / rate * n) for cut in (*modes.NOISE_CUT, ROLL_CUT)]
    pulse = np.zeros(TAPS)
    pulse[0] = 1.0
    band = []
    for i in range(BANDS):
        centre = 62.5 * 2.0**i
        edges = [centre / math.sqrt(2), min(centre * math.sqrt(2), 0.49 * rate)]
        band.append(sosfilt(butter(2, edges, "bandpass", fs=rate, output="sos"), pulse))
    unit = [np.stack(x) / np.linalg.norm(np.stack(x), axis=1, keepdims=True) for x in (low, band)]
    return unit[0], unit[1]


class AudioTokenizer(nn.Module):
    """Decoder of audio tokens; its mode tables are parameters that a checkpoint stores.

    sample_rate: hertz. samples_per_tick: samples a tick, in two sub-frames.
    """

    def __init__(self, sample_rate: int = modes.SAMPLE_RATE, samples_per_tick: int = 2000) -> None:
        super().__init__()
        if samples_per_tick % 2:
            raise ValueError(f"audio: {samples_per_tick} samples a tick do not halve")
        self.rate, self.per_tick = sample_rate, samples_per_tick
        self.per_sub = samples_per_tick // 2

        def table(values) -> nn.Parameter:
            return nn.Parameter(torch.from_numpy(np.array(values, np.float32)))

        self.log_frequency = table(np.log(modes.FREQUENCY))
        self.log_decay = table(np.log(modes.DECAY))
        self.gain = table(modes.GAIN[:2])
        self.burst = table(modes.NOISE)
        self.log_burst_decay = table(np.log(modes.NOISE_DECAY))
        self._tables: dict[str, Tensor] | None = None
        self._shapes: tuple[Tensor, Tensor] | None = None
        self.fft = 1 << (samples_per_tick + TAPS - 2).bit_length()

    def train(self, mode: bool = True):
        self._tables = None
        return super().train(mode)

    def _apply(self, fn, recurse=True):
        self._tables = None
        return super()._apply(fn, recurse)

    def load_state_dict(self, *args, **kwargs):
        self._tables = None
        return super().load_state_dict(*args, **kwargs)

    # ------------------------------------------------------------------ tables

    def _rates(self) -> tuple[Tensor, Tensor]:
        """Complex log-rates a sample of the modes f64 [K] as (decay, turn), banks in order:
        impacts at each pitch, footsteps; then log-rates of the bursts are in ``_bursts``."""
        frequency = self.log_frequency.double().exp()
        decay = self.log_decay.double().exp()
        turns = [frequency * p for p in PITCHES] + [frequency * STEP_PITCH]
        falls = [decay] * len(PITCHES) + [decay / STEP_SPEED]
        turn = torch.stack(turns).flatten() * (2 * math.pi / self.rate)
        fall = -1.0 / (torch.stack(falls).flatten() * self.rate)
        return fall, turn

    def _burst_rates(self) -> Tensor:
        """Log-rates a sample of the burst envelopes f64 [2 * materials + 2]; a throw has two,
        whose difference swells and fades."""
        decay = self.log_burst_decay.double().exp()
        throw = decay[2, AIR]
        rows = torch.cat([decay[0], decay[1], torch.stack([throw, throw * 0.2])])
        return -1.0 / (rows * self.rate)

    def _make_tables(self) -> dict[str, Tensor]:
        fall, turn = self._rates()
        bursts = self._burst_rates()
        n = torch.arange(self.per_sub, dtype=torch.float64)
        size, angle = (fall[:, None] * n).exp(), turn[:, None] * n
        end, end_angle = (fall * self.per_sub).exp(), turn * self.per_sub
        return {
            # Im(z r^n) of a mode z = [re, im]
            "wave": torch.cat([size * angle.sin(), size * angle.cos()]).float(),
            "envelope": (bursts[:, None] * n).exp().float(),
            "end": torch.stack([end * end_angle.cos(), end * end_angle.sin()]).float(),
            "burst_end": (bursts * self.per_sub).exp().float(),
            "fall": fall.float(), "turn": turn.float(), "bursts": bursts.float(),
        }

    def tables(self) -> dict[str, Tensor]:
        """Impulse responses over a sub-frame; kept while nothing is being learned."""
        if torch.is_grad_enabled() and self.training:
            return self._make_tables()
        if self._tables is None:
            with torch.inference_mode(False), torch.no_grad():
                self._tables = self._make_tables()
        return self._tables

    # ------------------------------------------------------------------ decoding

    def silence(self) -> Ringing:
        """The state before anything was heard."""
        banks = (len(PITCHES) + 1) * MATERIALS * modes.MODES
        return Ringing(
            torch.zeros(2, banks), torch.zeros(2 * MATERIALS + 2), torch.zeros(2, TAPS - 1),
            torch.zeros(BANDS + 1),
        )

    def decode(
        self, tokens: Tensor, state: Ringing | None = None, seed: int = 0, tick: int = 0
    ) -> tuple[Tensor, Ringing]:
        """Waveform f32 [T * samples_per_tick] in -1..1 of tokens [T, 3, 16] that begin at
        ``tick``, and the state after it. Differentiable in tokens and tables."""
        if tokens.dim() != 3 or tokens.shape[1:] != (TOKENS, WIDTH):
            raise ValueError(
                f"audio: tokens must be [T, {TOKENS}, {WIDTH}], got {tuple(tokens.shape)}"
            )
        state = state or self.silence()
        tables, waves = self.tables(), []
        for i, one in enumerate(tokens.float()):
            wave, state = self._tick(one, state, seed, tick + i, tables)
            waves.append(wave)
        return torch.cat(waves), state

    def _tick(self, one: Tensor, state: Ringing, seed: int, tick: int, tables):
        white = torch.from_numpy(keyed_noise(seed, tick, 0, "sound", (2, self.per_tick)))
        white = torch.cat([state.tail, white], dim=1)
        spectrum = torch.fft.rfft(white, self.fft)
        bed, levels = self._bed(one[2], state.levels, spectrum)
        loud = (one[:2, : THROW + 1].detach() > SILENT).any(1).tolist()
        grain = self._grain(one, state.bursts, spectrum)
        ringing, bursts, parts = state.modes, state.bursts, []
        for sub in range(2):
            span = slice(sub * self.per_sub, (sub + 1) * self.per_sub)
            part = None if grain is None else grain[:, span]
            wave, ringing, bursts = self._sub(
                one[sub], loud[sub], ringing, bursts, part, tables
            )
            parts.append(wave)
        out = torch.cat(parts) + bed
        tail = white[:, -(TAPS - 1) :].clone()
        return torch.tanh(LIMIT * out) / LIMIT, Ringing(ringing, bursts, tail, levels)

    def _grain(self, one: Tensor, bursts: Tensor, spectrum: Tensor) -> Tensor | None:
        """The noise that each burst is made of [E, N]; None if there is no burst in this tick."""
        struck = (one[:2, : THROW + 1].detach() > SILENT).any(0)
        heard = torch.cat([struck, struck[THROW:]]) | (bursts.detach() != 0)
        wanted = sorted({row for row, on in zip(GRAIN_ROWS, heard.tolist(), strict=True) if on})
        if not wanted:
            return None
        grain = spectrum.new_zeros(MATERIALS, self.per_tick, dtype=torch.float32)
        grain[wanted] = self._filtered(spectrum[:1] * self._spectra()[0][wanted])
        return grain[[*GRAIN_ROWS]]

    def _sub(self, token: Tensor, loud: bool, ringing: Tensor, bursts: Tensor, grain, tables):
        """One sub-frame: what rang on, and what is struck in it at its offset."""
        wave = torch.zeros(self.per_sub)
        if bool(ringing.detach().any()):
            wave = ringing.flatten() @ tables["wave"]
        if bool(bursts.detach().any()):
            wave = wave + ((bursts[:, None] * tables["envelope"]) * grain).sum(0)
        if loud:
            struck, puffs = self._strike(token)
            start = token[OFFSET].clamp(0.0, 0.95) * self.per_sub
            # the response that begins at the offset, written as one that began earlier
            size, angle = struck * (-tables["fall"] * start).exp(), -tables["turn"] * start
            new = torch.stack([size * angle.cos(), size * angle.sin()])
            puffs = puffs * (-tables["bursts"] * start).exp()
            fresh = new.flatten() @ tables["wave"]
            fresh = fresh + ((puffs[:, None] * tables["envelope"]) * grain).sum(0)
            wave = wave + fresh * (torch.arange(self.per_sub) >= start.detach())
            ringing, bursts = ringing + new, bursts + puffs
        (re, im), (a, b) = ringing, tables["end"]
        ringing = torch.stack([re * a - im * b, re * b + im * a])
        # what is no longer heard is set to zero: denormal numbers would be slow
        return wave, _audible(ringing), _audible(bursts * tables["burst_end"])

    def _strike(self, token: Tensor) -> tuple[Tensor, Tensor]:
        """Amplitudes of modes [K] and bursts [E] that a sub-frame's token excites."""
        strength = torch.where(token > SILENT, token, torch.zeros_like(token)).clamp(max=1.3)
        amount = loudness(strength[: THROW + 1])
        impact, step = amount[IMPACT], amount[FOOTSTEP]
        order = torch.arange(modes.MODES, dtype=torch.float32) * 0.35
        bright = (0.35 + 0.9 * strength[: 2 * MATERIALS, None]).clamp(max=1.0) ** order
        hit = impact[:, None] * self.gain[0] * bright[IMPACT]
        walk = step[:, None] * self.gain[1] * bright[FOOTSTEP]
        pitch = 1.4 ** float(token[PITCH].detach().clamp(-1.0, 1.0))
        nearest = int(np.argmin([abs(math.log(pitch / p)) for p in PITCHES]))
        rows = [hit if i == nearest else torch.zeros_like(hit) for i in range(len(PITCHES))]
        throw = amount[THROW] * self.burst[2, AIR]
        puffs = torch.cat(
            [impact * self.burst[0], step * self.burst[1], torch.stack([throw, -throw])]
        )
        return torch.stack([*rows, walk]).flatten(), puffs

    def _bed(self, token: Tensor, before: Tensor, spectrum: Tensor) -> tuple[Tensor, Tensor]:
        """Ambience and rolling of a tick [N], faded from the old levels to the token's."""
        level = LEVEL * (10.0 ** token[: BANDS + 1].clamp(0.0, 3.5) - 1.0)
        low, band = self._spectra()
        both = torch.stack([before, level]).to(band.dtype)
        # neighbouring bands overlap: from two independent noises their energies add up
        sound = (both[:, 0:BANDS:2] @ band[0::2] + both[:, BANDS:] * low[-1:]) * spectrum[0]
        sound = sound + (both[:, 1:BANDS:2] @ band[1::2]) * spectrum[1]
        old, new = self._filtered(sound)
        ramp = torch.linspace(0.0, 1.0, self.per_tick)
        return old + (new - old) * ramp, level

    def _filtered(self, spectrum: Tensor) -> Tensor:
        """The part of each filtered noise that belongs to the tick itself, [n, N]."""
        return torch.fft.irfft(spectrum, self.fft)[:, TAPS - 1 : TAPS - 1 + self.per_tick]

    def _spectra(self) -> tuple[Tensor, Tensor]:
        if self._shapes is None:
            with torch.inference_mode(False):
                low, band = noise_filters(self.rate)
                self._shapes = tuple(
                    torch.from_numpy(np.fft.rfft(x, self.fft).astype(np.complex64))
                    for x in (low, band)
                )
        return self._shapes


GRAIN_ROWS = (*range(MATERIALS), *range(MATERIALS), AIR, AIR)
"""Which material's noise each burst is made of."""


def _audible(x: Tensor) -> Tensor:
    return torch.where(x.detach().abs() > 1e-7, x, torch.zeros_like(x))


def loudness(strength: Tensor) -> Tensor:
    """Amplitude of a log-scale strength, as ``modes.loudness``."""
    return 0.02 * (10.0 ** (1.45 * strength) - 1.0)
