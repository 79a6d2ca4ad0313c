"""The decision about accounts."""

from __future__ import annotations

import pytest

from iamledger.iam.account import Account, AccountCreated, create_account
from iamledger.iam.refusals import EntityAlreadyExists, ValidationError
from specification import ACCOUNT, given

WISHES = {"account_name": "acme", "email": "root@acme.example"}
CREATED = AccountCreated(account_id=ACCOUNT, **WISHES)


def test_an_account_is_created() -> None:
    given().when(create_account, account=ACCOUNT, **WISHES).then(CREATED)


def test_it_opens_its_ledger_and_is_found_by_its_number() -> None:
    assert CREATED.opens_ledger
    assert CREATED.ledger_tags() == [f"account:{ACCOUNT}"]
    assert CREATED.personal_fields() == ("email",)


def test_creating_it_again_is_refused() -> None:
    created = given().when(create_account, account=ACCOUNT, **WISHES).then(CREATED)
    created.again().then(EntityAlreadyExists("Account 123456789012 already exists."))


def test_another_account_of_the_same_name_is_created() -> None:
    given(CREATED).when(create_account, account="000000000001", **WISHES).then(
        AccountCreated(account_id="000000000001", **WISHES)
    )


def test_an_account_whose_email_was_erased_exists() -> None:
    erased = AccountCreated(account_id=ACCOUNT, account_name="acme", email=None)
    given(erased).when(create_account, account=ACCOUNT, **WISHES).then(
        EntityAlreadyExists("Account 123456789012 already exists.")
    )
    assert not Account(ACCOUNT).exists


@pytest.mark.parametrize(
    ("wish", "value", "message"),
    [
        (
            "account_name",
            "",
            "Value '' at 'accountName' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        (
            "email",
            "a@b.c",
            "Value 'a@b.c' at 'email' failed to satisfy constraint: Member must have length greater than or equal to 6",
        ),
        (
            "account",
            "12345678901x",
            "Value '12345678901x' at 'accountId' failed to satisfy constraint:"
            " Member must satisfy regular expression pattern: \\d{12}",
        ),
    ],
)
def test_malformed_wishes_are_refused(wish: str, value: str, message: str) -> None:
    given().when(create_account, **{"account": ACCOUNT, **WISHES, wish: value}).then(
        ValidationError(f"1 validation error detected: {message}")
    )


@pytest.mark.parametrize(
    ("name", "email"), [("x", "a@b.cd"), ("x" * 50, "a" * 58 + "@b.cde"), ("A & B!", "ü@é.example")]
)
def test_the_longest_and_shortest_are_taken(name: str, email: str) -> None:
    given().when(create_account, account=ACCOUNT, account_name=name, email=email).then(
        AccountCreated(account_id=ACCOUNT, account_name=name, email=email)
    )
