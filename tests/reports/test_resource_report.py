"""Resources as reports tell them: by the names of users who left, by whom they are shared, now and as of the past."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from string import ascii_letters, digits
from typing import Any

import pytest

from conftest import ACCOUNT, Urls, new_ledger
from iamledger.engine.rebuild import rebuild
from iamledger.engine.view import open_view
from iamledger.history import Filter, find, user_ids
from iamledger.iam.account import create_account
from iamledger.iam.refusals import NoSuchEntity, ValidationError
from iamledger.iam.resource import (
    deregister_resource,
    put_resource_policy,
    register_resource,
    share_resource,
    transfer_resource,
    unshare_resource,
)
from iamledger.iam.resource_arn import LONGEST
from iamledger.iam.user import UserCreated, create_user, delete_user, update_user
from iamledger.store import Connection, Database
from iamledger_projections import projections
from iamledger_projections.reports.resources import COLUMNS, READS, list_resources, shares_with, whole_resource

BUCKET, QUEUE, TABLE = (
    "arn:aws:s3:::reports",
    f"arn:aws:sqs:eu-west-1:{ACCOUNT}:jobs",
    f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/a",
)
OTHER = "234567890123"
BY_HAND = (
    '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:Get*"}, {"Effect": "Allow", "Principal":'
    f' {{"AWS": ["{OTHER}", "arn:aws:iam::{ACCOUNT}:root", "345678901234"]}}, "Action": "s3:*",'
    ' "Condition": {"Bool": {"aws:SecureTransport": "true"}}}]}'
)


@dataclass(frozen=True)
class Told:
    """A history, and the ids of its users in the order in which they came."""

    connection: Connection
    ids: Sequence[str]

    def rows(self, position: int | None = None, **asked: Any) -> list[dict[str, Any]]:
        with open_view(self.connection, ACCOUNT, [projections()[name] for name in READS], position=position) as view:
            return list_resources(view, **asked)

    def names(self, position: int | None = None, **asked: Any) -> list[tuple[str, str | None, str | None]]:
        """ARN, creator and who is responsible."""
        return [(row["Arn"], row["CreatorName"], row["ResponsibleName"]) for row in self.rows(position, **asked)]

    def whole(self, arn: str, position: int | None = None) -> dict[str, Any]:
        with open_view(self.connection, ACCOUNT, [projections()[name] for name in READS], position=position) as view:
            return whole_resource(view, arn)


@pytest.fixture(scope="module")
def told(new_database: Callable[[], Urls]) -> Iterator[Told]:
    """Alice makes two things and leaves; another Alice comes."""
    database = Database(new_database().application)
    ledger = new_ledger(database)
    ids: list[str] = []

    def did(decision: Callable[..., Any], **arguments: Any) -> None:
        ids.extend(e.user_id for e in ledger.execute(decision, **arguments).events if isinstance(e, UserCreated))

    did(create_account, account=ACCOUNT, account_name="acme", email="root@acme.example")  # 1
    did(create_user, name="alice")  # 2
    did(create_user, name="bob")  # 3
    did(register_resource, resource=BUCKET, creator="alice")  # 4
    did(register_resource, resource=QUEUE, creator="alice")  # 5
    did(register_resource, resource=TABLE)  # 6
    did(transfer_resource, resource=BUCKET, responsible="bob")  # 7
    did(share_resource, resource=BUCKET, principal=OTHER, actions=["s3:Get*"])  # 8
    did(update_user, user="alice", new_name="alicia")  # 9
    did(delete_user, user="alicia")  # 10
    did(create_user, name="alice")  # 11
    did(register_resource, resource="arn:aws:s3:::new", creator="alice")  # 12
    did(unshare_resource, resource=BUCKET, principal=OTHER)  # 13
    did(put_resource_policy, resource=QUEUE, document=BY_HAND)  # 14
    did(deregister_resource, resource="arn:aws:s3:::new")  # 15
    did(register_resource, resource="arn:aws:s3:::new", creator="bob")  # 16
    yield Told(database.connection, ids)
    database.close()


def test_creators_are_told_by_the_last_name_that_they_had_until_then(told: Told) -> None:
    assert told.names() == [
        (TABLE, None, None),
        ("arn:aws:s3:::new", "bob", "bob"),
        (BUCKET, "alicia", "bob"),
        (QUEUE, "alicia", "alicia"),
    ]
    assert told.names(8) == [(TABLE, None, None), (BUCKET, "alice", "bob"), (QUEUE, "alice", "alice")]
    assert told.names(6) == [(TABLE, None, None), (BUCKET, "alice", "alice"), (QUEUE, "alice", "alice")]
    assert told.names(12)[1] == ("arn:aws:s3:::new", "alice", "alice")
    assert told.names(3) == []
    assert set(COLUMNS) <= set(told.rows()[0])


def test_what_a_user_created_is_found_by_id_also_if_another_has_the_name(told: Told) -> None:
    first, bob, second = told.ids
    assert [row["Arn"] for row in told.rows(creator_ids=[first])] == [BUCKET, QUEUE]
    assert told.rows(creator_ids=[second]) == []
    assert [row["Arn"] for row in told.rows(12, creator_ids=[second])] == ["arn:aws:s3:::new"]
    assert [row["Arn"] for row in told.rows(responsible_ids=[bob])] == ["arn:aws:s3:::new", BUCKET]
    assert [row["Arn"] for row in told.rows(creator_ids=[first], responsible_ids=[bob])] == [BUCKET]
    assert told.rows(creator_ids=[]) == []


def test_orphaned_is_what_nobody_who_is_there_is_responsible_for(told: Told) -> None:
    assert [row["Arn"] for row in told.rows(orphaned=True)] == [TABLE, QUEUE]
    assert [row["Arn"] for row in told.rows(9, orphaned=True)] == [TABLE]
    assert [row["Orphaned"] for row in told.rows()] == [True, False, False, True]


def test_shared_is_what_a_policy_lets_others_do(told: Told) -> None:
    assert [(row["Arn"], row["SharedWith"]) for row in told.rows(shared=True)] == [
        (QUEUE, ["*", OTHER, "345678901234"])
    ]
    assert [(row["Arn"], row["SharedWith"]) for row in told.rows(12, shared=True)] == [
        (BUCKET, [f"arn:aws:iam::{OTHER}:root"])
    ]
    assert told.rows(7, shared=True) == []


def test_one_is_told_whole(told: Told) -> None:
    whole = told.whole(QUEUE)
    assert (whole["PolicyPutPosition"], whole["Document"], whole["RegisteredPosition"]) == (14, BY_HAND, 5)
    assert whole["SharedWith"] == [
        {"Principal": "*", "Sid": None, "Actions": "s3:Get*", "Conditional": False},
        {"Principal": OTHER, "Sid": None, "Actions": "s3:*", "Conditional": True},
        {"Principal": "345678901234", "Sid": None, "Actions": "s3:*", "Conditional": True},
    ]
    assert told.whole(QUEUE, 13)["Document"] is None
    for arn, position in ((QUEUE, 4), ("arn:aws:s3:::new", 15), ("arn:aws:s3:::REPORTS", None)):
        with pytest.raises(NoSuchEntity):
            told.whole(arn, position)


@pytest.mark.parametrize(
    ("account", "arns"), [(OTHER, [QUEUE]), ("345678901234", [QUEUE]), ("456789012345", []), (ACCOUNT, [])]
)
def test_what_is_shared_with_an_account_by_name(told: Told, account: str, arns: list[str]) -> None:
    with open_view(told.connection, ACCOUNT, [projections()["resource_policies"]]) as view:
        found = shares_with(view, account)
    assert [row["Arn"] for row in found] == arns
    assert {row["Account"] for row in found} <= {ACCOUNT}


class TestHistory:
    def positions(self, told: Told, **wanted: str) -> list[int]:
        return [event.position for event in find(told.connection, ACCOUNT, Filter(**wanted), upto=99)]

    def test_of_a_resource_also_of_one_that_was_registered_again(self, told: Told) -> None:
        assert self.positions(told, resource=BUCKET) == [13, 8, 7, 4]
        assert self.positions(told, resource="arn:aws:s3:::new") == [16, 15, 12]
        assert self.positions(told, resource="arn:aws:s3:::NEW") == []
        with pytest.raises(ValidationError):
            self.positions(told, resource="new")

    def test_of_a_user_with_what_it_created_and_was_responsible_for(self, told: Told) -> None:
        first, bob, second = told.ids
        assert self.positions(told, user=first) == [10, 9, 7, 5, 4, 2]
        assert self.positions(told, user="bob") == self.positions(told, user=bob) == [16, 7, 3]
        assert self.positions(told, user=second) == [12, 11]
        assert self.positions(told, user="alicia", resource=BUCKET) == [7, 4]

    def test_an_id_finds_that_user_alone_although_an_event_names_two(self, told: Told) -> None:
        for user_id in told.ids:
            assert user_ids(told.connection, ACCOUNT, user_id, 99) == [user_id]


def test_the_longest_arn_that_compresses_badly_is_kept_and_found(urls: Urls) -> None:
    arn = "arn:aws:s3:::" + "".join(Random(1).choices(ascii_letters + digits, k=LONGEST - 13))
    database = Database(urls.application)
    ledger = new_ledger(database)
    ledger.execute(create_account, account=ACCOUNT, account_name="acme", email="root@acme.example")
    ledger.execute(register_resource, resource=arn)
    ledger.execute(share_resource, resource=arn, principal=OTHER, actions=["s3:Get*"])
    for name in ("resources", "resource_policies"):
        rebuild(database.connection, projections()[name])
    with open_view(database.connection, ACCOUNT, [projections()[name] for name in READS]) as view:
        assert whole_resource(view, arn)["PolicyPutPosition"] == 3
    assert [event.position for event in find(database.connection, ACCOUNT, Filter(resource=arn), upto=9)] == [3, 2]
    database.close()
