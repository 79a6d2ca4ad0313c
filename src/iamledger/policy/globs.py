"""Wildcards: whether a text is one that a pattern stands for.

A pattern is cut at its `*`s into chunks of fixed length. The first chunk must stand at the beginning, the last at the end,
and each between them is taken where it first occurs: taking it later never helps. So nothing is ever tried twice, and there
are no regular expressions. `*` is any number of characters, newlines among them, `?` exactly one (rules 19, 21 and 23).

A chunk with `?`s is looked for by its longest literal; if that occurs often in vain, by a bit-parallel scan, whose cost does
not depend on what the text repeats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from iamledger.policy.patterns import Wildcard

Part = str | Wildcard
Test = Callable[[str], bool]

TRIES = 64
"""After so many places where a chunk did not fit, the scan takes over."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What stands between two `*`s: literals at offsets, with `?`s in the rest of the length."""

    length: int
    pieces: tuple[tuple[int, str], ...]

    def fits(self, text: str, at: int) -> bool:
        """Whether it stands at a place that leaves room for it."""
        for offset, piece in self.pieces:  # noqa: SIM110 - a generator takes twice as long
            if not text.startswith(piece, at + offset):
                return False
        return True

    def find(self, text: str, start: int, end: int) -> int:
        """Where it first stands between two offsets, or -1."""
        if not self.pieces:
            return start if start + self.length <= end else -1
        offset, longest = self.pieces[0]
        if len(longest) == self.length:
            return text.find(longest, start, end)
        offset, longest = max(self.pieces, key=lambda piece: len(piece[1]))
        latest = end - self.length
        for _ in range(TRIES):
            start = text.find(longest, start + offset, latest + offset + len(longest)) - offset
            if start < 0 or start > latest or self.fits(text, start):
                return start if 0 <= start <= latest else -1
            start += 1
        return self._scan(text, start, end)

    def _scan(self, text: str, start: int, end: int) -> int:
        everywhere = (1 << self.length) - 1
        masks: dict[str, int] = {}
        for offset, piece in self.pieces:
            everywhere &= ~(((1 << len(piece)) - 1) << offset)
            for place, character in enumerate(piece, offset):
                masks[character] = masks.get(character, 0) | 1 << place
        state, goal = 0, 1 << (self.length - 1)
        for at in range(start, end):
            state = (state << 1 | 1) & (masks.get(text[at], 0) | everywhere)
            if state & goal:
                return at + 1 - self.length
        return -1


def chunks(parts: Iterable[Part]) -> list[Chunk]:
    """The chunks of a pattern: one more than it has `*`s."""
    found: list[Chunk] = []
    length = 0
    pieces: list[tuple[int, str]] = []
    for part in (*parts, Wildcard.ANY):
        if part is Wildcard.ANY:
            found.append(Chunk(length, tuple(pieces)))
            length, pieces = 0, []
        elif part is Wildcard.ONE:
            length += 1
        elif part:
            pieces.append((length, part))
            length += len(part)
    return found


def matches(pattern: Sequence[Chunk], text: str) -> bool:
    """Whether a text is one that the chunks stand for."""
    first, last = pattern[0], pattern[-1]
    if len(pattern) == 1:
        return len(text) == first.length and first.fits(text, 0)
    at, end = first.length, len(text) - last.length
    if at > end or not first.fits(text, 0) or not last.fits(text, end):
        return False
    for chunk in pattern[1:-1]:
        if (place := chunk.find(text, at, end)) < 0:
            return False
        at = place + chunk.length
    return True


def glob(parts: Sequence[Part]) -> Test:
    """The test of a pattern, as simple as the pattern is."""
    pattern = chunks(parts)
    literals = [_literal(chunk) for chunk in pattern]
    if len(pattern) == 1 and (only := literals[0]) is not None:
        return only.__eq__
    known = [literal for literal in literals if literal is not None]
    if len(known) == len(pattern) == 2:
        return _between(*known)
    if len(known) == len(pattern) == 3:
        return _around(*known)
    return lambda text: matches(pattern, text)


def _around(head: str, middle: str, tail: str) -> Test:
    start, least = len(head), len(tail)
    return lambda text: (
        text.startswith(head) and text.endswith(tail) and text.find(middle, start, len(text) - least) >= 0
    )


def _literal(chunk: Chunk) -> str | None:
    if chunk.length == 0:
        return ""
    return chunk.pieces[0][1] if chunk.pieces and len(chunk.pieces[0][1]) == chunk.length else None


def _between(head: str, tail: str) -> Test:
    if not tail:
        return lambda text: text.startswith(head)
    if not head:
        return lambda text: text.endswith(tail)
    shortest = len(head) + len(tail)
    return lambda text: len(text) >= shortest and text.startswith(head) and text.endswith(tail)
