"""Statements of two sets of policies side by side: those that are the same on both, and those that are on one of them only.

A statement is the same wherever it stands, in whichever policy, and whatever its Sid is. Of the policy of a resource, those
count that are about the caller: Allows that do without its identity policies, and Denies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from iamledger.policy.callers import Caller, Grant
from iamledger.policy.combining import combine
from iamledger.policy.comparing.areas import Areas, Governed, clipped
from iamledger.policy.comparing.automata import EVERYTHING, Glob, resource_glob
from iamledger.policy.document import Condition, Statement
from iamledger.policy.entries import action_test
from iamledger.policy.globs import Test
from iamledger.policy.patterns import Pattern, Wildcard
from iamledger.policy.policy_sets import PolicySet
from iamledger.policy.requests import Layer
from iamledger.policy.sources import Source, sources
from iamledger.policy.substitution import Facts, has_variables

PASSES = {Layer.IDENTITY: Grant.PASSES_IDENTITY, Layer.BOUNDARY: Grant.PASSES_BOUNDARY}
"""The layers that may lack an Allow, and what the policy of a resource must grant to do without it."""
_EVERY = Pattern("*", (Wildcard.ANY,))


@dataclass(eq=False)
class Placed:
    """A statement, and where it stands on both sides. Only what is in the area of a resource counts, if there is one."""

    number: int
    layer: Layer
    statement: Statement
    area: str | None = None
    grant: Grant = Grant.NONE
    """What it passes over, as an Allow of the policy of a resource."""
    inside: tuple[str, ...] = ()
    """What lies in the area and is governed by itself, so that the statement does not count there."""
    before: list[Source] = field(default_factory=list)
    after: list[Source] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether it stands on one side only."""
        return not self.before or not self.after

    @property
    def allows(self) -> bool:
        """Whether it is an Allow."""
        return self.statement.effect == "Allow"

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Its conditions."""
        return self.statement.conditions

    @cached_property
    def on_action(self) -> Test | None:
        """Whether it is about an action in lower case; None if it is about all."""
        return action_test(self.statement)

    @cached_property
    def patterns(self) -> tuple[Pattern, ...]:
        """Its patterns of resources, of Resource or NotResource; of what they match in the area."""
        patterns = self.statement.resource or self.statement.not_resource
        if self.area is None:
            return patterns
        return tuple(dict.fromkeys(one for pattern in patterns for one in clipped(pattern, self.area)))

    @cached_property
    def varies(self) -> bool:
        """Whether there are variables in them."""
        return any(has_variables(pattern) for pattern in self.patterns)

    def globs(self, facts: Facts) -> list[tuple[Pattern, Glob]]:
        """Those patterns that can match with these facts."""
        found = ((pattern, resource_glob(pattern, facts)) for pattern in self.patterns)
        return [(pattern, glob) for pattern, glob in found if glob is not None]

    def reach(self, facts: Facts) -> list[tuple[Pattern | None, Glob]]:
        """What it is about at most: each of its patterns, or everything if it tells what it is not about."""
        return list(self.globs(facts)) if self.statement.resource else [(None, EVERYTHING)]

    def is_about(self, matched: bool) -> bool:
        """Whether it is about a resource that its patterns match, or do not match."""
        return matched == bool(self.statement.resource)

    def on(self, after: bool) -> list[Source]:
        """Where it stands on one side."""
        return self.after if after else self.before


class Match(NamedTuple):
    """A statement that matches a request, and the widest of its patterns that does; None if it has NotResource."""

    placed: Placed
    pattern: Pattern | None

    @property
    def resources(self) -> str:
        """What it is about, in words."""
        if self.pattern is not None:
            return self.pattern.text
        excluded = ", ".join(pattern.text for pattern in self.placed.patterns)
        if self.placed.area is None:
            return f"all but {excluded}"
        return f"all of {self.placed.area}" + (f" but {excluded}" if excluded else "")


def literally(pattern: Pattern) -> int:
    """How much a pattern says of what it matches."""
    return sum(1 if isinstance(part, Wildcard) else 1000 * len(str(part)) for part in pattern.parts)


class Sides:
    """The statements of two sets of policies about a caller; of all requests, or of those for what is in an area."""

    def __init__(self, before: PolicySet, after: PolicySet, caller: Caller, area: str | None = None) -> None:
        self.bounded = (before.boundary is not None, after.boundary is not None)
        """Whether there is a boundary: before, and after."""
        self._boundaries = (before.boundary, after.boundary)
        found: dict[tuple[Layer, Statement], Placed] = {}
        for is_after, policies in enumerate((before, after)):
            for layer, _, some in policies.layers():
                for source in (source for policy in some for source in sources(policy, layer)):
                    if layer is Layer.RESOURCE and not counts(source, caller, bounded=self.bounded[is_after]):
                        continue
                    key = (layer, _whole(source.statement))
                    grant = source.grant(caller) if layer is Layer.RESOURCE else Grant.NONE
                    placed = found.setdefault(key, Placed(0, layer, key[1], area, grant))
                    placed.on(bool(is_after)).append(source)
        self.placed = [one for one in found.values() if one.patterns or not one.statement.resource]
        for number, one in enumerate(self.placed):
            one.number = number

    def boundary(self, after: bool) -> str | None:
        """The label of the boundary of one side."""
        found = self._boundaries[after]
        return found.label if found else None

    @property
    def only_bounded_on_one_side(self) -> bool:
        """Whether a boundary came or went, so that even what is the same may count for something else."""
        return self.bounded[0] != self.bounded[1]

    @property
    def same(self) -> bool:
        """Whether both sides say the same, word by word."""
        return not self.only_bounded_on_one_side and not any(placed.changed for placed in self.placed)

    def telling(self) -> list[Placed]:
        """The statements one of which is about whatever differs."""
        if self.only_bounded_on_one_side:
            return [placed for placed in self.placed if placed.changed or placed.layer is not Layer.BOUNDARY]
        return [placed for placed in self.placed if placed.changed]

    def granted(self, matching: Iterable[Match], after: bool) -> Grant:
        """What a resource's policy grants on one side by the statements that match."""
        allows = (match.placed for match in matching if match.placed.allows and match.placed.on(after))
        return max((placed.grant for placed in allows), default=Grant.NONE)

    def allowed(self, matching: Sequence[Match], after: bool) -> bool:
        """Whether a request is allowed on one side that these statements match."""
        here = [match.placed for match in matching if match.placed.on(after)]
        if any(not placed.allows for placed in here):
            return False
        layers = {placed.layer for placed in here}
        bounded = not self.bounded[after] or Layer.BOUNDARY in layers
        return bool(combine(self.granted(matching, after), Layer.IDENTITY in layers, bounded, True, True, False))


def counts(source: Source, caller: Caller, *, bounded: bool) -> bool:
    """Whether a statement of a resource's policy says anything to a caller of the same account."""
    if source.effect == "Deny":
        return source.denies(caller, bounded=bounded)
    return source.grant(caller) >= Grant.PASSES_IDENTITY


def elsewhere(some: Iterable[Governed], areas: Areas, caller: Caller, bounded: tuple[bool, bool]) -> Iterator[Placed]:
    """The statements about a caller of the policies of some areas, each in its own; their numbers are below zero."""
    number = 0
    for governed in some:
        found: dict[Statement, Placed] = {}
        inside = tuple(one.arn for one in areas.inside(governed.arn))
        for is_after, policy in enumerate((governed.before, governed.after)):
            for source in sources(policy, Layer.RESOURCE) if policy else ():
                if counts(source, caller, bounded=bounded[is_after]):
                    key = _whole(source.statement)
                    if key not in found:
                        number -= 1
                        grant = source.grant(caller)
                        found[key] = Placed(number, Layer.RESOURCE, key, governed.arn, grant, inside)
                    found[key].on(bool(is_after)).append(source)
        yield from found.values()


def _whole(statement: Statement) -> Statement:
    """A statement without its Sid; if it names no resources, as the policy of a resource may, it is about all."""
    named = statement.resource or statement.not_resource
    return replace(statement, sid=None, resource=statement.resource if named else (_EVERY,))
