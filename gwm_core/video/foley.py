"""Sound for a silent clip, by the model's own parts: picture -> state -> audio tokens -> sound.

Impacts are found in the pictures (`foley_reading`), the walker's steps and throws are read by the
inverse dynamics and walked again in the state of a world that begins at the first picture
(`foley_walk`); both become audio tokens, from which the model's decoder makes the sound.

Needs OpenCV.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from ..errors import GWMError, VideoError
from ..model.audio_tokens import IMPACT_KIND, STEP_KIND, THROW_KIND, encode_events
from ..model.impacts import GRID
from ..model.modes import MATERIALS
from ..noise import check_seed
from ..worlds.first import light_of
from ..worlds.threads import one_thread
from .foley_reading import THRESHOLD, Hit, foley_of
from .foley_surfaces import Surfaces
from .foley_walk import Heard, walk_heard

RATE = 24.0
"""Pictures a second that the impact network learnt from."""
WITHIN = 0.4
"""Where within a picture's time an impact seen in it falls, as a share."""
NIGHT, DUSK = 45.0, 75.0
"""Mean grey levels below which a clip without a prompt sounds like night, like dusk."""
FADE = 0.005
"""Seconds in which a sound that still rings fades at the end of the clip."""
KINDS = {"impact": IMPACT_KIND, "footstep": STEP_KIND, "throw": THROW_KIND}
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Contact:
    """Something struck something. time: s from the beginning; strength: 0..1.3, log scale, as
    loud as it is at the camera; material: name of what was struck, of `modes.MATERIALS`; place:
    column and row, 0..1, in the middle of the picture that has the model's aspect (8:5); sure:
    0..1; pitch: -1..1, small things ring higher."""

    time: float
    strength: float
    material: str
    place: tuple[float, float]
    sure: float = 1.0
    pitch: float = 0.0


@dataclass(frozen=True, eq=False)
class Foley:
    """effects, ambience: float32 [N] in -1..1, exactly as long as the clip; sample_rate: hertz;
    contacts: impacts seen; heard: steps, throws and landings of the walker; remarks: for the
    reader, such as that nothing was found."""

    effects: np.ndarray
    ambience: np.ndarray
    sample_rate: int
    contacts: tuple[Contact, ...]
    heard: tuple[Heard, ...] = ()
    remarks: tuple[str, ...] = field(default_factory=tuple)

    @property
    def sound(self) -> np.ndarray:
        """Effects and ambience together, float32 [N]."""
        return np.clip(self.effects + self.ambience, -1, 1)


def contacts(frames: Sequence[np.ndarray], fps: float, model: Any = None,
             threshold: float = THRESHOLD, progress: Progress | None = None) -> list[Contact]:
    """Impacts that a clip shows, in order of time.

    frames: uint8 [F, H, W, 3] of any size, or a sequence of such pictures, which are read one by
    one; fps: their rate; model: a loaded rooms model (None: the embedded one); threshold:
    sureness 0..1 from which an impact counts. VideoError names what does not fit, CheckpointError
    a model without an impact network.
    """
    fps = check_clip(frames, fps)
    check_threshold(threshold)
    return _seen(frames, fps, _loaded(model), threshold, progress)[0]


def _seen(frames: Sequence[np.ndarray], fps: float, model: Any, threshold: float,
          progress: Progress | None) -> tuple[list[Contact], Surfaces]:
    """Contacts of a checked clip, and what its surfaces are."""
    stride = max(1, round(fps / RATE))
    some = Every(frames, stride)
    with one_thread():
        hits = foley_of(model.inverse.path).read(some, threshold, progress)
        surfaces = Surfaces(model, some)
    return [_contact(hit, stride / fps, surfaces) for hit in hits], surfaces


def add_sound(frames: Sequence[np.ndarray], fps: float, model: Any = None, prompt: str = "",
              seed: int = 0, steps: bool = True, threshold: float = THRESHOLD,
              progress: Progress | None = None) -> Foley:
    """Effects and ambience for a silent clip.

    prompt: says the time of day ("a hall at night"), whose tone the room has; without it the
    pictures' brightness decides. seed: of all noise. steps: whether the camera is a walker, whose
    steps, jumps and throws are heard. Others as of `contacts`. Any clip gets a sound; where
    nothing is found it is the ambience alone, and a remark says so.
    """
    fps, seed, model = check_clip(frames, fps), check_seed(seed), _loaded(model)
    check_threshold(threshold)
    seen, surfaces = _seen(frames, fps, model, threshold, progress)
    heard, remarks = [], []
    if steps:
        try:
            heard = walk_heard(model, frames, fps, surfaces.floor)
        except GWMError as error:
            remarks.append(f"the camera's walk was not read: {error}")
    if not seen and not any(h.kind != "throw" for h in heard):
        remarks.append("no impacts or steps were found: the sound is the room's tone alone")
    bed = np.asarray(model.parts.ambience[_light(model, frames, prompt)], np.float32)
    rate = model.embodiment.sample_rate
    samples = round(len(frames) / fps * rate)
    with one_thread():
        effects, ambience = _decoded(model, seen, heard, bed, samples, seed)
    return Foley(effects, ambience, rate, tuple(seen), tuple(heard), tuple(remarks))


def check_clip(frames: Any, fps: Any) -> float:
    """The rate of a clip as a float; VideoError unless these are pictures at some rate."""
    form = "uint8 [frames, height, width, 3]"
    try:
        rate, count = float(fps), len(frames)
        first = np.asarray(frames[0]) if count else None
    except (TypeError, ValueError, KeyError):
        raise VideoError(f"clip: got {type(frames).__name__} at {fps!r} frames a second; {form} "
                         "is accepted") from None
    if not math.isfinite(rate) or not 1 <= rate <= 1000:
        raise VideoError(f"fps: got {fps!r}; frames a second, from 1 to 1000, are accepted")
    if first is None:
        raise VideoError("clip: it has no frames; at least one is needed")
    shape = first.shape
    if len(shape) != 3 or shape[2] != 3 or first.dtype != np.uint8 or min(shape[:2]) < 16:
        raise VideoError(f"clip: got {first.dtype} {[count, *shape]}; {form} with sides of 16 or "
                         "more is accepted")
    return rate


def check_threshold(threshold: Any) -> None:
    """VideoError unless it is a share between 0 and 1."""
    if not isinstance(threshold, (int, float)) or not 0 < threshold < 1:
        raise VideoError(f"threshold: got {threshold!r}; a number between 0 and 1 is accepted")


class Every:
    """Every `stride`-th picture of a sequence, none of them copied."""

    def __init__(self, frames: Sequence[np.ndarray], stride: int) -> None:
        self.frames, self.stride = frames, stride

    def __len__(self) -> int:
        return -(-len(self.frames) // self.stride)

    def __getitem__(self, k: int) -> np.ndarray:
        return np.asarray(self.frames[k * self.stride])


def _loaded(model: Any) -> Any:
    if model is None:
        from ..worlds import load

        return load()
    return model


def _contact(hit: Hit, span: float, surfaces: Surfaces) -> Contact:
    place = tuple(min(max(float(v), 0.0), 1.0) for v in (hit.column / GRID[1], hit.row / GRID[0]))
    material = surfaces.material(hit.frame, place)
    if material is None:
        material = int(hit.material.argmax())
    return Contact((hit.frame + WITHIN) * span, hit.loud, MATERIALS[material], place, hit.sure,
                   hit.pitch)


def _light(model: Any, frames: Sequence[np.ndarray], prompt: str) -> int:
    """Index of the light condition whose tone the room has."""
    said = model.understand(prompt).attributes if prompt else {}
    if said.get("time") is not None:
        return light_of(said)
    picks = np.linspace(0, len(frames) - 1, min(len(frames), 5)).astype(int)
    grey = float(np.mean([np.asarray(frames[k])[::4, ::4].mean() for k in picks]))
    return light_of({"time": 2 if grey < NIGHT else 1 if grey < DUSK else 0})


def _decoded(model: Any, seen: list[Contact], heard: list[Heard], bed: np.ndarray, samples: int,
             seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(effects, ambience) float32 [samples] each."""
    parts = model.parts
    ticks = max(1, -(-samples // parts.embodiment.samples_per_tick))
    subs = 2 * parts.embodiment.tick_rate
    rows = [(c.time, IMPACT_KIND, MATERIALS.index(c.material), c.strength, 1.0, size_of(c.pitch))
            for c in seen]
    rows += [(h.time, KINDS[h.kind], h.material, h.strength, h.distance, 0.16) for h in heard]
    events = []
    for time, kind, material, strength, distance, size in sorted(rows):
        sub = int(time * subs)
        events.append((sub // 2, sub % 2, kind, material, strength, distance, size,
                       time * subs - sub))
    tokens = encode_events(events, ticks, first_tick=0)
    quiet = encode_events([], ticks, bed, first_tick=0)
    out = []
    for one in (tokens, quiet):
        with torch.no_grad():
            wave = parts.sound.decode(torch.from_numpy(one), None, seed)[0].numpy()
        out.append(np.array(wave[:samples], np.float32))
    fade = min(samples, round(FADE * parts.embodiment.sample_rate))
    out[0][samples - fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return out[0], out[1]


def size_of(pitch: float) -> float:
    """Half extent (m) of a thing that rings at a token's pitch."""
    return 0.16 * 1.4 ** (-pitch / 0.35)
