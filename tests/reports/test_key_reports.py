"""Reports about access keys: ages and last uses, revocations, and IAM's credential report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conftest import ACCOUNT, OPERATOR, Urls, new_ledger
from iamledger.engine.view import open_view
from iamledger.iam.access_key import (
    AccessKeyCreated,
    RevocationReason,
    create_access_key,
    deactivate_access_key,
    record_access_key_use,
    revoke_access_key,
    rotate_access_key,
    use_of,
)
from iamledger.iam.account import create_account
from iamledger.iam.user import create_user, delete_user, update_user
from iamledger.ledger import Circumstances, Ledger
from iamledger.store import Connection, Database
from iamledger_projections import projections
from iamledger_projections.reports import access_keys, credentials, key_revocations
from iamledger_projections.reports.access_keys import review_access_keys
from iamledger_projections.reports.credentials import credential_report
from iamledger_projections.reports.key_revocations import list_revocations

Query = Callable[..., list[dict[str, Any]]]
READS: dict[Query, tuple[str, ...]] = {
    review_access_keys: access_keys.READS,
    credential_report: credentials.READS,
    list_revocations: key_revocations.READS,
}
IAMS_COLUMNS = (
    "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,"
    "mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,"
    "access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,"
    "access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,cert_1_last_rotated,cert_2_active,"
    "cert_2_last_rotated"
)
NONE = {"active": "false", "last_rotated": "N/A", "last_used_date": "N/A", "last_used_region": "N/A"}


def answer(
    connection: Connection, query: Query, *, position: int | None = None, days: float | None = None, **asked: Any
) -> list[dict[str, Any]]:
    """What a report says; as of a position, or so many days from now, which is how keys grow old in a test."""
    time = datetime.now(UTC) + timedelta(days=days) if days is not None else None
    read = [projections()[name] for name in READS[query]]
    with open_view(connection, ACCOUNT, read, position=position, time=time) as view:
        return query(view, **asked)


@dataclass
class Told:
    """A history, and the keys in it."""

    connection: Connection
    alices_old: str
    alices_new: str
    bobs: str
    gone: str
    used_at: datetime

    def keys(self, **asked: Any) -> list[str]:
        """Which keys of whom a review finds, by the names that they have here."""
        names = {self.alices_old: "old", self.alices_new: "new", self.bobs: "bobs", self.gone: "gone"}
        return [names[row["AccessKeyId"]] for row in answer(self.connection, review_access_keys, **asked)]


@pytest.fixture(scope="module")
def told(new_database: Callable[[], Urls]) -> Iterator[Told]:
    """alice has rotated without grace; bob's key is inactive; carl's was revoked, carl was renamed and is gone."""
    database = Database(new_database().application)
    ledger = new_ledger(database)
    used_at = datetime.now(UTC) - timedelta(days=40)

    def did(decision: Callable[..., Any], **arguments: Any) -> list[Any]:
        ledger.circumstances = Circumstances(OPERATOR, reason=decision.__name__, ticket="T-1")
        return list(ledger.execute(decision, **arguments).events)

    did(create_account, account=ACCOUNT, account_name="acme", email="root@acme.example")  # 1
    for name, path in (("bob", "/"), ("Alice", "/eng/"), ("carl", "/")):  # 2, 3, 4
        did(create_user, name=name, path=path)
    old, bobs, gone = (
        did(create_access_key, user=name)[0].access_key_id for name in ("Alice", "bob", "carl")
    )  # 5, 6, 7
    use = use_of(old, "s3", "eu-west-1", used_at)
    did(record_access_key_use, key=old, use=use, service_name="s3", region="eu-west-1", used_at=used_at)  # 8
    rotated = did(rotate_access_key, user="Alice", grace=timedelta(0))  # 9, 10
    (new,) = (event.access_key_id for event in rotated if isinstance(event, AccessKeyCreated))
    did(deactivate_access_key, key=bobs)  # 11
    reason = RevocationReason.KEY_COMPROMISE
    did(revoke_access_key, key=gone, revocation_reason=reason, note="=leaked")  # 12
    did(update_user, user="carl", new_name="Karl")  # 13
    did(delete_user, user="Karl")  # 14
    yield Told(database.connection, old, new, bobs, gone, used_at)
    database.close()


# Ages and last uses


def test_every_key_the_oldest_first(told: Told) -> None:
    assert told.keys() == ["old", "bobs", "new"]
    old, bobs, new = answer(told.connection, review_access_keys)
    assert (old["UserName"], old["Status"], old["Due"]) == ("Alice", "Expired", True)
    assert (old["LastUsedDate"], old["ServiceName"], old["Region"]) == (told.used_at, "s3", "eu-west-1")
    assert (old["IdleDays"], old["AgeDays"], old["SupersededBy"]) == (40, 0, told.alices_new)
    assert (bobs["UserName"], bobs["Status"], bobs["LastUsedDate"], bobs["Due"]) == ("bob", "Inactive", None, False)
    assert (new["Status"], new["IdleDays"]) == ("Active", 0)


def test_keys_that_are_old(told: Told) -> None:
    assert told.keys(older_than=0) == ["old", "bobs", "new"]
    assert told.keys(older_than=1) == []
    assert told.keys(older_than=90, days=89.9) == []
    assert told.keys(older_than=90, days=90.1) == ["old", "bobs", "new"]


def test_keys_that_nobody_uses(told: Told) -> None:
    assert told.keys(unused_for=40) == ["old"]
    assert told.keys(unused_for=41) == []
    assert told.keys(unused_for=30, days=30.1) == ["old", "bobs", "new"]  # never used: since the creation


def test_keys_that_are_due(told: Told) -> None:
    assert told.keys(due=True) == ["old"]
    assert told.keys(due=True, older_than=1) == []
    assert told.keys(due=True, position=9) == []


def test_keys_in_the_past(told: Told) -> None:
    assert told.keys(position=7) == ["old", "bobs", "gone"]
    assert answer(told.connection, review_access_keys, position=7)[2]["UserName"] == "carl"
    assert told.keys(position=4) == []


# Revocations


def test_the_owner_of_a_revoked_key_has_a_name_even_if_gone(told: Told) -> None:
    (row,) = answer(told.connection, list_revocations)
    assert (row["AccessKeyId"], row["UserName"], row["Position"]) == (told.gone, "Karl", 12)
    assert (row["RevocationReason"], row["Note"]) == ("keyCompromise", "=leaked")
    assert (row["Reason"], row["Ticket"], row["RevokedBy"]) == ("revoke_access_key", "T-1", OPERATOR.told())
    (then,) = answer(told.connection, list_revocations, position=12)
    assert then == {**row, "UserName": "carl"}
    assert answer(told.connection, list_revocations, position=11) == []


def test_revocations_of_a_period(told: Told) -> None:
    (row,) = answer(told.connection, list_revocations)
    at, tick = row["RevokedDate"], timedelta(microseconds=1)
    assert answer(told.connection, list_revocations, since=at, until=at) == [row]
    assert answer(told.connection, list_revocations, since=at + tick) == []
    assert answer(told.connection, list_revocations, until=at - tick) == []


# The credential report


def test_the_credential_report_has_iams_columns() -> None:
    assert ",".join(credentials.COLUMNS) == IAMS_COLUMNS


def test_the_root_comes_first_then_users_by_name(told: Told) -> None:
    rows = answer(told.connection, credential_report)
    assert [row["user"] for row in rows] == ["<root_account>", "Alice", "bob"]
    assert [row["arn"].removeprefix(f"arn:aws:iam::{ACCOUNT}:") for row in rows] == [
        "root",
        "user/eng/Alice",
        "user/bob",
    ]
    assert {type(value) for row in rows for value in row.values()} == {str}
    root = rows[0]
    assert [root[name] for name in root if name.startswith("password")] == [
        "not_supported",
        "N/A",
        "not_supported",
        "not_supported",
    ]
    for slot in (1, 2):
        assert {part: root[f"access_key_{slot}_{part}"] for part in NONE} == NONE
        assert (root[f"cert_{slot}_active"], root[f"cert_{slot}_last_rotated"]) == ("N/A", "N/A")
    assert root["mfa_active"] == "N/A"


def test_a_users_keys_stand_in_the_order_of_their_creation(told: Told) -> None:
    _, alice, bob = answer(told.connection, credential_report)
    assert [alice[name] for name in alice if name.startswith("password")] == ["N/A"] * 4
    assert alice["access_key_1_active"] == "false", "its grace has ended"
    assert alice["access_key_1_last_used_date"] == f"{told.used_at:%Y-%m-%dT%H:%M:%S+00:00}"
    assert (alice["access_key_1_last_used_region"], alice["access_key_1_last_used_service"]) == ("eu-west-1", "s3")
    assert alice["access_key_2_active"] == "true"
    assert alice["access_key_2_last_used_date"] == alice["access_key_2_last_used_service"] == "N/A"
    for row in (alice, bob):
        datetime.strptime(row["access_key_1_last_rotated"], "%Y-%m-%dT%H:%M:%S+00:00").replace(tzinfo=UTC)
        datetime.strptime(row["user_creation_time"], "%Y-%m-%dT%H:%M:%S+00:00").replace(tzinfo=UTC)
    assert bob["access_key_1_active"] == "false"
    assert {part: bob[f"access_key_2_{part}"] for part in NONE} == NONE


def test_credentials_of_the_past(told: Told) -> None:
    alice, bob, carl = answer(told.connection, credential_report, position=9)[1:]
    assert carl["user"] == "carl"
    assert alice["access_key_1_active"] == bob["access_key_1_active"] == "true"


# All of them


@pytest.mark.parametrize(
    ("query", "columns"),
    [
        (review_access_keys, access_keys.COLUMNS),
        (list_revocations, key_revocations.COLUMNS),
        (credential_report, credentials.COLUMNS),
    ],
)
def test_the_columns(query: Query, columns: tuple[str, ...], told: Told) -> None:
    assert {tuple(row) for row in answer(told.connection, query)} == {columns}


def test_an_account_without_users(ledger: Ledger, connection: Connection) -> None:
    assert answer(connection, review_access_keys) == answer(connection, list_revocations) == []
    assert [row["user"] for row in answer(connection, credential_report)] == ["<root_account>"]


def test_a_key_whose_owner_is_not_there_is_told(ledger: Ledger, connection: Connection) -> None:
    """The product lets no such key be. If there is one all the same, a report must not hide it."""
    from iamledger.store import Context, NewEvent, Request, append

    orphan = NewEvent("AccessKeyCreated", {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "user_id": "AIDANOBODY"})
    append(connection, ACCOUNT, [orphan], context=Context(), request=Request("r", ""))
    (row,) = answer(connection, review_access_keys)
    assert (row["UserName"], row["UserId"]) == ("AIDANOBODY", "AIDANOBODY")
