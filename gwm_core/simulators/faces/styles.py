"""The styles of drawing: what each may look like, as ranges and choices that identities pick from.

Lengths are in face heights (crown to chin) and shares; see ``Identity`` for their meaning.
"""

from __future__ import annotations

from dataclasses import dataclass, field

HUMAN: dict[str, tuple[float, float]] = {
    "width": (0.35, 0.46), "temple": (0.86, 0.98), "forehead": (0.8, 0.93), "jaw": (0.72, 0.9),
    "chin": (0.3, 0.5), "cap": (0.14, 0.24),
    "eye_y": (-0.11, -0.03), "eye_x": (0.43, 0.52), "eye_w": (0.068, 0.095),
    "lid_up": (0.36, 0.6), "lid_low": (0.22, 0.4), "eye_tilt": (-0.16, 0.12), "iris": (0.4, 0.52),
    "brow_up": (0.085, 0.135), "brow_w": (1.15, 1.5), "brow_thick": (0.012, 0.034),
    "brow_arch": (0.1, 0.5), "brow_tilt": (-0.15, 0.2),
    "nose_y": (0.12, 0.19), "nose_w": (0.065, 0.12), "nose_out": (0.08, 0.16),
    "mouth_y": (0.265, 0.32), "mouth_w": (0.115, 0.18), "lip_up": (0.014, 0.034),
    "lip_low": (0.018, 0.042), "lip_curve": (-0.006, 0.02), "lip_bow": (0.1, 0.5),
    "ear_y": (-0.06, 0.04), "ear_h": (0.1, 0.16), "ear_w": (0.04, 0.09),
    "neck": (0.44, 0.66), "shoulders": (0.75, 1.15), "slope": (0.08, 0.26),
    "face_size": (0.4, 0.58),
}
HAIR = ("bald", "crop", "side_part", "bangs", "bob", "long", "wavy", "afro", "curls", "spiky",
        "bun", "ponytail", "mohawk", "quiff", "pigtails", "receding", "buzz", "curtains")


@dataclass(frozen=True)
class Style:
    """One way of drawing. Choices are picked evenly; a name twice is picked twice as often."""

    name: str
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    outline: tuple[float, float] = (0.0, 0.0)
    """width of contours in face heights; 0: none"""
    shading: tuple[str, ...] = ("flat",)
    """flat, cel (one hard shadow) or soft"""
    depth: tuple[float, float] = (0.3, 0.6)
    """contrast of soft shading"""
    gloss: tuple[float, float] = (0.0, 0.0)
    eyes: tuple[str, ...] = ("toon",)
    nose: tuple[str, ...] = ("hook",)
    mouth: tuple[str, ...] = ("toon",)
    hair: tuple[str, ...] = HAIR
    skin: tuple[str, ...] = ("human",)
    kinds: tuple[str, ...] = ("human",)
    """human, robot, or an animal: cat, bear, dog, rabbit, fox, mouse, frog, pig"""
    texture: tuple[str, ...] = ("none",)
    finish: tuple[str, ...] = ("none",)
    extras: float = 1.0
    """how often glasses, beards, hats and the like are seen, times the usual"""


_CARTOON = {
    "width": (0.34, 0.56), "temple": (0.7, 1.0), "jaw": (0.66, 1.06), "chin": (0.25, 0.75),
    "cap": (0.1, 0.3), "eye_y": (-0.16, 0.0), "eye_x": (0.3, 0.46), "eye_w": (0.06, 0.12),
    "lid_up": (0.75, 1.25), "lid_low": (0.65, 1.1), "eye_tilt": (-0.1, 0.1), "iris": (0.35, 0.6),
    "brow_up": (0.09, 0.15), "brow_w": (0.8, 1.3), "brow_thick": (0.012, 0.045),
    "nose_y": (0.06, 0.17), "nose_w": (0.04, 0.13), "mouth_y": (0.25, 0.33),
    "mouth_w": (0.1, 0.21), "lip_up": (0.008, 0.016), "lip_low": (0.009, 0.02),
    "lip_curve": (-0.03, 0.045), "ear_h": (0.07, 0.14), "ear_w": (0.05, 0.11),
    "neck": (0.25, 0.6), "shoulders": (0.5, 1.0), "slope": (0.08, 0.34),
}
_ANIME = {
    "width": (0.4, 0.5), "temple": (0.9, 1.0), "jaw": (0.74, 0.88), "chin": (0.2, 0.36),
    "cap": (0.2, 0.32), "eye_y": (0.0, 0.06), "eye_x": (0.44, 0.52), "eye_w": (0.088, 0.12),
    "lid_up": (0.7, 1.15), "lid_low": (0.45, 0.8), "eye_tilt": (-0.12, 0.14), "iris": (0.62, 0.82),
    "brow_up": (0.13, 0.18), "brow_w": (0.95, 1.25), "brow_thick": (0.008, 0.02),
    "nose_y": (0.18, 0.23), "nose_w": (0.02, 0.045), "nose_out": (0.06, 0.1),
    "mouth_y": (0.31, 0.35), "mouth_w": (0.07, 0.12), "lip_up": (0.006, 0.01),
    "lip_low": (0.007, 0.012), "lip_curve": (-0.004, 0.02), "ear_w": (0.03, 0.07),
    "neck": (0.34, 0.48), "shoulders": (0.55, 0.85), "slope": (0.12, 0.28),
}
_SOFT = {  # painters and sculptors exaggerate, though less than cartoonists
    "width": (0.34, 0.5), "jaw": (0.7, 1.0), "eye_w": (0.068, 0.11), "lid_up": (0.4, 0.8),
    "lid_low": (0.25, 0.6), "iris": (0.42, 0.6), "nose_w": (0.06, 0.13),
    "mouth_w": (0.1, 0.19), "lip_curve": (-0.02, 0.028),
}
_MASCOT = {
    "width": (0.48, 0.66), "temple": (0.84, 0.96), "forehead": (0.7, 0.82), "jaw": (0.8, 1.02),
    "chin": (0.36, 0.7), "cap": (0.13, 0.2), "eye_y": (-0.12, 0.0), "eye_x": (0.36, 0.52),
    "eye_w": (0.07, 0.115), "lid_up": (0.8, 1.2), "lid_low": (0.7, 1.1), "iris": (0.55, 0.85),
    "brow_up": (0.13, 0.18), "brow_w": (0.5, 1.0), "nose_y": (0.1, 0.16),
    "nose_w": (0.05, 0.1), "nose_out": (0.14, 0.24), "mouth_y": (0.24, 0.3),
    "mouth_w": (0.11, 0.2), "lip_up": (0.007, 0.012), "lip_low": (0.008, 0.016),
    "lip_curve": (0.0, 0.035), "neck": (0.4, 0.6),
    "shoulders": (0.55, 0.9), "slope": (0.12, 0.4),
    "face_size": (0.4, 0.54),
}
_ROBOT = {
    "width": (0.4, 0.58), "temple": (0.9, 1.02), "forehead": (0.8, 0.98), "jaw": (0.82, 1.02),
    "chin": (0.5, 0.8), "cap": (0.08, 0.2), "eye_y": (-0.14, -0.02), "eye_x": (0.4, 0.55),
    "eye_w": (0.075, 0.13), "lid_up": (0.7, 1.05), "lid_low": (0.7, 1.05), "eye_tilt": (0, 0),
    "iris": (0.4, 0.65), "brow_up": (0.12, 0.16), "brow_arch": (0.0, 0.1),
    "nose_y": (0.1, 0.16), "nose_w": (0.03, 0.07), "mouth_w": (0.13, 0.24),
    "lip_up": (0.012, 0.024), "lip_low": (0.012, 0.024), "lip_curve": (0, 0), "lip_bow": (0, 0),
    "neck": (0.35, 0.6), "shoulders": (0.7, 1.1),
}
_ANIMALS = ("cat", "bear", "dog", "rabbit", "fox", "mouse", "frog", "pig", "cat", "bear", "dog")
_ALL = (
    Style("cartoon", _CARTOON, (0.009, 0.021), ("flat", "flat", "cel"), (0.2, 0.4), (0.0, 0.0),
          ("toon", "toon", "dot", "oval"), ("hook", "button", "dots", "wedge", "line"),
          ("toon", "toon", "lips"), HAIR, ("human", "human", "fantasy"),
          finish=("none", "none", "none", "halftone")),
    Style("anime", _ANIME, (0.006, 0.012), ("cel", "cel", "soft"), (0.12, 0.25), (0.0, 0.0),
          ("anime",), ("tick", "shade", "dots"), ("toon",),
          ("bangs", "bob", "long", "spiky", "ponytail", "pigtails", "curtains", "side_part",
           "spiky", "bangs", "wavy", "bun"), ("light", "human", "light"), extras=0.5),
    Style("vector", _CARTOON, (0.0, 0.0), ("flat", "cel", "cel"), (0.2, 0.4), (0.0, 0.0),
          ("dot", "oval", "toon", "real"), ("wedge", "button", "line", "shade"),
          ("lips", "toon", "lips"), HAIR, ("human", "human", "human", "fantasy")),
    Style("painted", HUMAN | _SOFT, (0.0, 0.006), ("soft",), (0.4, 0.85), (0.05, 0.3),
          ("real",), ("real",), ("real",), HAIR, ("human",), texture=("brush", "none"),
          finish=("strokes", "strokes", "daubs", "wash")),
    Style("clay", HUMAN | _SOFT | {"eye_w": (0.07, 0.11), "lid_up": (0.6, 1.0)}, (0.0, 0.0),
          ("soft",), (0.45, 0.8), (0.2, 0.7), ("toon", "real", "dot", "oval"),
          ("button", "real", "real"), ("lips", "real"), HAIR,
          ("human", "human", "fantasy"), texture=("none", "prints"), finish=("none", "grain")),
    Style("mascot", _MASCOT, (0.0, 0.02), ("flat", "cel", "soft", "soft"), (0.3, 0.6), (0.0, 0.2),
          ("bead", "toon", "oval", "dot"), ("animal",), ("muzzle",), ("bald",), ("fur",),
          _ANIMALS, ("none", "fur"), ("none", "none", "grain"), 0.6),
    Style("robot", _ROBOT, (0.0, 0.016), ("flat", "soft", "soft"), (0.35, 0.7), (0.3, 0.9),
          ("led", "led", "toon"), ("panel",), ("slot",), ("bald",), ("metal",), ("robot",),
          ("none", "scratches"), ("none", "grain"), 0.3),
    Style("photo", HUMAN, (0.0, 0.0), ("soft",), (0.4, 0.85), (0.1, 0.5), ("real",), ("real",),
          ("real",), tuple(cut for cut in HAIR if cut not in ("spiky", "mohawk")), ("human",),
          texture=("pores", "pores", "pores", "freckles"),
          finish=("photo", "photo", "film")),
    Style("ink", HUMAN | _SOFT, (0.008, 0.016), ("soft",), (0.6, 1.0), (0.0, 0.0),
          ("real", "toon", "oval"), ("line", "hook", "real"), ("toon", "real"), HAIR, ("paper",),
          finish=("hatch", "hatch", "pencil")),
)
BY_NAME = {style.name: style for style in _ALL}
HELD_STYLES: tuple[str, ...] = ("ink",)
"""Never trained on: what a drawing by another hand is measured with."""
STYLES: tuple[str, ...] = tuple(name for name in BY_NAME if name not in HELD_STYLES)
"""Those that training may use."""
