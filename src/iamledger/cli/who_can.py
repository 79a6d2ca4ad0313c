"""Who can: everybody who may do something."""

from __future__ import annotations

from iamledger.cli.asking import (
    Action,
    ContextOption,
    Resource,
    ResourceAccountOption,
    ResourcePolicyOption,
    completed,
    note_other_principals,
    question,
    tell_resource,
)
from iamledger.cli.cells import from_position_cell, if_cell, statement_cell
from iamledger.cli.groups import command
from iamledger.cli.mistyped import note_unknown
from iamledger.cli.output import Output, Row, note
from iamledger.cli.permits import QUESTION
from iamledger.cli.session import Reading, reading

app = command("List everybody who may do something, and by which grants; now or as of any moment.")

TABLE = ("UserName", "Access", "Statement", "From", "If")
"""The columns for people."""


@app.command(epilog="Example: iamledger who-can s3:GetObject arn:aws:s3:::reports/q3.csv --as-of 2026-11-24")
@reading(QUESTION)
def who_can(
    at: Reading,
    action: Action,
    resource: Resource,
    context: ContextOption = None,
    resource_policy: ResourcePolicyOption = None,
    resource_account: ResourceAccountOption = None,
) -> None:
    """List everybody who may do something, and by which grants; now or as of any moment.

    A row for each user and way. ALLOWED are those who are allowed with the context that was given; CONDITIONAL those whom
    only conditions on keys that were not given stand in the way of: column If has the conditions. With what it has after
    "unless", a Deny would match. The account's root is listed too.
    """
    from iamledger.access.compiled import access_of
    from iamledger.access.grants import READS
    from iamledger.access.questions import account_in
    from iamledger.access.statements import COLUMNS
    from iamledger.access.who_can import who_can as found

    asked = completed(at, question(action, resource, context, resource_policy, resource_account))
    with at.view(*READS) as view:
        rows = [row for who in found(access_of(view), asked, view.time) for row in who.rows(view.account_id)]
        if at.output is Output.TABLE:
            at.tell_table([_for_people(row) for row in rows], TABLE, view, "Nobody may do this.")
        else:
            at.tell("Principals", rows, view, ("UserName", "Arn", "Access", "If", "Conditions", *COLUMNS))
        tell_resource(at, asked)
        owner = asked.resource_account or account_in(resource)
        if owner not in (None, view.account_id) and asked.resource_policy is None:
            note(
                f"The resource is of account {owner}, so its policy must allow it too. Give it: --resource-policy FILE"
            )
    note_other_principals(at, asked)
    note_unknown(at.settings, [action])


def _for_people(row: Row) -> Row:
    return {**row, "Statement": statement_cell(row), "From": from_position_cell(row), "If": if_cell(row["If"])}
