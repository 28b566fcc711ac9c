"""What a prompt or an event asks for, in words that the world can follow.

The text encoder of the checkpoint tags every word; what it tags as unknown is reported, never
silently dropped: "understood: dusk, light fog; not: dragon".
"""

from __future__ import annotations

import difflib
import functools
from dataclasses import dataclass, field

import torch

from .errors import CheckpointError, GWMError
from .model.text import HEADS, TAGS, TextEncoder, encode_words, split_words

TIMES = ("day", "dusk", "night")
LAMPS = ("lamps off", "lamps on")
FOGS = ("no fog", "light fog", "dense fog")
FLOORS = ("wood", "stone", "tile", "carpet", "metal", "plaster")
COLOURS = ("red", "blue", "green", "yellow", "purple", "white", "orange")
MAX_TEXT = 2000
#: how sure the encoder must be of a word that it never saw
SURE = 0.9
_FILLER = {"glue"}


@dataclass(frozen=True)
class Thing:
    """Movable things that were asked for: kind "ball" or "box", a colour or None, how many."""

    kind: str
    colour: str | None
    count: int

    def __str__(self) -> str:
        name = self.kind if self.count == 1 else {"ball": "balls", "box": "boxes"}[self.kind]
        return " ".join(filter(None, (str(self.count), self.colour, name)))


@dataclass(frozen=True)
class Understanding:
    """What was understood of a text.

    attributes: theme, time, lamps, fog, floor, balls, ball_colour, boxes; indexes of the
    catalogue, counts or a colour's name, None where nothing was said. things: the movable things
    one by one. change: of the attributes, those that were said and that a running world can
    follow (time, lamps, fog, ball). understood, ignored: for the reader.
    """

    attributes: dict
    things: tuple[Thing, ...] = ()
    change: dict = field(default_factory=dict)
    understood: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """One line, for example "understood: dusk, light fog; not: dragon"."""
        parts = []
        if self.understood:
            parts.append("understood: " + ", ".join(self.understood))
        if self.ignored:
            parts.append("not: " + ", ".join(self.ignored))
        return "; ".join(parts) or "nothing was asked for"


class Understander:
    """Reads prompts and events with a trained text encoder."""

    def __init__(self, model: TextEncoder, themes: tuple[str, ...], words=()) -> None:
        if len(themes) + 1 > HEADS["theme"]:
            raise CheckpointError(f"text encoder: {len(themes)} themes do not fit")
        self.model = model.float().eval()
        self.themes = themes
        self.words = frozenset(words)

    @classmethod
    def from_tensors(cls, tensors: dict[str, torch.Tensor], config: dict) -> Understander:
        """From the tensors and the config ("themes", widths) that training wrote."""
        model = TextEncoder(config.get("width", 64), config.get("grams_width", 48))
        try:
            model.load_state_dict({k: v.float() for k, v in tensors.items()})
        except RuntimeError as error:
            raise CheckpointError(f"text encoder: {error}") from None
        return cls(model, tuple(config["themes"]), config.get("words", ()))

    @torch.no_grad()
    def tag(self, text: str):
        """Words, their tags, and the value of each head (0: not said)."""
        words = split_words(text)
        if not words:
            return [], [], dict.fromkeys(HEADS, 0)
        out = self.model(encode_words([words]))
        sure, best = torch.softmax(out["tags"][0], -1).max(-1)
        tags = []
        for word, p, k in zip(words, sure.tolist(), best.tolist(), strict=True):
            # A word never seen is believed where it is built from a known one.
            plain = TAGS[k] not in _FILLER and p > SURE and self._built_from_known(word)
            tags.append(TAGS[k] if plain or self._familiar(word) else "unknown")
        values = {name: int(out[name][0].argmax()) for name in HEADS}
        return words, tags, values

    @functools.lru_cache(maxsize=4096)  # noqa: B019 - one encoder lives as long as its model
    def _familiar(self, word: str) -> bool:
        """Whether a word was learned, or is near enough to one (an inflection, a slip)."""
        if not self.words or word in self.words:
            return True
        if len(word) < 4:
            return word.isdigit()
        return bool(difflib.get_close_matches(word, self.words, 1, 0.78))

    def _built_from_known(self, word: str) -> bool:
        """Whether a word holds a known word of four letters or begins like a longer one."""
        return any(
            (len(known) > 3 and known in word) or (len(known) > 5 and known[:5] == word[:5])
            for known in self.words
        )

    @torch.no_grad()
    def embed(self, text: str) -> torch.Tensor:
        """A summary of the text for other networks, f32 [width]."""
        return self.model(encode_words([split_words(text)]))["pooled"][0]

    def understand(self, text: str, event: bool = False) -> Understanding:
        """Reads a prompt or an event; GWMError when it is no text or far too long.

        Of an ``event`` only what a running world can follow counts as understood: light, fog and
        balls; rooms, floors and boxes stand where they are.
        """
        if not isinstance(text, str):
            raise GWMError(f"prompt: got {type(text).__name__}; text is accepted")
        if len(text) > MAX_TEXT:
            raise GWMError(f"prompt: {len(text)} characters; at most {MAX_TEXT} are accepted")
        words, tags, values = self.tag(text)
        # A value counts only where some word speaks of it.
        said = {name: values[name] - 1 if name in tags and values[name] else None
                for name in HEADS}
        if said["theme"] is not None and said["theme"] >= len(self.themes):
            said["theme"] = None
        things = tuple(_things(words, tags))
        understood = []
        for name, names in (("theme", self.themes), ("time", TIMES), ("lamps", LAMPS),
                            ("fog", FOGS), ("floor", tuple(f"{f} floor" for f in FLOORS))):
            if said[name] is not None:
                understood.append(names[said[name]])
        understood += [str(t) for t in things]
        ignored = _unknown(words, tags)
        if event:
            fixed = [t for t in understood if t not in TIMES + LAMPS + FOGS and "ball" not in t]
            understood = [t for t in understood if t not in fixed]
            ignored = fixed + ignored
        balls = [t for t in things if t.kind == "ball"]
        boxes = [t for t in things if t.kind == "box"]
        colours = {t.colour for t in balls}
        attributes = {
            **said,
            "balls": sum(t.count for t in balls) or None,
            "ball_colour": colours.pop() if len(colours) == 1 else None,
            "boxes": sum(t.count for t in boxes) or None,
        }
        change = {k: said[k] for k in ("time", "lamps", "fog") if said[k] is not None}
        if balls:
            change["ball"] = sum(t.count for t in balls)
        return Understanding(attributes, things, change, understood, ignored)


def _unknown(words, tags) -> list[str]:
    """Words that mean nothing here; neighbours are named together, each only once."""
    out: list[str] = []
    current: list[str] = []
    for word, tag in [*zip(words, tags, strict=True), ("", "glue")]:
        if tag == "unknown":
            current.append(word)
            continue
        if current and " ".join(current) not in out:
            out.append(" ".join(current))
        current = []
    return out


def _things(words, tags):
    """Counts and colours belong to the next ball or box; a run of other words breaks the tie."""
    count, colour, quiet = None, None, 0
    for word, tag in zip(words, tags, strict=True):
        if tag.startswith("count"):
            count, quiet = int(tag[5:]), 0
        elif tag in COLOURS:
            colour, quiet = tag, 0
        elif tag in ("ball", "box"):
            plural = word.endswith(("s", "xes")) and not word.endswith("ss")
            yield Thing(tag, colour, count or (2 if plural else 1))
            count, colour, quiet = None, None, 0
        elif tag in _FILLER:
            quiet += 1
            if quiet > 3:
                count, colour = None, None
        else:
            count, colour, quiet = None, None, 0
