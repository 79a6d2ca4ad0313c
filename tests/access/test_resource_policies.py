"""A resource of one account and users of another: the policies of both sides decide together, now and as of the past."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import pytest

from conftest import ACCOUNT, OPERATOR, Urls, new_ledger
from iamledger.access.grants import READS as GRANTS
from iamledger.access.grants import How, UnreadablePolicy, read_grants
from iamledger.access.resources import READS, Registered, resource_of
from iamledger.engine.view import View, open_view
from iamledger.iam.account import create_account
from iamledger.iam.inline_policy import delete_user_policy, put_user_policy
from iamledger.iam.resource import (
    deregister_resource,
    put_resource_policy,
    register_resource,
    share_resource,
    transfer_resource,
    unshare_resource,
)
from iamledger.iam.user import create_user, delete_user
from iamledger.ledger import Circumstances, Ledger
from iamledger.policy import Kind, Layer, Request, compile_policies
from iamledger.store import Database
from iamledger_projections import projections

OTHER = "234567890123"
BUCKET = "arn:aws:s3:::reports"
OBJECT = f"{BUCKET}/2026/q3.csv"
READERS = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": f"{BUCKET}/*"}}
)


def policy(effect: str = "Allow", principal: str = "*") -> str:
    """A policy of a resource, without Resource: it is about that resource and what is in it."""
    return json.dumps({"Statement": {"Effect": effect, "Principal": {"AWS": principal}, "Action": "s3:*"}})


@dataclass
class Two:
    """Account A, which has buckets with Alice, and account B with Bob."""

    a: Ledger
    b: Ledger

    def view(self, ledger: Ledger, reads: Iterable[str], position: int | None = None) -> AbstractContextManager[View]:
        names = [projections()[name] for name in reads]
        return open_view(ledger.database.connection, ledger.account_id, names, position=position)

    def resource(self, arn: str, position: int | None = None) -> Registered | None:
        """What account A has of it."""
        with self.view(self.a, READS, position) as view:
            return resource_of(view, arn)

    def decide(
        self, user: str, arn: str = OBJECT, action: str = "s3:GetObject", position: int | None = None
    ) -> tuple[bool, Layer]:
        """May a user of account B do something to what account A has; A's side as of a position?"""
        ledger = self.b if user == "bob" else self.a
        found = self.resource(arn, position)  # before: a connection has one view at a time
        with self.view(ledger, GRANTS) as view:
            grants = read_grants(view)
            user_id = next(id_ for id_, one in grants.users.items() if one.name == user)
            compiled = compile_policies(grants.policy_set(user_id)).beside(found.policy if found else None)
            decision = compiled.decide(Request(grants.caller(user_id), action, arn, ACCOUNT))
            return bool(decision), decision.layer


@pytest.fixture
def two(urls: Urls) -> Iterator[Two]:
    database = Database(urls.application)
    a, b = new_ledger(database), new_ledger(database, OTHER)
    for ledger, name, user in ((a, "acme", "alice"), (b, "beta", "bob")):
        ledger.execute(create_account, account=ledger.account_id, account_name=name, email="root@x.example")
        ledger.execute(create_user, name=user)
    a.execute(register_resource, resource=BUCKET, creator="alice")
    yield Two(a, b)
    database.close()


def share(ledger: Ledger, principal: str = OTHER, *actions: str) -> int:
    """Share the bucket; the position."""
    outcome = ledger.execute(
        share_resource, resource=BUCKET, principal=principal, actions=list(actions) or ["s3:GetObject"]
    )
    assert outcome.last is not None
    return outcome.last


class TestTwoAccounts:
    @pytest.mark.parametrize("principal", [OTHER, f"arn:aws:iam::{OTHER}:root", f"arn:aws:iam::{OTHER}:user/bob"])
    def test_both_sides_are_needed(self, two: Two, principal: str) -> None:
        assert two.decide("bob") == (False, Layer.RESOURCE)
        at = share(two.a, principal)
        assert two.decide("bob") == (False, Layer.IDENTITY), "account B has not allowed it"
        two.b.execute(put_user_policy, user="bob", policy_name="readers", document=READERS)
        assert two.decide("bob")[0]
        two.a.execute(unshare_resource, resource=BUCKET, principal=principal)
        assert two.decide("bob") == (False, Layer.RESOURCE)
        assert two.decide("bob", position=at)[0], "it was shared then"
        assert not two.decide("bob", position=at - 1)[0]

    def test_the_identity_side_alone_is_not_enough(self, two: Two) -> None:
        two.b.execute(put_user_policy, user="bob", policy_name="readers", document=READERS)
        assert two.decide("bob") == (False, Layer.RESOURCE)
        share(two.a)
        two.b.execute(delete_user_policy, user="bob", policy_name="readers")
        assert two.decide("bob") == (False, Layer.IDENTITY)

    def test_only_what_was_shared_and_only_with_whom(self, two: Two) -> None:
        everything = READERS.replace("s3:Get*", "s3:*").replace(f"{BUCKET}/*", "*")
        two.b.execute(put_user_policy, user="bob", policy_name="all", document=everything)
        share(two.a, f"arn:aws:iam::{OTHER}:user/carol")
        assert not two.decide("bob")[0]
        share(two.a)
        assert two.decide("bob")[0]
        assert not two.decide("bob", action="s3:PutObject")[0]
        assert not two.decide("bob", arn="arn:aws:s3:::reports-of-others/x")[0]
        assert not two.decide("bob", arn="arn:aws:s3:::Reports/x")[0]

    def test_it_outlasts_its_creator_and_ends_with_the_resource(self, two: Two) -> None:
        two.b.execute(put_user_policy, user="bob", policy_name="readers", document=READERS)
        share(two.a)
        two.a.execute(create_user, name="dora")
        two.a.execute(transfer_resource, resource=BUCKET, responsible="dora")
        two.a.execute(delete_user, user="alice")
        assert two.decide("bob")[0]
        two.a.execute(deregister_resource, resource=BUCKET)
        assert not two.decide("bob")[0]
        two.a.execute(register_resource, resource=BUCKET)
        assert not two.decide("bob")[0], "an old share came back"

    def test_a_user_of_the_account_needs_one_side(self, two: Two) -> None:
        assert not two.decide("alice")[0]
        share(two.a, f"arn:aws:iam::{ACCOUNT}:user/alice")
        assert two.decide("alice")[0]


class TestWhichPolicy:
    def test_of_the_resource_with_who_put_it(self, two: Two) -> None:
        two.a.circumstances = Circumstances(OPERATOR, reason="for the audit", ticket="SEC-1")
        at = share(two.a)
        found = two.resource(OBJECT)
        assert found is not None
        assert (found.account_id, found.arn, found.policy_arn) == (ACCOUNT, BUCKET, BUCKET)
        assert found.policy is not None
        assert found.policy.label == f"policy of resource {BUCKET}"
        assert found.policy.document.kind is Kind.RESOURCE
        assert found.granted is not None
        assert found.granted == How(at, found.granted.at, OPERATOR.told(), "for the audit", "SEC-1")

    def test_without_a_policy_it_is_only_registered(self, two: Two) -> None:
        assert two.resource(BUCKET) == two.resource(OBJECT) == Registered(ACCOUNT, BUCKET)

    @pytest.mark.parametrize(
        "arn",
        [
            "arn:aws:s3:::report",
            "arn:aws:s3:::reports2/x",
            "arn:aws:s3:::REPORTS",
            "*",
            "",
            "arn:aws:s3:::\0",
            BUCKET[:-1],
        ],
    )
    def test_what_is_not_registered_is_not_found(self, two: Two, arn: str) -> None:
        assert two.resource(arn) is None

    @pytest.mark.parametrize("arn", [f"{BUCKET}/größe", f"{BUCKET}/\0", f"{BUCKET}/\ud800", f"{BUCKET}/" + "/" * 9999])
    def test_whatever_lies_in_it_is_found(self, two: Two, arn: str) -> None:
        found = two.resource(arn)
        assert found is not None
        assert found.arn == BUCKET

    def test_a_child_without_a_policy_is_governed_by_its_parents(self, two: Two) -> None:
        two.a.execute(put_resource_policy, resource=BUCKET, document=policy("Deny"))
        two.a.execute(register_resource, resource=f"{BUCKET}/2026")
        found = two.resource(OBJECT)
        assert found is not None
        assert (found.arn, found.policy_arn) == (f"{BUCKET}/2026", BUCKET)
        assert two.decide("alice") == (False, Layer.RESOURCE)

    def test_a_child_with_a_policy_of_its_own_is_governed_by_that(self, two: Two) -> None:
        two.a.execute(put_resource_policy, resource=BUCKET, document=policy("Deny"))
        two.a.execute(register_resource, resource=f"{BUCKET}/2026")
        two.a.execute(
            put_resource_policy,
            resource=f"{BUCKET}/2026",
            document=policy(principal=f"arn:aws:iam::{ACCOUNT}:user/alice"),
        )
        found = two.resource(OBJECT)
        assert found is not None
        assert found.arn == found.policy_arn == f"{BUCKET}/2026"
        assert two.decide("alice")[0]
        assert not two.decide("alice", arn=f"{BUCKET}/2025/x")[0]

    def test_each_account_has_its_own(self, two: Two) -> None:
        two.b.execute(register_resource, resource=BUCKET)
        two.b.execute(put_resource_policy, resource=BUCKET, document=policy())
        assert two.resource(BUCKET) == Registered(ACCOUNT, BUCKET)

    def test_a_policy_that_cannot_be_read_is_told(self, two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("iamledger.iam.resource.checked_resource_size", len)  # a version that knew other grammar
        two.a.execute(put_resource_policy, resource=BUCKET, document='{"Statement": []}')
        with pytest.raises(UnreadablePolicy, match=f"policy of resource {BUCKET} cannot be read"):
            two.resource(BUCKET)
