"""Which accounts there are, and which one a command is about."""

from __future__ import annotations

from collections.abc import Iterable

from iamledger.engine.view import Row, open_view
from iamledger.iam import constraints
from iamledger.iam.refusals import InvalidInput, NoSuchEntity
from iamledger.read_models import all_projections
from iamledger.settings import Settings
from iamledger.store import Connection, translated


def account_ids(connection: Connection) -> list[str]:
    """Every account with a ledger, in order."""
    with translated():
        rows = connection.execute("SELECT account_id FROM iamledger.ledgers ORDER BY account_id").fetchall()
    return [account_id for (account_id,) in rows]


def named_account(connection: Connection, text: str) -> str:
    """The account of that number or name. Raises NoSuchEntity, or InvalidInput if several have the name."""
    if text.isascii() and text.isdigit():
        return constraints.ACCOUNT_ID.check(text)
    found = [account_id for account_id, name in _names(connection, account_ids(connection)) if name == text]
    if not found:
        raise NoSuchEntity(f"The account with name {constraints.ACCOUNT_NAME.check(text)} cannot be found.")
    if len(found) > 1:
        raise InvalidInput(f"Several accounts are called {text}: {', '.join(found)}. Give the number.")
    return found[0]


def chosen_account(connection: Connection, settings: Settings, asked: str | None) -> str:
    """The account asked for, else that of IAMLEDGER_ACCOUNT, else that of `account use`, else the only one."""
    if asked or settings.account:
        return named_account(connection, asked or settings.account or "")
    default = default_account(connection, settings)
    if default is not None:
        return default
    if not account_ids(connection):
        raise NoSuchEntity("There is no account yet. Create one: iamledger account create NAME --email ADDRESS")
    raise InvalidInput("There are several accounts. Give --account, or choose one: iamledger account use NUMBER")


def default_account(connection: Connection, settings: Settings) -> str | None:
    """The account that `account use` chose, else the only one there is."""
    if settings.default_account_file.exists():
        return constraints.ACCOUNT_ID.check(settings.default_account_file.read_text().strip())
    accounts = account_ids(connection)
    return accounts[0] if len(accounts) == 1 else None


def use_account(connection: Connection, settings: Settings, account_id: str) -> None:
    """Make an account the default one. Raises NoSuchEntity."""
    if account_id not in account_ids(connection):
        raise NoSuchEntity(f"The account with id {account_id} cannot be found.")
    file = settings.default_account_file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(account_id + "\n")


def _names(connection: Connection, accounts: Iterable[str]) -> Iterable[tuple[str, str]]:
    projection = all_projections()["accounts"]
    for account_id in accounts:
        with open_view(connection, account_id, [projection]) as view:
            rows: list[Row] = view.rows("SELECT account_name FROM {accounts} a")
        yield from ((account_id, row["account_name"]) for row in rows)
