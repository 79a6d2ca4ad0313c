"""How `access unused` prints what it found for people: a table for each kind of thing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from iamledger.cli.cells import day_cell, few, from_cell, granted_cell, sections, statement_cell
from iamledger.cli.output import Row, print_filled, say

_HEADINGS = {
    "AccessKey": "Access keys",
    "User": "Users",
    "Policy": "Policies",
    "Group": "Groups",
    "Grant": "What was granted, for services that were not used",
}
_NAMES = {"AccessKey": "AccessKeyId", "User": "UserName", "Policy": "Policy", "Group": "GroupName", "Grant": "UserName"}
"""What the name of a thing is called; that of a grant is whose it is."""
_SERVICES = 8
"""So many services of a grant are told; programs get all."""


def tell_unused(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print what was not used."""
    ordered = sorted(rows, key=lambda row: list(_HEADINGS).index(row["Kind"]))
    for number, (kind, some) in enumerate(sections(ordered, "Kind")):
        say("\n" * (number > 0) + _HEADINGS[kind], "heading")
        print_filled([_for_people(row) for row in some], _columns(kind))
    if not ordered:
        print("Nothing is unused.")


def _columns(kind: str) -> tuple[str, ...]:
    if kind == "Grant":
        return ("UserName", "Statement", "From", "Unused", "LastUsed", "Granted")
    return (*dict.fromkeys((_NAMES[kind], "UserName")), "Unused", "LastUsed", "Created")


def _for_people(row: Mapping[str, Any]) -> Row:
    shared = {"Unused": few(row["Unused"].split(", "), _SERVICES), "LastUsed": day_cell(row["LastUsed"])}
    if row["Kind"] == "Grant":
        told = {**row, "PolicyName": row["Name"]}
        granted = granted_cell(row["Position"], row["Since"], None) or None
        return {
            **shared,
            **{"UserName": row["Of"], "Statement": statement_cell(told), "From": from_cell(told), "Granted": granted},
        }
    return {**shared, "UserName": row["Of"], _NAMES[row["Kind"]]: row["Name"], "Created": day_cell(row["Since"])}
