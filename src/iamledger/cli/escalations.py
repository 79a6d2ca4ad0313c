"""How ways in which users could give themselves more are told to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from iamledger.cli.cells import from_cell, granted_cell, merged, sections, statement_cell
from iamledger.cli.output import Row, print_filled, say

_TABLE = ("Path", "LeadsTo", "Action", "Statement", "From")


def tell_paths(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the paths of each user. The actions of a step that the same statement allows stand in one row."""
    several = len({row["UserName"] for row in rows}) > 1
    for number, (name, some) in enumerate(sections(rows, "UserName")):
        if several:
            say("\n" * (number > 0) + name, "heading")
        print_filled(merged(map(_for_people, some), "Action"), _TABLE)


def _for_people(row: Mapping[str, Any]) -> Row:
    granted = granted_cell(row["Position"], None, row["GrantedBy"])
    return {
        "Path": row["Path"],
        "LeadsTo": row["LeadsTo"],
        "Action": f"{row['Action']} on {row['On']}" + (f" {row['Condition']}" if row["Condition"] else ""),
        "Statement": statement_cell(row),
        "From": ", ".join(filter(None, (from_cell(row), granted))) or None,
    }
