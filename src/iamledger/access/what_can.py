"""What somebody may do: a row for each Allow and each of its resources, and what takes away from it.

`Limits` says how much of a row is left: `unlimited`, if no Deny has anything in common with it and the boundary allows all
of it; `nothing`, if a Deny without conditions takes all of it, or the boundary allows none of it; else `limited`. This is
found by comparing patterns, and errs on the side of `limited`. Conditions are told, not weighed. Policies of resources,
which may grant or deny as well, are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from iamledger.access.compiled import access_of
from iamledger.access.grants import Grants, HeldPolicy, Holding
from iamledger.access.questions import Named
from iamledger.access.spans import Span, actions, all_resources, resources
from iamledger.access.statements import COLUMNS as STATEMENT_COLUMNS
from iamledger.access.statements import Row, condition_text, row_of
from iamledger.iam.refusals import ValidationError
from iamledger.policy import Layer, Source, Statement
from iamledger.policy.actions import read_action
from iamledger.policy.problems import Malformed
from iamledger.policy.sources import sources

if TYPE_CHECKING:
    from iamledger.engine.view import View

COLUMNS = ("Actions", "Resource", "Conditions", "Limits", "LimitedBy", *STATEMENT_COLUMNS)
UNLIMITED, LIMITED, NOTHING = "unlimited", "limited", "nothing"


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


def rows(grants: Grants, principal: Named, asked: Span | None = None) -> list[Row]:
    """The rows of a user or a group. Raises UnreadablePolicy."""
    if principal.user_id is not None:
        holdings = list(grants.holdings(principal.user_id))
    else:
        holdings = [Holding(*granted) for granted in grants.granted.get(principal.group_id or "", ())]
    bound = grants.boundaries.get(principal.user_id or "")
    limits = _Limits([holding.policy for holding in holdings], bound[0] if bound else None)
    found = [row for holding in holdings for row in _rows_of(holding, limits, asked)]
    return sorted(found, key=lambda row: (row["PolicyName"].lower(), row["PolicyArn"] or "", row["GroupName"] or ""))


def asked_actions(text: str) -> Span:
    """The actions that a filter names: `s3:GetObject`, `s3:Get*`. Raises ValidationError."""
    try:
        return Span((read_action(text),))
    except Malformed as malformed:
        raise ValidationError("; ".join(filter(None, (malformed.message, malformed.advice)))) from None


def _rows_of(holding: Holding, limits: _Limits, asked: Span | None) -> Iterator[Row]:
    for source in sources(holding.policy.policy, Layer.IDENTITY):
        span = actions(source.statement)
        if source.effect == "Deny" or (asked is not None and not span.meets(asked)):
            continue
        for resource in resources(source.statement):
            left, by = limits.of(span, resource)
            yield {
                "Actions": str(span),
                "Resource": str(resource),
                "Conditions": _conditions(source.statement),
                "Limits": left,
                "LimitedBy": by,
                **row_of(source, holding),
            }


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
        self.denies = [limit for limit in (*own, *bound) if limit.source.effect == "Deny"]
        self.boundary = boundary
        self.bounds = [limit for limit in bound if limit.source.effect == "Allow"]

    def of(self, span: Span, resource: Span) -> tuple[str, list[str]]:
        """How much of some actions on a resource is left, and what takes the rest."""
        denies = [limit for limit in self.denies if _meets(limit, span, resource)]
        by = [_told(limit) for limit in denies]
        nothing = _covers(denies, span, resource)
        if self.boundary is not None and not _covers(self.bounds, span, resource):
            outside = not any(_meets(limit, span, resource) for limit in self.bounds)
            nothing = nothing or outside
            kind = "outside of" if outside else "only what is within"
            by.append(f"{kind} the boundary {self.boundary.name}")
        return (NOTHING if nothing else LIMITED if by else UNLIMITED), by


def _meets(limit: _Limit, span: Span, resource: Span) -> bool:
    statement = limit.source.statement
    return span.meets(actions(statement)) and resource.meets(all_resources(statement))


def _covers(limits: Sequence[_Limit], span: Span, resource: Span) -> bool:
    """Whether statements without conditions have all of some actions on a resource among them."""
    sure = [limit.source.statement for limit in limits if not limit.source.statement.conditions]
    whole = [actions(statement) for statement in sure if resource.within(all_resources(statement))]
    each = [span] if span.negated else [replace(span, patterns=(pattern,)) for pattern in span.patterns]
    return all(any(one.within(other) for other in whole) for one in each)


def _told(limit: _Limit) -> str:
    statement = limit.source.statement
    conditions = _conditions(statement)
    where = f"statement {limit.source.index + 1} of {limit.policy.name}"
    what = f"denied by {where}: {actions(statement)} on {all_resources(statement)}"
    return f"{what}, if {' and '.join(conditions)}" if conditions else what


def _conditions(statement: Statement) -> list[str]:
    return [condition_text(condition) for condition in statement.conditions]
