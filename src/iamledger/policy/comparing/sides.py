"""Statements of two sets of policies side by side: those that are the same on both, and those that are on one of them only.

A statement is the same wherever it stands, in whichever policy, and whatever its Sid is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from iamledger.policy.comparing.automata import EVERYTHING, Glob, resource_glob
from iamledger.policy.document import Condition, Statement
from iamledger.policy.entries import action_test
from iamledger.policy.globs import Test
from iamledger.policy.patterns import Pattern, Wildcard
from iamledger.policy.policy_sets import PolicySet
from iamledger.policy.requests import Layer
from iamledger.policy.sources import Source, sources
from iamledger.policy.substitution import Facts, has_variables

LAYERS = (Layer.IDENTITY, Layer.BOUNDARY)


@dataclass(eq=False)
class Placed:
    """A statement, and where it stands on both sides."""

    number: int
    layer: Layer
    statement: Statement
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

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """Its patterns of resources, of Resource or NotResource."""
        return self.statement.resource or self.statement.not_resource

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
        return "all but " + ", ".join(pattern.text for pattern in self.placed.statement.not_resource)


def literally(pattern: Pattern) -> int:
    """How much a pattern says of what it matches."""
    return sum(1 if isinstance(part, Wildcard) else 1000 * len(str(part)) for part in pattern.parts)


class Sides:
    """The statements of the identity policies and the boundaries of two sets of policies."""

    def __init__(self, before: PolicySet, after: PolicySet) -> None:
        self.bounded = (before.boundary is not None, after.boundary is not None)
        """Whether there is a boundary: before, and after."""
        self._boundaries = (before.boundary, after.boundary)
        found: dict[tuple[Layer, Statement], Placed] = {}
        for is_after, policies in enumerate((before, after)):
            for layer, _, some in policies.layers():
                for source in (source for policy in some for source in sources(policy, layer)):
                    key = (layer, replace(source.statement, sid=None))
                    placed = found.setdefault(key, Placed(len(found), layer, key[1]))
                    placed.on(bool(is_after)).append(source)
        self.placed = list(found.values())

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
            return [placed for placed in self.placed if placed.changed or placed.layer is Layer.IDENTITY]
        return [placed for placed in self.placed if placed.changed]

    def allowed(self, matching: Iterable[Match], after: bool) -> bool:
        """Whether a request is allowed on one side that these statements match."""
        here = [match.placed for match in matching if match.placed.on(after)]
        if any(not placed.allows for placed in here):
            return False
        layers = {placed.layer for placed in here}
        return Layer.IDENTITY in layers and (not self.bounded[after] or Layer.BOUNDARY in layers)
