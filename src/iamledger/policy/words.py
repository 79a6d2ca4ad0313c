"""How problems are worded: what was found, shown briefly and printably, and which word was probably meant."""

from __future__ import annotations

import json
from collections.abc import Collection
from difflib import get_close_matches


def clip(text: str, longest: int = 60) -> str:
    """A text, shortened if it is long."""
    return text if len(text) <= longest else text[: longest - 3] + "..."


def quote(text: str) -> str:
    """A text in double quotes, shortened if it is long, with whatever is not printable ASCII escaped as in JSON."""
    return json.dumps(clip(text))


def listed(words: Collection[str], last: str = "or") -> str:
    """Words as a person lists them: `a, b or c`."""
    *rest, final = words
    return f"{', '.join(rest)} {last} {final}" if rest else final


def did_you_mean(word: str, known: Collection[str]) -> str | None:
    """Advice for a word that is not among the known ones, if one of them is close. None for words of no likely length."""
    if len(word) > 64:
        return None
    for candidate in known:
        if candidate.lower() == word.lower():
            return f"write {candidate}: upper and lower case matter"
    close = get_close_matches(word, known, n=1, cutoff=0.7)
    return f"did you mean {close[0]}?" if close else None
