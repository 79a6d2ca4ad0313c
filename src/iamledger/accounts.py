"""Which accounts there are, and which one a command is about."""

from __future__ import annotations

import os
from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING

from iamledger.engine.view import Row, open_view
from iamledger.iam import constraints, identifiers
from iamledger.iam.refusals import InvalidInput, NoSuchEntity
from iamledger.read_models import all_projections
from iamledger.settings import Settings
from iamledger.store import Connection, translated

if TYPE_CHECKING:
    from iamledger.decisions import Command


def account_ids(connection: Connection) -> list[str]:
    """Every account with a ledger, in order."""
    with translated():
        rows = connection.execute("SELECT account_id FROM iamledger.ledgers ORDER BY account_id").fetchall()
    return [account_id for (account_id,) in rows]


def new_account_id(request_id: str | None) -> str:
    """A number for a new account; the same one for the same request, so that creating an account is safe to repeat."""
    entropy = os.urandom(identifiers.ID_BYTES) if request_id is None else sha256(request_id.encode()).digest()
    return identifiers.account_id(entropy)


def opening_commands(account_id: str, account_name: str, email: str) -> list[Command]:
    """What a new account's ledger begins with: the account, and the policies of AWS that every account has.

    Their texts come with this release and are not part of what was asked for. (Imported here, since every command needs this
    file, and few need decisions.)
    """
    from iamledger.decisions import Command
    from iamledger.iam.account import create_account
    from iamledger.iam.aws_managed import AWS_MANAGED
    from iamledger.iam.managed_policy import import_managed_policy

    opened = Command(create_account, {"account": account_id, "account_name": account_name, "email": email})
    managed = [
        Command(
            import_managed_policy, {"name": arn, "description": about, "document": text}, ("description", "document")
        )
        for arn, about, text in AWS_MANAGED
    ]
    return [opened, *managed]


def named_account(connection: Connection, text: str) -> str:
    """The account of that number or name. Raises NoSuchEntity, or InvalidInput if several have the name."""
    if text.isascii() and text.isdigit() and len(text) == constraints.ACCOUNT_ID.longest:
        return text
    account_id = account_called(connection, text)
    if account_id is None:
        raise NoSuchEntity(f"The account with name {constraints.ACCOUNT_NAME.check(text)} cannot be found.")
    return account_id


def account_called(connection: Connection, name: str) -> str | None:
    """The account of that name, if there is one. Raises InvalidInput if several have it."""
    found = [account_id for account_id, its_name in _names(connection, account_ids(connection)) if its_name == name]
    if len(found) > 1:
        raise InvalidInput(f"Several accounts are called {name}: {', '.join(found)}. Give the number.")
    return found[0] if found else None


def chosen_account(connection: Connection, settings: Settings, asked: str | None) -> str:
    """The account asked for, else that of IAMLEDGER_ACCOUNT, else that of `account use`, else the only one."""
    given = settings.account if asked is None else asked
    if given is not None:
        return named_account(connection, given)
    default = default_account(connection, settings)
    if default is not None:
        return default
    if not account_ids(connection):
        raise NoSuchEntity("There is no account yet. Create one: iamledger account create NAME --email ADDRESS")
    raise InvalidInput("There are several accounts. Give --account, or choose one: iamledger account use NUMBER")


def default_account(connection: Connection, settings: Settings) -> str | None:
    """The account that `account use` chose, else the only one there is. Raises InvalidInput if the file is spoilt."""
    file = settings.default_account_file
    if file.exists():
        text = file.read_text("ascii", "replace").strip()
        if not (len(text) == constraints.ACCOUNT_ID.longest and text.isdigit()):
            raise InvalidInput(f"{file} does not hold the number of an account. Run: iamledger account use ACCOUNT")
        return text
    accounts = account_ids(connection)
    return accounts[0] if len(accounts) == 1 else None


def use_account(connection: Connection, settings: Settings, account_id: str) -> None:
    """Make an account the default one. Raises NoSuchEntity."""
    if account_id not in account_ids(connection):
        raise NoSuchEntity(f"The account with id {account_id} cannot be found.")
    file = settings.default_account_file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(account_id + "\n")


def account_name(connection: Connection, account_id: str) -> str | None:
    """The name of an account; None if there is no such account."""
    if account_id not in account_ids(connection):
        return None
    return next((name for _, name in _names(connection, [account_id])), None)


def _names(connection: Connection, accounts: Iterable[str]) -> Iterable[tuple[str, str]]:
    projection = all_projections()["accounts"]
    for account_id in accounts:
        with open_view(connection, account_id, [projection], stale=True) as view:
            rows: list[Row] = view.rows("SELECT account_name FROM {accounts} a")
        yield from ((account_id, row["account_name"]) for row in rows)
