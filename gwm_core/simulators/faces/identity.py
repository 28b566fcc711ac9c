"""Who a portrait shows: numbers and colours picked by a seed within what a style allows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .palette import Palette, pick_palette
from .styles import HUMAN, Style


@dataclass(frozen=True)
class Identity:
    """Lengths in face heights, x from the middle to the right, y down from halfway between crown
    and chin, unless said otherwise."""

    style: Style
    kind: str
    age: float
    """0 a baby, 1 old"""
    width: float
    """half of the face at the cheeks"""
    temple: float
    forehead: float
    jaw: float
    chin: float
    """half widths as shares of ``width``"""
    cap: float
    """of the skull, what is above the crown"""
    eye_y: float
    eye_x: float
    """as a share of ``width``"""
    eye_w: float
    """half an eye's width"""
    lid_up: float
    lid_low: float
    """lids above and below the line of the corners, as shares of ``eye_w``"""
    eye_tilt: float
    iris: float
    """radius as a share of ``eye_w``"""
    brow_up: float
    """above the eye"""
    brow_w: float
    """as a share of the eye's"""
    brow_thick: float
    brow_arch: float
    brow_tilt: float
    nose_y: float
    nose_w: float
    nose_out: float
    mouth_y: float
    mouth_w: float
    lip_up: float
    lip_low: float
    lip_curve: float
    lip_bow: float
    ear_y: float
    ear_h: float
    ear_w: float
    neck: float
    """half width as a share of ``width``"""
    shoulders: float
    slope: float
    face_size: float
    """the face height as a share of the picture"""
    centre: tuple[float, float]
    """of the face, as shares of the picture"""
    turn: tuple[float, float, float]
    """how the head is held when it is still: yaw, pitch and roll in radians"""
    uneven: np.ndarray
    """[4] small differences of the two sides: eye height, brow height, mouth tilt, eye size"""
    eyes: str
    nose: str
    mouth: str
    hair: str
    hair_volume: float
    hair_length: float
    part: float
    """where the hair parts, -1..1"""
    shading: str
    depth: float
    gloss: float
    outline: float
    texture: str
    finish: str
    clothes: str
    background: str
    light: np.ndarray
    """unit vector to the light: x right, y down, z to the viewer"""
    palette: Palette
    extras: dict[str, float] = field(default_factory=dict)
    """things worn or grown, by name, with a number of their own between 0 and 1"""


def _pick(rng: np.random.Generator, choices) -> str:
    return choices[int(rng.integers(len(choices)))]


def _grow(v: dict[str, float], age: float) -> None:
    """The proportions of a baby (age 0), a grown-up (0.4) and an old person (1)."""
    young = max(0.0, 0.35 - age) / 0.35
    old = max(0.0, age - 0.6) / 0.4
    v["width"] *= 1 + 0.12 * young
    v["eye_y"] += 0.05 * young
    v["eye_w"] *= 1 + 0.14 * young
    v["lid_up"] *= 1 + 0.2 * young - 0.15 * old
    v["nose_y"] += 0.015 * young
    v["nose_w"] *= 1 - 0.2 * young + 0.12 * old
    v["nose_out"] *= 1 - 0.25 * young + 0.1 * old
    v["mouth_y"] += 0.012 * young
    v["mouth_w"] *= 1 - 0.14 * young
    v["brow_thick"] *= 1 - 0.35 * young
    v["lip_up"] *= 1 - 0.3 * old
    v["jaw"] *= 1 + 0.04 * young + 0.04 * old
    v["chin"] *= 1 - 0.1 * young
    v["ear_h"] *= 1 + 0.15 * old
    v["neck"] *= 1 - 0.22 * young
    v["shoulders"] *= 1 - 0.25 * young


def _extras(rng: np.random.Generator, style: Style, kind: str, age: float) -> dict[str, float]:
    """What is worn or grown. A draw is taken for each, worn or not, so that a change of one
    chance leaves the others as they are."""
    old = max(0.0, age - 0.55) / 0.45
    grown = age > 0.35
    human = kind == "human"
    real = style.name in ("painted", "clay", "photo", "ink")
    chances = {
        "glasses": 0.16 + 0.12 * old, "sunglasses": 0.015, "beard": 0.17 * (grown and human),
        "moustache": 0.12 * (grown and human), "stubble": 0.12 * (grown and human),
        "hat": 0.1, "headband": 0.04 * human, "headphones": 0.04, "earrings": 0.16 * human,
        "freckles": 0.12 * human, "blush": (0.25 if real else 0.4) * (kind != "robot"),
        "makeup": 0.25 * (grown and human), "lipstick": 0.3 * (grown and human),
        "wrinkles": 0.9 * old * human * (style.name != "anime"), "scar": 0.03,
        "paint": 0.025 * human, "bow": 0.06, "scarf": 0.08, "bindi": 0.02 * human, "front": 0.06,
        "lashes": 0.45 * human,
    }
    out = {}
    for name, chance in chances.items():
        take, value = rng.random(), float(rng.random())
        rare = 1.0 if name in ("wrinkles", "blush", "lashes", "lipstick") else style.extras
        if take < chance * rare:
            out[name] = value
    if "beard" in out:
        out.pop("stubble", None)
        out.pop("lipstick", None)
    if "moustache" in out or "stubble" in out:
        out.pop("lipstick", None)
    if "sunglasses" in out:
        out.pop("glasses", None)
    if "hat" in out:
        for name in ("headband", "headphones", "bow"):
            out.pop(name, None)
    return out


def make_identity(rng: np.random.Generator, style: Style) -> Identity:
    """A person, animal or robot of ``style``."""
    ranges = HUMAN | style.ranges
    kind = _pick(rng, style.kinds)
    age = float(np.clip(rng.beta(1.6, 1.7), 0.02, 1))
    v = {name: float(low + (high - low) * rng.random()) for name, (low, high) in ranges.items()}
    if kind == "human":
        _grow(v, age)
    if kind == "frog":  # its eyes stand on its head
        v["mouth_w"] *= 1.25
        v["eye_x"], v["eye_y"], v["cap"] = 0.53, -0.4, 0.03
        v["width"], v["temple"], v["forehead"] = max(v["width"], 0.58), 0.88, 0.66
    # lips and chin need room under the mouth, and corners a face around them
    v["mouth_y"] = min(v["mouth_y"], 0.36)
    v["mouth_w"] = min(v["mouth_w"], 0.62 * v["width"] * v["jaw"])
    v["eye_x"] = float(np.clip(v["eye_x"], (1.12 * v["eye_w"] + 0.012) / v["width"],
                               (0.93 * v["width"] - v["eye_w"]) / v["width"]))
    v["nose_y"] = min(v["nose_y"], v["mouth_y"] - v["lip_up"] - 0.05)
    shading = _pick(rng, style.shading)
    side = rng.normal(0, 1, 2)
    light = np.array([0.75 * side[0], -0.35 - 0.4 * abs(side[1]), 0.9])
    palette = pick_palette(rng, style, kind, age)
    size = v["face_size"]
    room = 1 - size * 1.25
    centre = (0.5 + 0.06 * float(rng.normal()), 0.5 + (0.06 + 0.1 * float(rng.normal())) * room)
    hair = _pick(rng, style.hair)
    extras = _extras(rng, style, kind, age)
    if "hat" in extras and hair in ("afro", "spiky", "quiff", "mohawk", "bun", "curls"):
        hair = "crop"
    if age < 0.06 and hair not in ("bald", "buzz", "crop"):
        hair = "buzz"
    uneven = rng.normal(0, 1, 4) * (0.004, 0.006, 0.04, 0.02)
    if kind == "robot":
        uneven *= 0
    low, high = style.outline
    return Identity(
        style=style, kind=kind, age=age, **v, centre=centre,
        turn=tuple(rng.normal(0, 1, 3) * (0.11, 0.06, 0.05)), uneven=uneven,
        eyes=_pick(rng, style.eyes), nose=_pick(rng, style.nose), mouth=_pick(rng, style.mouth),
        hair=hair, hair_volume=float(rng.uniform(0.5, 1.4)),
        hair_length=float(rng.random()), part=float(rng.uniform(-1, 1)), shading=shading,
        depth=float(rng.uniform(*style.depth)), gloss=float(rng.uniform(*style.gloss)),
        outline=float(rng.uniform(low, high)), texture=_pick(rng, style.texture),
        finish=_pick(rng, style.finish),
        clothes=_pick(rng, ("crew", "vee", "shirt", "hoodie", "suit", "turtleneck", "straps",
                            "stripes", "dress")),
        background=_pick(rng, ("plain", "gradient", "glow", "room", "pattern", "cloud", "bokeh",
                               "hills")),
        light=light / np.linalg.norm(light), palette=palette, extras=extras,
    )


