"""Prompts and world events in plain English, with what each of them asks for.

The grammar is fixed in the code; so are the words and sentence frames that training never uses
(`split="heldout"`), so that understanding is tested on wording that was never seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import catalogue as cat
from .catalogue import Condition


@dataclass(frozen=True)
class Words:
    """Ways to say one thing; `held` ones are only used for evaluation."""

    seen: tuple[str, ...]
    held: tuple[str, ...]

    def pick(self, rng, split: str) -> str:
        pool = self.held if split == "heldout" and self.held else self.seen
        return str(pool[int(rng.integers(len(pool)))])


THEME_WORDS: dict[str, Words] = {
    "brick hall": Words(("brick hall", "hall with brick walls", "red brick room",
                         "room of bare bricks"), ("brick-walled hall", "exposed brick interior")),
    "white gallery": Words(("white gallery", "gallery with white walls", "plain white room",
                            "white exhibition room"), ("bright white-walled gallery",
                                                       "whitewashed gallery space")),
    "green study": Words(("green study", "study with green wallpaper", "green panelled study",
                          "room with dark green walls and wood panels"),
                         ("study papered in green", "green and oak study")),
    "blue salon": Words(("blue salon", "salon with blue striped wallpaper", "pale blue salon",
                         "room with blue stripes"), ("powder blue drawing room",
                                                     "blue-striped salon")),
    "teal bath": Words(("teal bathroom", "bathroom with teal tiles", "tiled bath",
                        "turquoise tiled bathroom"), ("bathroom tiled in teal",
                                                      "sea-green washroom")),
    "concrete loft": Words(("concrete loft", "loft of bare concrete", "grey concrete room",
                            "industrial concrete loft"), ("raw concrete apartment",
                                                          "loft with concrete walls")),
    "timber cabin": Words(("timber cabin", "log cabin", "cabin of wooden boards",
                           "cabin with wooden walls"), ("wooden chalet", "timber-clad cabin")),
    "terracotta court": Words(("terracotta court", "room with terracotta walls",
                               "warm terracotta room", "mediterranean terracotta room"),
                              ("terracotta-coloured patio room", "earth-red southern room")),
    "steel workshop": Words(("steel workshop", "workshop with metal walls", "metal workshop",
                             "workshop of riveted steel"), ("steel-plated workshop",
                                                            "metal-clad machine shop")),
    "stone cellar": Words(("stone cellar", "cellar of stone blocks", "old stone vault",
                           "cellar with stone walls"), ("cellar built of stone",
                                                        "underground stone room")),
    "rose parlour": Words(("rose parlour", "pink parlour", "parlour with rose wallpaper",
                           "room with pink flowered wallpaper"), ("rose-papered sitting room",
                                                                  "parlour in dusty pink")),
    "mustard kitchen": Words(("mustard kitchen", "kitchen with mustard tiles", "yellow kitchen",
                              "kitchen with yellow tiles"), ("mustard-tiled kitchen",
                                                             "ochre yellow kitchen")),
    "walnut library": Words(("walnut library", "library with walnut panels",
                             "dark panelled library", "library of dark wood"),
                            ("walnut-panelled library", "old reading room in walnut")),
    "paper house": Words(("paper house", "japanese room with paper screens",
                          "room of paper screens", "tea house with sliding screens"),
                         ("shoji-screened room", "japanese paper-walled house")),
}
TIME_WORDS = (
    Words(("by day", "in daylight", "in the morning", "at noon", "on a clear day"),
          ("in broad daylight", "in the daytime")),
    Words(("at dusk", "at sunset", "in the evening", "in the last light"),
          ("as the sun goes down", "at twilight")),
    Words(("at night", "in the dark of night", "at midnight", "late at night"),
          ("after nightfall", "in the middle of the night")),
)
LAMP_WORDS = (
    Words(("with the lamps off", "with the lights off", "unlit"),
          ("with no lamps lit", "with the lights switched off")),
    Words(("with the lamps on", "with the lights on", "lit by lamps", "in warm lamplight"),
          ("with glowing lamps", "with the lights switched on")),
)
FOG_WORDS = (
    Words(("in clear air", "without fog"), ("with no mist at all", "in perfectly clear air")),
    Words(("in light fog", "in a thin mist", "slightly foggy"),
          ("with a faint haze", "with a little mist")),
    Words(("in dense fog", "in thick fog", "very foggy"),
          ("full of thick mist", "shrouded in heavy fog")),
)
NUMBERS = {1: ("a", "one"), 2: ("two",), 3: ("three",)}
MATERIAL_WORDS = {
    "wood": Words(("a wooden floor", "floorboards"), ("a floor of wood",)),
    "stone": Words(("a stone floor", "a concrete floor"), ("a floor of stone",)),
    "tile": Words(("a tiled floor", "floor tiles"), ("a floor of tiles",)),
    "carpet": Words(("a carpet", "a soft carpeted floor"), ("carpet on the floor",)),
    "metal": Words(("a metal floor", "a steel floor"), ("a floor of metal",)),
    "plaster": Words(("a plaster floor",), ()),
}
FRAMES = Words(
    ("{theme}{rest}", "a {theme}{rest}", "inside a {theme}{rest}", "a walk through a {theme}{rest}",
     "{rest_first} {theme}{tail}", "the {theme}{rest}", "standing in a {theme}{rest}"),
    ("imagine a {theme}{rest}", "we are in a {theme}{rest}", "show me a {theme}{rest}"),
)
EVENT_WORDS: dict[str, Words] = {
    "lamps_on": Words(("the lights go on", "turn on the lamps", "the lamps are lit",
                       "lights on"), ("someone switches the lights on", "the lamps light up")),
    "lamps_off": Words(("the lights go out", "turn off the lamps", "the lamps go out",
                        "lights off"), ("someone switches the lights off", "the lamps die")),
    "day": Words(("it becomes day", "the sun rises", "morning comes", "daylight returns"),
                 ("a new day breaks", "the day dawns")),
    "dusk": Words(("dusk falls", "the sun sets", "evening comes", "it becomes dusk"),
                  ("the sun goes down", "twilight sets in")),
    "night": Words(("night falls", "it becomes night", "darkness falls", "it gets dark outside"),
                   ("the night comes down", "it is suddenly midnight")),
    "fog_light": Words(("a light fog rolls in", "a thin mist appears", "it becomes slightly foggy"),
                       ("a faint haze spreads", "some mist creeps in")),
    "fog_dense": Words(("thick fog rolls in", "dense fog fills the room", "it becomes very foggy"),
                       ("heavy mist pours in", "everything drowns in fog")),
    "fog_none": Words(("the fog lifts", "the fog clears", "the air becomes clear"),
                      ("the mist is gone", "the haze disperses")),
    "ball": Words(("a ball appears", "an orange ball appears", "a ball drops in"),
                  ("a ball falls from above", "suddenly there is a ball")),
}
CHANGES: dict[str, dict] = {
    "lamps_on": {"lamps": 1}, "lamps_off": {"lamps": 0}, "day": {"time": 0}, "dusk": {"time": 1},
    "night": {"time": 2}, "fog_light": {"fog": 1}, "fog_dense": {"fog": 2}, "fog_none": {"fog": 0},
    "ball": {"ball": 1},
}


def _count(rng, n: int, what: str) -> str:
    word = NUMBERS[n][int(rng.integers(len(NUMBERS[n])))]
    return f"{word} {what}" + ("s" if n > 1 else "").replace("boxs", "boxes")


def _objects(rng, attributes: dict) -> str:
    parts = []
    n = min(int(attributes.get("balls") or 0), 3)
    if n:
        colour = attributes.get("ball_colour")
        parts.append(_count(rng, n, f"{colour} ball" if colour else "ball"))
    n = min(int(attributes.get("boxes") or 0), 3)
    if n:
        word = NUMBERS[n][int(rng.integers(len(NUMBERS[n])))]
        parts.append(f"{word} box" if n == 1 else f"{word} boxes")
    return " and ".join(parts)


def write_prompt(rng: np.random.Generator, attributes: dict, split: str = "train") -> str:
    """A prompt that says `attributes` (keys theme, time, lamps, fog, balls, ball_colour, boxes,
    floor; indexes as in the catalogue; None or a missing key is left unsaid)."""
    theme = THEME_WORDS[cat.THEME_NAMES[attributes["theme"]]].pick(rng, split)
    bits = []
    for key, words in (("time", TIME_WORDS), ("lamps", LAMP_WORDS), ("fog", FOG_WORDS)):
        if attributes.get(key) is not None:
            bits.append(words[attributes[key]].pick(rng, split))
    things = _objects(rng, attributes)
    if things:
        bits.append(str(rng.choice(["with " + things, things])))
    if attributes.get("floor") is not None:
        bits.append("with " + MATERIAL_WORDS[cat.MATERIALS[attributes["floor"]]].pick(rng, split))
    order = rng.permutation(len(bits))
    bits = [bits[i] for i in order]
    comma = ", " if rng.random() < 0.7 else " "
    rest = "".join((comma if comma == ", " or b.split()[0] not in
                    ("a", "one", "two", "three") else ", ") + b for b in bits)
    frame = FRAMES.pick(rng, split)
    if "{rest_first}" in frame:
        if not bits:
            return theme
        first, others = bits[0], "".join(", " + b for b in bits[1:])
        return f"{first}, a {theme}{others}"
    text = frame.format(theme=theme, rest=rest)
    return text.replace("a old", "an old").replace("a industrial", "an industrial").replace(
        "a earth", "an earth").replace("a exposed", "an exposed").replace(
        "a ochre", "an ochre").replace("a underground", "an underground")


def sample_prompt(rng: np.random.Generator, condition=None, split: str = "train",
                  theme: int | None = None, balls: int | None = None, colour: str | None = None,
                  boxes: int | None = None, say: float = 0.75) -> tuple[str, dict]:
    """A prompt and what it asks for.

    Values that are not given are drawn; each is mentioned with probability `say` (the theme
    always).  attributes: theme, time, lamps, fog, floor (indexes), balls, ball_colour, boxes;
    an unsaid one is None.
    """
    theme = int(rng.integers(len(cat.THEMES))) if theme is None else theme
    c = Condition.of(int(rng.integers(18)) if condition is None else condition)
    balls = int(rng.integers(0, 4)) if balls is None else balls
    boxes = int(rng.integers(0, 3)) if boxes is None else boxes
    if balls and colour is None:
        colour = cat.COLOUR_NAMES[int(rng.integers(len(cat.COLOUR_NAMES)))]

    def said(value, chance=say):
        return value if rng.random() < chance else None

    attributes = {
        "theme": theme, "time": said(c.time), "lamps": said(c.lamps, say * 0.7),
        "fog": said(c.fog) if c.fog else said(0, 0.15),
        "balls": said(balls) if balls else None, "boxes": said(boxes) if boxes else None,
        "floor": said(cat.THEMES[theme].floor_index, 0.25),
    }
    attributes["ball_colour"] = colour if attributes["balls"] and rng.random() < 0.8 else None
    return write_prompt(rng, attributes, split), attributes


def sample_event(rng: np.random.Generator, split: str = "train", current=None):
    """A world event as (text, change): change is {time|lamps|fog: index} or {ball: 1}.

    current: the present condition; then the event really changes something.
    """
    names = list(CHANGES)
    if current is not None:
        c = Condition.of(current)
        names = [n for n in names
                 if any(getattr(c, k, None) != v for k, v in CHANGES[n].items())]
    name = names[int(rng.integers(len(names)))]
    return EVENT_WORDS[name].pick(rng, split), dict(CHANGES[name])


def apply_change(condition, change: dict) -> Condition:
    """The condition after an event."""
    c = Condition.of(condition)
    return Condition(change.get("time", c.time), change.get("lamps", c.lamps),
                     change.get("fog", c.fog))


def describe(sim, episode: dict, split: str, seed: int) -> tuple[str, dict]:
    """A true prompt of an episode's first picture and the full truth about it.

    Things count when they show at least 12 pixels (or, without pictures, when they are in the
    start room and within 45 degrees of the view).
    """
    rng = np.random.Generator(np.random.Philox(key=[seed & 0xFFFFFFFF, 0x7E47]))
    c = Condition.of(episode["condition"]["index"])
    theme = cat.THEME_NAMES.index(episode["condition"]["theme"])
    seen = []
    pose = episode["first_pose"]
    for k, s in enumerate(sim.slots):
        if s.kind == 3 or s.pool:
            continue
        if "first_body_map" in episode:
            visible = int((episode["first_body_map"] == k + 1).sum()) >= 12
        else:
            p = episode["first_bodies_pos"][k]
            room = sim.layout.rooms[sim.layout.room_at(pose[0], pose[1])]
            gap = np.arctan2(p[1] - pose[1], p[0] - pose[0]) - pose[3]
            visible = room.holds(p[0], p[1]) and abs((gap + np.pi) % (2 * np.pi) - np.pi) < 0.75
        if visible:
            seen.append(s)
    balls = [s for s in seen if s.kind == 1]
    boxes = [s for s in seen if s.kind == 2]
    looks = {s.look for s in balls}
    colour = balls[0].look if len(looks) == 1 else None
    truth = {"theme": theme, "time": c.time, "lamps": c.lamps, "fog": c.fog, "balls": len(balls),
             "ball_colour": colour, "boxes": len(boxes), "floor": cat.THEMES[theme].floor_index}
    said = {k: (v if k == "theme" or rng.random() < 0.7 else None) for k, v in truth.items()}
    if said["fog"] == 0 and rng.random() < 0.75:
        said["fog"] = None
    if said["balls"] is None or len(looks) > 1:
        said["ball_colour"] = None
    return write_prompt(rng, said, split), truth
