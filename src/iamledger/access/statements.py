"""Statements as answers tell them: in which policy they stand, who gave it to whom, and what they hang on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from iamledger.access.grants import Grants, HeldPolicy, Holding, How
from iamledger.policy import Condition, Layer, Pattern, Request, Source, Statement, Variable

Row = dict[str, Any]
STATEMENT = ("Effect", "Layer", "PolicyName", "PolicyType", "PolicyArn", "PolicyVersion", "Statement", "Sid", "Line")
GRANT = ("GrantedPosition", "GrantedDate", "GrantedBy", "Reason", "Ticket")
GROUP = (
    "GroupName",
    "AddedToGroupPosition",
    "AddedToGroupDate",
    "AddedToGroupBy",
    "AddedToGroupReason",
    "AddedToGroupTicket",
)
COLUMNS = (*STATEMENT, "Column", *GRANT, *GROUP)

_OF_CALLERS = frozenset(
    f"aws:{name}"
    for name in ("username", "userid", "principalarn", "principalaccount", "principaltype", "principalisawsservice")
)
_TAGS_OF_CALLERS = "aws:principaltag/"


def ways(source: Source, grants: Grants, user_id: str | None) -> list[Holding | None]:
    """How a user has a statement's policy: of its own, or by each of the groups. None for what nobody was granted."""
    if user_id is None or source.layer not in (Layer.IDENTITY, Layer.BOUNDARY):
        return [None]
    if source.layer is Layer.BOUNDARY:
        return [Holding(*grants.boundaries[user_id])]
    return [held for held in grants.holdings(user_id) if held.policy.label == source.label]


def rows_of(source: Source, grants: Grants, user_id: str | None, put: How | None = None) -> Iterator[Row]:
    """A row of `COLUMNS` for each way in which a user has a statement; `put` is how the resource got its policy."""
    for held in ways(source, grants, user_id):
        yield row_of(source, held, put)


def row_of(source: Source, held: Holding | None, put: How | None = None) -> Row:
    """A row of `COLUMNS`: a statement, and how somebody has it, or, of a policy of the resource, how that was `put`."""
    policy = held.policy if held else HeldPolicy(source.label, source.label, source.layer.value.capitalize(), None)
    told = {
        "Effect": source.effect,
        "Layer": source.layer.value,
        "PolicyName": policy.name,
        "PolicyType": policy.type,
        "PolicyArn": policy.arn,
        "PolicyVersion": policy.version,
        "Statement": source.index + 1,
        "Sid": source.sid,
        "Line": source.place.line,
        "Column": source.place.column,
    }
    granted = put if source.layer is Layer.RESOURCE else None
    joined = held.joined if held else None
    return {
        **told,
        **dict(zip(GRANT, how(held.granted if held else granted), strict=True)),
        "GroupName": held.group.name if held and held.group else None,
        **dict(zip(GROUP[1:], how(joined), strict=True)),
    }


def how(granted: How | None) -> tuple[Any, ...]:
    """The values of `GRANT`, or of the columns that tell how somebody came into a group."""
    return (
        (None,) * 5 if granted is None else (granted.position, granted.at, granted.by, granted.reason, granted.ticket)
    )


def order(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What rows of a layer are ordered by: Denies first, then by policy and statement, what is somebody's own first."""
    return (
        row["Effect"] != "Deny",
        row["PolicyName"].lower(),
        row["PolicyArn"] or "",
        (row["GroupName"] or "").lower(),
        row["Statement"],
    )


# Conditions


def keys_of(condition: Condition) -> set[str]:
    """The keys that a condition looks at, in lower case: its own, and those of variables in its values."""
    return {condition.key.lower()} | variables(
        operand for operand in condition.operands if isinstance(operand, Pattern)
    )


def variables(patterns: Iterable[Pattern]) -> set[str]:
    """The keys of the variables in patterns, in lower case."""
    return {part.key.lower() for pattern in patterns for part in pattern.parts if isinstance(part, Variable)}


def resource_keys(statement: Statement) -> set[str]:
    """The keys of the variables in a statement's resources, in lower case."""
    return variables((*statement.resource, *statement.not_resource))


def facts_given(request: Request) -> set[str]:
    """The keys that a request has, its caller's among them, in lower case. A key without a value is absent."""
    given = {**request.caller.facts, **{key.lower(): value for key, value in request.context.items()}}
    return {key for key, value in given.items() if value not in ([], ())}


def is_of_caller(key: str) -> bool:
    """Whether a key, in lower case, is about who asks: then it is known that a request does not have it."""
    return key in _OF_CALLERS or key.startswith(_TAGS_OF_CALLERS)


def unknown(keys: Iterable[str], given: set[str]) -> set[str]:
    """Those of some keys that a request could have, for all that is known, and does not."""
    return {key for key in keys if key not in given and not is_of_caller(key)}


def spelled(keys: Iterable[str], statements: Iterable[Statement]) -> list[str]:
    """Keys as statements spell them, in order."""
    written = _written(statements)
    return sorted(written.get(key, key) for key in keys)


def as_written(context: Mapping[str, Any], statements: Iterable[Statement]) -> Mapping[str, Any]:
    """A context whose keys, in lower case, are spelled as statements spell them."""
    written = _written(statements)
    return {written.get(key, key): value for key, value in context.items()}


def _written(statements: Iterable[Statement]) -> dict[str, str]:
    """By keys in lower case: as statements spell them."""
    return {
        key.lower(): key
        for statement in statements
        for key in (
            *(condition.key for condition in statement.conditions),
            *(part.key for pattern in _patterns(statement) for part in pattern.parts if isinstance(part, Variable)),
        )
    }


def _patterns(statement: Statement) -> Iterator[Pattern]:
    yield from (*statement.resource, *statement.not_resource)
    for condition in statement.conditions:
        yield from (operand for operand in condition.operands if isinstance(operand, Pattern))


def condition_text(condition: Condition) -> str:
    """A condition in one line, as everywhere."""
    return condition.text
