"""Accounts: create, list, show, use."""

from __future__ import annotations

from typing import Annotated

import typer

from iamledger.cli.groups import commands
from iamledger.cli.output import Output, note, print_csv, print_json, print_table
from iamledger.cli.permits import OPERATOR, permit
from iamledger.cli.session import Reading, Session, Writing, plain, reading, writing

app = commands("Accounts. Each has a ledger of its own, isolated from the others.")

PROJECTIONS = ("accounts", "users", "access_keys")
COLUMNS = ("AccountId", "AccountName", "Email", "CreateDate", "Users", "AccessKeys", "Default")


@app.command(epilog="Example: iamledger account create acme --email root@acme.example")
@writing(OPERATOR, without=("account",), creates=True)
def create(
    to: Writing,
    name: Annotated[str, typer.Argument(help="Name of the account, up to 50 characters.")],
    email: Annotated[str, typer.Option("--email", help="E-mail address of the account's root user.")],
    account_id: Annotated[
        str | None, typer.Option("--id", metavar="NUMBER", help="Twelve digits.", show_default="a new number")
    ] = None,
) -> None:
    """Create an account, with a few policies that AWS manages. The first account becomes the default."""
    from iamledger.accounts import account_called, account_ids, new_account_id, opening_commands, use_account

    number = new_account_id(to.request_id) if account_id is None else account_id
    if to.if_not_exists and account_id is None:
        number = account_called(to.database.connection, name) or number
    to.account_id = number
    outcome = to.execute_all(opening_commands(number, name, email))
    connection = to.database.connection
    if outcome.last is not None and account_ids(connection) == [number]:
        try:
            use_account(connection, to.settings, number)
        except OSError as error:
            note(f"It is the only account, but not made the default one: {error.filename}: {error.strerror}")
    to.tell(outcome, f"Created account {name}.", {"AccountId": number, "AccountName": name, "Email": email})


@app.command("list", epilog="Example: iamledger account list --output json")
@reading(permit("any", None, "iamledger:ListAccounts"), without=("account",))
def list_(at: Reading) -> None:
    """List all accounts; with --as-of TIME, those that existed then. A user sees its own alone."""
    from iamledger.accounts import account_ids, default_account
    from iamledger.engine.errors import ProjectionError
    from iamledger.iam.refusals import InvalidInput, NoSuchEntity
    from iamledger_projections.accounts import get_account

    if at.as_of is not None and at.as_of.isdigit():
        raise InvalidInput("Each account has positions of its own. Give --as-of a time.")
    default = default_account(at.database.connection, at.settings)
    rows = []
    for account_id in account_ids(at.database.connection) if at.as_operator else [at.account_id]:
        try:
            with at.view(*PROJECTIONS, account_id=account_id) as view:
                rows.append({**get_account(view), "Position": view.position, "Default": account_id == default})
        except InvalidInput:
            pass  # the account began later
        except (NoSuchEntity, ProjectionError) as error:
            note(f"Account {account_id}: {error}")
    columns = [*COLUMNS[:-1], "Position", "Default"]
    if at.output is Output.JSON:
        print_json({"Accounts": rows})
    elif at.output is Output.CSV:
        print_csv(rows, columns)
    elif rows:
        print_table(rows, columns)
    else:
        print("No accounts. Create one: iamledger account create NAME --email ADDRESS")


@app.command(epilog="Example: iamledger account show --as-of 2026-11-24")
@reading(permit("any", None, "GetAccountSummary"))
def show(at: Reading) -> None:
    """Show the account: name, root e-mail, how many users and keys."""
    from iamledger_projections.accounts import get_account

    with at.view(*PROJECTIONS) as view:
        at.tell("Details", get_account(view), view)


@app.command(epilog="Example: iamledger account use 123456789012")
@plain(OPERATOR, without=("account", "output"))
def use(session: Session, account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Number or name.")]) -> None:
    """Make an account the default one, for commands without --account."""
    from iamledger.accounts import named_account, use_account

    connection = session.database.connection
    account_id = named_account(connection, account)
    use_account(connection, session.settings, account_id)
    print(f"Using account {account_id}.")
