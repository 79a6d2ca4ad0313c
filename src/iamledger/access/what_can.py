"""What somebody may do: a row for each Allow and each of its resources, and what takes away from it.

`Limits` says how much of a row is left: `unlimited`, if no Deny has anything in common with it and the boundary allows all
of it; `nothing`, if a Deny without conditions takes all of it, or the boundary allows none of it; else `limited`. This is
found by comparing patterns, and errs on the side of `limited`. Where there is so much to compare that it would take long,
`Limits` is `not compared in full`, and `LimitedBy` what was found until then. Conditions are told, not weighed.

Policies of the account's own resources grant too, to users whom they name and to everybody, and deny. A statement of one
counts in its area alone: what it is about there is told, and what lies in it with a policy of its own is taken away. An
Allow that names a user is not limited by what its boundary leaves out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from iamledger.access.compiled import access_of
from iamledger.access.gathered_spans import GatheredSpans, places
from iamledger.access.governing import READS as READS_OF_RESOURCES
from iamledger.access.governing import Governing, OfResources, read_resource_policies
from iamledger.access.grants import READS as READS_OF_GRANTS
from iamledger.access.grants import Grants, HeldPolicy, Holding, UnreadablePolicy
from iamledger.access.questions import Named
from iamledger.access.spans import Span, actions, all_resources
from iamledger.access.spans import resources as resources_of
from iamledger.access.statements import COLUMNS as STATEMENT_COLUMNS
from iamledger.access.statements import Row, condition_text, row_of
from iamledger.iam.refusals import ValidationError
from iamledger.policy import Grant, Layer, Pattern, Source, Statement
from iamledger.policy.actions import read_action
from iamledger.policy.comparing import both, clipped, counts
from iamledger.policy.comparing.exploring import Budget, Exhausted
from iamledger.policy.patterns import read_pattern
from iamledger.policy.problems import Malformed
from iamledger.policy.sources import sources
from iamledger.principals import root_as_caller

if TYPE_CHECKING:
    from iamledger.engine.view import View

READS = (*READS_OF_GRANTS, *READS_OF_RESOURCES)
COLUMNS = ("Actions", "Resource", "Conditions", "Limits", "LimitedBy", *STATEMENT_COLUMNS)
UNLIMITED, LIMITED, NOTHING, NOT_COMPARED = "unlimited", "limited", "nothing", "not compared in full"
BUDGET = 1_000_000
"""Steps of `Budget` for all rows of an answer."""
TOLD = 32
"""Characters of what takes away that may be told for a step."""


_EVERYTHING = read_pattern("*", variables=False)
_EVERY = Span((_EVERYTHING,))
_OF_ROOT = {"Actions": "*", "Conditions": [], "PolicyName": "root of the account"}


class _Allowed(NamedTuple):
    """Actions and one of the resources of an Allow, and what its rows tell of it.

    Of the policy of a resource, `area` is that resource, and `without` what it excepts there. `bounded`: whether a boundary
    limits it.
    """

    span: Span
    resource: Span
    told: Row
    area: str | None = None
    without: str = ""
    bounded: bool = True


class _Limit(NamedTuple):
    """A statement that takes away, or of a boundary one that leaves something, and the policy that it stands in.

    Of the policy of a resource, `area` is that resource. `sure`: whether it takes all of `resources`.
    """

    policy_name: str
    source: Source
    resources: Span
    sure: bool
    area: str | None = None


def what_can(view: View, principal: Named, asked: Span | None = None) -> list[Row]:
    """Rows of `COLUMNS`, as of the view, which must have `READS`; only those that have to do with some actions.

    Raises UnreadablePolicy.
    """
    grants = access_of(view, principal.user_id).grants
    return rows(grants, principal, asked, resources=read_resource_policies(view))


def rows(
    grants: Grants,
    principal: Named,
    asked: Span | None = None,
    budget: int = BUDGET,
    resources: OfResources | None = None,
) -> list[Row]:
    """The rows of a user, a group or the root, found in so many steps of `Budget`. Raises UnreadablePolicy."""
    if principal.user_id is not None:
        holdings = list(grants.holdings(principal.user_id))
    else:
        holdings = [Holding(*granted) for granted in grants.granted.get(principal.group_id or "", ())]
    bound = grants.boundaries.get(principal.user_id or "")
    held = _Resources(grants, principal, resources or {})
    limits = _Limits([holding.policy for holding in holdings], bound[0] if bound else None, held)
    if principal.is_root:
        allowed = [_Allowed(_EVERY, _EVERY, {**dict.fromkeys(COLUMNS), **_OF_ROOT})]
    else:
        allowed = [found for holding in holdings for found in _allowed(holding, asked)]
        allowed += held.allowed(asked) if principal.user_id is not None else []
    left = limits.of_all(allowed, budget)
    found = [_row(one, *limit) for one, limit in zip(allowed, left, strict=True)]
    return sorted(found, key=lambda row: (row["PolicyName"].lower(), row["PolicyArn"] or "", row["GroupName"] or ""))


def asked_actions(text: str) -> Span:
    """The actions that a filter names: `s3:GetObject`, `s3:Get*`. Raises ValidationError."""
    try:
        return Span((read_action(text),))
    except Malformed as malformed:
        raise ValidationError("; ".join(filter(None, (malformed.message, malformed.advice)))) from None


def _allowed(holding: Holding, asked: Span | None) -> Iterator[_Allowed]:
    for source in sources(holding.policy.policy, Layer.IDENTITY):
        span = actions(source.statement)
        if source.effect == "Deny" or (asked is not None and not span.meets(asked)):
            continue
        told = {"Actions": str(span), "Conditions": _conditions(source.statement), **row_of(source, holding)}
        for resource in resources_of(source.statement):
            yield _Allowed(span, resource, told)


def _row(allowed: _Allowed, left: str, by: list[str]) -> Row:
    resource = f"{allowed.resource} but for {allowed.without}" if allowed.without else str(allowed.resource)
    found = {**allowed.told, "Resource": resource, "Limits": left, "LimitedBy": by}
    return {column: found[column] for column in COLUMNS}


class _Resources:
    """What policies of resources say to a user, or, of a group, to each of its users, or to the root."""

    def __init__(self, grants: Grants, principal: Named, resources: OfResources) -> None:
        governed = Governing({}, resources)
        if governed.unread:
            raise UnreadablePolicy("; ".join(governed.unread.values()))
        self._resources, self._named = resources, principal.user_id is not None
        # The names of the root are those that all users of the account have.
        self._caller = grants.caller(principal.user_id) if principal.user_id else root_as_caller(grants.account_id)
        self._bounded = principal.user_id in grants.boundaries
        self.areas = governed.areas(self._caller)

    def allowed(self, asked: Span | None) -> Iterator[_Allowed]:
        """What they allow by themselves."""
        for arn, source in self._sources("Allow"):
            span = actions(source.statement)
            if asked is None or span.meets(asked):
                put = self._resources[arn].granted
                told = {"Actions": str(span), "Conditions": _conditions(source.statement), **row_of(source, None, put)}
                without = ", ".join(
                    one.text for pattern in source.statement.not_resource for one in clipped(pattern, arn)
                )
                bounded = source.grant(self._caller) < Grant.PASSES_BOUNDARY
                for pattern in _patterns(source.statement, arn):
                    yield _Allowed(span, Span((pattern,)), told, arn, without, bounded)

    def limits(self) -> Iterator[_Limit]:
        """What they deny. It is sure if nothing in the area is governed otherwise, and all of it is about the caller."""
        for arn, source in self._sources("Deny"):
            patterns = _patterns(source.statement, arn)
            sure = (
                not (source.statement.conditions or source.statement.not_resource or self.areas.inside(arn))
                and (self._named or not source.not_principals)
                and all(pattern.prefix == arn or pattern.prefix.startswith(f"{arn}/") for pattern in patterns)
            )
            if patterns:
                yield _Limit(source.label, source, Span(patterns), sure, arn)

    def inside(self, allowed: _Allowed) -> Iterator[tuple[str, bool]]:
        """What is governed by itself of the resource of an Allow of theirs, and whether that is all of it."""
        for inner in self.areas.inside(allowed.area) if allowed.area else ():
            area = Span(tuple(read_pattern(text, variables=False) for text in both(inner.arn)))
            if allowed.resource.meets(area):
                yield inner.arn, allowed.resource.within(area)

    def _sources(self, effect: str) -> Iterator[tuple[str, Source]]:
        """The statements about the caller, with their resources."""
        for one in self.areas:
            for source in sources(one.after, Layer.RESOURCE) if one.after else ():
                if source.effect == effect and counts(source, self._caller, bounded=self._bounded):
                    yield one.arn, source


def _patterns(statement: Statement, arn: str) -> tuple[Pattern, ...]:
    """What a statement of the policy of a resource is about at most."""
    written = statement.resource or (_EVERYTHING,)
    return tuple(dict.fromkeys(one for pattern in written for one in clipped(pattern, arn)))


class _Limits:
    """What takes away from what a principal is allowed: the Denies of its policies, those of resources, and its boundary."""

    def __init__(self, policies: Iterable[HeldPolicy], boundary: HeldPolicy | None, held: _Resources) -> None:
        every = {policy.label: policy for policy in policies}.values()
        own = [limit for policy in every for limit in _limits(policy, Layer.IDENTITY)]
        bound = list(_limits(boundary, Layer.BOUNDARY)) if boundary is not None else []
        denies = [limit for limit in (*own, *bound, *held.limits()) if limit.source.effect == "Deny"]
        self._limits = [*denies, *(limit for limit in bound if limit.source.effect == "Allow")]
        self._denies = (1 << len(denies)) - 1
        self._bounds = (1 << len(self._limits)) - 1 - self._denies
        self._boundary = boundary
        self._sure = sum(1 << place for place, limit in enumerate(self._limits) if limit.sure)
        self._budget = Budget(0)
        self._actions = GatheredSpans([actions(limit.source.statement) for limit in self._limits], self._budget)
        self._resources = GatheredSpans([limit.resources for limit in self._limits], self._budget)
        self._held = held
        self._in: dict[str | None, int] = defaultdict(int)
        """Those that count in no area, or in one."""
        for place, limit in enumerate(self._limits):
            self._in[limit.area] |= 1 << place
        self._told: dict[int, str] = {}

    def of_all(self, allowed: Sequence[_Allowed], budget: int) -> list[tuple[str, list[str]]]:
        """How much is left of what is allowed, and what takes the rest, for each of some.

        Of the half, each may spend an equal part of what the ones before it have left, so that none takes it away from
        others. Those for which it was too little have what is left at the end, as far as it goes.
        """
        found: list[tuple[str, list[str]]] = [(NOT_COMPARED, [])] * len(allowed)
        spare = budget // 2
        budget -= spare
        for behind, one in enumerate(allowed):
            share = budget // (len(allowed) - behind)
            found[behind], spent = self._spending(share, one)
            budget -= spent
        budget += spare
        for place, one in enumerate(allowed):
            if found[place][0] == NOT_COMPARED and budget > 0:
                found[place], spent = self._spending(budget, one)
                budget -= spent
        return found

    def _spending(self, steps: int, allowed: _Allowed) -> tuple[tuple[str, list[str]], int]:
        """What `of_all` tells of one, and how many of some steps it took."""
        self._budget.left = steps
        by: list[str] = []
        try:
            return (self._left(allowed, by), by), steps - self._budget.left
        except Exhausted:
            return (NOT_COMPARED, by), steps

    def _left(self, allowed: _Allowed, by: list[str]) -> str:
        """How much is left. Notes what takes the rest. Raises Exhausted."""
        span, resource = allowed.span, allowed.resource
        met = self._actions.met(span)
        met &= self._resources.met(resource) if met else 0
        if allowed.area is not None:
            met &= self._in[None] | self._in[allowed.area]
        nothing = self._cover(met & self._denies, span, resource)
        for place in places(met & self._denies):
            if place not in self._told:
                self._told[place] = _told(self._limits[place])
            self._budget.spend(1 + len(self._told[place]) // TOLD)
            by.append(self._told[place])
        for arn, whole in self._held.inside(allowed):
            self._budget.spend(len(arn))
            nothing = nothing or whole
            by.append(f"not in {arn}, which has a policy of its own")
        if self._boundary is not None and allowed.bounded and not self._cover(self._bounds, span, resource):
            outside = not met & self._bounds
            nothing = nothing or outside
            kind = "outside of" if outside else "only what is within"
            by.append(f"{kind} the boundary {self._boundary.name}")
        return NOTHING if nothing else LIMITED if by else UNLIMITED

    def _cover(self, limits: int, span: Span, resource: Span) -> bool:
        """Whether those of some limits without conditions have all of some actions on a resource among them."""
        sure = limits & self._sure
        whole = sure & self._resources.around(resource) if sure else 0
        if not whole:
            return False
        each = [span] if span.negated else [replace(span, patterns=(pattern,)) for pattern in span.patterns]
        return all(whole & self._actions.around(one) for one in each)


def _limits(policy: HeldPolicy, layer: Layer) -> Iterator[_Limit]:
    for source in sources(policy.policy, layer):
        yield _Limit(policy.name, source, all_resources(source.statement), not source.statement.conditions)


def _told(limit: _Limit) -> str:
    statement = limit.source.statement
    conditions = _conditions(statement)
    where = f"statement {limit.source.index + 1} of {limit.policy_name}"
    what = f"denied by {where}: {actions(statement)} on {limit.resources}"
    return f"{what}, if {' and '.join(conditions)}" if conditions else what


def _conditions(statement: Statement) -> list[str]:
    return [condition_text(condition) for condition in statement.conditions]
