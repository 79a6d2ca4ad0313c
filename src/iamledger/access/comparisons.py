"""Comparisons of what policies allow somebody, of which each that is the same for several users is made once.

What lies in no resource with a policy of its own is compared once; what lies in one is compared by itself, if its policy
could make a difference there, or if what differs elsewhere differs there alone. A policy of a resource that is the same at
both moments only takes out of what identity policies give and take, and is told as an exception of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from iamledger.access.governing import Governing, is_own, looks_at_callers, statements
from iamledger.policy import Caller, Layer, Policy, PolicySet
from iamledger.policy.comparing import (
    Actions,
    Areas,
    Budget,
    Compared,
    Governed,
    clipped,
    counts,
    differences,
    includes,
)
from iamledger.policy.sources import sources


class Comparisons:
    """Comparisons between two moments. A policy's label must stand for one text at each of them."""

    def __init__(self, actions: Actions, governing: Governing) -> None:
        self._actions, self.governing = actions, governing
        self._known: dict[tuple[object, ...], Compared] = {}
        self._about: dict[tuple[str, int], frozenset[str]] = {}
        self._adding: dict[tuple[object, ...], set[str]] = {}

    def compared(self, before: PolicySet, after: PolicySet, caller: Caller) -> Compared:
        """What somebody gains and loses."""
        areas = self.governing.areas(caller)
        outside = self._outside(before, after, caller, areas)
        found = Compared(list(outside.differences), list(outside.untold))
        arns = {*(one.arn for one in outside.elsewhere), *self._adding_areas(before, after, caller, areas)}
        for here in [one for arn in sorted(arns - self.governing.unread.keys()) if (one := areas.at(arn))]:
            inside = self._inside(before, after, caller, areas, here)
            found.untold += [text for text in inside.untold if text not in found.untold]
            found.differences += [
                one for one in inside.differences if not any(includes(other, one) for other in outside.differences)
            ]
        return found

    def _outside(self, before: PolicySet, after: PolicySet, caller: Caller, areas: Areas) -> Compared:
        """What differs beside all areas."""
        before, after = self._related(before, after)
        named = self.governing.meaning(caller) if len(areas) else None
        return self._once((None, named), before, after, caller, areas)

    def _inside(self, before: PolicySet, after: PolicySet, caller: Caller, areas: Areas, here: Governed) -> Compared:
        """What differs in one area."""
        before, after = (
            replace(one, identity=tuple(policy for policy in one.identity if _may_meet(policy, here.arn)))
            for one in (before, after)
        )
        before, after = self._related(before, after, here)
        written = frozenset(
            name for source in statements(here) for name in (*source.principals, *source.not_principals)
        )
        named = frozenset(name for name, _ in caller.names if name in written)
        return self._once((here.arn, named), before, after, caller, areas, here)

    def _once(
        self,
        where: tuple[object, ...],
        before: PolicySet,
        after: PolicySet,
        caller: Caller,
        areas: Areas,
        here: Governed | None = None,
    ) -> Compared:
        looks = any(map(hang_on_caller, (before, after)))
        if here is None:  # their conditions are only told
            looks = looks or any(areas.at(arn) is not None for arn in self.governing.with_variables)
        else:
            looks = looks or any(looks_at_callers(source.statement) for source in statements(here))
        key = (*where, *map(_key, (before, after)), caller.arn if looks else None)
        if key not in self._known:
            self._known[key] = differences(before, after, caller, self._actions, Budget(), areas, here)
        return self._known[key]

    def _adding_areas(self, before: PolicySet, after: PolicySet, caller: Caller, areas: Areas) -> Iterator[str]:
        """The resources whose policies could make a difference, and not only take out of one."""
        bounded = (before.boundary is not None, after.boundary is not None)
        some = (bool(before.identity), bool(after.identity))
        if (before.boundary and before.boundary.document) != (after.boundary and after.boundary.document):
            yield from self.governing.hanging_on_boundaries
        own = self.governing.naming(caller)
        everybody = replace(caller, names=tuple(one for one in caller.names if not is_own(one[1])))
        key = (everybody.names, bounded, some)
        if key not in self._adding:
            every = (self.governing.areas(everybody).at(arn) for arn in self.governing.changed)
            self._adding[key] = {one.arn for one in every if one and _adds(one, everybody, bounded, some)}
        yield from self._adding[key] - own
        for arn in own & self.governing.changed:
            if (one := areas.at(arn)) and _adds(one, caller, bounded, some):
                yield arn

    def _related(
        self, before: PolicySet, after: PolicySet, here: Governed | None = None
    ) -> tuple[PolicySet, PolicySet]:
        """The same without those policies that are about other services than whatever changed."""
        if before.boundary != after.boundary:
            return before, after
        texts = [{policy.document for policy in one.identity} for one in (before, after)]
        changed = [
            policy for one in (before, after) for policy in one.identity if policy.document in texts[0] ^ texts[1]
        ]
        if here is not None:
            changed += filter(None, (here.before, here.after))
        services = frozenset[str]().union(*(self._services(policy) for policy in changed))

        def kept(policies: PolicySet) -> PolicySet:
            related = (one for one in policies.identity if "*" in services or self._services(one) & {"*", *services})
            return replace(policies, identity=tuple(related))

        return kept(before), kept(after)

    def _services(self, policy: Policy) -> frozenset[str]:
        """The services that a policy is about; `*` among them if it may be about all."""
        key = (policy.label, id(policy.document))  # an inline policy has the same label at both moments
        if key not in self._about:
            self._about[key] = frozenset(
                "*" if statement.not_action else pattern.text.partition(":")[0].lower()
                for statement in policy.document.statements
                for pattern in (*statement.action, *statement.not_action)
            )
        return self._about[key]


def _adds(governed: Governed, caller: Caller, bounded: tuple[bool, bool], some: tuple[bool, bool]) -> bool:
    """Whether the policies of an area could make a difference; `some`: whether there are identity policies on each side.

    An Allow that is on one side only does, and so does a Deny if the other side allows anything.
    """
    said = [
        {
            replace(source.statement, sid=None)
            for source in (sources(policy, Layer.RESOURCE) if policy else ())
            if counts(source, caller, bounded=bounded[side])
        }
        for side, policy in enumerate((governed.before, governed.after))
    ]
    allows = [some[side] or any(one.effect == "Allow" for one in said[side]) for side in (0, 1)]
    return any(one.effect == "Allow" or allows[1 - side] for side in (0, 1) for one in said[side] - said[1 - side])


def _may_meet(policy: Policy, arn: str) -> bool:
    """Whether a policy may be about anything in the area of a resource."""
    return any(
        not statement.resource or any(clipped(pattern, arn) for pattern in statement.resource)
        for statement in policy.document.statements
    )


def _key(policies: PolicySet) -> object:
    return frozenset(one.label for one in policies.identity), policies.boundary and policies.boundary.label


def hang_on_caller(policies: PolicySet) -> bool:
    """Whether what policies allow hangs on who asks."""
    return any(
        looks_at_callers(statement)
        for _, _, some in policies.layers()
        for policy in some
        for statement in policy.document.statements
    )
