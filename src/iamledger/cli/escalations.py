"""How ways in which users could give themselves more are told to people."""

from __future__ import annotations

from collections.abc import Sequence

from iamledger.cli.cells import from_cell, granted_cell, merged, sections, statement_cell
from iamledger.cli.output import Row, print_filled, say

_TABLE = ("Path", "LeadsTo", "Action", "Statement", "From")


def tell_users(rows: Sequence[Row]) -> None:
    """Print users, each with its paths."""
    for number, (name, some) in enumerate(sections(rows, "UserName")):
        say("\n" * (number > 0) + name, "heading")
        tell_paths(some)


def tell_paths(rows: Sequence[Row]) -> None:
    """Print the paths of one user. The actions of a step that the same statement allows stand in one row."""
    print_filled(merged(map(_for_people, rows), "Action"), _TABLE)


def _for_people(row: Row) -> Row:
    granted = granted_cell(row["Position"], None, row["GrantedBy"])
    return {
        "Path": row["Path"],
        "LeadsTo": row["LeadsTo"],
        "Action": f"{row['Action']} on {row['On']}" + (f" {row['Condition']}" if row["Condition"] else ""),
        "Statement": statement_cell(row),
        "From": ", ".join(filter(None, (from_cell(row), granted))) or None,
    }
