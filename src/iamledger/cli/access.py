"""What changed, what is new, what is too much: diff, check, blast-radius, unused, escalations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iamledger.cli.access_answers import (
    CHANGES,
    CHECKED,
    change_rows,
    not_compared,
    novelty_row,
    tell_changes,
    tell_novelties,
    with_told_witness,
    with_written_keys,
)
from iamledger.cli.access_questions import in_force, named_users, parsed_document
from iamledger.cli.completing import ACCESS_KEY, POLICY, USER
from iamledger.cli.documents import document_text
from iamledger.cli.escalations import tell_users
from iamledger.cli.groups import commands
from iamledger.cli.output import Output, cell, note, print_csv, print_json, say
from iamledger.cli.permits import AUDIT, QUESTION, permit
from iamledger.cli.session import Reading, reading
from iamledger.cli.statuses import DENIED

if TYPE_CHECKING:
    from iamledger.cli.output import Row

app = commands("Access over time: what changed, what a document would add, what is too much, what a key could do.")

PrincipalOption = Annotated[
    str | None, typer.Option("--principal", metavar="USER", help="Only this user.", autocompletion=USER)
]
KeyId = Annotated[
    str, typer.Argument(metavar="KEY-ID", help="Access key id, AKIA…; alive or gone.", autocompletion=ACCESS_KEY)
]
SuspectedOption = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="TIME",
        help="From when on.",
        show_default="when it is suspected from, as its revocation says; else its creation",
    ),
]


@app.command(epilog="Example: iamledger access diff --from 2026-10-01 --to 2026-11-24 --principal alice")
@reading(QUESTION, without=("as_of",))
def diff(
    at: Reading,
    from_: Annotated[
        str, typer.Option("--from", metavar="POSITION|TIME", help="The first moment; a bare date means its end (UTC).")
    ],
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="POSITION|TIME", help="The second moment.", show_default="now"),
    ] = None,
    principal: PrincipalOption = None,
) -> None:
    """Permissions gained and lost between two moments, and the events that did it.

    What policies allow is compared, not their texts: what was only rewritten, or moved from a user to a group, is no
    difference. Actions are those of the services that are known; for each difference there is a request that shows it (in
    JSON). What could not be compared is told.
    """
    from iamledger.access.differences import READS, Moment, changes, row_of
    from iamledger.access.governing import read_resource_policies
    from iamledger.access.grant_events import policy_arns, read_grant_events
    from iamledger.access.grants import read_grants
    from iamledger.iam.refusals import InvalidInput
    from iamledger.services import open_catalogue

    at.as_of = to
    with at.view(*READS) as view:
        after, second, arns = read_grants(view), at.origin(view), policy_arns(view)
        last = Moment(after, read_resource_policies(view))
    at.as_of = from_
    with at.view(*READS) as view:
        before, first, arns = read_grants(view), at.origin(view), {**policy_arns(view), **arns}
        begin = Moment(before, read_resource_policies(view))
    if before.position > after.position:
        raise InvalidInput(f"Position {before.position} (--from) comes after position {after.position} (--to).")
    users = None if principal is None else named_users(principal, before, after)
    connection = at.database.connection
    events = read_grant_events(connection, at.account_id, before.position, after.position, arns)
    found = changes(begin, last, events, open_catalogue(at.settings), users)
    at.as_of = to
    rows = [with_written_keys(row_of(change), change.user.id, before, after) for change in found.changes]
    if at.output is Output.JSON:
        untold = [{"UserName": name, "What": text} for name, text in found.untold]
        print_json({"From": first, "To": second, "Changes": rows, "NotCompared": untold})
        return
    if at.output is Output.CSV:
        print_csv([told for row in rows for told in change_rows(row)], CHANGES)
    else:
        tell_changes(rows)
    not_compared((name or "all", text) for name, text in found.untold)
    line = f"from position {before.position} to position {after.position}, account {at.account_id}"
    say(line, "faint") if at.output is Output.TABLE else note(line)


@app.command(epilog="Example: iamledger access check --document new.json --against deployers")
@reading(permit("policy", "against", "GetPolicyVersion", optional=True))
def check(
    at: Reading,
    document: Annotated[
        Path,
        typer.Option("--document", metavar="FILE", help="The new document; - for standard input.", allow_dash=True),
    ],
    against: Annotated[
        str | None,
        typer.Option(
            "--against", metavar="POLICY", help="The version in force of this managed policy.", autocompletion=POLICY
        ),
    ] = None,
    against_file: Annotated[
        Path | None, typer.Option("--against-file", metavar="FILE", help="The old document; no database is needed.")
    ] = None,
) -> None:
    """Does a document grant anything that another one does not?

    Exit status 0 if it certainly does not, 3 if it does, or may: then a request is told that shows it, or why that is open.
    What is allowed is compared, not the texts. A Deny that is gone counts too, since it may have kept other policies from
    granting.
    """
    if (against is None) == (against_file is None):
        raise typer.BadParameter("give one of --against and --against-file", param_hint="--against")
    if str(document) == str(against_file) == "-":
        raise typer.BadParameter("one of the two documents can be standard input", param_hint="--against-file")
    from iamledger.policy.comparing import Budget, novelties
    from iamledger.services import open_catalogue

    new = parsed_document(document_text(document), str(document))
    origin: Mapping[str, Any] = {}
    if against_file is not None:
        old, named = parsed_document(document_text(against_file), str(against_file)), str(against_file)
    else:
        old, named, origin = in_force(at, str(against))
    statements = (*old.statements, *new.statements)
    found = novelties(new, old, Budget(), open_catalogue(at.settings))
    rows = [novelty_row(one, statements) for one in found]
    if at.output is Output.JSON:
        print_json({**origin, "Document": str(document), "Against": named, "NothingNew": not rows, "Novelties": rows})
    elif at.output is Output.CSV:
        print_csv(list(map(with_told_witness, rows)), CHECKED)
    elif rows:
        tell_novelties(rows)
    else:
        say(f"Nothing new: {cell(named)} grants all that {cell(str(document))} does, and denies nothing more.", "good")
    if rows:
        raise typer.Exit(DENIED)


@app.command("blast-radius", epilog="Example: iamledger access blast-radius AKIA… --since 2026-11-20T08:00:00Z")
@reading(QUESTION, AUDIT)
def blast_radius_(at: Reading, key_id: KeyId, since: SuspectedOption = None) -> None:
    """What the owner of an access key could do, from when it is suspected on, and what the key did.

    The period ends with the key: when it was revoked, or its grace ended. What could be done is the union over the period;
    ways to give itself more are those of its first and its last moment.
    """
    from iamledger.access.blast_radius import blast_radius, period_of
    from iamledger.cli.blast_radius import paths_of_period, summary_of, tell_radius
    from iamledger.history import owner_name
    from iamledger.iam import constraints
    from iamledger.moments import parse_time
    from iamledger.services import open_catalogue

    constraints.ACCESS_KEY_ID.check(key_id)
    begin = parse_time(since, "--since", end=False) if since is not None else None
    with at.view("access_keys") as view:
        upto, now, origin = view.position, view.time, at.origin(view)
    connection, account_id = at.database.connection, at.account_id
    period = period_of(connection, account_id, key_id, upto, now, begin)
    found = blast_radius(connection, account_id, key_id, period, open_catalogue(at.settings))
    paths = paths_of_period(at, period)
    owner = owner_name(connection, account_id, period.user_id, period.last)
    tell_radius(at, origin, summary_of(key_id, owner, found), found, paths)


@app.command(epilog="Example: iamledger access unused --since 2026-08-01")
@reading(QUESTION)
def unused(
    at: Reading,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="Unused since this time; a date: its beginning.")
    ],
) -> None:
    """Keys, users, grants, policies and groups that no recorded use has needed since a time.

    Uses are known by key and service, not by action: a grant counts as used if its holder's keys were used for its service.
    Commands of the ledger count as uses of iam. What no service recorded (`access-key record-use`) cannot be known.
    """
    from iamledger.access.grants import read_grants
    from iamledger.access.unused import COLUMNS, READS
    from iamledger.access.unused import unused as find
    from iamledger.cli.unused import tell_unused
    from iamledger.moments import parse_time

    begin = parse_time(since, "--since", end=False)
    with at.view(*READS) as view:
        rows = [one.row() for one in find(view, read_grants(view), begin)]
        if at.output is Output.TABLE:
            tell_unused(rows)
            at.tell_origin(view)
        else:
            at.tell("Unused", rows, view, COLUMNS)
    note("Uses are known by service, as far as they were recorded: not by action or resource.")


@app.command(epilog="Example: iamledger access escalations --principal alice --as-of 2026-11-24")
@reading(QUESTION)
def escalations(at: Reading, principal: PrincipalOption = None) -> None:
    """Users who could give themselves permissions that they lack, and how: alone, or as others who could.

    Decided on what there is in the account, with boundaries and Denies; what is open under conditions only says so.
    Administrators can do all already, and are told apart.
    """
    from iamledger.access.escalation_paths import rows_of
    from iamledger.access.escalations import escalations as find
    from iamledger.access.escalations import numbers_of_versions
    from iamledger.access.grants import READS, read_grants

    with at.view(*READS) as view:
        grants = read_grants(view)
        user_id = None if principal is None else next(iter(named_users(principal, grants)))
        found = find(grants, numbers_of_versions(view), user_id)
        rows = [row for path in found.paths for row in rows_of(path, grants)]
        administrators = [user.name for user in found.administrators]
        if at.output is Output.JSON:
            answer = {"Escalations": rows, "Administrators": administrators, "NotRead": found.untold}
            print_json({**at.origin(view), **answer})
            return
        _tell_escalations(at, rows)
        at.tell_origin(view)
    if administrators:
        note(f"Administrators already: {', '.join(administrators)}.")
    for text in found.untold:
        note(f"Cannot be told: {text}")


def _tell_escalations(at: Reading, rows: Sequence[Row]) -> None:
    from iamledger.access.escalation_paths import COLUMNS

    if at.output is Output.CSV:
        print_csv(rows, COLUMNS)
    elif rows:
        tell_users(rows)
    else:
        print("Nobody could: no way was found.")
