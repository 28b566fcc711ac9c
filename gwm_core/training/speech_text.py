"""What the training of speech reads: English by seed, never the sentences that judge it."""

from __future__ import annotations

import numpy as np

from ..evaluation.video.sentences import SENTENCES
from ..simulators.faces.sentences import VOCABULARY, sentence

_JUDGED = {s.casefold() for s in SENTENCES}
_SUBJECTS = "I you we they he she it somebody everyone nobody".split()
_PEOPLE = """my mother, your father, the captain, her sister, his boss, the woman next door, that
    boy, our driver, the girl with the camera, one of the workers, my friend Jack, doctor Harris,
    the police, an old friend of mine, the people upstairs, Mary, Tom, George, Alice, Peter, Susan,
    the judge, a stranger, the young man, this fellow, your cousin"""
_PAST = """thought knew said believed hoped heard forgot guessed noticed remembered wished
    understood felt promised wondered decided pretended""".split()
_DOES = """took found lost broke bought sold carried dropped hid left followed watched opened
    closed cleaned fixed stole painted burned kept wanted needed liked hated brought sent caught
    pushed pulled turned moved washed cut counted described changed finished started chose checked
    missed expected ordered returned shared touched used wrote read built drew fed gave held made
    paid saw showed threw won wore""".split()
_BASE = """take find lose break buy sell carry drop hide leave follow watch open close clean fix
    paint burn keep want need like bring send catch push pull turn move wash cut count describe
    change finish start choose check miss expect order return share touch use write read build draw
    feed give hold make pay see show throw win wear help ask tell call meet join stop try wait for
    think about look at listen to talk about go with laugh at worry about""".split("\n")
_THINGS = """the car, a bottle of milk, the money, her coat, those books, the wrong train, a cup of
    tea, the last bus, some bread and cheese, the blue bicycle, a long letter, his watch, the front
    door, an umbrella, the whole story, their house, a new computer, the telephone, my glasses, the
    answer, two tickets, that picture, the river, a glass of water, an apple, the lights, your name,
    the big box, a pair of shoes, the dog, the photographs, this map, the engine, a loaf of bread,
    the knife, our luggage, the green bag, every page, the radio, an easy question, that noise, the
    bridge, the ship, a warm fire, the village, the moon, the gold ring, a fresh start"""
_WHERE = """in the kitchen, at the station, under the bed, near the church, by the lake, on the
    roof, behind the wall, across the street, at home, in the middle of the forest, over there,
    outside, upstairs, in the back of the truck, on the train, at school, in the hotel, between
    the trees, around the corner, far away from here, next to the bank, above the clouds"""
_WHEN = """yesterday, this morning, last night, two days ago, on Friday, at half past nine, before
    dinner, after the storm, in the evening, a long time ago, right now, later today, every day,
    once or twice, next month, in nineteen ninety, at midnight, early in the spring, for the third
    time, in about ten minutes, during the night, since Tuesday"""
_HOW = """slowly, carefully, very well, without a word, too late, in a hurry, quite often, with both
    hands, as usual, alone, together, badly, gently, by mistake, on purpose, at once"""
_ADJECTIVES = """good bad old new hot cold long short happy sad tired hungry ready late early right
    wrong open quiet loud strange simple difficult possible dangerous beautiful ugly empty full
    strong weak rich poor clean dirty dry wet dark bright afraid angry sure serious important
    expensive cheap careful busy alone alive broken heavy light deep wide thick thin sharp smooth
    soft hard sweet bitter young ill safe thirsty jealous honest lucky useful cheerful""".split()
_OPEN = """well, oh, yes, no, listen, look, of course, all right, sorry, thank you, hello, good
    morning, excuse me, maybe, honestly, in fact, however, after all, please, wait, come on, I see,
    fine, sir, my dear, ladies and gentlemen, by the way, for example"""
_QUESTIONS = "why where when how".split()
_PATTERNS = (
    "{p} {past} that {s} {does} {t} {w}.",
    "{S} {does} {t} {h}.",
    "{S} {does} {t}, and {p} {does} {t} {when}.",
    "Did {s} {base} {t} {w}?",
    "{q} did {p} {base} {t}?",
    "{open}, {s} {does} {t} {when}.",
    "{open}! {p} {does} {t}!",
    "Do you want to {base} {t}, or should we {base} {t}?",
    "Can you {base} {t} {when}?",
    "I don't {base} {t}, because it's {adj}.",
    "Don't {base} {t}, it's too {adj}.",
    "Please {base} {t} {w}.",
    "It was so {adj} that {s} {does} {t}.",
    "Is it {adj} or {adj}?",
    "{p} is {adj}, but {p} isn't.",
    "When {p} {does} {t}, {s} {past} it was {adj}.",
    "If {s} {does} {t}, would {p} {base} it?",
    "There is {t} {w}.",
    "There were {n} of them {w}, {adj} and {adj}.",
    "That's {adj}, isn't it?",
    "I will {base} {t} {when}, I promise.",
    "You should never {base} {t} {h}.",
    "Who {does} {t} {w}?",
    "What did {p} {base} {when}?",
    "We have been {w} since {n} o'clock.",
    "They could have {does} {t} {when}.",
    "He has {n} {adj} brothers and {n} {adj} sisters.",
    "{open}.",
    "{open}, {open}.",
    "How {adj} of you!",
    "{t} or {t}?",
    "{t}, {t} and {t}.",
    "She must be {adj}.",
    "Let's {base} {t} {when}.",
    "I'm {adj}, you're {adj}, and we're all {adj}.",
    "Nothing is as {adj} as {t} {w}.",
)
_NUMBERS = """two three four five six seven eight nine ten eleven twelve thirteen fifteen twenty
    thirty forty fifty sixty seventy eighty ninety hundred thousand""".split()
_SIMULATOR = 0.3
"""Share of the sentences of the faces' simulator, a fifth of which are of invented words."""


def _list(text: str) -> list[str]:
    return [" ".join(part.split()) for part in text.split(",")]


_FILL = {
    "p": _list(_PEOPLE), "past": _PAST, "s": _SUBJECTS, "does": _DOES, "t": _list(_THINGS),
    "base": [w for line in _BASE for w in ([line] if " for " in line else line.split())
             if w not in {"for", "about", "at", "to", "with"}],
    "w": _list(_WHERE), "when": _list(_WHEN), "h": _list(_HOW), "adj": _ADJECTIVES,
    "open": [o.strip() for o in _list(_OPEN)], "q": _QUESTIONS, "n": _NUMBERS,
}
_FILL["t"] = _FILL["t"] * 2 + [f"the {a} {n}" for a, n in zip(
    VOCABULARY["train"]["adjective"] * 3, VOCABULARY["train"]["noun"], strict=False)]


def text(draw: np.random.Generator) -> str:
    """One or two sentences."""
    first = _one(draw)
    return f"{first} {_one(draw)}" if len(first) < 28 and draw.uniform() < 0.4 else first


def _one(draw: np.random.Generator) -> str:
    while True:
        out = sentence(draw, "train") if draw.uniform() < _SIMULATOR else _filled(draw)
        if out.casefold() not in _JUDGED:
            return out


def _filled(draw: np.random.Generator) -> str:
    out = _PATTERNS[int(draw.integers(len(_PATTERNS)))].replace("{S}", "{s}")
    while "{" in out:
        kind = out[out.index("{") + 1: out.index("}")]
        choices = _FILL[kind]
        out = out.replace("{" + kind + "}", choices[int(draw.integers(len(choices)))], 1)
    return out[0].upper() + out[1:]
