"""How `access diff` and `access check` print what they found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from iamledger.cli.cells import (
    actions_cell,
    few,
    from_cell,
    granted_cell,
    if_cell,
    merged,
    resource_cell,
    sections,
    statement_cell,
    with_context,
)
from iamledger.cli.output import Row, cell, note, print_filled, say

if TYPE_CHECKING:
    from iamledger.access.grants import Grants
    from iamledger.policy import Statement
    from iamledger.policy.comparing.novelties import Novelty

CHANGES = (
    *("UserName", "Change", "Action", "Actions", "Resource", "ButFor", "Condition"),
    *("PolicyName", "Statement", "GroupName", "Event", "Position", "RecordedAt", "Actor"),
)
CHECKED = ("Verdict", "Action", "Resource", "Condition", "Line", "Witness", "Why")
_CHANGES_FOR_PEOPLE = ("Change", "UserName", "Action", "Resource", "If", "Statement", "From")
_CHECKED_FOR_PEOPLE = ("Verdict", "Action", "Resource", "If", "Line", "Example", "Why")


def change_rows(row: Mapping[str, Any]) -> list[Row]:
    """A change as rows of `CHANGES`, one for each pattern of actions."""
    source = row["Sources"][0] if row["Sources"] else {}
    shared = {
        **{name: row[name] for name in ("UserName", "Change", "Resource", "Condition")},
        **{name: source.get(name) for name in CHANGES[7:]},
    }
    return [
        {**shared, "Action": one["Pattern"], "Actions": one["Actions"], "ButFor": few(one["ButFor"])}
        for one in row["Patterns"]
    ]


def tell_changes(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print changes for people, event by event. What several users gained or lost alike stands in one row."""
    told = [one for row in rows for one in _told_changes(row)]
    told.sort(key=lambda row: (row["Position"] or 0, row["Change"]))
    for number, (event, some) in enumerate(sections(told, "Event")):
        say("\n" * (number > 0) + cell(event), "heading")
        found = merged(merged(some, "Action"), "UserName")
        print_filled(found, _CHANGES_FOR_PEOPLE)
    if not told:
        print("No permission was gained or lost.")


def _told_changes(row: Mapping[str, Any]) -> list[Row]:
    source = row["Sources"][0] if row["Sources"] else None
    shared = {
        "Change": row["Change"],
        "UserName": row["UserName"],
        "If": if_cell(row["Condition"]),
        "Statement": statement_cell(source) if source else None,
        "From": from_cell(source) if source else None,
        "Event": _event(source) if source and source["Event"] else "By no event of its own",
        "Position": source["Position"] if source else None,
    }
    return [
        {
            **shared,
            "Action": actions_cell(one["Pattern"], one["Actions"]),
            "Resource": resource_cell(row["Resource"], one["ButFor"]),
        }
        for one in row["Patterns"]
    ]


def _event(source: Mapping[str, Any]) -> str:
    how = (source[name] for name in ("Position", "RecordedAt", "Actor", "Reason", "Ticket"))
    return f"{source['Event']}, {granted_cell(*how)}"


def with_written_keys(row: Mapping[str, Any], user_id: str, *moments: Grants) -> Row:
    """A change whose witness has its context keys as the user's policies, at some moments, write them."""
    from iamledger.access.statements import as_written

    witness = row["Witness"]
    statements = [
        statement
        for grants in moments
        if user_id in grants.users
        for _, _, policies in grants.policy_set(user_id).layers()
        for policy in policies
        for statement in policy.document.statements
    ]
    return {**row, "Witness": {**witness, "Context": as_written(witness["Context"], statements)}}


def novelty_row(one: Novelty, statements: Sequence[Statement]) -> Row:
    """What is new, or may be, as a row of `CHECKED`. Context keys are told as statements write them."""
    from iamledger.access.statements import as_written
    from iamledger.policy.comparing import told_conditions

    verdict = "OPEN" if one.witness is None else "NEW" if one.grants else "NO LONGER DENIED"
    statement, witness = one.statement, one.witness
    excluded = [pattern.text for pattern in statement.not_action]
    without = [pattern.text for pattern in statement.not_resource]
    return {
        "Verdict": verdict,
        "Action": one.action or (f"all but {', '.join(excluded)}" if excluded else None),
        "Resource": one.resource or (f"all but {', '.join(without)}" if without else None),
        "Condition": told_conditions(statement.conditions) or None,
        "Line": statement.place.line,
        "Witness": witness
        and {
            "Action": witness.action,
            "Resource": witness.resource,
            "Context": as_written(witness.context, statements),
        },
        "Why": one.why,
    }


def with_told_witness(row: Row) -> Row:
    """The same with the request in words."""
    witness = row["Witness"]
    if witness is None:
        return row
    return {**row, "Witness": f"{witness['Action']} on {witness['Resource']}{with_context(witness['Context'])}"}


def tell_novelties(rows: Iterable[Row]) -> None:
    """Print for people what is new. An example is told by what the row does not have."""
    print_filled(
        [{**row, "If": if_cell(row["Condition"]), "Example": _example(row)} for row in rows], _CHECKED_FOR_PEOPLE
    )


def _example(row: Row) -> str | None:
    witness = row["Witness"]
    if witness is None:
        return None
    action = "" if witness["Action"] == row["Action"] else f"{witness['Action']} on "
    return f"{action}{witness['Resource']}{with_context(witness['Context'])}"


def not_compared(texts: Iterable[tuple[str | None, str]]) -> None:
    """Tell what was not compared, and of whom: a user's name, or None."""
    names: dict[str, list[str]] = {}
    for name, text in texts:
        names.setdefault(text, []).extend([name] if name else [])
    for text, of in names.items():
        note(f"Not compared: {', '.join(of)}{': ' * bool(of)}{text}")
