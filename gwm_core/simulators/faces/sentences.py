"""What is said: English sentences by seed, from vocabularies that training and test do not share.

Only function words (the, and, of, ...) are common to both. A share of the sentences is made of
invented words, so that every sound meets every other.
"""

from __future__ import annotations

import numpy as np

SPLITS = ("train", "held")

_TRAIN = {
    "noun": """baby basket beach bird boat bottle bridge brother butter button camera candle
        castle chair cheese chicken church circle cloud coffee copper corner cousin crowd
        dancer daughter doctor dragon engine family farmer father feather fever field finger
        fire flower forest fountain garden giraffe glove harbour heaven horse hotel island
        jacket journey judge kitchen ladder lemon letter lobster machine magnet market meadow
        mirror money monkey moon mother mountain mouth museum music needle neighbour number
        ocean onion orchard oven paint painter palace paper parrot peach pencil pepper piano
        picture pillow pilot pirate planet pocket poem pool potato power puppet puzzle rabbit
        rainbow river robot rocket roof sailor salmon sandwich shadow shepherd shoulder silver
        sister soldier sparrow spoon station storm summer sugar teacher thunder tiger tower
        treasure tulip turtle uncle valley velvet village violin voice wagon waiter wallet
        water weather whistle window winter wizard wolf woman wool yoghurt youth zebra""",
    "verb": """admires bakes believes borrows bounces breaks brings brushes buys calls carries
        catches chases chooses climbs collects covers discovers draws drops feeds fills finds
        fixes follows forgets gathers guards hears helps hides hopes imagines invites jumps
        kicks knows laughs leaves lifts loses loves makes measures meets misses moves needs
        observes opens owes paints praises prefers promises pulls pushes reads remembers
        repairs saves sees sells shows sings throws touches visits walks wants washes watches
        wonders writes""",
    "adjective": """ancient awful beautiful big blue brave broken busy careful cheap clever
        cold curious dark deep early easy empty famous fast foolish fresh funny gentle golden
        good green happy heavy honest huge hungry icy large lazy little lonely loud mad
        marvellous modern new noisy old orange perfect playful pretty proud purple quick quiet
        rare rough round rusty serious sharp shy slow smooth soft sour strange strong sweet
        tall thick thin tiny tired unusual warm weak white wide wild wise wonderful yellow
        young""",
    "place": """Bombay Boston Cairo Chicago Dover Florida Geneva Havana Jamaica Kenya London
        Madrid Moscow Norway Oslo Paris Peru Rome Siberia Tokyo Vienna Warsaw""",
    "when": """after breakfast, before midnight, every morning, in February, last weekend, on
        Thursday, once a month, this afternoon, tomorrow evening, twice a year""",
}
_HELD = {
    "noun": """acrobat alphabet apple apron beaver bishop blanket boulder breeze bubble bucket
        cabbage carpet cave cellar champion chimney cobweb compass cottage cradle cushion deer
        diamond dolphin drummer earth elbow elephant emperor envelope eyebrow fable fiddle
        flame flute fog fox fur gallery ghost goose grape grandmother hammer hedge helmet honey
        iron jewel jungle kettle lantern leaf lizard map marble mayor mushroom moth nephew
        notebook oak olive owl oyster peanut pearl piper plum polar pony porridge prince
        pyramid queen raven ribbon ruby saddle seashell shelf shower snowman squirrel stove
        swan syrup thief thumb toad trumpet tunnel umbrella vase vulture walnut weaver whale
        wheel wife witch worm yacht""",
    "verb": """aims answers arrives balances begs blames boils builds burns chews claims combs
        cooks counts crosses delivers digs drives enjoys explains fears fetches folds gives
        grabs greets grows hugs joins keeps kisses knocks learns listens mixes notices obeys
        orders peels picks plants polishes pours proves rubs serves shares shaves smells stirs
        swallows teaches thanks trusts views waves weighs whispers wipes worries""",
    "adjective": """amber bitter blind bold bright calm clumsy crooked damp dusty eager fair
        fearless fluffy frozen furious generous grey grumpy hollow jolly kind loyal lucky mild
        muddy narrow nervous odd pale patient plain polite poor royal shallow shiny silent
        simple sleepy smart steep stubborn sturdy thirsty thoughtful ugly violet wealthy weird
        wet wooden worthy""",
    "place": """Alaska Athens Berlin Bologna Denver Egypt Finland Glasgow Hawaii Iceland Korea
        Lisbon Mumbai Naples Prague Sweden Toronto Venice""",
    "when": """after lunch, at noon, before sunrise, by Monday, each spring, in August, most
        nights, next week, on Wednesday, over there""",
}
_PATTERNS = (
    "The {adjective} {noun} {verb} the {noun}.",
    "My {noun} {verb} a {adjective} {noun} {when}.",
    "A {noun} from {place} {verb} the {adjective} {noun}.",
    "Why does the {noun} look so {adjective}?",
    "{when}, the {noun} {verb} {adjective} {noun} and {noun}.",
    "Who {verb} the {noun} of {place}?",
    "In {place}, a {adjective} {noun} {verb} every {noun}.",
    "The {noun} and the {noun}, both {adjective}, were in {place} {when}.",
    "Oh, what a {adjective} {noun}!",
    "{noun}, {noun}, {noun}, and {noun}.",
    "You and I, we {adjective} people of {place}.",
    "If the {noun} {verb} you, the {adjective} {noun} {verb} me.",
    "Yes! The {noun} {verb} it {when}.",
    "That is a {adjective}, {adjective} {noun}.",
)
_ONSETS = ("p", "b", "m", "f", "v", "w", "th", "sh", "ch", "s", "z", "t", "d", "n", "l", "r", "k",
           "g", "h", "y", "j", "pl", "br", "fr", "sl", "st", "sp", "sm", "tw", "gl")
_MIDDLES = ("a", "e", "i", "o", "u", "oo", "ee", "ow", "ay", "aw", "oy", "ar", "or")
_ENDS = ("", "", "", "m", "p", "b", "f", "v", "n", "l", "s", "t", "th", "sh", "k")
INVENTED = 0.2
"""Share of sentences of invented words."""


def _lists(split: str) -> dict[str, list[str]]:
    chosen = _TRAIN if split == "train" else _HELD
    return {kind: [" ".join(w.split()) for w in text.split("," if kind == "when" else None)]
            for kind, text in chosen.items()}


VOCABULARY = {split: _lists(split) for split in SPLITS}


def sentence(draw: np.random.Generator, split: str) -> str:
    """One sentence of ``split``'s vocabulary, of 2 to 12 words."""
    if draw.uniform() < INVENTED:
        return _invented(draw)
    words = VOCABULARY[split]
    out = _PATTERNS[int(draw.integers(len(_PATTERNS)))]
    while "{" in out:
        kind = out[out.index("{") + 1: out.index("}")]
        out = out.replace("{" + kind + "}", words[kind][int(draw.integers(len(words[kind])))], 1)
    return out[0].upper() + out[1:]


def _invented(draw: np.random.Generator) -> str:
    """3 to 6 words that are none."""
    def one(parts: tuple[str, ...]) -> str:
        return parts[int(draw.integers(len(parts)))]

    words = ["".join(one(_ONSETS) + one(_MIDDLES) for _ in range(draw.integers(1, 4)))
             + one(_ENDS) for _ in range(draw.integers(3, 7))]
    return " ".join(words).capitalize() + "."
