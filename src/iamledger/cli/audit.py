"""The audit trail: log, show, key, replay."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from iamledger.cli.groups import commands
from iamledger.cli.output import (
    Output,
    cell,
    instant,
    note,
    print_csv,
    print_json,
    print_table,
    progress_bar,
    say,
    styled,
)
from iamledger.cli.permits import AUDIT, permit
from iamledger.cli.session import JobsOption, Reading, Session, plain, reading

if TYPE_CHECKING:
    from iamledger.engine.changes import Change
    from iamledger.history import Filter
    from iamledger.replay import Replay
    from iamledger.store import RecordedEvent

app = commands("The audit trail: who did what to whom, when, from where and why.")

CSV_COLUMNS = ("Position", "RecordedAt", "Type", "Actor", "Reason", "Ticket", "RequestId", "SourceAddress", "Data")
FOLLOW_SECONDS = 0.5


UserOption = Annotated[str | None, typer.Option("--user", help="About this user: a name it has or had, its id or ARN.")]
GroupOption = Annotated[
    str | None, typer.Option("--group", help="About this group: a name it has or had, its id or ARN.")
]
PolicyOption = Annotated[str | None, typer.Option("--policy", help="About this managed policy: its name, id or ARN.")]
ResourceOption = Annotated[
    str | None, typer.Option("--resource", metavar="ARN", help="About this registered resource.")
]
KeyOption = Annotated[str | None, typer.Option("--key", metavar="KEY-ID", help="About this access key.")]
ActorOption = Annotated[str | None, typer.Option("--actor", help="Done by this operating system user or ARN.")]
TicketOption = Annotated[str | None, typer.Option("--ticket", help="With this ticket.")]
TypesOption = Annotated[
    list[str] | None, typer.Option("--type", help="Of this type, such as UserCreated; can be repeated.")
]
SinceOption = Annotated[str | None, typer.Option("--since", metavar="TIME", help="Recorded at this time or later.")]
UntilOption = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Recorded at this time or earlier.")]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000_000, help="At most so many events.")]
PatchOption = Annotated[bool, typer.Option("--patch", "-p", help="Show what each event changed, before and after.")]
OnelineOption = Annotated[bool, typer.Option("--oneline", help="One line for each event.")]
FollowOption = Annotated[bool, typer.Option("--follow", "-f", help="Then wait for new events and show them.")]


@app.command(epilog="Example: iamledger audit log --user alice --type AccessKeyRevoked --patch")
@reading(AUDIT, without=("stale",))
def log(
    at: Reading,
    user: UserOption = None,
    group: GroupOption = None,
    policy: PolicyOption = None,
    resource: ResourceOption = None,
    key: KeyOption = None,
    actor: ActorOption = None,
    ticket: TicketOption = None,
    type_: TypesOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 50,
    patch: PatchOption = False,
    oneline: OnelineOption = False,
    follow: FollowOption = False,
) -> None:
    """Show events, newest first, like `git log`; with --follow, oldest first."""
    if follow and (at.as_of is not None or until is not None):
        raise typer.BadParameter("it shows what is still to come; leave --as-of and --until out", param_hint="--follow")
    if patch and at.output is Output.CSV:
        raise typer.BadParameter("changes have no form in CSV; use --output json", param_hint="--patch")
    if patch and oneline and at.output is not Output.JSON:
        raise typer.BadParameter("changes do not fit in a line; leave --oneline or --patch out", param_hint="--patch")
    from iamledger.history import Filter, find
    from iamledger.moments import parse_time

    wanted = Filter(
        user=user,
        group=group,
        policy=policy,
        resource=resource,
        access_key_id=key,
        actor=actor,
        ticket=ticket,
        types=type_ or (),
        since=parse_time(since, "--since", end=False) if since is not None else None,
        until=parse_time(until, "--until") if until is not None else None,
    )
    upto = at.position()
    events = find(at.database.connection, at.account_id, wanted, upto=upto, limit=limit + 1)
    more = len(events) > limit
    shown = events[:limit][::-1] if follow else events[:limit]
    _show(at, shown, patch=patch, oneline=oneline, position=upto, extra={"More": more})
    if more and at.output is Output.TABLE:
        note("There are more events; show them with --limit.")
    if follow:
        _follow(at, wanted, upto, patch=patch, oneline=oneline)


def _follow(at: Reading, wanted: Filter, upto: int, *, patch: bool, oneline: bool) -> NoReturn:
    """Show events as they come, from behind a position on."""
    from iamledger import store
    from iamledger.history import find

    connection, account_id = at.database.connection, at.account_id
    while True:
        sys.stdout.flush()
        time.sleep(FOLLOW_SECONDS)
        head = store.head(connection, account_id).position
        if head > upto:
            at.authorize((AUDIT,), {})  # the permission may be gone since
            head = store.head(connection, account_id).position
            events = find(connection, account_id, wanted, after=upto, upto=head, newest_first=False)
            if events:
                _show(at, events, patch=patch, oneline=oneline, position=head, goes_on=True)
            upto = head


@app.command(epilog="Example: iamledger audit show 42")
@plain(AUDIT)
def show(session: Session, position: Annotated[int, typer.Argument(min=1, help="Position of the event.")]) -> None:
    """Show one event whole: context, data, and what it changed."""
    from iamledger.history import at_position

    event = at_position(session.database.connection, session.account_id, position)
    _show(session, [event], patch=True, oneline=False, position=position, one=True)


@app.command(epilog="Example: iamledger audit key AKIA… --output json")
@reading(AUDIT, without=("stale",))
def key(at: Reading, key_id: Annotated[str, typer.Argument(metavar="KEY-ID", help="Access key id, AKIA…")]) -> None:
    """Show the whole life of an access key, alive or long gone, oldest event first."""
    from iamledger.actors import shown
    from iamledger.history import of_access_key, owner_name

    connection, upto = at.database.connection, at.position()
    events = of_access_key(connection, at.account_id, key_id, upto)
    owner = owner_name(connection, at.account_id, str(events[0].data["user_id"]), upto)
    if at.output is not Output.TABLE:
        _show(at, events, patch=False, oneline=False, position=upto, extra={"AccessKeyId": key_id, "UserName": owner})
        return
    print(f"{styled(f'access key {key_id}', 'position')} of user {cell(owner)}")
    rows = [
        {
            "Position": event.position,
            "RecordedAt": event.recorded_at,
            "Event": event.type,
            "Actor": shown(event.context.get("actor")),
            "What": _detail(event, key_id) or None,
            "Reason": event.context.get("reason"),
            "Ticket": event.context.get("ticket"),
        }
        for event in events
    ]
    print_table(rows, list(rows[0]))
    say(f"as of position {upto}, account {at.account_id}", "faint")


ReplayUntilOption = Annotated[
    str | None, typer.Option("--until", metavar="POSITION|TIME", help="Stop there.", show_default="the head")
]
VerifyOption = Annotated[
    bool, typer.Option("--verify", help="Check order, hashes, tags, and every row of every projection.")
]
RootOption = Annotated[
    str | None,
    typer.Option("--expect-root", metavar="BASE64", help="Verify, and refuse if the Merkle root is another."),
]


@app.command(epilog="Example: iamledger audit replay --verify --until 2026-11-24")
@plain(permit("account", None, "iamledger:ReplayLedger"))
def replay(
    session: Session,
    until: ReplayUntilOption = None,
    verify: VerifyOption = False,
    root: RootOption = None,
    jobs: JobsOption = None,
) -> None:
    """Run through the history from its first event.

    Exit status 1 if verifying finds anything that is not as it was written.
    """
    if root is not None and not re.fullmatch("[A-Za-z0-9+/]{43}=", root):
        raise typer.BadParameter("a Merkle root is 32 bytes in base64", param_hint="--expect-root")
    from base64 import b64encode

    verify = verify or root is not None  # a root is made of the hashes that are kept, which must fit their events
    seen = _replayed(session, until, verify, jobs)
    root_text = b64encode(seen.root).decode()
    if root is not None and root != root_text:
        seen.findings.append(f"the Merkle root is {root_text}, not {root}")
    if session.output is Output.JSON:
        print_json(_replay_told(session.account_id, seen, root_text, verify))
    else:
        _tell_replay(session, seen, root_text, verify)
    if seen.findings:
        for finding in seen.findings:
            note(f"Finding: {finding}", "bad")
        found = len(seen.findings)
        note(f"{found} finding{'' if found == 1 else 's'}. The ledger or a projection is not as it was written.")
        raise typer.Exit(1)


def _replayed(session: Session, until: str | None, verify: bool, jobs: int | None) -> Replay:
    """Replay up to a moment; to verify, with projections that have caught up."""
    from iamledger import store
    from iamledger.engine.catchup import catch_up
    from iamledger.engine.registry import live_tables
    from iamledger.moments import moment
    from iamledger.read_models import all_projections
    from iamledger.replay import default_jobs
    from iamledger.replay import replay as run

    connection, account_id = session.database.connection, session.account_id
    end = None if until is None else moment(connection, account_id, until)
    upto = store.head(connection, account_id).position if end is None else end.position
    tables = list(live_tables(connection, all_projections().values()).values()) if verify else []
    if verify:
        catch_up(connection, account_id, tables)
    with progress_bar("Replaying", upto) as progress:
        return run(
            connection,
            account_id,
            upto,
            tables,
            verify=verify,
            progress=progress,
            url=session.database.url,
            jobs=jobs or default_jobs(),
        )


def _replay_told(account_id: str, seen: Replay, root: str, verify: bool) -> dict[str, Any]:
    """What a replay saw, for programs."""
    return {
        "Account": account_id,
        "Position": seen.size,
        "FirstRecordedAt": seen.first_at,
        "LastRecordedAt": seen.last_at,
        "Root": root,
        "Events": dict(sorted(seen.types.items())),
        "Verified": verify and not seen.findings,
        "Rows": seen.rows,
        "Findings": seen.findings,
    }


def _tell_replay(session: Session, seen: Replay, root: str, verify: bool) -> None:
    """The same for people, or as CSV."""
    types = [{"Event": name, "Count": count} for name, count in sorted(seen.types.items())]
    (print_csv if session.output is Output.CSV else print_table)(types, ["Event", "Count"])
    tell = note if session.output is Output.CSV else say
    tell(f"Replayed {seen.size} events of account {session.account_id}, {seen.first_at} to {seen.last_at}.")
    tell(f"Merkle root (RFC 6962) {root}")
    if verify and not seen.findings:
        rows = sum(seen.rows.values())
        checked = f"order, {seen.size} hashes, tags, {rows} rows of {len(seen.rows)} projections"
        tell(f"Verified: {checked}. No drift.", "good")


def _show(
    session: Session,
    events: Sequence[RecordedEvent],
    *,
    patch: bool,
    oneline: bool,
    position: int,
    one: bool = False,
    goes_on: bool = False,
    extra: dict[str, Any] | None = None,
) -> None:
    """Print events in the form that was asked for."""
    if session.output is Output.JSON:
        told = [_told(event, _changes(session, event) if patch else None) for event in events]
        origin = {"Account": session.account_id, "Position": position, **(extra or {})}
        print_json({**origin, "Event": told[0]} if one else {**origin, "Events": told})
    elif session.output is Output.CSV:
        print_csv([_told(event, None) for event in events], CSV_COLUMNS, header=not goes_on)
    elif not events:
        print("No events.")
    else:
        names = _names(session, events, position)
        for event in events:
            if oneline:
                _print_line(event, names)
            else:
                _print_event(event, names, _changes(session, event) if patch else ())


def _names(session: Session, events: Iterable[RecordedEvent], position: int) -> dict[str, str]:
    """What the users, groups and policies in events are called, or were last, by their ids; for people."""
    from iamledger.engine.errors import ProjectionError
    from iamledger.engine.view import open_view
    from iamledger.read_models import all_projections

    ids = [value for event in events for name, value in _data(event).items() if name in _IDS]
    projection = all_projections()["principal_names"]
    try:
        with open_view(
            session.database.connection, session.account_id, [projection], position=position, stale=True
        ) as view:
            rows = view.rows("SELECT id, name FROM {principal_names} WHERE id = ANY(%(ids)s)", ids=ids)
    except ProjectionError:
        return {}  # the audit trail can be read without any projection
    return {row["id"]: row["name"] for row in rows}


def _changes(session: Session, event: RecordedEvent) -> list[Change]:
    from iamledger.engine.catchup import catch_up
    from iamledger.engine.changes import changes
    from iamledger.engine.registry import live_tables
    from iamledger.read_models import all_projections

    connection = session.database.connection
    tables = list(live_tables(connection, all_projections().values()).values())
    catch_up(connection, session.account_id, tables)
    return list(changes(connection, event, tables))


def _data(event: RecordedEvent) -> dict[str, Any]:
    """An event's data in the order of its type's fields, which jsonb does not keep."""
    from iamledger.iam.events import event_types

    data = event.data if isinstance(event.data, dict) else {"data": event.data}
    known = event_types().get(event.type)
    return {name: data[name] for name in (*(known.model_fields if known else ()), *data) if name in data}


def _told(event: RecordedEvent, changes: Iterable[Change] | None) -> dict[str, Any]:
    """An event, for programs."""
    told: dict[str, Any] = {
        "Position": event.position,
        "RecordedAt": event.recorded_at,
        "Type": event.type,
        "Actor": event.context.get("actor"),
        "Reason": event.context.get("reason"),
        "Ticket": event.context.get("ticket"),
        "RequestId": event.context.get("request_id"),
        "SourceAddress": event.context.get("source_address"),
        "Data": _data(event),
    }
    if changes is not None:
        told["Changes"] = [
            {"Projection": c.projection, "Key": list(c.key), "Before": c.before, "After": c.after} for c in changes
        ]
    return told


def _print_event(event: RecordedEvent, names: Mapping[str, str], changes: Iterable[Change]) -> None:
    from iamledger.actors import told_at_length

    print(f"{styled(f'position {event.position}', 'position')}  {styled(cell(event.type), 'heading')}")
    lines = {
        "Date": instant(event.recorded_at),
        "Actor": told_at_length(event.context.get("actor")),
        "From": event.context.get("source_address"),
        "Reason": event.context.get("reason"),
        "Ticket": event.context.get("ticket"),
        "Request": event.context.get("request_id"),
    }
    for name, value in lines.items():
        if value is not None:
            print(f"{name + ':':<9}{cell(value)}")
    print()
    data = _data(event)
    width = max(map(len, data), default=0)
    for name, value in data.items():
        called = f" ({cell(names[value])})" if name in _IDS and value in names else ""
        first, *rest = value.splitlines() if isinstance(value, str) and "\n" in value else [value]
        print(f"    {cell(name).ljust(width)}  {cell(first)}{called}")
        for line in rest:
            print(f"    {'':{width}}  {cell(line)}")
    for change in changes:
        print(f"\n    {styled(change.projection, 'heading')} {cell('/'.join(change.key))}")
        for name, (before, after) in change.columns().items():
            if change.before is not None:
                say(f"  - {name}: {cell(before)}", "removed")
            if change.after is not None:
                say(f"  + {name}: {cell(after)}", "added")
    print()


_IDS = ("user_id", "group_id", "policy_id", "creator_id", "responsible_id", "old_responsible_id")
_SUBJECTS = (
    ("account_name",),
    ("access_key_id",),
    ("user_name", "user_id"),
    ("group_name", "group_id"),
    ("policy_name", "policy_id"),
    ("resource_arn",),
)
"""Fields that tell what an event is about: of each kind of thing the first that there is."""


def _subject(event: RecordedEvent, names: Mapping[str, str]) -> str:
    """What an event is about, in a few words: `alice, admins`. Of a key, the key alone."""
    data = _data(event)
    if event.type == "RequestDenied":
        return f"{data['action']} {data['resource_arn'].split(':', 5)[-1]}"
    found = [next((data[name] for name in kind if name in data), None) for kind in _SUBJECTS]
    told = [names.get(value, str(value)) for value in found if value is not None]
    return told[0] if "access_key_id" in data else ", ".join(told)


def _print_line(event: RecordedEvent, names: Mapping[str, str]) -> None:
    from iamledger.actors import shown

    reason = event.context.get("reason")
    tail = f"  {cell(reason)}" if reason else ""
    print(
        f"{styled(f'{event.position:>6}', 'position')}  {cell(event.recorded_at)}  {cell(event.type):<22}"
        f" {cell(_subject(event, names)):<22} {cell(shown(event.context.get('actor')))}{tail}"
    )


def _detail(event: RecordedEvent, key_id: str) -> str:
    """What an event did to a key, in a few words."""
    data = event.data
    match event.type:
        case "AccessKeyRotated" if data["access_key_id"] == key_id:
            return f"superseded by {data['superseded_by']}, usable until {data['usable_until'][:19]}Z"
        case "AccessKeyRotated":
            return f"supersedes {data['access_key_id']}"
        case "AccessKeyRevoked":
            parts = [data["revocation_reason"], data.get("note")]
            if data.get("suspected_since"):
                parts.append(f"suspected since {data['suspected_since'][:19]}Z")
            return "; ".join(part for part in parts if part)
        case "AccessKeyUsed":
            return f"{data['service_name']} in {data['region']} at {data['used_at'][:19]}Z"
    return ""
