"""Who joined and left which group; names of those who are gone are the last that they had."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from conftest import ACCOUNT, OPERATOR, Urls, new_ledger
from iamledger.engine.view import open_view
from iamledger.iam import group, managed_policy, membership, user
from iamledger.iam.account import create_account
from iamledger.ledger import Circumstances, Ledger
from iamledger.store import Connection, Database
from iamledger_projections import projections
from iamledger_projections.reports.membership_changes import COLUMNS, READS, membership_changes

DOCUMENT = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'


def changes(connection: Connection, position: int | None = None, **asked: Any) -> list[dict[str, Any]]:
    with open_view(connection, ACCOUNT, [projections()[name] for name in READS], position=position) as view:
        return membership_changes(view, **asked)


@dataclass
class Told:
    """A history, and the ids in it."""

    connection: Connection
    ids: dict[str, str]

    def told(self, **asked: Any) -> list[tuple[int, str, str, str]]:
        """Position, change, user and group."""
        return [
            (row["Position"], row["Change"], row["UserName"], row["GroupName"])
            for row in changes(self.connection, **asked)
        ]

    def at(self, position: int) -> datetime:
        return next(row["Date"] for row in changes(self.connection) if row["Position"] == position)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def told(new_database: Callable[[], Urls]) -> Iterator[Told]:
    """Users come, join, move, are renamed and go; so do groups."""
    database = Database(new_database().application)
    ledger = new_ledger(database)
    ids: dict[str, str] = {}

    def did(decision: Callable[..., Any], **arguments: Any) -> None:
        ledger.circumstances = Circumstances(OPERATOR, reason=decision.__name__, ticket="T-1")
        for event in ledger.execute(decision, **arguments).events:
            if isinstance(event, user.UserCreated):
                ids[event.user_name] = event.user_id
            if isinstance(event, group.GroupCreated):
                ids[event.group_name] = event.group_id

    did(create_account, account=ACCOUNT, account_name="acme", email="root@acme.example")  # 1
    did(user.create_user, name="alice")  # 2
    did(user.create_user, name="bob")  # 3
    did(group.create_group, name="admins")  # 4
    did(group.create_group, name="readers")  # 5
    did(membership.add_user_to_group, user="alice", group="admins")  # 6
    did(membership.add_user_to_group, user="bob", group="admins")  # 7
    did(membership.move_user, user="alice", source="admins", target="readers")  # 8, 9
    did(user.update_user, user="alice", new_name="Alicia")  # 10
    did(group.update_group, group="admins", new_name="bosses")  # 11
    did(membership.remove_user_from_group, user="bob", group="bosses")  # 12
    did(group.delete_group, group="bosses")  # 13
    did(user.delete_user, user="bob")  # 14
    yield Told(database.connection, ids)
    database.close()


ALL = [
    (12, "Left", "bob", "bosses"),
    (9, "Joined", "Alicia", "readers"),
    (8, "Left", "Alicia", "bosses"),
    (7, "Joined", "bob", "bosses"),
    (6, "Joined", "Alicia", "bosses"),
]


def test_each_joining_and_leaving_newest_first(told: Told) -> None:
    assert told.told() == ALL
    row = changes(told.connection)[-1]
    assert tuple(row) == COLUMNS
    assert (row["By"], row["Reason"], row["Ticket"]) == (OPERATOR.told(), "add_user_to_group", "T-1")
    assert (row["UserId"], row["GroupId"]) == (told.ids["alice"], told.ids["admins"])


def test_names_are_the_last_until_the_moment(told: Told) -> None:
    assert told.told(position=9) == [
        (at, what, who.replace("Alicia", "alice"), to)
        for at, what, who, to in [
            (9, "Joined", "Alicia", "readers"),
            (8, "Left", "Alicia", "admins"),
            (7, "Joined", "bob", "admins"),
            (6, "Joined", "Alicia", "admins"),
        ]
    ]
    assert told.told(position=5) == []


def test_of_users_and_groups(told: Told) -> None:
    alice, admins = told.ids["alice"], told.ids["admins"]
    assert told.told(user_ids=[alice]) == [row for row in ALL if row[2] == "Alicia"]
    assert told.told(user_ids=[alice], group_ids=[admins]) == [ALL[2], ALL[4]]
    assert told.told(group_ids=[admins, told.ids["readers"]]) == ALL
    assert told.told(user_ids=[]) == told.told(group_ids=["'; --"]) == []


def test_of_a_period(told: Told) -> None:
    assert told.told(since=told.at(8)) == ALL[:3]
    assert told.told(until=told.at(7)) == ALL[3:]
    assert told.told(since=told.at(7), until=told.at(7)) == [ALL[3]]
    assert told.told(since=told.at(12) + timedelta(microseconds=1)) == []


def test_an_account_without_members(ledger: Ledger, connection: Connection) -> None:
    assert changes(connection) == []


def test_every_user_group_and_policy_has_a_name_for_good(ledger: Ledger, connection: Connection) -> None:
    """Also if the name is taken by another one afterwards."""
    for n in range(2):
        ledger.execute(user.create_user, name="=cmd@")
        ledger.execute(user.update_user, user="=cmd@", new_name=f"u{n}")
        ledger.execute(user.delete_user, user=f"u{n}")
    ledger.execute(group.create_group, name="g")
    ledger.execute(group.delete_group, group="g")
    arn = f"arn:aws:iam::{ACCOUNT}:policy/p"
    ledger.execute(managed_policy.create_policy, name=arn, document=DOCUMENT)
    ledger.execute(managed_policy.delete_policy, policy=arn)
    ledger.execute(managed_policy.import_managed_policy, name="arn:aws:iam::aws:policy/p", document=DOCUMENT)
    with open_view(connection, ACCOUNT, [projections()["principal_names"]]) as view:
        rows = view.rows("SELECT kind, name FROM {principal_names} ORDER BY since")
    assert [(row["kind"], row["name"]) for row in rows] == [
        ("User", "u0"),
        ("User", "u1"),
        ("Group", "g"),
        ("Policy", "p"),
        ("Policy", "p"),
    ]
