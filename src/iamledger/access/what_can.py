"""What somebody may do: a row for each Allow and each of its resources, and what takes away from it.

`Limits` says how much of a row is left: `unlimited`, if no Deny has anything in common with it and the boundary allows all
of it; `nothing`, if a Deny without conditions takes all of it, or the boundary allows none of it; else `limited`. This is
found by comparing patterns, and errs on the side of `limited`. Where there is so much to compare that it would take long,
`Limits` is `not compared in full`, and `LimitedBy` what was found until then. Conditions are told, not weighed. Policies of
resources, which may grant or deny as well, are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from iamledger.access.compiled import access_of
from iamledger.access.gathered_spans import GatheredSpans, places
from iamledger.access.grants import Grants, HeldPolicy, Holding
from iamledger.access.questions import Named
from iamledger.access.spans import Span, actions, all_resources, resources
from iamledger.access.statements import COLUMNS as STATEMENT_COLUMNS
from iamledger.access.statements import Row, condition_text, row_of
from iamledger.iam.refusals import ValidationError
from iamledger.policy import Layer, Source, Statement
from iamledger.policy.actions import read_action
from iamledger.policy.comparing.exploring import Budget, Exhausted
from iamledger.policy.problems import Malformed
from iamledger.policy.sources import sources

if TYPE_CHECKING:
    from iamledger.engine.view import View

COLUMNS = ("Actions", "Resource", "Conditions", "Limits", "LimitedBy", *STATEMENT_COLUMNS)
UNLIMITED, LIMITED, NOTHING, NOT_COMPARED = "unlimited", "limited", "nothing", "not compared in full"
BUDGET = 1_000_000
"""Steps of `Budget` for all rows of an answer."""
TOLD = 32
"""Characters of what takes away that may be told for a step."""


class _Allowed(NamedTuple):
    """Actions and one of the resources of an Allow, and what its rows tell of it."""

    span: Span
    resource: Span
    told: Row


class _Limit(NamedTuple):
    """A statement that takes away, or of a boundary one that leaves something, and the policy that it stands in."""

    policy: HeldPolicy
    source: Source


def what_can(view: View, principal: Named, asked: Span | None = None) -> list[Row]:
    """Rows of `COLUMNS`, as of the view, which must have `grants.READS`; only those that have to do with some actions.

    Raises UnreadablePolicy.
    """
    if principal.is_root:
        every = {"Actions": "*", "Resource": "*", "Conditions": [], "Limits": UNLIMITED, "LimitedBy": []}
        return [{**dict.fromkeys(COLUMNS), **every, "PolicyName": "root of the account"}]
    grants = access_of(view, principal.user_id).grants
    return rows(grants, principal, asked)


def rows(grants: Grants, principal: Named, asked: Span | None = None, budget: int = BUDGET) -> list[Row]:
    """The rows of a user or a group, found in so many steps of `Budget`. Raises UnreadablePolicy."""
    if principal.user_id is not None:
        holdings = list(grants.holdings(principal.user_id))
    else:
        holdings = [Holding(*granted) for granted in grants.granted.get(principal.group_id or "", ())]
    bound = grants.boundaries.get(principal.user_id or "")
    limits = _Limits([holding.policy for holding in holdings], bound[0] if bound else None)
    allowed = [found for holding in holdings for found in _allowed(holding, asked)]
    left = limits.of_all([(one.span, one.resource) for one in allowed], budget)
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
        for resource in resources(source.statement):
            yield _Allowed(span, resource, told)


def _row(allowed: _Allowed, left: str, by: list[str]) -> Row:
    found = {**allowed.told, "Resource": str(allowed.resource), "Limits": left, "LimitedBy": by}
    return {column: found[column] for column in COLUMNS}


class _Limits:
    """What takes away from what a principal is allowed: the Denies of its policies, and its boundary."""

    def __init__(self, policies: Iterable[HeldPolicy], boundary: HeldPolicy | None) -> None:
        every = {policy.label: policy for policy in policies}.values()
        own = [_Limit(policy, source) for policy in every for source in sources(policy.policy, Layer.IDENTITY)]
        bound = (
            [_Limit(boundary, source) for source in sources(boundary.policy, Layer.BOUNDARY)]
            if boundary is not None
            else []
        )
        denies = [limit for limit in (*own, *bound) if limit.source.effect == "Deny"]
        self._limits = [*denies, *(limit for limit in bound if limit.source.effect == "Allow")]
        self._denies = (1 << len(denies)) - 1
        self._bounds = (1 << len(self._limits)) - 1 - self._denies
        self._boundary = boundary
        statements = [limit.source.statement for limit in self._limits]
        self._sure = sum(1 << place for place, statement in enumerate(statements) if not statement.conditions)
        self._budget = Budget(0)
        self._actions = GatheredSpans([actions(statement) for statement in statements], self._budget)
        self._resources = GatheredSpans([all_resources(statement) for statement in statements], self._budget)
        self._told: dict[int, str] = {}

    def of_all(self, allowed: Sequence[tuple[Span, Span]], budget: int) -> list[tuple[str, list[str]]]:
        """How much of some actions on a resource is left, and what takes the rest, for each of some.

        Of the half, each may spend an equal part of what the ones before it have left, so that none takes it away from
        others. Those for which it was too little have what is left at the end, as far as it goes.
        """
        found: list[tuple[str, list[str]]] = [(NOT_COMPARED, [])] * len(allowed)
        spare = budget // 2
        budget -= spare
        for behind, (span, resource) in enumerate(allowed):
            share = budget // (len(allowed) - behind)
            found[behind], spent = self._spending(share, span, resource)
            budget -= spent
        budget += spare
        for place, (span, resource) in enumerate(allowed):
            if found[place][0] == NOT_COMPARED and budget > 0:
                found[place], spent = self._spending(budget, span, resource)
                budget -= spent
        return found

    def _spending(self, steps: int, span: Span, resource: Span) -> tuple[tuple[str, list[str]], int]:
        """What `of_all` tells of one, and how many of some steps it took."""
        self._budget.left = steps
        by: list[str] = []
        try:
            return (self._left(span, resource, by), by), steps - self._budget.left
        except Exhausted:
            return (NOT_COMPARED, by), steps

    def _left(self, span: Span, resource: Span, by: list[str]) -> str:
        """How much is left. Notes what takes the rest. Raises Exhausted."""
        met = self._actions.met(span)
        met &= self._resources.met(resource) if met else 0
        nothing = self._cover(met & self._denies, span, resource)
        for place in places(met & self._denies):
            if place not in self._told:
                self._told[place] = _told(self._limits[place])
            self._budget.spend(1 + len(self._told[place]) // TOLD)
            by.append(self._told[place])
        if self._boundary is not None and not self._cover(self._bounds, span, resource):
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


def _told(limit: _Limit) -> str:
    statement = limit.source.statement
    conditions = _conditions(statement)
    where = f"statement {limit.source.index + 1} of {limit.policy.name}"
    what = f"denied by {where}: {actions(statement)} on {all_resources(statement)}"
    return f"{what}, if {' and '.join(conditions)}" if conditions else what


def _conditions(statement: Statement) -> list[str]:
    return [condition_text(condition) for condition in statement.conditions]
