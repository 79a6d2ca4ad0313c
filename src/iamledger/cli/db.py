"""The database: the embedded server, and migrations."""

from __future__ import annotations

from typing import Annotated

import typer

from iamledger.cli.groups import commands
from iamledger.cli.output import Output, note, print_csv, print_json, print_record, print_table
from iamledger.cli.permits import operator_only
from iamledger.cli.session import OutputOption

app = commands("The database: an embedded PostgreSQL, or the one that IAMLEDGER_DATABASE_URL names.")


@app.command(epilog="Example: iamledger db start")
@operator_only
def start() -> None:
    """Start the embedded server, and bring its schema up to date. Other commands do so by themselves."""
    from iamledger.opening import embedded, open_database
    from iamledger.settings import settings

    _refuse_own_server()
    running = embedded(settings()).status().running
    open_database(settings()).close()
    print("Running already." if running else "Started.")


@app.command(epilog="Example: iamledger db stop")
@operator_only
def stop() -> None:
    """Stop the embedded server. The next command starts it again."""
    from iamledger.opening import embedded
    from iamledger.settings import settings

    _refuse_own_server()
    print("Stopped." if embedded(settings()).stop() else "Not running.")


@app.command(epilog="Example: iamledger db status --output json")
@operator_only
def status(output: OutputOption = Output.TABLE) -> None:
    """Show which server is used, whether it runs, and whether its schema is up to date."""
    from iamledger.opening import embedded, owner_url
    from iamledger.settings import settings
    from iamledger.store.connection import connect
    from iamledger.store.migrations import applied, migrations

    here = settings()
    record: dict[str, object] = {"Server": "embedded"}
    if here.database_url is None:
        server = embedded(here).status()
        record |= {
            "Running": server.running,
            "ProcessId": server.pid,
            "DataDirectory": str(server.data_directory),
            "LogFile": str(server.log_file),
        }
    if here.database_url is not None or record["Running"]:
        with connect(owner_url(here) if here.database_url is None else here.database_url, role=None) as connection:
            if here.database_url is not None:
                record |= {
                    "Server": connection.info.host,
                    "Database": connection.info.dbname,
                    "User": connection.info.user,
                }
            version = connection.execute("SHOW server_version").fetchone()
            record["Version"] = version[0] if version else None
            missing = {m.number for m in migrations()} - set(applied(connection))
            record["Schema"] = (
                "up to date" if not missing else f"{len(missing)} migrations missing: iamledger db migrate"
            )
    match output:
        case Output.JSON:
            print_json(record)
        case Output.CSV:
            print_csv([record], list(record))
        case Output.TABLE:
            print_record(record)


@app.command(epilog="Example: psql \"$(iamledger db url)\" -c 'SELECT type, data FROM iamledger.recorded'")
@operator_only
def url(
    owner: Annotated[bool, typer.Option("--owner", help="As the owner of the tables, not as the application.")] = False,
) -> None:
    """Print how to connect to the database, for psql and other programs."""
    from iamledger.opening import open_database, owner_url
    from iamledger.settings import settings

    here = settings()
    print(owner_url(here) if owner else open_database(here).url)


@app.command(epilog="Example: IAMLEDGER_OWNER_URL=postgresql://owner@db/iam iamledger db migrate")
@operator_only
def migrate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what is missing.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Bring the schema up to date, connected as the owner of the tables.

    On a server of your own, IAMLEDGER_OWNER_URL says how the owner connects; the application's user must be a member of the
    role iamledger_app, which the first migration creates.
    """
    from iamledger.opening import owner_url
    from iamledger.settings import settings
    from iamledger.store import migrations
    from iamledger.store.connection import connect

    with connect(owner_url(settings()), role=None) as connection:
        if dry_run:
            seen = set(migrations.applied(connection))
            done = [m for m in migrations.migrations() if m.number not in seen]
        else:
            done = migrations.migrate(connection)
    rows = [{"Migration": m.number, "Name": m.name} for m in done]
    if output is Output.JSON:
        print_json({"Missing" if dry_run else "Applied": rows})
    elif rows:
        (print_csv if output is Output.CSV else print_table)(rows, ["Migration", "Name"])
    else:
        note("The schema is up to date.")


def _refuse_own_server() -> None:
    from iamledger.settings import settings

    if settings().database_url is not None:
        raise typer.BadParameter("IAMLEDGER_DATABASE_URL names a server of your own; this is for the embedded one")
