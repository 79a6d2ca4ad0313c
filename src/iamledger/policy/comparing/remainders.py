"""What a statement is about that others do not cover: the search behind `novelties.py`, which tells what it keeps to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from iamledger.policy.comparing.automata import (
    EVERY_ACTION,
    EVERYTHING,
    Glob,
    Joint,
    Symbol,
    action_glob,
    resource_glob,
)
from iamledger.policy.comparing.exploring import Budget, covers, explore
from iamledger.policy.document import Statement
from iamledger.policy.patterns import Pattern

Way = tuple[Symbol, ...]
WAYS = 8
"""So many resources are told, one for each way in which the statements can be about it."""


@dataclass(frozen=True)
class Others:
    """Statements beside one: those that cover it, those that excuse it, and those that take back what covers it."""

    covering: tuple[Statement, ...]
    excusing: tuple[Statement, ...] = ()
    blocking: tuple[Statement, ...] = ()

    @property
    def every(self) -> tuple[Statement, ...]:
        """All of them."""
        return (*self.covering, *self.excusing, *self.blocking)


@dataclass(frozen=True)
class Remainder:
    """What is not covered: an action of a pattern, and resources of a pattern. `blocking` may be why."""

    action_pattern: Pattern | None
    resource_pattern: Pattern | None
    action: str
    ways: tuple[Way, ...]
    blocking: tuple[Statement, ...]


class Search:
    """The search for what is not covered of a statement."""

    def __init__(self, subject: Statement, others: Others, budget: Budget, real: dict[str, Sequence[str]]) -> None:
        """`real` has, by the text of a pattern, actions that there are, of which those are told that will do."""
        self._subject, self._others, self._budget, self._real = subject, others, budget, real
        self._known: dict[tuple[int, ...], list[tuple[Pattern | None, tuple[Way, ...]]]] = {}

    def remainders(self) -> Iterator[Remainder]:
        """All that is not covered. Raises Exhausted."""
        if not self._others.blocking and any(_alike(self._subject, one) for one in self._others.covering):
            return
        every = [self._subject, *self._others.every]
        owners = [n for n, one in enumerate(every) for _ in (*one.action, *one.not_action)]
        joint = Joint([_plain(pattern) for one in every for pattern in (*one.action, *one.not_action)])

        def about(matched: frozenset[int]) -> tuple[int, ...]:
            hit = {owners[number] for number in matched}
            return tuple(n for n, one in enumerate(every) if (n in hit) == bool(one.action))

        for pattern, glob in self._actions():
            for matched, way in explore(glob, joint, self._budget, names=True):
                if 0 not in (numbers := about(matched)):
                    continue
                action = "".join(map(str, way))
                if left := self._left(numbers):
                    real = self._real.get(pattern.text if pattern else "*", ())
                    action = next((a for a in real if about(joint.matching(a.lower())) == numbers), action)
                blocking = tuple(every[n] for n in numbers if every[n] in self._others.blocking)
                for resource_pattern, ways in left:
                    yield Remainder(pattern, resource_pattern, action, ways, blocking)

    def _actions(self) -> list[tuple[Pattern | None, Glob]]:
        if self._subject.not_action:
            return [(None, EVERY_ACTION)]
        return [(pattern, action_glob(pattern)) for pattern in self._subject.action]

    def _left(self, numbers: tuple[int, ...]) -> list[tuple[Pattern | None, tuple[Way, ...]]]:
        """The resources that are left of each pattern, for an action that the statements of some numbers are about."""
        if numbers not in self._known:
            every = (self._subject, *self._others.every)
            one = len(self._others.covering) + 1
            two = one + len(self._others.excusing)
            covering = [every[n] for n in numbers if 0 < n < one]
            excusing = [every[n] for n in numbers if one <= n < two]
            blocking = [every[n] for n in numbers if two <= n]
            resources = _Resources(self._subject, covering, excusing, blocking)
            self._known[numbers] = list(resources.left(self._budget))
        return self._known[numbers]


class _Resources:
    """The resources of a statement, beside the statements that are about the same action."""

    def __init__(
        self,
        subject: Statement,
        covering: Sequence[Statement],
        excusing: Sequence[Statement],
        blocking: Sequence[Statement],
    ) -> None:
        self._subject, self._covering, self._excusing, self._blocking = subject, covering, excusing, blocking
        less = [(one, p) for one in (*covering, *excusing) for p in one.resource]
        less += [(one, p) for one in (subject, *blocking) for p in one.not_resource]
        more = [(one, p) for one in (*covering, *excusing) for p in one.not_resource]
        more += [(one, p) for one in blocking for p in one.resource]
        self._owners = [id(one) for one, _ in (*less, *more)]
        self._joint = Joint([_glob(pattern) for _, pattern in less], [_glob(pattern) for _, pattern in more])

    def left(self, budget: Budget) -> Iterator[tuple[Pattern | None, tuple[Way, ...]]]:
        """What is left of each pattern."""
        covered = any(_excludes_less(one, self._subject) for one in self._covering)
        if covered and not self._blocking:
            return
        reaches: list[tuple[Pattern | None, Glob]] = [(p, _glob(p)) for p in self._subject.resource]
        same = set() if self._blocking else {pattern.parts for one in self._covering for pattern in one.resource}
        for pattern, glob in reaches or [(None, EVERYTHING)]:
            if pattern is not None and pattern.parts in same:
                continue
            found = (
                way for matched, way in explore(glob, self._joint, budget) if self._is_left(matched, covered=covered)
            )
            if ways := tuple(islice(found, WAYS)):
                yield pattern, ways

    def _is_left(self, matched: frozenset[int], *, covered: bool) -> bool:
        hit = {self._owners[number] for number in matched}

        def about(one: Statement) -> bool:
            return (id(one) in hit) == bool(one.resource)

        if self._subject.not_resource and id(self._subject) in hit:
            return False
        if any(about(one) for one in self._excusing):
            return False
        covered = covered or any(about(one) for one in self._covering)
        return not covered or any(about(one) for one in self._blocking)


def _glob(pattern: Pattern) -> Glob:
    glob = resource_glob(pattern)
    assert glob is not None
    return glob


def _plain(pattern: Pattern) -> Glob:
    return tuple((part, True) for part in pattern.parts)


def _alike(one: Statement, other: Statement) -> bool:
    """Whether two statements are about the same, as it is written."""
    return all(
        {pattern.parts for pattern in getattr(one, name)} == {pattern.parts for pattern in getattr(other, name)}
        for name in ("action", "not_action", "resource", "not_resource")
    )


def _excludes_less(one: Statement, other: Statement) -> bool:
    """Whether a statement with NotResource is about all that another is about."""
    if not one.not_resource or not other.not_resource:
        return False
    excluded = [_glob(pattern) for pattern in other.not_resource]
    return all(covers(excluded, _glob(pattern), Budget(4_000)) for pattern in one.not_resource)
