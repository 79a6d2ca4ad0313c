"""Many entries with the same action, divided by the pieces that must stand in their resources.

The pieces are words first: runs of letters and digits with something else, or nothing, on both sides. Where patterns have no
word to tell them apart, pieces are all runs of three characters. Each entry is held under its rarest piece, and a resource
finds what is held under the pieces that it has.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from iamledger.policy.entries import FEW, Entry, Placed
from iamledger.policy.patterns import Pattern

GRAM = 3
_WORD = re.compile("[0-9A-Za-z]+")


class ByPiece:
    """Entries by their rarest piece. `rest` are those that have none."""

    __slots__ = ("_by_piece", "_pieces", "_rest")

    def __init__(self, pieces: Callable[[str], Iterable[str]], by_piece: dict[str, list[Entry]], rest: Pile) -> None:
        self._pieces, self._by_piece, self._rest = pieces, by_piece, rest

    def select(self, resource: str) -> Sequence[Entry]:
        """Those that could match."""
        found = self._rest.select(resource) if isinstance(self._rest, ByPiece) else self._rest
        for piece in self._by_piece.keys() & self._pieces(resource):
            found = (*found, *self._by_piece[piece]) if found else self._by_piece[piece]
        return found


Pile = tuple[Entry, ...] | ByPiece


def pile(placed: Sequence[Placed]) -> Pile:
    """Entries, divided as far as they can be."""
    return _divided(placed, [(_words, _words_of), (_grams, _grams_of)])


def _divided(placed: Sequence[Placed], ways: Sequence[tuple[_OfText, _OfPattern]]) -> Pile:
    if len(placed) <= FEW or not ways:
        return tuple(entry for _, entry in placed)
    (of_text, of_pattern), *others = ways
    pieces = [of_pattern(pattern) if pattern else set[str]() for pattern, _ in placed]
    often = Counter(piece for some in pieces for piece in some)
    by_piece: dict[str, list[Entry]] = defaultdict(list)
    rest: list[Placed] = []
    for one, some in zip(placed, pieces, strict=True):
        rarest = min(some, key=lambda piece: (often[piece], piece), default="")
        if rarest and often[rarest] * 4 <= len(placed):
            by_piece[rarest].append(one[1])
        else:
            rest.append(one)
    if len(by_piece) <= FEW:
        return _divided(placed, others)
    return ByPiece(of_text, dict(by_piece), _divided(rest, others))


_OfText = Callable[[str], Iterable[str]]
_OfPattern = Callable[[Pattern], set[str]]


def _words(text: str) -> Iterable[str]:
    return _WORD.findall(text)


def _words_of(pattern: Pattern) -> set[str]:
    """The words that stand in all that a pattern matches."""
    found: set[str] = set()
    for index, part in enumerate(pattern.parts):
        if isinstance(part, str):
            for word in _WORD.finditer(part):
                begins = word.start() > 0 or index == 0
                ends = word.end() < len(part) or index == len(pattern.parts) - 1
                if begins and ends:
                    found.add(word.group())
    return found


def _grams(text: str) -> Iterable[str]:
    return {text[at : at + GRAM] for at in range(len(text) - GRAM + 1)}


def _grams_of(pattern: Pattern) -> set[str]:
    return {gram for part in pattern.parts if isinstance(part, str) for gram in _grams(part)}
