"""Can: may somebody do this, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from iamledger.cli.asking import (
    Action,
    ContextOption,
    PrincipalName,
    Resource,
    ResourceAccountOption,
    ResourcePolicyOption,
    completed,
    origin_of_resource,
    question,
    tell_resource,
)
from iamledger.cli.cells import from_cell, granted_cell, if_cell, statement_cell
from iamledger.cli.groups import command
from iamledger.cli.mistyped import note_unknown
from iamledger.cli.output import Output, Row, cell, print_csv, print_filled, print_json, say
from iamledger.cli.permits import permit
from iamledger.cli.session import Reading, reading
from iamledger.cli.statuses import DENIED

if TYPE_CHECKING:
    from iamledger.access.answers import Answer

app = command("Tell whether somebody may do something, and why; now or as of any moment.")

MOST_NEAR_MISSES = 10
"""So many are shown to people; programs get all."""


@app.command(
    epilog="Example: iamledger can alice s3:GetObject arn:aws:s3:::reports/q3.csv --context aws:SourceIp=10.0.0.7"
)
@reading(permit("principal", "principal", "SimulatePrincipalPolicy"))
def can(
    at: Reading,
    principal: PrincipalName,
    action: Action,
    resource: Resource,
    context: ContextOption = None,
    resource_policy: ResourcePolicyOption = None,
    resource_account: ResourceAccountOption = None,
) -> None:
    """Tell whether somebody may do something, and why; now or as of any moment.

    Each statement that matched is told, with its policy, and who granted that to whom, at which position; for a denial also
    what would have been needed, and otherwise which Denies would match with keys that were not given. The request has the
    keys of its principal, aws:ResourceAccount, and aws:CurrentTime and aws:EpochTime of the moment it is asked for; others
    are absent unless --context gives them. Exit status: 0 allowed, 3 denied.
    """
    from iamledger.access import answers
    from iamledger.access.grants import READS
    from iamledger.access.questions import named_principal

    asked = completed(at, question(action, resource, context, resource_policy, resource_account))
    with at.view(*READS) as view:
        answer = answers.can(view, named_principal(view, principal), asked)
        if at.output is Output.JSON:
            print_json({**at.origin(view), **origin_of_resource(asked), "Answer": _told(answer)})
        elif at.output is Output.CSV:
            _print_rows(answer)
        else:
            _tell(answer)
        at.tell_origin(view)
        if at.output is not Output.JSON:
            tell_resource(at, asked)
    note_unknown(at.settings, [action])
    if not answer.allowed:
        raise typer.Exit(DENIED)


def _told(answer: Answer) -> dict[str, Any]:
    """Everything, for programs."""
    decision, request = answer.explanation.decision, answer.explanation.request
    given = {key.lower(): value for key, value in request.context.items()}
    return {
        "Principal": answer.principal.arn,
        "Action": request.action,
        "Resource": request.resource,
        "ResourceAccount": request.resource_account,
        "Context": dict(sorted({**request.caller.facts, **given}.items())),
        "Allowed": answer.allowed,
        "Decision": decision.outcome.value,
        "DecidedBy": decision.layer.value,
        "Reasons": answer.reasons,
        "PermissionsBoundary": answer.boundary,
        "Statements": answer.matched(),
        "Lacking": [layer.value for layer, _ in answer.explanation.lacking],
        "WouldHaveAllowed": answer.near_misses(),
        "WouldDeny": answer.would_deny(),
        "MissingContextKeys": answer.missing_keys(),
    }


def _print_rows(answer: Answer) -> None:
    from iamledger.access.statements import COLUMNS

    request = answer.explanation.request
    asked = {"Principal": answer.principal.arn, "Action": request.action, "Resource": request.resource}
    decided = {**asked, "Decision": answer.explanation.decision.outcome.value}
    columns = (*decided, *COLUMNS)
    print_csv([{**decided, **row} for row in answer.matched()] or [decided], columns)


def _tell(answer: Answer) -> None:
    request = answer.explanation.request
    allowed = "good" if answer.allowed else "bad"
    say(f"{answer.words}: {cell(answer.principal.name)}, {cell(request.action)}, {cell(request.resource)}", allowed)
    for reason in answer.reasons:
        print(cell(reason))
    matched = answer.matched()
    if matched:
        say("\nStatements that match", "heading")
        print_filled([_statement(row) for row in matched], ("Effect", "Statement", "From", "Line"))
    _tell_grants(answer, matched)
    _tell_others("Would have allowed it, but for", answer.near_misses(), "ButFor")
    _tell_others("Would deny it, if", answer.would_deny(), "If")
    missing = answer.missing_keys()
    if missing:
        print(f"\nNot given: {cell(', '.join(missing))}. Give them with --context KEY=VALUE.")


def _tell_others(heading: str, rows: Sequence[Row], column: str) -> None:
    """Statements that do not match, and in a column of lists why."""
    if rows:
        say(f"\n{heading}", "heading")
        shown = [{**_statement(row), column: if_cell(row[column])} for row in rows[:MOST_NEAR_MISSES]]
        print_filled(shown, ("Statement", "From", "Line", column))
        if len(rows) > MOST_NEAR_MISSES:
            print(f"and {len(rows) - MOST_NEAR_MISSES} more")


def _statement(row: Row) -> Row:
    return {
        "Effect": row["Effect"],
        "Statement": statement_cell(row),
        "From": from_cell(row),
        "Line": row["Line"],
    }


def _tell_grants(answer: Answer, matched: Sequence[Row]) -> None:
    """Who granted those policies to whom, who put the user into the groups, and who set the boundary that had a say."""
    from iamledger.policy import Layer

    name, boundary = answer.principal.name, answer.boundary
    lines: list[Row] = []
    for row in matched:
        if row["Layer"] == Layer.RESOURCE.value and row["GrantedPosition"] is not None:
            owner = answer.explanation.request.resource_account
            lines.append({**_grant("", "", row), "Grant": f"{row['PolicyName']} (account {owner})"})
        if row["Layer"] == Layer.IDENTITY.value:
            group = f"group {row['GroupName']}"
            lines.append(_grant(row["PolicyName"], group if row["GroupName"] else name, row))
            if row["GroupName"]:
                lines.append(_grant(name, group, row, "AddedToGroup"))
    lacking = {layer.value for layer, _ in answer.explanation.lacking}
    if boundary and Layer.BOUNDARY.value in {*lacking, *(row["Layer"] for row in matched)}:
        lines.append(_grant(f"boundary {boundary['PolicyName']}", name, boundary))
    if lines:
        say("\nGrants", "heading")
        unique = {(line["Grant"], line["Granted"]): line for line in lines}
        print_filled(list(unique.values()), ("Grant", "Granted", "Reason", "Ticket"))


def _grant(what: str, whom: str, row: Row, how: str = "Granted") -> Row:
    """What was given to whom; `how` is what the columns begin with that tell of it."""
    why = "" if how == "Granted" else how
    return {
        "Grant": f"{what} to {whom}",
        "Granted": granted_cell(row[f"{how}Position"], row[f"{how}Date"], row[f"{how}By"]),
        "Reason": row[f"{why}Reason"],
        "Ticket": row[f"{why}Ticket"],
    }
