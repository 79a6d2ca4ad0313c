"""Patterns of which some wildcards do not match a colon.

All ways to match are followed at once, as the bits of one number, so that the cost is the text's length times the pattern's
length in machine words, whatever they repeat.
"""

from __future__ import annotations

from collections.abc import Iterable

from iamledger.policy.globs import Part
from iamledger.policy.patterns import Wildcard


def matches_bounded(parts: Iterable[tuple[Part, bool]], text: str) -> bool:
    """Whether a pattern matches. With each part goes whether a wildcard may match a colon."""
    masks: dict[str, int] = {}
    one = one_colon = stay = stay_colon = 0
    length = 0
    for part, colons in parts:
        if part is Wildcard.ANY:
            stay |= 1 << length
            stay_colon |= colons << length
        elif part is Wildcard.ONE:
            one |= 1 << length
            one_colon |= colons << length
            length += 1
        else:
            for character in part:
                masks[character] = masks.get(character, 0) | 1 << length
                length += 1
    state = 1
    for character in text:
        if character == ":":
            state = (state & (masks.get(character, 0) | one_colon)) << 1 | (state & stay_colon)
        else:
            state = (state & (masks.get(character, 0) | one)) << 1 | (state & stay)
        if not state:
            return False
    return bool(state >> length & 1)
