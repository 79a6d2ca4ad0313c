"""Which account a command is about, and how accounts are called."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import Urls, new_ledger
from iamledger.accounts import account_ids, chosen_account, default_account, named_account, new_account_id, use_account
from iamledger.iam.account import create_account
from iamledger.iam.constraints import ACCOUNT_ID
from iamledger.iam.refusals import InvalidInput, NoSuchEntity, ValidationError
from iamledger.settings import Settings
from iamledger.store import Connection, Database

ONE, TWO, THREE, FOUR = "111111111111", "222222222222", "333333333333", "444444444444"
NAMES = {ONE: "acme", TWO: "beta", THREE: "beta", FOUR: "2026"}


@pytest.fixture(scope="module")
def many(new_database: Callable[[], Urls]) -> Iterator[Connection]:
    """A database with four accounts, made in another order than that of their numbers."""
    database = Database(new_database().application)
    for account_id in (THREE, ONE, FOUR, TWO):
        begin(database, account_id, NAMES[account_id])
    yield database.connection
    database.close()


def begin(database: Database, account_id: str, name: str) -> None:
    new_ledger(database, account_id).execute(
        create_account, account=account_id, account_name=name, email="root@acme.example"
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings without an account."""
    return Settings(home=tmp_path / "home", database_url="given", owner_url=None, account=None)


def test_accounts_are_listed_in_order_of_their_numbers(many: Connection) -> None:
    assert account_ids(many) == [ONE, TWO, THREE, FOUR]


def test_no_accounts(connection: Connection, settings: Settings) -> None:
    assert account_ids(connection) == []
    assert default_account(connection, settings) is None
    with pytest.raises(NoSuchEntity, match=r"There is no account yet\. Create one: iamledger account create"):
        chosen_account(connection, settings, None)


def test_an_account_is_called_by_number_or_name(many: Connection) -> None:
    assert named_account(many, ONE) == ONE
    assert named_account(many, "acme") == ONE
    assert named_account(many, "2026") == FOUR  # a name may look like a number
    assert named_account(many, "999999999999") == "999999999999"  # whether it is there, is found out when it is read


@pytest.mark.parametrize("name", ["ACME", "acm", "acme ", "nosuch", "11111111111", "1111111111111", "%", "a'--"])
def test_a_name_is_exact(name: str, many: Connection) -> None:
    with pytest.raises(NoSuchEntity, match=f"The account with name {re.escape(name)} cannot be found"):
        named_account(many, name)


@pytest.mark.parametrize("name", ["", " ", "ä", "a\n", "a\udcff", "x" * 51, "\u0661" * 12])
def test_what_can_be_no_name_is_refused(name: str, many: Connection) -> None:
    with pytest.raises(ValidationError, match="accountName"):
        named_account(many, name)


def test_a_name_of_several_is_refused_with_their_numbers(many: Connection) -> None:
    with pytest.raises(InvalidInput, match=f"Several accounts are called beta: {TWO}, {THREE}"):
        named_account(many, "beta")


# The order of choices


def test_what_is_asked_for_comes_first_then_the_environment_then_the_default(
    many: Connection, settings: Settings
) -> None:
    use_account(many, settings, TWO)
    told = replace(settings, account="acme")
    assert chosen_account(many, told, THREE) == THREE
    assert chosen_account(many, told, "2026") == FOUR
    assert chosen_account(many, told, None) == ONE
    assert chosen_account(many, settings, None) == TWO


def test_an_empty_choice_is_not_passed_over(many: Connection, settings: Settings) -> None:
    use_account(many, settings, TWO)
    with pytest.raises(ValidationError):
        chosen_account(many, settings, "")  # such as "$ACCOUNT" of a script that forgot to set it


def test_of_several_without_a_default_one_must_be_chosen(many: Connection, settings: Settings) -> None:
    assert default_account(many, settings) is None
    with pytest.raises(InvalidInput, match=r"There are several accounts\. Give --account"):
        chosen_account(many, settings, None)


def test_the_only_account_is_the_default(database: Database, settings: Settings) -> None:
    begin(database, ONE, "acme")
    assert default_account(database.connection, settings) == ONE
    assert chosen_account(database.connection, settings, None) == ONE
    assert not settings.default_account_file.exists()
    begin(database, TWO, "beta")
    assert default_account(database.connection, settings) is None


# The default account


def test_using_an_account_makes_it_the_default(many: Connection, settings: Settings) -> None:
    for account_id in (TWO, ONE):
        use_account(many, settings, account_id)
        assert default_account(many, settings) == account_id
        assert settings.default_account_file.read_text() == f"{account_id}\n"


@pytest.mark.parametrize("account_id", ["999999999999", "acme", ""])
def test_what_is_no_account_cannot_be_used(account_id: str, many: Connection, settings: Settings) -> None:
    with pytest.raises(NoSuchEntity):
        use_account(many, settings, account_id)
    assert not settings.default_account_file.exists()


@pytest.mark.parametrize("text", [b"", b"acme", b"1", b"1" * 13, b"\xff" * 12, "\u0661".encode() * 12, b"1111 1111 11"])
def test_a_spoilt_default_is_named_not_guessed(text: bytes, many: Connection, settings: Settings) -> None:
    settings.home.mkdir()
    settings.default_account_file.write_bytes(text)
    for choose in (default_account, lambda *given: chosen_account(*given, None)):
        with pytest.raises(InvalidInput, match=re.escape(str(settings.default_account_file))):
            choose(many, settings)
    assert chosen_account(many, settings, ONE) == ONE  # a choice goes round it
    settings.default_account_file.write_text(f"  {ONE}\n\n")
    assert default_account(many, settings) == ONE


# New accounts


def test_new_numbers_are_random_but_those_of_a_request_are_not() -> None:
    drawn = {new_account_id(None) for _ in range(100)}
    assert len(drawn) == 100
    asked = {new_account_id(f"request-{n}") for n in range(100)}
    assert len(asked) == 100
    assert asked == {new_account_id(f"request-{n}") for n in range(100)}
    for number in drawn | asked:
        assert ACCOUNT_ID.check(number)
        assert number[0] != "0"
