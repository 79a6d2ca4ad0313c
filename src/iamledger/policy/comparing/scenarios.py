"""Contexts in which two sets of policies may differ, made from the conditions in them.

- The empty one; one for each block of conditions, in which it holds; for each pair of blocks of which one is in a statement
  that changed, one in which both hold, and one for each in which the other does not.
- Each of them once more with as many blocks of Denies not holding as can be, so that they do not hide what else differs.

Of those in which the same blocks hold, and variables have the same values, the first is enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from iamledger.policy.comparing.contexts import (
    Context,
    holds,
    is_fixed,
    satisfying,
    separating,
    told_conditions,
    without,
)
from iamledger.policy.comparing.implications import implies
from iamledger.policy.comparing.instances import EXAMPLE
from iamledger.policy.comparing.sides import Placed
from iamledger.policy.document import Condition
from iamledger.policy.patterns import Variable
from iamledger.policy.substitution import Fact, Facts

MOST = 64
"""So many contexts are tried out at most."""

Block = tuple[Condition, ...]


class Scenarios:
    """The contexts, and what could not be tried out."""

    def __init__(self, placed: Sequence[Placed], telling: Sequence[Placed], known: Facts) -> None:
        self._known = known
        self._blocks = list(dict.fromkeys(one.conditions for one in placed if one.conditions))
        self._changed = list(dict.fromkeys(one.conditions for one in telling if one.conditions))
        self._denying = list(dict.fromkeys(one.conditions for one in placed if one.conditions and not one.allows))
        self._named = sorted({key for one in placed for key in _variables(one) if not is_fixed(key, known)})
        self.impossible: list[Block] = []
        """Blocks for which no context was found in which they hold."""
        self.alike: list[tuple[Block, Block]] = []
        """Pairs of blocks, one of either side: the first does not imply the second for all that is known, but no context was
        found in which only the first holds."""
        self._before = {one.conditions for one in telling if one.before and not one.after}
        self._after = {one.conditions for one in telling if one.after and not one.before}
        self.cut = False
        """Whether there were more contexts than are tried out."""
        self.contexts: list[Context] = list(self._distinct())

    def untold(self) -> Iterator[str]:
        """What could not be tried out, in words."""
        for block in self.impossible:
            yield f"requests for which {told_conditions(block)}: none was found"
        for block, other in self.alike:
            yield (f"requests for which {told_conditions(block)}, but not {told_conditions(other)}: none was found")
        if self.cut:
            yield f"some of the ways in which conditions can hold together: there are more than {MOST}"

    def _distinct(self) -> Iterator[Context]:
        seen: set[tuple[object, ...]] = set()
        for context in self._made():
            facts = {**self._known, **context}
            truths = tuple(holds(block, facts) for block in self._blocks)
            key = (truths, *(str(facts.get(name)) for name in self._named))
            if key not in seen:
                if len(seen) == MOST:
                    self.cut = True
                    return
                seen.add(key)
                yield context

    def _made(self) -> Iterator[Context]:
        for base, block in self._bases():
            yield base
            yield without(self._denying, self._known, base, block)

    def _bases(self) -> Iterator[tuple[Context, Block]]:
        """Contexts, each with a block that holds in it."""
        yield {}, ()
        named: dict[str, Fact] = dict.fromkeys(self._named, EXAMPLE)
        yield named, ()
        for block in self._blocks:
            if (found := satisfying(block, self._known)) is None:
                self.impossible.append(block)
            else:
                yield {**named, **found}, block
        for block in self._changed:
            for other in (one for one in self._blocks if one != block):
                if (found := satisfying((*block, *other), self._known)) is not None:
                    yield {**named, **found}, (*block, *other)
                for one, two in ((block, other), (other, block)):
                    if (found := self._separating(one, two)) is not None:
                        yield {**named, **found}, one

    def _separating(self, block: Block, other: Block) -> Context | None:
        found = separating(block, other, self._known)
        if found is None and block not in self.impossible and not implies(block, other):
            sides = (block in self._before and other in self._after) or (block in self._after and other in self._before)
            if sides and (block, other) not in self.alike:
                self.alike.append((block, other))
        return found


def _variables(placed: Placed) -> Iterator[str]:
    for pattern in placed.patterns:
        yield from (part.key.lower() for part in pattern.parts if isinstance(part, Variable))
