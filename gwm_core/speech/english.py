"""Whether text is English: by its commonest words and by what the dictionary knows."""

from __future__ import annotations

from ..errors import VideoError
from . import g2p

_COMMON = frozenset("""a about after again all always am an and another any are as at away back be
    because been before but by can can't come could day did didn't do does doesn't don't down each
    even ever every first for from get give go going good got had has have he her here him his how
    i i'll i'm i've if in into is isn't it it's its just know let let's like little long look made
    make man many may me might more much must my need never new no not nothing now of off oh okay
    old on one only or other our out over people please right said say see she should so some
    something still such take tell than thank that that's the their them then there these they
    thing think this those time to too two under until up us very want was wasn't way we we're well
    went were what what's when where which while who why will with without won't would yeah yes
    yet you you're your""".split())
"""Words of which nearly every English sentence has one."""
_FOREIGN = frozenset("""aber alle als auch auf aus avec bei beim bien bir boa bom bu che chi
    comme como cosa da dans das dat de dei del della dem den der deze di dich die dit dla dos du
    ein eine einen el ella en er es esta este est et eu fait fue gli haben hai han har hay het
    hier hij ich ihr il ils ist ja je jest jeg jestem kan kein kein les leur lo los ma mais mam
    mehr mein mich mig mir mit moi mon muy nach nao ne nein nen nicht nie niet non nous och oder
    og oder og ona ou para parce pas per pero piu por porque pour qu que quelle quem qui ron se
    sehr sein sembra sem sich sie sind sobre som sono sont sua sur tak te tres tu um uma un una
    und unter une vas vous waren wat was wie wir yo zu zum""".split()) - _COMMON
"""Commonest words of other languages in the same letters."""
FEWEST = 3
"""Fewer words than these may be a name or a cry and are read as they are."""


def check_english(text: str, words: list[str]) -> None:
    """VideoError unless ``words`` (as they are said, of ``text``) are some, and English."""
    if not words:
        raise VideoError(f"script: {text!r} has no word to say; English text is accepted"
                         if text.strip() else "script: it is empty; a line of English is accepted")
    low = [w.lower() for w in words]
    if len(low) < FEWEST:
        return
    common = sum(w in _COMMON for w in low)
    foreign = sum(w in _FOREIGN for w in low)
    # a name is no sign of another language
    strange = sum(not g2p.known(w) and w == w.lower() for w in words)
    other = foreign >= max(common, 1) and (strange or foreign > 2)
    if other or strange * 2 > len(words):
        raise VideoError(f"script: {text[:60]!r} does not read as English ({strange} of "
                         f"{len(words)} words are in no dictionary, {foreign} are common in other "
                         "languages); English text is accepted")
