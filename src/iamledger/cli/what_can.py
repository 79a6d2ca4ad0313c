"""What can: everything that somebody may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from iamledger.cli.cells import from_position_cell, if_cell, statement_cell
from iamledger.cli.completing import USER
from iamledger.cli.groups import command
from iamledger.cli.output import Output, Row
from iamledger.cli.permits import permit
from iamledger.cli.session import Reading, reading

if TYPE_CHECKING:
    from iamledger.access.spans import Span

app = command("List everything that somebody may do, and what limits it; now or as of any moment.")

TABLE = ("Action", "Resource", "If", "Statement", "From", "Limits")
"""The columns for people."""


@app.command(epilog="Example: iamledger what-can alice --service s3 --as-of 2026-11-24")
@reading(permit("principal", "principal", "SimulatePrincipalPolicy"))
def what_can(
    at: Reading,
    principal: Annotated[
        str,
        typer.Argument(
            metavar="PRINCIPAL",
            help="Name, unique id or ARN of a user; group/NAME; or root.",
            autocompletion=USER,
        ),
    ],
    service: Annotated[
        str | None, typer.Option("--service", metavar="SERVICE", help="Only what has to do with this service: s3.")
    ] = None,
    action: Annotated[
        str | None,
        typer.Option("--action", metavar="ACTION", help="Only what has to do with this action; s3:Put* is possible."),
    ] = None,
) -> None:
    """List everything that somebody may do, and what limits it; now or as of any moment.

    A row for each Allow and each of its resources, with the grant that it comes from; policies of the account's own
    resources grant too. Limits tells what takes away from it: Denies, and the permissions boundary; or that there was too
    much to compare in full: then ask for fewer actions. What resources of other accounts grant is not told.
    """
    from iamledger.access.questions import named_principal
    from iamledger.access.what_can import COLUMNS, READS
    from iamledger.access.what_can import what_can as found

    asked = _asked(service, action)
    with at.view(*READS) as view:
        rows = found(view, named_principal(view, principal, groups=True), asked)
        if at.output is Output.TABLE:
            at.tell_table([_for_people(row) for row in rows], TABLE, view, "Nothing is allowed.")
        else:
            at.tell("Permissions", rows, view, COLUMNS)


def _asked(service: str | None, action: str | None) -> Span | None:
    from iamledger.access.what_can import asked_actions

    if service is not None and action is not None:
        raise typer.BadParameter("an action names its service itself", param_hint="--service")
    text = action if service is None else f"{service}:*"
    return None if text is None else asked_actions(text)


def _for_people(row: Row) -> Row:
    return {
        "Action": row["Actions"],
        "Resource": row["Resource"],
        "If": if_cell(row["Conditions"]),
        "Statement": statement_cell(row),
        "From": from_position_cell(row),
        "Limits": row["Limits"] + (f": {'; '.join(row['LimitedBy'])}" if row["LimitedBy"] else ""),
    }
