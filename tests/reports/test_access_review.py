"""The access review: every user, every policy, every way, with who granted it; now and then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from conftest import ACCOUNT, OPERATOR, Urls, new_ledger
from iamledger.actors import Principal
from iamledger.engine.view import open_view
from iamledger.iam import attachment, group, inline_policy, managed_policy, membership, permissions_boundary, user
from iamledger.iam.refusals import NoSuchEntity
from iamledger.ledger import Circumstances, Ledger
from iamledger.store import Connection, Database
from iamledger_projections import projections
from iamledger_projections.reports.access_review import COLUMNS, READS, access_review

DOCUMENT = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
ROOT = Principal(f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
READER = f"arn:aws:iam::{ACCOUNT}:policy/Reader"
WRITER = f"arn:aws:iam::{ACCOUNT}:policy/ops/Writer"
AWS_READER = "arn:aws:iam::aws:policy/Reader"


@dataclass
class Told:
    """A history, and where in it is what."""

    connection: Connection
    ledger: Ledger
    positions: dict[str, int]

    def did(self, what: str, decision: Callable[..., Any], **arguments: Any) -> None:
        """Run a decision for a reason, and remember the position."""
        self.ledger.circumstances = Circumstances(ROOT, reason=what, ticket=f"T-{len(self.positions)}")
        self.positions[what] = self.ledger.execute(decision, **arguments).last or 0

    def review(self, *, at: str | None = None, **filters: str | None) -> list[dict[str, Any]]:
        with view(self.connection, self.positions[at] if at else None) as seen:
            return access_review(seen, **filters)

    def told(self, **options: Any) -> list[tuple[str, ...]]:
        """User, policy, type and group of each row."""
        names = ("UserName", "PolicyName", "PolicyType", "GroupName")
        rows = [tuple(row[name] or "-" for name in names) for row in self.review(**options)]
        whose = {"AWS managed": "Managed", "Customer managed": "Managed"}  # which, `test_whose_a_policy_is` looks at
        return [tuple(whose.get(value, value) for value in row) for row in rows]


def test_whose_a_policy_is(told: Told) -> None:
    types = {row["PolicyArn"]: row["PolicyType"] for row in told.review() if row["PolicyName"]}
    assert (types[READER], types[AWS_READER], types[None]) == ("Customer managed", "AWS managed", "Inline")


def view(connection: Connection, position: int | None = None) -> Any:
    return open_view(connection, ACCOUNT, [projections()[name] for name in READS], position=position)


@pytest.fixture(scope="module")
def told(new_database: Callable[[], Urls]) -> Iterator[Told]:
    """alice has grants of her own and by groups, bob by a group only, carol by an empty group, nobody has none."""
    from iamledger.iam.account import create_account

    database = Database(new_database().application)
    ledger = new_ledger(database)
    ledger.execute(create_account, account=ACCOUNT, account_name="acme", email="root@acme.example")
    found = Told(database.connection, ledger, {})
    did = found.did
    for name in ("bob", "Alice", "carol", "nobody"):
        did(f"create {name}", user.create_user, name=name)
    for name in ("readers", "Admins", "idle"):
        did(f"create group {name}", group.create_group, name=name)
    did("write Reader", managed_policy.create_policy, name=READER, document=DOCUMENT)
    did("write Writer", managed_policy.create_policy, name=WRITER, document=DOCUMENT)
    did("import Reader", managed_policy.import_managed_policy, name=AWS_READER, document=DOCUMENT)
    did("attach", attachment.attach_user_policy, user="Alice", policy=READER)
    did("own", inline_policy.put_user_policy, user="Alice", policy_name="Own", document=DOCUMENT)
    did("bind", permissions_boundary.put_user_permissions_boundary, user="Alice", policy=WRITER)
    did("bind nobody", permissions_boundary.put_user_permissions_boundary, user="nobody", policy=READER)
    did("attach to readers", attachment.attach_group_policy, group="readers", policy=READER)
    did("attach aws", attachment.attach_group_policy, group="readers", policy=AWS_READER)
    did("admins inline", inline_policy.put_group_policy, group="Admins", policy_name="Own", document=DOCUMENT)
    for name, into in (("Alice", "readers"), ("Alice", "Admins"), ("bob", "Admins"), ("carol", "idle")):
        did(f"{name} into {into}", membership.add_user_to_group, user=name, group=into)
    did("rename", user.update_user, user="bob", new_name="Bert")
    did("rename group", group.update_group, group="Admins", new_name="bosses")
    did("rewrite", inline_policy.put_user_policy, user="Alice", policy_name="Own", document=DOCUMENT + " ")
    did("detach", attachment.detach_user_policy, user="Alice", policy=READER)
    did("out", membership.remove_user_from_group, user="Bert", group="bosses")
    yield found
    database.close()


def test_one_row_for_each_user_policy_and_way(told: Told) -> None:
    assert told.told(at="rename") == [
        ("Alice", "Own", "Inline", "-"),
        ("Alice", "Reader", "Managed", "-"),
        ("Alice", "Own", "Inline", "Admins"),
        ("Alice", "Reader", "Managed", "readers"),
        ("Alice", "Reader", "Managed", "readers"),
        ("Bert", "Own", "Inline", "Admins"),
        ("carol", "-", "-", "-"),
        ("nobody", "-", "-", "-"),
    ]


def test_a_user_without_any_policy_is_a_row(told: Told) -> None:
    rows = {row["UserName"]: row for row in told.review()}
    assert set(rows) == {"Alice", "Bert", "carol", "nobody"}
    of_nobody = {name: value for name, value in rows["nobody"].items() if value is not None}
    assert of_nobody.pop("UserId").startswith("AIDA")
    assert of_nobody == {
        "UserName": "nobody",
        "PermissionsBoundary": READER,
        "PermissionsBoundaryPosition": told.positions["bind nobody"],
    }


def test_a_grant_of_ones_own_tells_who_granted_it(told: Told) -> None:
    row = next(row for row in told.review(at="rename") if row["PolicyArn"] == READER and not row["GroupName"])
    assert (row["GrantedBy"], row["GrantedPosition"]) == (ROOT.told(), told.positions["attach"])
    assert (row["Reason"], row["Ticket"]) == ("attach", "T-10")
    assert (row["PermissionsBoundary"], row["PermissionsBoundaryPosition"]) == (WRITER, told.positions["bind"])
    assert all(value is None for name, value in row.items() if name.startswith("AddedToGroup"))


def test_a_grant_by_a_group_also_tells_who_put_the_user_there(told: Told) -> None:
    row = next(row for row in told.review(at="rename") if row["PolicyArn"] == AWS_READER)
    assert (row["Reason"], row["GrantedPosition"]) == ("attach aws", told.positions["attach aws"])
    into = "Alice into readers"
    assert (row["AddedToGroupPosition"], row["AddedToGroupReason"]) == (told.positions[into], into)
    assert (row["AddedToGroupBy"], row["AddedToGroupTicket"]) == (ROOT.told(), f"T-{[*told.positions].index(into)}")
    assert row["AddedToGroupDate"] > row["GrantedDate"]


def test_now_and_in_the_past(told: Told) -> None:
    assert told.told() == [
        ("Alice", "Own", "Inline", "-"),
        ("Alice", "Own", "Inline", "bosses"),
        ("Alice", "Reader", "Managed", "readers"),
        ("Alice", "Reader", "Managed", "readers"),
        ("Bert", "-", "-", "-"),
        ("carol", "-", "-", "-"),
        ("nobody", "-", "-", "-"),
    ]
    assert told.review()[0]["Reason"] == "rewrite"
    assert told.told(at="create Alice") == [("Alice", "-", "-", "-"), ("bob", "-", "-", "-")]
    assert told.told(at="own") == [
        ("Alice", "Own", "Inline", "-"),
        ("Alice", "Reader", "Managed", "-"),
        ("bob", "-", "-", "-"),
        ("carol", "-", "-", "-"),
        ("nobody", "-", "-", "-"),
    ]


def test_of_one_user(told: Told) -> None:
    assert told.told(user_name="ALICE") == told.told()[:4]
    assert told.told(user_name="bert") == [("Bert", "-", "-", "-")]
    with pytest.raises(NoSuchEntity, match="The user with name bob cannot be found"):
        told.told(user_name="bob")
    assert told.told(user_name="bob", at="own") == [("bob", "-", "-", "-")]


def test_of_one_group_it_is_its_members_and_what_they_have_through_it(told: Told) -> None:
    assert told.told(group_name="READERS") == [("Alice", "Reader", "Managed", "readers")] * 2
    assert told.told(group_name="idle") == [("carol", "-", "-", "idle")]
    assert told.review(group_name="idle")[0]["AddedToGroupReason"] == "carol into idle"
    assert told.told(group_name="idle", at="own") == []
    with pytest.raises(NoSuchEntity, match="The group with name Admins cannot be found"):
        told.told(group_name="Admins")


def test_of_one_policy_it_is_who_has_it(told: Told) -> None:
    assert told.told(policy="reader", at="rename") == [
        ("Alice", "Reader", "Managed", "-"),
        ("Alice", "Reader", "Managed", "readers"),
        ("Alice", "Reader", "Managed", "readers"),
    ]
    assert told.told(policy=AWS_READER) == [("Alice", "Reader", "Managed", "readers")]
    assert told.told(policy="Own", at="rename") == [
        ("Alice", "Own", "Inline", "-"),
        ("Alice", "Own", "Inline", "Admins"),
        ("Bert", "Own", "Inline", "Admins"),
    ]
    assert told.told(policy=WRITER) == []  # it is a boundary, and grants nothing
    for unknown in ("own", "Nothing", READER + "s", "'; --", "%"):
        with pytest.raises(NoSuchEntity, match="was not found"):
            told.told(policy=unknown)
    with pytest.raises(NoSuchEntity):
        told.told(policy=WRITER, at="write Reader")


def test_everything_that_is_asked_for_must_hold(told: Told) -> None:
    assert told.told(user_name="Alice", group_name="bosses") == [("Alice", "Own", "Inline", "bosses")]
    assert told.told(user_name="Alice", group_name="idle") == []
    assert told.told(user_name="Alice", policy="Own", group_name="readers") == []
    assert told.told(user_name="Alice", policy="Own", group_name="bosses") == [("Alice", "Own", "Inline", "bosses")]


def test_the_columns(told: Told) -> None:
    assert {tuple(row) for row in told.review()} == {COLUMNS}


def test_an_account_without_users(ledger: Ledger, connection: Connection) -> None:
    with view(connection) as seen:
        assert access_review(seen) == []


def test_hostile_names(ledger: Ledger, connection: Connection) -> None:
    """What IAM lets names be made of, and texts that are more than that."""
    name, hostile = "=cmd@+,.-_", "'; DROP TABLE users; -- {users} %(account)s \u202e"
    ledger.circumstances = Circumstances(OPERATOR, reason=hostile)
    ledger.execute(user.create_user, name=name)
    ledger.execute(group.create_group, name=name)
    ledger.execute(membership.add_user_to_group, user=name, group=name)
    ledger.execute(inline_policy.put_group_policy, group=name, policy_name=name, document=DOCUMENT)
    with view(connection) as seen:
        (row,) = access_review(seen, name, name, name)
    assert (row["UserName"], row["GroupName"], row["PolicyName"]) == (name, name, name)
    assert row["Reason"] == row["AddedToGroupReason"] == hostile


def test_what_is_not_there_is_told_if_somebody_has_it(ledger: Ledger, connection: Connection) -> None:
    """The product lets this not be. If it is so all the same, a review must not hide it."""
    from iamledger.store import Context, NewEvent, Request, append

    (created,) = ledger.execute(user.create_user, name="alice").events
    ids = {"user_id": created.user_id, "group_id": "AGPANOTHERE", "policy_id": "ANPANOTHERE"}  # type: ignore[attr-defined]
    types = ("UserPolicyAttached", "UserAddedToGroup", "GroupPolicyAttached", "UserPermissionsBoundaryPut")
    append(connection, ACCOUNT, [NewEvent(type_, ids) for type_ in types], context=Context(), request=Request("r", ""))
    with view(connection) as seen:
        rows = access_review(seen)
    told = [(row["PolicyName"], row["GroupName"], row["PermissionsBoundary"]) for row in rows]
    assert told == [("ANPANOTHERE", None, "ANPANOTHERE"), ("ANPANOTHERE", "AGPANOTHERE", "ANPANOTHERE")]
