"""What somebody probably meant by a name that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that is most like ``word``, whatever the case; None where none is."""
    by_folded = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(word.strip().casefold(), by_folded, 1, 0.6)
    return by_folded[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """"; did you mean Ada?", or nothing."""
    near = nearest(word, known)
    return f"; did you mean {near}?" if near else ""


def listed(names: Iterable[str], most: int = 24) -> str:
    """"a, b, c", or the first ones and how many more."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more if names else "none"


def shortened(text: str, most: int = 40) -> str:
    """A text in a message: one line, cut where it is long."""
    text = " ".join(str(text).split())
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
