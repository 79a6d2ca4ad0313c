"""The account: the unit of ownership and isolation. Its ledger begins with its creation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from iamledger.iam import constraints
from iamledger.iam.events import PERSONAL, Event, Tag
from iamledger.iam.nouns import Noun
from iamledger.iam.refusals import EntityAlreadyExists

# Events. Their names and fields are the storage format: never rename them.


class AccountCreated(Event):
    """An account was opened, with its name and its root user's e-mail address."""

    opens_ledger: ClassVar[bool] = True

    account_id: Annotated[str, Tag("account")]
    account_name: str
    email: Annotated[str | None, PERSONAL]


# State


@dataclass(frozen=True)
class Account(Noun):
    """Whether the account exists. `id` is its number."""

    tag: ClassVar[Tag] = Tag("account")
    evolves_on: ClassVar[tuple[type[Event], ...]] = (AccountCreated,)

    exists: bool = False

    def evolve(self, event: Event) -> Account:
        return replace(self, exists=True)

    @classmethod
    def check_reference(cls, reference: str) -> None:
        constraints.ACCOUNT_ID.check(reference)


# Decisions


def create_account(account: Account, account_name: str, email: Annotated[str, PERSONAL]) -> Iterator[Event]:
    """Open an account. Several accounts may have the same name; the number is unique."""
    constraints.ACCOUNT_NAME.check(account_name)
    constraints.EMAIL.check(email)
    if account.exists:
        raise EntityAlreadyExists(f"Account {account.id} already exists.")
    yield AccountCreated(account_id=account.id, account_name=account_name, email=email)
