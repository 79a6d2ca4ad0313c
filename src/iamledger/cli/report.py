"""Reports for reviews and audits: access-review, key-revocations, access-keys, credentials, membership-changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from iamledger.cli.cells import from_cell, granted_cell
from iamledger.cli.completing import GROUP, POLICY, USER
from iamledger.cli.groups import commands
from iamledger.cli.output import Output, Row
from iamledger.cli.permits import REPORT, permit
from iamledger.cli.session import Reading, reading

if TYPE_CHECKING:
    from datetime import datetime

    from iamledger.engine.view import View

app = commands("Reports for reviews and audits, now or as of any moment of the past.")

SinceOption = Annotated[str | None, typer.Option("--since", metavar="TIME", help="At this time or later.")]
UntilOption = Annotated[str | None, typer.Option("--until", metavar="TIME", help="At this time or earlier.")]
MOST_DAYS = 1_000_000


@app.command("access-review", epilog="Example: iamledger report access-review --as-of 2026-11-24 --output csv")
@reading(REPORT)
def access_review_(
    at: Reading,
    user: Annotated[
        str | None, typer.Option("--user", metavar="USER", help="Only what this user has.", autocompletion=USER)
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            "--group", metavar="GROUP", help="Only members of this group, and what it gives them.", autocompletion=GROUP
        ),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            "--policy", metavar="POLICY", help="Only who has this policy: a name, or an ARN.", autocompletion=POLICY
        ),
    ] = None,
) -> None:
    """Who has which policy, how, from whom and why.

    One row for each user, policy and way: the user's own, attached or inline, or through a group; then also who added the
    user to that group. A user without any policy has a row of its own, with no policy in it, so that no user is missing.
    """
    from iamledger.iam import constraints
    from iamledger_projections.reports.access_review import COLUMNS, READS, access_review

    if user is not None:
        constraints.EXISTING_USER_NAME.check(user)
    if group is not None:
        constraints.GROUP_NAME.check(group)
    if policy is not None:
        constraints.POLICY_ARN.check(policy) if policy.startswith("arn:") else constraints.POLICY_NAME.check(policy)
    with at.view(*READS) as view:
        rows = access_review(view, user, group, policy)
        if at.output is Output.TABLE:
            at.tell_table([_for_people(row) for row in rows], _ACCESS_REVIEW, view, "No user has anything of that.")
        else:
            at.tell("AccessReview", rows, view, COLUMNS)


@app.command(
    "key-revocations", epilog="Example: iamledger report key-revocations --since 2026-07-01 --until 2026-09-30"
)
@reading(REPORT)
def key_revocations(at: Reading, since: SinceOption = None, until: UntilOption = None) -> None:
    """Access keys that were revoked: whose, when and why.

    The newest first, with who did it, reason and ticket. Owners who are gone have the last name that they had.
    """
    from iamledger_projections.reports.key_revocations import COLUMNS, READS, list_revocations

    period = _period(since, until)
    with at.view(*READS) as view:
        _tell(at, "KeyRevocations", list_revocations(view, *period), view, COLUMNS)


@app.command("access-keys", epilog="Example: iamledger report access-keys --older-than 90 --unused-for 45")
@reading(REPORT)
def access_keys(
    at: Reading,
    older_than: Annotated[
        int | None,
        typer.Option("--older-than", metavar="DAYS", min=0, max=MOST_DAYS, help="Created so many days ago or more."),
    ] = None,
    unused_for: Annotated[
        int | None,
        typer.Option(
            "--unused-for",
            metavar="DAYS",
            min=0,
            max=MOST_DAYS,
            help="Last used, or created, so many days ago or more.",
        ),
    ] = None,
    due: Annotated[bool, typer.Option("--due", help="Rotated, and its grace has ended: due to be revoked.")] = False,
) -> None:
    """Access keys by age, last use and what is due.

    The oldest first, with owner and status. A key that was never used counts as unused since its creation. Due is a key that
    was rotated, once its grace has ended: it is to be revoked. All that is asked for must hold.
    """
    from iamledger_projections.reports.access_keys import COLUMNS, READS, review_access_keys

    with at.view(*READS) as view:
        rows = review_access_keys(view, older_than, unused_for, due)
        _tell(at, "AccessKeys", rows, view, COLUMNS)


@app.command(epilog="Example: iamledger report credentials --as-of 2026-11-24 --output csv")
@reading(permit("any", None, "GetCredentialReport"))
def credentials(at: Reading) -> None:
    """IAM's credential report, in its columns.

    The account's root comes first. Passwords, MFA devices and certificates are not in the ledger yet: their columns say N/A.
    A key whose grace has ended is not active.
    """
    from iamledger_projections.reports.credentials import READS, credential_report

    with at.view(*READS) as view:
        rows = credential_report(view)
        _tell(at, "CredentialReport", rows, view, list(rows[0]))


@app.command(
    "membership-changes", epilog="Example: iamledger report membership-changes --group admins --since 2026-01-01"
)
@reading(REPORT)
def membership_changes_(
    at: Reading,
    user: Annotated[
        str | None, typer.Option("--user", metavar="USER", help="Of this user: a name it has or had, its id or ARN.")
    ] = None,
    group: Annotated[
        str | None, typer.Option("--group", metavar="GROUP", help="Of this group: a name it has or had, its id or ARN.")
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
) -> None:
    """Who joined and left which group, when and why.

    The newest first, with who did it, reason and ticket. Users and groups that are gone have the last name that they had.
    """
    from iamledger.history import group_ids, user_ids
    from iamledger_projections.reports.membership_changes import COLUMNS, READS, membership_changes

    period = _period(since, until)
    with at.view(*READS) as view:
        where = (view.connection, view.account_id)
        users = None if user is None else user_ids(*where, user, view.position)
        groups = None if group is None else group_ids(*where, group, view.position)
        rows = membership_changes(view, users, groups, *period)
        _tell(at, "MembershipChanges", rows, view, COLUMNS)


_ACCESS_REVIEW = ("UserName", "Policy", "From", "Boundary", "Granted", "AddedToGroup")
"""What a person needs, in the order in which it is read."""


def _for_people(row: Row) -> Row:
    kind = {"Inline": ", inline", "AWS managed": " (AWS)"}.get(row["PolicyType"], "")
    added = (row[f"AddedToGroup{column}"] for column in ("Position", "Date", "By", "Reason", "Ticket"))
    granted = (row[column] for column in ("GrantedPosition", "GrantedDate", "GrantedBy", "Reason", "Ticket"))
    return {
        "UserName": row["UserName"],
        "Policy": f"{row['PolicyName']}{kind}" if row["PolicyName"] else "no policy",
        "From": from_cell(row),
        "Boundary": row["PermissionsBoundary"] and row["PermissionsBoundary"].rpartition("/")[2],
        "Granted": granted_cell(*granted) or None,
        "AddedToGroup": granted_cell(*added) or None,
    }


def _period(since: str | None, until: str | None) -> tuple[datetime | None, datetime | None]:
    """A bare date means its beginning, or its end."""
    from iamledger.moments import parse_time

    return (
        parse_time(since, "--since", end=False) if since is not None else None,
        parse_time(until, "--until") if until is not None else None,
    )


def _tell(at: Reading, name: str, rows: Sequence[Row], view: View, columns: Sequence[str]) -> None:
    """Print a report: with all columns in CSV, also if there is no row; with fewer in a table, where ids are in the way."""
    shown = [column for column in columns if column not in ("UserId", "GroupId")]
    at.tell(name, rows, view, shown if at.output is Output.TABLE else columns)
