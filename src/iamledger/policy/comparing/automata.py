"""Patterns as automata, of which any number are followed at once, as the bits of one number.

- A pattern is a row of places. At each it goes on by a character, or by any one, and a `*` lets it stay where it is.
  Whether a wildcard takes a colon is what `resource_tests.py` says.
- A variable is a symbol of its own beside the characters: a text of which nothing is known. A pattern that has the variable
  goes on by it, and `*` takes it. So what matches with the symbol matches with any text in its place: patterns with
  variables are taken to match less than they may (`Match.LESS`). Where it is asked what they may match at most
  (`Match.MORE`), a variable is a `*`, and the symbol leads to wherever a text could.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum

from iamledger.policy.patterns import Pattern, Variable, Wildcard
from iamledger.policy.resource_tests import bounds
from iamledger.policy.substitution import Facts, has_variables, substituter

Glob = tuple[tuple[str | Wildcard | Variable, bool], ...]
"""The parts of a pattern, and whether a wildcard there takes a colon."""

Symbol = str | Variable
"""A character, or a variable for a text."""

EVERYTHING: Glob = ((Wildcard.ANY, True),)
EVERY_ACTION: Glob = (
    *((Wildcard.ONE, False), (Wildcard.ANY, False)),
    *((":", False), (Wildcard.ONE, False), (Wildcard.ANY, False)),
)
"""A vendor and a name, of which neither is empty."""


class Match(Enum):
    """Whether a pattern with variables is taken to match less than it may, or more."""

    LESS = "less"
    MORE = "more"


def resource_glob(pattern: Pattern, facts: Facts | None = None) -> Glob | None:
    """A pattern of resources; with facts, which its variables then stand for. None if one is unresolved."""
    if not has_variables(pattern):
        return tuple(bounds(pattern.parts))
    if facts is None:
        others = bounds(pattern.parts)
        return tuple((_folded(part), True) if isinstance(part, Variable) else next(others) for part in pattern.parts)
    parts = substituter(pattern)(facts)
    return None if parts is None else tuple(bounds(parts))


def action_glob(pattern: Pattern) -> Glob:
    """A pattern of actions. `*` is every vendor and name, and names are never empty."""
    if pattern.text in ("*", "*:*"):
        return EVERY_ACTION
    parts: list[tuple[str | Wildcard | Variable, bool]] = [(part, False) for part in pattern.parts]
    if pattern.parts[-1] is Wildcard.ANY and pattern.prefix.endswith(":") and len(parts) == 2:
        parts.insert(1, (Wildcard.ONE, False))
    return tuple(parts)


def text_glob(pattern: Pattern) -> Glob:
    """A pattern of String operators, whose wildcards take whatever there is."""
    return tuple((_folded(part) if isinstance(part, Variable) else part, True) for part in pattern.parts)


def _folded(variable: Variable) -> Variable:
    return replace(variable, key=variable.key.lower())


_START = None


def _bits(places: Sequence[int], length: int) -> int:
    """A number with these bits."""
    found = bytearray(length // 8 + 1)
    for place in places:
        found[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(found, "little")


class Joint:
    """Several patterns, followed at once. A state is the places at which they can be."""

    def __init__(self, less: Sequence[Glob], more: Sequence[Glob] = ()) -> None:
        """`less` and `more` say how variables are taken; patterns are numbered in this order."""
        places: dict[object, list[int]] = defaultdict(list)
        self._ends: list[int] = []
        self._ranges: list[tuple[int, int]] = []
        self.length = 0
        for glob in less:
            self._place(glob, Match.LESS, places)
        for glob in more:
            begin = self.length
            self._place(glob, Match.MORE, places)
            self._ranges.append((begin, self.length))
        bits = {kind: _bits(some, self.length) for kind, some in places.items()}
        self.start = bits.get(_START, 0)
        self._accepting = _bits(self._ends, self.length)
        self._one, self._one_colon = bits.get(Wildcard.ONE, 0), bits.get((Wildcard.ONE, ":"), 0)
        self._stay, self._stay_colon = bits.get(Wildcard.ANY, 0), bits.get((Wildcard.ANY, ":"), 0)
        self.masks = {kind: some for kind, some in bits.items() if isinstance(kind, str)}
        self._variables = {kind: some for kind, some in bits.items() if isinstance(kind, Variable)}

    def _place(self, glob: Glob, match: Match, places: dict[object, list[int]]) -> None:
        """Note at which places which characters, wildcards and variables stand."""
        at = self.length
        places[_START].append(at)
        for part, colons in glob:
            if isinstance(part, str):
                for place, character in enumerate(part, at):
                    places[character].append(place)
                at += len(part)
                continue
            kind = Wildcard.ANY if match is Match.MORE and isinstance(part, Variable) else part
            places[kind].append(at)
            if colons:
                places[kind, ":"].append(at)
            at += kind is not Wildcard.ANY
        self._ends.append(at)
        self.length = at + 1

    def after(self, state: int, symbol: Symbol) -> int:
        """The state that a symbol leads to."""
        if isinstance(symbol, Variable):
            return self._after_variable(state, symbol)
        if symbol == ":":
            return (state & (self.masks.get(symbol, 0) | self._one_colon)) << 1 | (state & self._stay_colon)
        return (state & (self.masks.get(symbol, 0) | self._one)) << 1 | (state & self._stay)

    def _after_variable(self, state: int, variable: Variable) -> int:
        after = (state & self._variables.get(variable, 0)) << 1 | (state & self._stay_colon)
        for begin, end in self._ranges:
            here = state >> begin & ((1 << (end - begin)) - 1)
            if here:
                first = (here & -here).bit_length() - 1
                after |= ((1 << (end - begin)) - (1 << first)) << begin
        return after

    def surely(self, state: int, wildcard: Wildcard) -> int:
        """The state that a wildcard of a text leads to, if only what all of its characters lead to counts."""
        one = state & self._one_colon if wildcard is Wildcard.ONE else 0
        return one << 1 | (state & self._stay_colon)

    def possibly(self, state: int, wildcard: Wildcard) -> int:
        """The state that a wildcard of a text leads to, if whatever one of its characters leads to counts."""
        before = state & ~self._accepting
        if wildcard is Wildcard.ONE:
            return before << 1 | (state & self._stay)
        # Of each pattern, all places from the first one on: what a subtraction at its end carries through.
        carried = self._accepting - before
        return (carried | before) & ~self._accepting | (state & self._accepting) | (self._accepting & ~carried)

    def telling(self, state: int) -> list[str]:
        """The characters that lead elsewhere from a state than others do; the colon aside."""
        return [character for character, mask in self.masks.items() if state & mask and character != ":"]

    def matched(self, state: int) -> frozenset[int]:
        """The numbers of the patterns that match what has led to a state."""
        if not state & self._accepting:
            return frozenset()
        digits = f"{state:b}"[::-1]
        return frozenset(number for number, end in enumerate(self._ends) if digits[end : end + 1] == "1")

    def matching(self, text: str) -> frozenset[int]:
        """The numbers of the patterns that match a text."""
        state = self.start
        for character in text:
            state = self.after(state, character)
        return self.matched(state)

    def accepting(self, state: int) -> int:
        """Which patterns match, as one number that is the same for the same patterns."""
        return state & self._accepting
