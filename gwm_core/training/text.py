"""Trains the text encoder on sentences composed from a vocabulary (see vocabulary).

Every word's tag is known from how the sentence was made. Typing errors, invented words and word
dropout keep the net from relying on exact spelling.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from ..model.text import HEADS, TAGS, TextEncoder, encode_words, split_words
from . import vocabulary as v

_TAG = {name: k for k, name in enumerate(TAGS)}
_THEME_NAMES = tuple(v.THEMES)
_SYLLABLES = (
    "ka zo mi rel tan bru fi shu gor lem pa xi vul do quin bel ra tho zy nak ol wim".split()
)


class _Sentence:
    """Words with tags, and the sentence's attribute values."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.tags: list[int] = []
        self.values = dict.fromkeys(HEADS, 0)

    def say(self, phrase: str, default: str = "glue") -> None:
        """Adds a phrase; words may carry a tag after a slash."""
        for piece in phrase.split():
            word, _, tag = piece.partition("/")
            for part in split_words(word):
                self.words.append(part)
                self.tags.append(_TAG[tag or default])


class Composer:
    """Makes random tagged sentences; ``held_in`` filters nothing, wording is the vocabulary's."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.Generator(np.random.Philox(key=seed))

    def pick(self, options):
        return options[int(self.rng.integers(len(options)))]

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def sentence(self) -> _Sentence:
        """A prompt (two of three) or an event."""
        return self.event() if self.chance(0.33) else self.prompt()

    def _unknown_word(self) -> str:
        if self.chance(0.3):
            count = int(self.rng.integers(2, 4))
            return "".join(self.pick(_SYLLABLES) for _ in range(count))
        return self.pick(v.UNKNOWN)

    def _theme(self, s: _Sentence) -> None:
        k = int(self.rng.integers(len(_THEME_NAMES)))
        adjectives, nouns, descriptions = v.THEMES[_THEME_NAMES[k]]
        s.values["theme"] = k + 1
        adjective, noun = self.pick(adjectives.split()), self.pick(nouns.split())
        r = self.rng.random()
        if self.chance(0.6):
            s.say(self.pick(("a", "an", "the", "in a", "inside a", "this", "")))
        if self.chance(0.25):
            s.say(self.pick(("small", "large", "quiet", "old", "cosy", "big", "empty", "narrow",
                             "spacious", "warm", "bright", "beautiful", "long", "dim")))
        if r < 0.2:
            s.say(_THEME_NAMES[k], "theme")
        elif r < 0.35:
            s.say(adjective, "theme")
            s.say(noun, "theme")
        elif r < 0.45:  # the material decides, whatever room it is said of
            s.say(adjective, "theme")
            other = self.pick(v.THEMES[self.pick(_THEME_NAMES)][1].split())
            s.say(other, "theme")
        elif r < 0.6:
            s.say(adjective, "theme")
            s.say(self.pick(v.PLACES))
        elif r < 0.75:
            s.say(noun, "theme")
        elif r < 0.9:
            if self.chance(0.5):
                s.say(self.pick(v.PLACES) + " with")
            s.say(self.pick(descriptions))
        else:
            s.say(noun, "theme")
            s.say(self.pick(("with", "of", "made of", "in")))
            s.say(adjective, "theme")
            if self.chance(0.5):
                s.say("walls", "theme")

    def _things(self, s: _Sentence) -> None:
        count = int(self.rng.integers(1, 5))
        ball = self.chance(0.5)
        if self.chance(0.85):
            s.say(self.pick(v.COUNTS[count].split()), f"count{count}")
            if s.words[-1] in ("pair", "couple") and self.chance(0.8):
                s.say("of")
        if self.chance(0.2):
            s.say(self.pick(("small", "big", "large", "tiny", "heavy", "round", "shiny", "little")))
        if self.chance(0.65):
            colour = self.pick(tuple(v.COLOURS))
            s.say(self.pick(v.COLOURS[colour].split()), colour)
        s.say(self.pick((v.BALLS if ball else v.BOXES).split()), "ball" if ball else "box")
        if self.chance(0.25):
            s.say(self.pick(("on the floor", "in the corner", "near the door", "by the window",
                             "in the middle", "in front of us", "next to it", "lying around")))

    def _unknown(self, s: _Sentence) -> None:
        s.say(self.pick(("a", "the", "with a", "and a", "some", "and", "full of", "in the style of",
                         "by", "like a", "")))
        for _ in range(int(self.rng.integers(1, 3))):
            s.say(self._unknown_word(), "unknown")

    def prompt(self) -> _Sentence:
        """A description of a room, its parts in any order."""
        s = _Sentence()
        parts = []
        if self.chance(0.85):
            parts.append(lambda: self._theme(s))
        else:
            parts.append(lambda: s.say("a " + self.pick(v.PLACES)))
        for name, table, share in (("time", v.TIMES, 0.5), ("lamps", v.LAMPS, 0.35),
                                   ("fog", v.FOGS, 0.4), ("floor", v.FLOORS, 0.2)):
            if self.chance(share):
                value = self.pick(tuple(table))

                def add(name=name, table=table, value=value):
                    s.values[name] = value
                    if name == "floor":
                        s.say(self.pick(("with", "and", "on", "over", "")))
                    s.say(self.pick(table[value]))

                parts.append(add)
        if self.chance(0.5):
            for _ in range(int(self.rng.integers(1, 4))):
                def things():
                    s.say(self.pick(("with", "and", "there is", "there are", "holding", "", "")))
                    self._things(s)

                parts.append(things)
        if self.chance(0.35):
            for _ in range(int(self.rng.integers(1, 3))):
                parts.append(lambda: self._unknown(s))
        if self.chance(0.4):
            order = self.rng.permutation(len(parts))
            parts = [parts[int(i)] for i in order]
        for part in parts:
            part()
            if self.chance(0.3):
                s.say(self.pick(v.GLUE))
        return s

    def event(self) -> _Sentence:
        """Something that happens, sometimes two things."""
        s = _Sentence()
        if self.chance(0.12):
            if self.chance(0.3):
                s.say(self.pick(("suddenly", "now", "then", "put", "add", "throw in")))
            self._things(s)
            s.say(self.pick(v.APPEARS))
            return s
        keys = list(v.EVENTS)
        for k in range(2 if self.chance(0.25) else 1):
            name, value = self.pick(keys)
            if s.values[name]:
                continue
            if k:
                s.say(self.pick(("and", "and then", "while")))
            s.values[name] = value
            s.say(self.pick(v.EVENTS[name, value]))
        if self.chance(0.15):
            s.say(self.pick(("and", "there is", "with", "add", "put")))
            self._things(s)
        if self.chance(0.2):
            self._unknown(s)
        if self.chance(0.2):
            s.say(self.pick(v.GLUE))
        return s

    def misspell(self, words: list[str]) -> list[str]:
        """One letter in a long word dropped, doubled or swapped, in one word of fifteen."""
        out = []
        for word in words:
            if len(word) > 4 and self.chance(0.07):
                i = int(self.rng.integers(1, len(word) - 1))
                word = self.pick((word[:i] + word[i + 1:], word[:i] + word[i] + word[i:],
                                  word[:i] + word[i + 1] + word[i] + word[i + 2:]))
            out.append(word)
        return out


def _simulator_sentence(composer: Composer) -> _Sentence:
    """A prompt or event in the simulator's own training words: values known, tags not."""
    from ..simulators.rooms.prompts import sample_event, sample_prompt

    s = _Sentence()
    if composer.chance(0.4):
        text, change = sample_event(composer.rng, "train")
    else:
        text, change = sample_prompt(composer.rng, split="train")
    s.say(text.replace("/", " "))
    s.tags = [-100] * len(s.words)
    for name in HEADS:
        if change.get(name) is not None:
            s.values[name] = int(change[name]) + 1
    return s


def _simulator_words() -> set[str]:
    """Words of the simulator's training prompts and events."""
    from ..simulators.rooms.prompts import sample_event, sample_prompt

    rng = np.random.Generator(np.random.Philox(key=11))
    words: set[str] = set()
    for _ in range(1500):
        words.update(split_words(sample_prompt(rng, split="train")[0]))
        words.update(split_words(sample_event(rng, "train")[0]))
    return words


def batch(composer: Composer, size: int, simulator: float = 0.15):
    """ids [B, L, G], tags [B, L] (-100: padding or unknown), values {head: [B]}.

    ``simulator``: share of sentences in the simulator's training words.
    """
    sentences = []
    while len(sentences) < size:
        own = simulator > 0 and composer.chance(simulator)
        s = _simulator_sentence(composer) if own else composer.sentence()
        if 0 < len(s.words) <= 40:
            sentences.append(s)
    ids = encode_words([composer.misspell(s.words) for s in sentences])
    tags = torch.full(ids.shape[:2], -100)
    for b, s in enumerate(sentences):
        tags[b, : len(s.tags)] = torch.tensor(s.tags)
    values = {name: torch.tensor([s.values[name] for s in sentences]) for name in HEADS}
    return ids, tags, values


def train(out, seed: int = 0, minutes: float = 15.0, steps: int = 900, log=print) -> dict:
    """Trains and writes ``out`` (safetensors, fp16 tensors); returns figures.

    Stops at ``steps`` or after ``minutes``, whichever comes first; the same seed and number of
    steps give the same weights.
    """
    torch.manual_seed(seed)
    model = TextEncoder()
    composer = Composer(seed)
    optimiser = torch.optim.AdamW(model.parameters(), 4e-3, weight_decay=1e-3)
    began = time.monotonic()
    done = 0
    for step in range(steps):
        share = max(step / steps, (time.monotonic() - began) / (60 * minutes))
        if share >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = 4e-3 * min(1.0, step / 50) * (1 - share) ** 0.7
        ids, tags, values = batch(composer, 96)
        # Some pieces of words are dropped, so that others carry the meaning too.
        ids = ids * (torch.rand(ids.shape) > 0.15)
        outputs = model(ids)
        loss = torch.nn.functional.cross_entropy(
            outputs["tags"].flatten(0, 1), tags.flatten(), ignore_index=-100)
        for name, target in values.items():
            loss = loss + 0.5 * torch.nn.functional.cross_entropy(outputs[name], target)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        done = step + 1
        if step % 200 == 0:
            log(f"text {step} loss {float(loss.detach()):.3f}")
    figures = measure(model, seed + 1000)
    figures["steps"] = done
    tensors = {k: t.half().contiguous() for k, t in model.state_dict().items()}
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, str(out), metadata={
        "config": json.dumps({"part": "text", **model.config, "themes": list(_THEME_NAMES),
                              "words": sorted(v.all_words() | _simulator_words())}),
        "figures": json.dumps(figures)})
    log(f"text {figures}")
    return figures


@torch.no_grad()
def measure(model: TextEncoder, seed: int) -> dict:
    """Accuracies on fresh sentences of the same vocabulary."""
    ids, tags, values = batch(Composer(seed), 1500, 0.0)
    outputs = model(ids)
    real = tags >= 0
    result = {"tags": float((outputs["tags"].argmax(-1)[real] == tags[real]).float().mean())}
    for name, target in values.items():
        result[name] = float((outputs[name].argmax(-1) == target).float().mean())
    return {k: round(x, 4) for k, x in result.items()}
