"""Cells that the answers about access share, so that for people the same thing reads the same in each of them.

Statement: `reports v2, statement 1 ReadReports`; a policy that AWS manages is marked. From: how somebody has it, `own` or
`group analysts`. Granted: when it was, and by whom, `position 12, 2026-11-24, root`. If: what must hold, `IpAddress
aws:SourceIp 10.0.0.0/8, unless …`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from iamledger.cli.output import Row, cell, instant

_MOST = 3
"""So many exceptions are told in a cell; programs get all."""


def statement_cell(row: Row) -> str | None:
    """A statement, by the policy that it stands in, its number and its Sid."""
    aws = of_aws(row.get("PolicyArn"))
    version = f" {row['PolicyVersion']}" if row.get("PolicyVersion") else ""
    sid = f" {row['Sid']}" if row.get("Sid") else ""
    number = f", statement {row['Statement']}{sid}" if row["Statement"] is not None else ""
    return f"{row['PolicyName']}{aws}{version}{number}" if row["PolicyName"] else None


def of_aws(policy_arn: str | None) -> str:
    """What marks a policy that AWS manages: the account may have one of the same name."""
    return " (AWS)" if policy_arn and policy_arn.startswith("arn:aws:iam::aws:") else ""


def from_cell(row: Row) -> str | None:
    """How somebody has a statement: of its own, from a group, or not at all, as it is in the resource's policy."""
    if row.get("GroupName"):
        return f"group {row['GroupName']}"
    if row["PolicyName"] is None:
        return None
    return "own" if row.get("Layer") in (None, "identity-based policy") else str(row["Layer"])


def from_position_cell(row: Row) -> str | None:
    """The same, with the position at which it was granted."""
    position = row["GrantedPosition"]
    return from_cell(row) if position is None else f"{from_cell(row)}, position {position}"


def granted_cell(position: int | None, at: Any, by: Any, reason: str | None = None, ticket: str | None = None) -> str:
    """When something was granted, by whom, and why. A day is enough, since the position tells the very moment."""
    when = [f"position {position}" if position else None, day_cell(at), cell(by) if by else None]
    why = ", ".join(text for text in (reason, ticket) if text)
    return ", ".join(text for text in when if text) + (f": {why}" if why else "")


def day_cell(at: Any) -> str | None:
    """The day of a time."""
    return instant(at)[:10] if at else None


def if_cell(condition: str | Sequence[str] | None) -> str | None:
    """What must hold, from one text or several: `IpAddress aws:SourceIp 10.0.0.0/8, unless Bool …`."""
    if condition is None or isinstance(condition, str):
        return condition.removeprefix("if ") if condition else None
    wanted = " and ".join(text for text in condition if not text.startswith("unless "))
    denied = " or ".join(
        dict.fromkeys(text.removeprefix("unless ") for text in condition if text.startswith("unless "))
    )
    return ", ".join(text for text in (wanted, f"unless {denied}" if denied else "") if text) or None


def resource_cell(resource: str | None, but_for: Sequence[str]) -> str | None:
    """A resource, and those among it that are excepted."""
    return f"{resource} but for {few(but_for)}" if but_for else resource


def actions_cell(pattern: str, number: int) -> str:
    """A pattern of actions, and how many it means."""
    several = "*" in pattern or "?" in pattern
    return f"{pattern} ({number} action{'s' * (number != 1)})" if several else pattern


def few(texts: Sequence[str], most: int = _MOST) -> str | None:
    """Some of several texts, and how many more there are."""
    more = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {more} more" if more > 0 else "") or None


def merged(rows: Iterable[Row], column: str) -> list[Row]:
    """Rows that differ in one column only, as one row with all that they have there."""
    found: dict[tuple[Any, ...], list[str]] = {}
    kept: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = tuple(value for name, value in row.items() if name != column)
        kept.setdefault(key, row)
        found.setdefault(key, []).append(row[column])
    return [{**kept[key], column: ", ".join(dict.fromkeys(texts))} for key, texts in found.items()]


def sections(rows: Iterable[Row], column: str) -> Iterator[tuple[Any, list[Row]]]:
    """Rows that follow one another and have the same in a column, with that."""
    for value, some in groupby(rows, key=lambda row: row[column]):
        yield value, list(some)


def with_context(context: Mapping[str, Any]) -> str:
    """The keys that a request has, behind the request."""
    return " with " + ", ".join(f"{key}={value}" for key, value in context.items()) if context else ""
