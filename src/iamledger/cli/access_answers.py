"""How the answers of `access` are printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from iamledger.cli.output import Output, Row, instant, note, print_csv, print_json, print_record, print_table, say

if TYPE_CHECKING:
    from iamledger.cli.session import Reading

CHANGES = (
    *("UserName", "Change", "Action", "Actions", "Resource", "ButFor", "Condition"),
    *("PolicyName", "Statement", "GroupName", "Event", "Position", "RecordedAt", "Actor"),
)
CHECKED = ("Verdict", "Action", "Resource", "Condition", "Line", "Witness", "Why")


def told_novelty(one: Any) -> Row:
    """What is new, or may be, as a row of `CHECKED`."""
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
        and {"Action": witness.action, "Resource": witness.resource, "Context": dict(witness.context)},
        "Why": one.why,
    }


def with_told_witness(row: Row) -> Row:
    """The same with the request in words."""
    witness = row["Witness"]
    if witness is None:
        return row
    context = ", ".join(f"{key}={value}" for key, value in witness["Context"].items())
    return {**row, "Witness": f"{witness['Action']} on {witness['Resource']}{context and f' with {context}'}"}


def told_change(row: Mapping[str, Any]) -> list[Row]:
    """A row for each pattern of actions."""
    source = row["Sources"][0] if row["Sources"] else {}
    patterns = row["Patterns"]
    shared = {
        **{name: row[name] for name in ("UserName", "Change", "Resource", "Condition")},
        **{name: source.get(name) for name in CHANGES[7:]},
    }
    return [
        {**shared, "Action": one["Pattern"], "Actions": one["Actions"], "ButFor": _few(one["ButFor"])}
        for one in patterns
    ]


def _few(texts: Sequence[str], most: int = 3) -> str | None:
    more = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {more} more" if more > 0 else "") or None


def print_rows(at: Reading, rows: Sequence[Row], columns: Sequence[str], none: str) -> None:
    """Print rows, or that there are none."""
    if at.output is Output.CSV:
        print_csv(rows, columns)
    elif rows:
        print_table(rows, columns)
    else:
        print(none)


def not_compared(texts: Sequence[str]) -> None:
    """Tell what was not compared."""
    for text in texts:
        note(f"Not compared: {text}")


def tell_radius(at: Reading, origin: Mapping[str, Any], summary: Row, found: Any, paths: Sequence[Row]) -> None:
    """Print what a key could do and did."""
    permissions = [
        {
            "Action": one.pattern,
            "Actions": one.actions,
            "Resource": one.resource,
            "ButFor": list(one.but_for),
            "Condition": one.condition,
            "PolicyName": ", ".join(held.policy_name for held in one.policies) or None,
            "GroupName": ", ".join(held.group_name for held in one.policies if held.group_name) or None,
            "FirstPosition": one.first,
            "LastPosition": one.last,
        }
        for one in found.permissions
    ]
    did = [
        {"Position": event.position, "RecordedAt": event.recorded_at, "Type": event.type, "Data": event.data}
        for event in found.commands
    ]
    answer = {"Could": permissions, "Escalations": list(paths), "Did": did, "Uses": found.uses}
    if at.output is Output.JSON:
        print_json({**origin, "BlastRadius": {**summary, **answer}, "NotCompared": found.untold})
        return
    if at.output is Output.CSV:
        columns = ("Kind", "Action", "Resource", "ButFor", "Condition", "PolicyName", "GroupName", "First", "Last")
        print_csv(list(_as_csv(permissions, did, found.uses)), columns)
    else:
        answer = {**answer, "Could": [{**row, "ButFor": _few(row["ButFor"])} for row in permissions]}
        shown = {name: _few(value, 12) if isinstance(value, list) else value for name, value in summary.items()}
        print_record({**shown, **{name: rows for name, rows in answer.items() if rows}})
        for name, rows in (("Did", did), ("Uses", found.uses)):
            if not rows:
                print(f"\nNo {name}.")
    not_compared(found.untold)
    line = f"as of position {origin['Position']}, recorded {instant(origin['RecordedAt'])}, account {at.account_id}"
    say(line, "faint") if at.output is Output.TABLE else note(line)


def _as_csv(permissions: Sequence[Row], did: Sequence[Row], uses: Sequence[Row]) -> list[Row]:
    return [
        *(
            {
                **{"Kind": "Could", **row, "ButFor": _few(row["ButFor"])},
                **{"First": row["FirstPosition"], "Last": row["LastPosition"]},
            }
            for row in permissions
        ),
        *({"Kind": "Did", "Action": row["Type"], "First": row["Position"], "Last": row["Position"]} for row in did),
        *(
            {
                "Kind": "Used",
                "Action": row["ServiceName"],
                "Resource": row["Region"],
                "First": row["FirstUsed"],
                "Last": row["LastUsed"],
            }
            for row in uses
        ),
    ]
