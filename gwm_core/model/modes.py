"""How materials sound: tables of decaying modes, plain numpy.

The simulator synthesises with them, and the audio decoder of a model may share them as its
prior.  A struck surface rings with `FREQUENCY[m] * size_pitch(size)` hertz, each mode decays as
exp(-t / DECAY[m]) with gain GAIN[kind, m]; footsteps are softer, lower and shorter.
"""

from __future__ import annotations

import numpy as np

SAMPLE_RATE = 24000
MATERIALS = ("wood", "stone", "tile", "carpet", "metal", "plaster")
KINDS = ("impact", "footstep", "throw")
MODES = 6

#: hertz, [material, mode]
FREQUENCY = np.array([
    (182, 311, 523, 842, 1270, 1910),      # wood: a dull knock
    (412, 973, 1624, 2480, 3710, 5230),    # stone: a click with little body
    (890, 1630, 2585, 3720, 5110, 6890),   # tile: bright and short
    (72, 118, 176, 250, 345, 470),         # carpet: a thud
    (334, 781, 1385, 2190, 3270, 4620),    # metal: rings on
    (128, 237, 402, 655, 1020, 1530),      # plaster: hollow
], np.float32)
#: seconds to 1/e, [material, mode]
DECAY = np.array([
    (0.075, 0.060, 0.045, 0.032, 0.022, 0.015),
    (0.022, 0.018, 0.015, 0.012, 0.009, 0.007),
    (0.050, 0.045, 0.036, 0.028, 0.020, 0.014),
    (0.045, 0.035, 0.026, 0.018, 0.012, 0.008),
    (0.420, 0.360, 0.280, 0.210, 0.150, 0.100),
    (0.048, 0.038, 0.028, 0.020, 0.014, 0.010),
], np.float32)
_IMPACT = np.array([
    (1.00, 0.80, 0.55, 0.38, 0.22, 0.12),
    (0.70, 0.80, 0.75, 0.60, 0.45, 0.30),
    (0.60, 0.80, 0.70, 0.55, 0.40, 0.25),
    (1.20, 0.90, 0.50, 0.25, 0.12, 0.06),
    (0.50, 0.60, 0.55, 0.45, 0.32, 0.20),
    (1.00, 0.80, 0.50, 0.28, 0.15, 0.08),
], np.float32)
#: [kind, material, mode]; a throw is an airy breath without modes
GAIN = np.stack([_IMPACT, _IMPACT * np.array([0.9, 0.6, 0.35, 0.2, 0.1, 0.05], np.float32),
                 np.zeros_like(_IMPACT)])
#: share and decay (s) of the noise burst that starts each sound, [kind, material]
NOISE = np.array([
    (0.25, 0.45, 0.30, 0.30, 0.20, 0.30), (0.40, 0.60, 0.40, 0.75, 0.35, 0.45),
    (0.30, 0.30, 0.30, 0.30, 0.30, 0.30),
], np.float32)
NOISE_DECAY = np.array([
    (0.006, 0.005, 0.004, 0.014, 0.005, 0.009), (0.016, 0.014, 0.010, 0.030, 0.012, 0.018),
    (0.060, 0.060, 0.060, 0.060, 0.060, 0.060),
], np.float32)
#: cut-off of the burst's one-pole low-pass, hertz, [material]
NOISE_CUT = np.array([1800, 4200, 5200, 700, 5000, 1400], np.float32)


def size_pitch(size: float) -> float:
    """Pitch factor of a thing of `size` metres (radius or half extent): small ones ring higher."""
    return float(np.clip((0.16 / max(size, 0.05)) ** 0.35, 0.7, 1.4))


def loudness(strength: float) -> float:
    """Amplitude of an event's log-scale strength (0 is silent, 1 is a hard hit)."""
    return float(0.02 * (10.0 ** (1.45 * min(max(strength, 0.0), 1.3)) - 1.0))


def distance_gain(distance: float) -> float:
    """Attenuation with distance in metres: 1 at one metre or nearer, then 1/d."""
    return float(1.0 / max(distance, 1.0))
