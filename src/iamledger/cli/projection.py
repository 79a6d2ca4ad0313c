"""Projections: list, status, rebuild, verify."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from iamledger.cli.groups import commands
from iamledger.cli.output import Output, Row, note, print_csv, print_json, print_table, progress_bar, say
from iamledger.cli.permits import OPERATOR, permit
from iamledger.cli.session import JobsOption, Session, plain

if TYPE_CHECKING:
    from iamledger.engine.declaration import Projection

app = commands("Projections: the read models that are built from events, and can be thrown away and rebuilt.")

Names = Annotated[list[str] | None, typer.Argument(metavar="[PROJECTION]", help="Which ones.", show_default="all")]


@app.command("list", epilog="Example: iamledger projection list --output json")
@plain(permit("any", None, "iamledger:ListProjections"), without=("account",))
def list_(session: Session) -> None:
    """List projections, and the events that they are built from."""
    from iamledger.read_models import all_projections

    _print(
        session,
        "Projections",
        [
            {
                "Projection": p.name,
                "Description": p.description,
                "Key": ", ".join(p.key),
                "Events": ", ".join(p.events()),
            }
            for p in all_projections().values()
        ],
    )


@app.command(epilog="Example: iamledger projection status")
@plain(permit("any", None, "iamledger:ListProjections"))
def status(session: Session) -> None:
    """Show how far each projection has come with the account, and what stopped one that has failed.

    A projection catches up when it is read, so one that is behind needs nothing done.
    """
    from iamledger.engine.registry import standing
    from iamledger.read_models import all_projections

    rows = [
        {
            "Projection": s.projection,
            "Generation": s.generation,
            "Position": s.position,
            "Head": s.head,
            "State": s.state,
            "FailedAt": s.failed,
            "Why": s.reason,
        }
        for s in standing(session.database.connection, session.account_id, all_projections().values())
    ]
    _print(session, "Projections", rows)
    if any(row["State"] == "failed" for row in rows):
        note("A projection that failed stays where it is. Mend its rules, then: iamledger projection rebuild NAME")


@app.command(epilog="Example: iamledger projection rebuild users --verify")
@plain(OPERATOR, without=("account",))
def rebuild(
    session: Session,
    names: Names = None,
    verify: Annotated[bool, typer.Option("--verify", help="Compare every row with the naive interpreter.")] = False,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, max=64, help="How many to rebuild, or to verify, at once.")
    ] = 2,
) -> None:
    """Build projections anew from the events of all accounts, while they can be read, and switch to them.

    Where an event does not fit the rules, the projection stops before it, for that account; exit status 1 then.
    """
    from iamledger.engine.rebuild_all import rebuild_all
    from iamledger.engine.registry import stopped

    chosen = _chosen(names)
    with progress_bar(f"Rebuilding {chosen[0].name if len(chosen) == 1 else f'{len(chosen)} projections'}") as progress:
        tables = rebuild_all(session.database.url, chosen, jobs, progress)
    rows, failed = [], []
    for table in tables:
        stops = stopped(session.database.connection, table)
        failed += [(table.projection.name, stop) for stop in stops]
        rows.append({"Projection": table.projection.name, "Generation": table.generation, "FailedAccounts": len(stops)})
    if not (verify and session.output is Output.JSON):
        _print(session, "Rebuilt", rows)
    for name, stop in failed:
        note(f"{name} stopped before position {stop.position} of account {stop.account_id}: {stop.reason}", "bad")
    if failed:
        note("Reads of these projections fail for these accounts, and no others. Mend the rules, then rebuild again.")
    if verify:
        _verify(session, names, jobs, {"Rebuilt": rows})
    if failed:
        raise typer.Exit(1)


@app.command(epilog="Example: iamledger projection verify")
@plain(OPERATOR, without=("account",))
def verify(session: Session, names: Names = None, jobs: JobsOption = None) -> None:
    """Compare every row of every account with what the naive interpreter makes of the events. Exit status 1 on drift."""
    _verify(session, names, jobs)


def _verify(session: Session, names: list[str] | None, jobs: int | None, told: Row | None = None) -> None:
    """Verify, and print what was found; in JSON, together with what is to be told besides."""
    from iamledger import store
    from iamledger.accounts import account_ids
    from iamledger.engine.catchup import catch_up
    from iamledger.engine.registry import live_tables
    from iamledger.replay import default_jobs, replay

    connection = session.database.connection
    tables = list(live_tables(connection, _chosen(names)).values())
    accounts = account_ids(connection)
    heads = {account_id: store.head(connection, account_id).position for account_id in accounts}
    findings, rows, done, stops, changed = [], 0, 0, 0, False
    with progress_bar("Verifying", sum(heads.values())) as progress:
        for account_id, head in heads.items():
            catch_up(connection, account_id, tables)
            seen = replay(
                connection,
                account_id,
                head,
                tables,
                verify=True,
                progress=_from(done, progress),
                url=session.database.url,
                jobs=jobs or default_jobs(),
            )
            stops += len(seen.stopped)
            changed |= seen.events_changed
            findings += [f"account {account_id}: {finding}" for finding in seen.findings]
            rows += sum(seen.rows.values())
            done += head
    if session.output is Output.JSON:
        print_json({**(told or {}), "Accounts": len(accounts), "Events": done, "Rows": rows, "Findings": findings})
    elif not findings:
        tell = note if session.output is Output.CSV else say
        what = f"{done} events and {rows} rows of {len(tables)} projections in {len(accounts)} accounts"
        tell(f"No drift: {what}.", "good")
    for finding in findings:
        note(f"Finding: {finding}", "bad")
    if stops:
        note("A projection that has stopped stops there again when it is rebuilt. Mend its rules first.")
    if changed:
        note("Events are not as they were written. Do not rebuild: that would take over what they say now.", "bad")
    elif len(findings) > stops:
        note("Rows that differ are put right by: iamledger projection rebuild")
    if findings:
        raise typer.Exit(1)


def _from(done: int, progress: Callable[[int], None]) -> Callable[[int], None]:
    return lambda more: progress(done + more)


def _chosen(names: list[str] | None) -> list[Projection]:
    from iamledger.engine.errors import NoSuchProjection
    from iamledger.read_models import all_projections

    known = all_projections()
    for name in names or ():
        if name not in known:
            raise NoSuchProjection(f"There is no projection called {name}. There are: {', '.join(known)}.")
    return [known[name] for name in dict.fromkeys(names or known)]


def _print(session: Session, name: str, rows: Sequence[Row]) -> None:
    columns = list(rows[0]) if rows else []
    match session.output:
        case Output.JSON:
            print_json({name: rows})
        case Output.CSV:
            print_csv(rows, columns)
        case Output.TABLE:
            print_table(rows, columns)
