"""How `access blast-radius` finds and prints what a key could do and did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from iamledger.cli.access_answers import not_compared
from iamledger.cli.cells import actions_cell, few, from_cell, if_cell, merged, resource_cell
from iamledger.cli.escalations import tell_paths
from iamledger.cli.output import Output, Row, instant, note, print_csv, print_filled, print_json, print_record, say

if TYPE_CHECKING:
    from iamledger.access.blast_radius import BlastRadius, Period
    from iamledger.cli.session import Reading

_CSV = ("Kind", "Action", "Resource", "ButFor", "Condition", "PolicyName", "GroupName", "First", "Last")
_SERVICES = 12
"""So many services, and actions that tell data, are shown to people; programs get all."""


def paths_of_period(at: Reading, period: Period) -> list[Mapping[str, Any]]:
    """The ways in which a key's owner could have given itself more, at the first or at the last moment of a period."""
    from iamledger.access.escalation_paths import rows_of
    from iamledger.access.escalations import escalations, numbers_of_versions
    from iamledger.access.grants import READS, read_grants
    from iamledger.engine.view import open_view
    from iamledger.read_models import all_projections

    projections = [all_projections()[name] for name in READS]
    paths: dict[tuple[str, ...], Mapping[str, Any]] = {}
    for position in (period.first, period.last):
        with open_view(at.database.connection, at.account_id, projections, position=position) as view:
            grants = read_grants(view)
            for path in escalations(grants, numbers_of_versions(view), period.user_id).paths:
                for row in rows_of(path, grants):
                    paths.setdefault(tuple(str(value) for value in row.values()), row)
    return list(paths.values())


def summary_of(access_key_id: str, owner: str, found: BlastRadius) -> Row:
    """Whose key it was, the period, and what could be done in a few words."""
    period = found.period
    return {
        "AccessKeyId": access_key_id,
        "UserName": owner,
        "Since": period.since,
        "SinceWhy": period.since_why,
        "Until": period.until,
        "UntilWhy": period.until_why,
        "FirstPosition": period.first,
        "LastPosition": period.last,
        "Administrator": found.administrator,
        "Services": found.services,
        "DataActions": found.data,
    }


def tell_radius(
    at: Reading, origin: Mapping[str, Any], summary: Row, found: BlastRadius, paths: Sequence[Mapping[str, Any]]
) -> None:
    """Print all of it."""
    permissions, did = _permissions(found), _commands(found)
    if at.output is Output.JSON:
        answer = {"Could": permissions, "Escalations": list(paths), "Did": did, "Uses": found.uses}
        print_json({**origin, "BlastRadius": {**summary, **answer}, "NotCompared": found.untold})
        return
    if at.output is Output.CSV:
        print_csv(_as_csv(permissions, did, found.uses), _CSV)
    else:
        _tell(summary, permissions, did, found.uses, paths)
    not_compared((None, text) for text in found.untold)
    line = f"as of position {origin['Position']}, recorded {instant(origin['RecordedAt'])}, account {at.account_id}"
    say(line, "faint") if at.output is Output.TABLE else note(line)


def _permissions(found: BlastRadius) -> list[Row]:
    return [
        {
            "Action": one.pattern,
            "Actions": one.actions,
            "Resource": one.resource,
            "ButFor": list(one.but_for),
            "Condition": one.condition,
            "PolicyName": ", ".join(held.policy_name for held in one.policies) or None,
            "Layer": ", ".join(dict.fromkeys(held.layer.value for held in one.policies)),
            "GroupName": ", ".join(held.group_name for held in one.policies if held.group_name) or None,
            "FirstPosition": one.first,
            "LastPosition": one.last,
        }
        for one in found.permissions
    ]


def _commands(found: BlastRadius) -> list[Row]:
    return [
        {"Position": event.position, "RecordedAt": event.recorded_at, "Type": event.type, "Data": event.data}
        for event in found.commands
    ]


def _tell(
    summary: Row,
    permissions: Sequence[Row],
    did: Sequence[Row],
    uses: Sequence[Row],
    paths: Sequence[Mapping[str, Any]],
) -> None:
    print_record({name: few(value, _SERVICES) if isinstance(value, list) else value for name, value in summary.items()})
    say("\nWhat it could do", "heading")
    if permissions:
        print_filled(
            merged(map(_for_people, permissions), "Action"), ("Action", "Resource", "If", "Policy", "From", "Positions")
        )
    else:
        print("Nothing was allowed.")
    if paths:
        say("\nHow its owner could have given itself more", "heading")
        tell_paths(paths)
    say("\nWhat it did here", "heading")
    if did:
        print_filled([{**row, "Event": row["Type"]} for row in did], ("Position", "RecordedAt", "Event", "Data"))
    else:
        print("No command of this ledger was given with it.")
    say("\nUses that services recorded", "heading")
    if uses:
        print_filled(uses, list(uses[0]))
    else:
        print("No use was recorded.")


def _for_people(row: Row) -> Row:
    return {
        "Action": actions_cell(row["Action"], row["Actions"]),
        "Resource": resource_cell(row["Resource"], row["ButFor"]),
        "If": if_cell(row["Condition"]),
        "Policy": row["PolicyName"],
        "From": from_cell(row),
        "Positions": f"{row['FirstPosition']} to {row['LastPosition']}",
    }


def _as_csv(permissions: Sequence[Row], did: Sequence[Row], uses: Sequence[Row]) -> list[Row]:
    return [
        *(
            {
                **{"Kind": "Could", **row, "ButFor": few(row["ButFor"])},
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
