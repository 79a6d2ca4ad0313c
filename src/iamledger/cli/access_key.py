"""Access keys: create, list, show, deactivate, activate, rotate, revoke, record-use."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from iamledger.cli.completing import ACCESS_KEY, USER
from iamledger.cli.groups import commands
from iamledger.cli.output import note
from iamledger.cli.permits import permit
from iamledger.cli.session import Reading, Writing, reading, writing

if TYPE_CHECKING:
    from iamledger.ledger import Outcome

app = commands("Access keys: at most two a user, each with its whole life on record.")

KeyId = Annotated[str, typer.Argument(metavar="KEY-ID", help="Access key id, AKIA…", autocompletion=ACCESS_KEY)]
SaveOption = Annotated[
    Path | None,
    typer.Option(
        "--save", metavar="FILE.csv", help="Write the secret to a new CSV file (mode 0600), not to the screen."
    ),
]
COLUMNS = ("UserName", "AccessKeyId", "Status", "AgeDays", "LastUsedDate", "UsableUntil", "Due")


class Reason(StrEnum):
    """The words of RFC 5280, section 5.3.1; the same as `RevocationReason`, without its imports."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"


@app.command(epilog="Example: iamledger access-key create alice --save alice.csv --reason 'deploy job'")
@writing(creates=True)
def create(
    to: Writing,
    user: Annotated[str, typer.Argument(metavar="USER", help="Name of the user.", autocompletion=USER)],
    save: SaveOption = None,
) -> None:
    """Issue an access key. Its secret is shown now and never again. With --if-not-exists: unless the user has a key."""
    from iamledger.iam.access_key import create_access_key

    with _secret_file(save, to) as file:
        outcome = to.execute(create_access_key, user=user, if_none=to.if_not_exists)
        if not outcome.events:
            to.tell(outcome, f"User {user} has a key.")
            return
        _tell_issued(to, outcome, f"Created an access key for user {user}.", file, save)


@app.command("list", epilog="Example: iamledger access-key list alice --as-of 2026-11-24")
@reading(permit("user", "user", "ListAccessKeys"))
def list_(
    at: Reading,
    user: Annotated[
        str | None,
        typer.Argument(metavar="[USER]", help="Only this user's keys.", show_default="all", autocompletion=USER),
    ] = None,
) -> None:
    """List access keys, with age and last use. Revoked ones are gone; see `audit key`."""
    from iamledger.iam import constraints
    from iamledger_projections.access_keys import list_access_keys
    from iamledger_projections.users import get_user

    if user is not None:
        constraints.EXISTING_USER_NAME.check(user)
    with at.view("users", "access_keys", "access_key_uses") as view:
        if user is not None:
            get_user(view, user)
        at.tell("AccessKeys", list_access_keys(view, user), view, COLUMNS)


@app.command(epilog="Example: iamledger access-key show AKIA… --output json")
@reading(permit("key", "key_id", "GetAccessKeyLastUsed"))
def show(at: Reading, key_id: KeyId) -> None:
    """Show an access key: owner, status, rotation, last use. Never its secret."""
    from iamledger.iam import constraints
    from iamledger_projections.access_keys import get_access_key

    constraints.ACCESS_KEY_ID.check(key_id)
    with at.view("users", "access_keys", "access_key_uses") as view:
        at.tell("AccessKey", get_access_key(view, key_id), view)


@app.command(epilog="Example: iamledger access-key deactivate AKIA… --reason 'leaked in a build log'")
@writing()
def deactivate(to: Writing, key_id: KeyId) -> None:
    """Make a key Inactive; it can be activated again."""
    from iamledger.iam.access_key import deactivate_access_key

    to.tell(to.execute(deactivate_access_key, key=key_id), f"Deactivated access key {key_id}.")


@app.command(epilog="Example: iamledger access-key activate AKIA… --reason 'false alarm'")
@writing()
def activate(to: Writing, key_id: KeyId) -> None:
    """Make an Inactive key Active again."""
    from iamledger.iam.access_key import activate_access_key

    to.tell(to.execute(activate_access_key, key=key_id), f"Activated access key {key_id}.")


@app.command(epilog="Example: iamledger access-key rotate alice --grace 48h --reason 'quarterly rotation'")
@writing()
def rotate(
    to: Writing,
    user: Annotated[str, typer.Argument(metavar="USER", help="A user, who has one key.", autocompletion=USER)],
    grace: Annotated[
        str,
        typer.Option("--grace", metavar="DURATION", help="How long the old key stays usable: 90m, 24h, 7d; 0 ends it."),
    ] = "24h",
    save: SaveOption = None,
) -> None:
    """Issue a new key, and let the old one end when the grace has passed.

    The old key holds its slot until it is revoked.
    """
    from iamledger.iam.access_key import AccessKeyRotated, rotate_access_key

    with _secret_file(save, to) as file:
        lasts = duration(grace)
        outcome = to.execute(rotate_access_key, user=user, grace=lasts)
        (old,) = (event for event in outcome.events if isinstance(event, AccessKeyRotated))
        end = f"is usable until {old.usable_until:%Y-%m-%dT%H:%M:%SZ}" if lasts else "is not usable any more"
        _tell_issued(to, outcome, f"Rotated: {old.access_key_id} of user {user} {end}.", file, save)


@app.command(epilog="Example: iamledger access-key revoke AKIA… -r keyCompromise --suspected-since 2026-11-20T08:00Z")
@writing()
def revoke(
    to: Writing,
    key_id: KeyId,
    revocation_reason: Annotated[
        Reason, typer.Option("--revocation-reason", "-r", help="RFC 5280's words.")
    ] = Reason.UNSPECIFIED,
    text: Annotated[str | None, typer.Option("--note", help="What happened.")] = None,
    suspected_since: Annotated[
        str | None, typer.Option("--suspected-since", metavar="TIME", help="From when on the key is suspected.")
    ] = None,
) -> None:
    """Revoke a key for good, which is IAM's DeleteAccessKey, and delete its secret. Its history stays."""
    from iamledger.iam.access_key import RevocationReason, revoke_access_key
    from iamledger.moments import parse_time

    since: datetime | None = (
        parse_time(suspected_since, "--suspected-since", end=False) if suspected_since is not None else None
    )
    outcome = to.execute(
        revoke_access_key,
        key=key_id,
        revocation_reason=RevocationReason(revocation_reason),
        note=text,
        suspected_since=since,
    )
    to.tell(outcome, f"Revoked access key {key_id}.")


@app.command("record-use", epilog="Example: iamledger access-key record-use AKIA… --service s3 --region eu-west-1")
@writing()
def record_use(
    to: Writing,
    key_id: KeyId,
    service: Annotated[str, typer.Option("--service", help="The service that saw it, such as s3.")],
    region: Annotated[str, typer.Option("--region", help="The region where it was.")],
    used_at: Annotated[str | None, typer.Option("--at", metavar="TIME", help="When.", show_default="now")] = None,
) -> None:
    """Note that a key was used; at most once per key, service, region and quarter of an hour."""
    from iamledger.iam.access_key import record_access_key_use, use_as_arguments
    from iamledger.moments import parse_time

    when = parse_time(used_at, "--at", end=False) if used_at is not None else datetime.now(UTC)
    outcome = to.execute(
        record_access_key_use,
        **use_as_arguments(key_id, service, region, when),
        assumed=() if used_at is not None else ("used_at", "use"),
    )
    to.tell(outcome, f"Noted a use of access key {key_id}.")


def duration(text: str) -> timedelta:
    """A duration such as 90m, 24h or 7d; a bare 0 is none."""
    match = re.fullmatch(r"([0-9]{1,6})(s|m|h|d)", text, re.ASCII)
    if text == "0":
        return timedelta(0)
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a duration; write 0, 90m, 24h or 7d", param_hint="--grace")
    unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[match[2]]
    return timedelta(**{unit: int(match[1])})


@contextmanager
def _secret_file(path: Path | None, to: Writing) -> Iterator[TextIO | None]:
    """A new file for a secret, opened before the key is issued; removed again if nothing was written to it.

    None if there will be no secret: it was written when the request was first made, perhaps to that very file.
    """
    from iamledger.store import is_recorded

    if path is not None and str(path) == "-":
        message = "a secret is saved to a file only; without this option it is shown"
        raise typer.BadParameter(message, param_hint="--save")
    if path is None or to.dry_run:
        yield None
        return
    if to.request_id is not None and is_recorded(to.database.connection, to.account_id, to.request_id):
        yield None
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be made: {error.strerror}", param_hint="--save") from None
    try:
        with os.fdopen(descriptor, "w") as file:
            yield file
    finally:
        if path.exists() and path.stat().st_size == 0:
            path.unlink()


def _tell_issued(to: Writing, outcome: Outcome, did: str, file: TextIO | None, save: Path | None) -> None:
    """Tell of a new key, and of its secret, which exists nowhere else: if it cannot be told, the key is of no use."""
    from iamledger.iam.access_key import AccessKeyCreated

    (key_id,) = (event.access_key_id for event in outcome.events if isinstance(event, AccessKeyCreated))
    secret = outcome.secrets.get(key_id)
    record: dict[str, str | None] = {"AccessKeyId": key_id}
    try:
        if secret is not None and file is not None:
            file.write(f"Access key ID,Secret access key\n{key_id},{secret}\n")
            file.flush()
            os.fsync(file.fileno())
            record["SavedTo"] = str(save)
        elif secret is not None:
            record["SecretAccessKey"] = secret
        to.tell(outcome, did, record)
        sys.stdout.flush()
    except OSError as error:
        if secret is not None and "SavedTo" not in record:
            note(f"The secret of {key_id} is lost: {error.strerror}. Revoke that key, and create another.")
            if save is not None:
                save.unlink()
        raise
    if secret is not None:
        note("The secret cannot be shown again. Keep it safe." if file is None else "The secret is in that file alone.")
    elif not to.dry_run:
        note("The secret was told then and cannot be told again. If it is lost, revoke the key and create another.")
