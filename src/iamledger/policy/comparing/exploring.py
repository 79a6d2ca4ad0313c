"""Following patterns through all that one of them matches: which sets of the others match there, with a text for each.

It goes breadth first, so that each text is a shortest one. Of the characters that no pattern names, one stands for all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import count

from iamledger.policy.comparing.automata import Glob, Joint, Symbol
from iamledger.policy.patterns import Variable, Wildcard

STEPS = 400_000
_PATIENCE = 4_000
WIDE = 2_048
"""Places of a state beyond which a step counts more."""
_PREFERRED = "xyzabcdefghijklmnopqrstuvw0123456789"


class Exhausted(Exception):
    """So much was to be compared that the work was ended before."""


class Budget:
    """How much work there may be, in steps of about a microsecond or two."""

    def __init__(self, steps: int = STEPS) -> None:
        self.left = steps

    def spend(self, steps: int) -> None:
        """Raises Exhausted."""
        self.left -= steps
        if self.left < 0:
            raise Exhausted


class _Walk:
    """The places of one pattern: by what each goes on, and where it may stay."""

    def __init__(self, glob: Glob) -> None:
        self.steps: list[tuple[Symbol | Wildcard, bool]] = []
        self.stays: dict[int, bool] = {}
        for part, colons in glob:
            if part is Wildcard.ANY:
                self.stays[len(self.steps)] = colons
            elif isinstance(part, str):
                self.steps += [(character, colons) for character in part]
            else:
                self.steps.append((part, colons))


def explore(
    within: Glob, joint: Joint, budget: Budget, *, names: bool = False
) -> Iterator[tuple[frozenset[int], tuple[Symbol, ...]]]:
    """Each set of patterns that match something `within` matches, once, with what they match. Raises Exhausted.

    `names`: whether wildcards stand for small letters and digits only, as they do in actions.
    """
    walk = _Walk(within)
    end = len(walk.steps)
    start = (0, joint.start)
    came: dict[tuple[int, int], tuple[tuple[int, int], Symbol] | None] = {start: None}
    waiting = deque([start])
    told: set[int] = set()
    budget.spend(joint.length // 8)
    price = 1 + joint.length // WIDE
    while waiting:
        node = waiting.popleft()
        at, state = node
        if at == end and (accepting := joint.accepting(state)) not in told:
            told.add(accepting)
            yield joint.matched(state), _way(came, node)
        for symbol, after in _onward(walk, at, joint, state, names):
            budget.spend(price)
            reached = (after, joint.after(state, symbol))
            if reached not in came:
                came[reached] = (node, symbol)
                waiting.append(reached)


def _onward(walk: _Walk, at: int, joint: Joint, state: int, names: bool) -> Iterator[tuple[Symbol, int]]:
    """The symbols that lead on, and to which place."""
    symbols: Sequence[str] = ()
    step, colons = walk.steps[at] if at < len(walk.steps) else (None, False)
    if step is Wildcard.ONE or at in walk.stays:
        telling = joint.telling(state)
        symbols = [*_other(telling, names), *telling]
    if step is Wildcard.ONE:
        yield from ((symbol, at + 1) for symbol in symbols)
        if colons:
            yield ":", at + 1
    elif isinstance(step, str | Variable):
        yield step, at + 1
    if at in walk.stays:
        yield from ((symbol, at) for symbol in symbols)
        if walk.stays[at]:
            yield ":", at


def _other(telling: Sequence[str], names: bool) -> list[str]:
    """A character that is none of those, if there is one."""
    for character in _PREFERRED:
        if character not in telling:
            return [character]
    return [] if names else [next(chr(code) for code in count(0xC0) if chr(code) not in telling)]


def _way(
    came: dict[tuple[int, int], tuple[tuple[int, int], Symbol] | None], node: tuple[int, int]
) -> tuple[Symbol, ...]:
    way: list[Symbol] = []
    while (step := came[node]) is not None:
        node, symbol = step
        way.append(symbol)
    return tuple(reversed(way))


def covers(general: Sequence[Glob], special: Glob, budget: Budget) -> bool:
    """Whether everything that a pattern matches is matched by one of others, whatever their variables stand for.

    False also if that cannot be shown, for a variable that stands in one of them only, or within the budget.
    """
    if special in general:
        return True
    try:
        return all(matched for matched, _ in explore(special, Joint(general), budget))
    except Exhausted:
        return False


def meets(one: Glob, other: Glob) -> bool:
    """Whether there may be something that both match. True also if it takes long to tell."""
    try:
        return any(matched for matched, _ in explore(one, Joint((), more=[other]), Budget(_PATIENCE)))
    except Exhausted:
        return True
