"""The decisions about resources: registration, responsibility, policies, sharing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from iamledger.decisions import Decision
from iamledger.iam.refusals import (
    EntityAlreadyExists,
    InvalidInput,
    LimitExceeded,
    MalformedPolicyDocument,
    NoSuchEntity,
    ValidationError,
)
from iamledger.iam.resource import (
    ResourceDeregistered,
    ResourcePolicyDeleted,
    ResourcePolicyPut,
    ResourceRegistered,
    ResourceTransferred,
    delete_resource_policy,
    deregister_resource,
    put_resource_policy,
    register_resource,
    share_resource,
    transfer_resource,
    unshare_resource,
)
from iamledger.iam.sharing import share_statement, with_share
from iamledger.iam.user import UserCreated, UserDeleted, UserPathChanged, UserRenamed, delete_user
from iamledger.policy.arns import PARTITIONS
from specification import ACCOUNT, given

U, V = "AIDAAAAAAAAAAAAAAAAAA", "AIDABBBBBBBBBBBBBBBBB"
BUCKET, QUEUE = "arn:aws:s3:::reports", f"arn:aws:sqs:eu-west-1:{ACCOUNT}:jobs"
OTHER = "234567890123"
ALICE, BOB = UserCreated(user_id=U, user_name="Alice", path="/"), UserCreated(user_id=V, user_name="bob", path="/")
REGISTERED = ResourceRegistered(resource_arn=BUCKET, creator_id=U, creator_name="Alice")
TO_BOB = ResourceTransferred(resource_arn=BUCKET, responsible_id=V, responsible_name="bob", old_responsible_id=U)
PUBLIC = '{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}}'
PUT, DELETED = ResourcePolicyPut(resource_arn=BUCKET, document=PUBLIC), ResourcePolicyDeleted(resource_arn=BUCKET)
GONE = ResourceDeregistered(resource_arn=BUCKET)
USERS = given(ALICE, BOB)
START = USERS.followed_by([REGISTERED])
NOT_THERE = NoSuchEntity(f"Resource {BUCKET} is not registered in this account.")


def shared(*principals: str, on: str | None = None) -> ResourcePolicyPut:
    text = on
    for principal in principals:
        text = with_share(text, share_statement(BUCKET, principal, ["s3:GetObject"]))
    assert text is not None
    return ResourcePolicyPut(resource_arn=BUCKET, document=text)


ROOT = f"arn:aws:iam::{OTHER}:root"
SHARE: dict[str, Any] = {"resource": BUCKET, "principal": OTHER, "actions": ["s3:GetObject"]}


class TestRegister:
    def test_the_creator_is_recorded_with_id_and_name(self) -> None:
        USERS.when(register_resource, resource=BUCKET, creator="ALICE").then(REGISTERED)
        assert REGISTERED.ledger_tags() == [f"resource:{BUCKET}", f"user:{U}"]

    def test_the_creator_may_be_unknown(self) -> None:
        registered = ResourceRegistered(resource_arn=QUEUE)
        USERS.when(register_resource, resource=QUEUE).then(registered)
        assert registered.ledger_tags() == [f"resource:{QUEUE}"]

    def test_registering_it_again_is_refused(self) -> None:
        START.when(register_resource, resource=BUCKET, creator="bob").then(
            EntityAlreadyExists(f"Resource {BUCKET} is registered already.")
        )

    def test_an_arn_differs_with_its_case(self) -> None:
        START.when(register_resource, resource="arn:aws:s3:::Reports").then(
            ResourceRegistered(resource_arn="arn:aws:s3:::Reports")
        )

    def test_the_arn_of_another_account_is_refused(self) -> None:
        theirs = f"arn:aws:sqs:eu-west-1:{OTHER}:jobs"
        USERS.when(register_resource, resource=theirs).then(
            InvalidInput(f"{theirs} belongs to account {OTHER}, not to this one, {ACCOUNT}.")
        )

    @pytest.mark.parametrize("partition", PARTITIONS)
    def test_every_partition_is_known(self, partition: str) -> None:
        arn = f"arn:{partition}:s3:::reports"
        USERS.when(register_resource, resource=arn).then(ResourceRegistered(resource_arn=arn))

    @pytest.mark.parametrize("partition", ["", "amazon", "AWS", "aws-*"])
    def test_an_unknown_partition_is_refused(self, partition: str) -> None:
        done = USERS.when(register_resource, resource=f"arn:{partition}:s3:::reports")
        assert isinstance(done.outcome, ValidationError)
        assert "is no partition. There are: aws, aws-cn" in str(done.outcome)

    @pytest.mark.parametrize("arn", [f"arn:aws:iam::{ACCOUNT}:user/Alice", f"arn:aws:sts::{ACCOUNT}:assumed-role/a/b"])
    def test_what_iam_has_is_not_registered(self, arn: str) -> None:
        service = arn.split(":")[2]
        USERS.when(register_resource, resource=arn).then(
            InvalidInput(f"{arn} is not to be registered: what {service} has is in the ledger by itself.")
        )

    @pytest.mark.parametrize("name", ["nobody", U])
    def test_a_creator_who_is_not_there_is_refused(self, name: str) -> None:
        USERS.when(register_resource, resource=BUCKET, creator=name).then(
            NoSuchEntity(f"The user with name {name} cannot be found.")
        )

    def test_after_it_was_deregistered_it_may_be_registered_again(self) -> None:
        again = ResourceRegistered(resource_arn=BUCKET, creator_id=V, creator_name="bob")
        past = START.followed_by([PUT, DELETED, GONE])
        begun = past.when(register_resource, resource=BUCKET, creator="bob").then(again)
        begun.after.when(delete_resource_policy, resource=BUCKET).then(
            NoSuchEntity(f"Resource {BUCKET} has no policy.")
        )
        begun.after.when(transfer_resource, resource=BUCKET, responsible="bob").then()


class TestTransfer:
    def test_another_user_becomes_responsible(self) -> None:
        START.when(transfer_resource, resource=BUCKET, responsible="bob").then(TO_BOB).again().then()
        assert TO_BOB.ledger_tags() == [f"resource:{BUCKET}", f"user:{V}", f"user:{U}"]

    def test_to_who_is_responsible_already_nothing_changes(self) -> None:
        START.when(transfer_resource, resource=BUCKET, responsible="alice").then()
        START.followed_by([TO_BOB]).when(transfer_resource, resource=BUCKET, responsible="bob").then()

    def test_from_nobody(self) -> None:
        given(ALICE, ResourceRegistered(resource_arn=BUCKET)).when(
            transfer_resource, resource=BUCKET, responsible="alice"
        ).then(ResourceTransferred(resource_arn=BUCKET, responsible_id=U, responsible_name="Alice"))

    def test_the_next_holder_of_a_name_is_another_user(self) -> None:
        again = UserCreated(user_id="AIDACCCCCCCCCCCCCCCCC", user_name="Alice", path="/")
        START.followed_by([UserDeleted(user_id=U, user_name="Alice"), again]).when(
            transfer_resource, resource=BUCKET, responsible="Alice"
        ).then(
            ResourceTransferred(
                resource_arn=BUCKET, responsible_id=again.user_id, responsible_name="Alice", old_responsible_id=U
            )
        )

    def test_to_a_user_who_is_gone_is_refused(self) -> None:
        START.followed_by([UserDeleted(user_id=V, user_name="bob")]).when(
            transfer_resource, resource=BUCKET, responsible="bob"
        ).then(NoSuchEntity("The user with name bob cannot be found."))


class TestUsers:
    def test_a_user_who_created_something_can_be_deleted(self) -> None:
        START.followed_by([PUT]).when(delete_user, user="alice").then(UserDeleted(user_id=U, user_name="Alice"))
        START.followed_by([TO_BOB]).when(delete_user, user="bob").then(UserDeleted(user_id=V, user_name="bob"))

    def test_what_a_user_created_does_not_change_with_the_user(self) -> None:
        past = START.followed_by(
            [
                UserRenamed(user_id=U, old_user_name="Alice", user_name="carol"),
                UserPathChanged(user_id=U, path="/x/"),
                UserDeleted(user_id=U, user_name="carol"),
            ]
        )
        past.when(transfer_resource, resource=BUCKET, responsible="bob").then(TO_BOB)

    def test_a_users_boundary_does_not_have_the_resources(self) -> None:
        done = START.when(delete_user, user="alice")
        read = {type_ for match in done.boundary for type_ in match.types}
        assert not any(type_.startswith("Resource") for type_ in read)


class TestPolicy:
    def test_it_is_put_as_it_was_written(self) -> None:
        START.when(put_resource_policy, resource=BUCKET, document=PUBLIC).then(PUT).again().then()

    def test_another_text_takes_its_place(self) -> None:
        START.followed_by([PUT]).when(put_resource_policy, resource=BUCKET, document=PUBLIC + " ").then(
            ResourcePolicyPut(resource_arn=BUCKET, document=PUBLIC + " ")
        )

    @pytest.mark.parametrize(
        ("document", "where"),
        [
            ('{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}', "line 1, column 15"),
            ('{"Statement": {"Effect": "Allow", "Principal": "*"}}', "line 1, column 15"),
            ("{\n}", "line 1, column 1"),
            ("{\n!", "line 2, column 1"),
        ],
    )
    def test_what_is_no_resource_policy_is_refused_with_its_place(self, document: str, where: str) -> None:
        outcome = START.when(put_resource_policy, resource=BUCKET, document=document).outcome
        assert isinstance(outcome, MalformedPolicyDocument)
        assert where in str(outcome)

    @pytest.mark.parametrize("document", ["", " " * 131073])
    def test_its_length_is_that_of_the_service_model(self, document: str) -> None:
        assert isinstance(START.when(put_resource_policy, resource=BUCKET, document=document).outcome, ValidationError)

    def test_the_quota_counts_bytes_and_white_space(self) -> None:
        full = PUBLIC + " " * (20480 - len(PUBLIC))
        START.when(put_resource_policy, resource=BUCKET, document=full).then(
            ResourcePolicyPut(resource_arn=BUCKET, document=full)
        )
        refused = LimitExceeded("Cannot exceed quota for ResourcePolicySize: 20480")
        START.when(put_resource_policy, resource=BUCKET, document=full + " ").then(refused)
        accented = full.replace('"Effect"', '"Sid": "é", "Effect"')[:20480]
        START.when(put_resource_policy, resource=BUCKET, document=accented).then(refused)
        START.under(resource_policy_size=20481).when(put_resource_policy, resource=BUCKET, document=accented).then(
            ResourcePolicyPut(resource_arn=BUCKET, document=accented)
        )

    def test_it_is_deleted(self) -> None:
        START.followed_by([PUT]).when(delete_resource_policy, resource=BUCKET).then(DELETED).again().then(
            NoSuchEntity(f"Resource {BUCKET} has no policy.")
        )


class TestShare:
    def test_the_policy_allows_it_to_the_account(self) -> None:
        START.when(share_resource, **SHARE).then(shared(ROOT)).again().then()

    def test_an_account_is_its_root(self) -> None:
        START.followed_by([shared(ROOT)]).when(share_resource, **{**SHARE, "principal": ROOT}).then()

    def test_it_is_of_the_partition_of_the_resource(self) -> None:
        arn = "arn:aws-cn:s3:::reports"
        done = given(ResourceRegistered(resource_arn=arn)).when(share_resource, **{**SHARE, "resource": arn})
        assert json.loads(done.events[0].model_dump()["document"])["Statement"][0]["Principal"] == {
            "AWS": f"arn:aws-cn:iam::{OTHER}:root"
        }

    def test_it_joins_what_was_written_by_hand(self) -> None:
        START.followed_by([PUT]).when(share_resource, **SHARE).then(shared(ROOT, on=PUBLIC))

    def test_other_actions_take_the_place_of_those_before(self) -> None:
        done = START.followed_by([shared(ROOT)]).when(share_resource, **{**SHARE, "actions": ["s3:PutObject"]})
        (put,) = done.events
        assert [s["Action"] for s in json.loads(put.model_dump()["document"])["Statement"]] == [["s3:PutObject"]]

    def test_with_the_account_itself_is_refused(self) -> None:
        for own in (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root"):
            START.when(share_resource, **{**SHARE, "principal": own}).then(
                InvalidInput(f"{BUCKET} is account {ACCOUNT}'s own: its identity policies decide who may use it.")
            )

    def test_with_a_user_of_the_account_is_not(self) -> None:
        bob = f"arn:aws:iam::{ACCOUNT}:user/bob"
        START.when(share_resource, **{**SHARE, "principal": bob}).then(shared(bob))

    def test_a_policy_that_would_become_too_large_is_refused(self) -> None:
        START.under(resource_policy_size=100).when(share_resource, **SHARE).then(
            LimitExceeded("Cannot exceed quota for ResourcePolicySize: 100")
        )

    @pytest.mark.parametrize("change", [{"principal": "*"}, {"principal": ""}, {"actions": []}, {"actions": ["Get"]}])
    def test_what_makes_no_statement_is_refused(self, change: dict[str, Any]) -> None:
        assert isinstance(START.when(share_resource, **{**SHARE, **change}).outcome, ValidationError)


class TestUnshare:
    def test_the_last_share_takes_the_policy_with_it(self) -> None:
        START.followed_by([shared(ROOT)]).when(unshare_resource, resource=BUCKET, principal=OTHER).then(
            DELETED
        ).again().then()

    def test_others_stay(self) -> None:
        bob = f"arn:aws:iam::{OTHER}:user/bob"
        START.followed_by([shared(bob, ROOT)]).when(unshare_resource, resource=BUCKET, principal=ROOT).then(shared(bob))

    def test_what_was_written_by_hand_stays_also_for_the_same_principal(self) -> None:
        past = START.followed_by([PUT, shared(ROOT, on=PUBLIC)])
        done = past.when(unshare_resource, resource=BUCKET, principal=OTHER)
        (put,) = done.events
        assert [s["Principal"] for s in json.loads(put.model_dump()["document"])["Statement"]] == ["*"]
        done.again().then()

    def test_without_a_share_nothing_changes(self) -> None:
        START.when(unshare_resource, resource=BUCKET, principal=OTHER).then()
        START.followed_by([PUT]).when(unshare_resource, resource=BUCKET, principal=OTHER).then()


class TestDeregister:
    def test_its_policy_ends_with_it(self) -> None:
        START.when(deregister_resource, resource=BUCKET).then(GONE).again().then(NOT_THERE)
        START.followed_by([PUT]).when(deregister_resource, resource=BUCKET).then(DELETED, GONE)


@pytest.mark.parametrize(
    ("decision", "more"),
    [
        (transfer_resource, {"responsible": "bob"}),
        (put_resource_policy, {"document": PUBLIC}),
        (delete_resource_policy, {}),
        (share_resource, {"principal": OTHER, "actions": ["s3:*"]}),
        (unshare_resource, {"principal": OTHER}),
        (deregister_resource, {}),
    ],
)
class TestWhatIsNotThere:
    def test_what_was_never_registered_is_refused(self, decision: Decision, more: dict[str, Any]) -> None:
        USERS.when(decision, resource=BUCKET, **more).then(NOT_THERE)

    def test_what_is_registered_no_longer_is_refused(self, decision: Decision, more: dict[str, Any]) -> None:
        START.followed_by([GONE]).when(decision, resource=BUCKET, **more).then(NOT_THERE)

    def test_what_is_no_arn_is_refused(self, decision: Decision, more: dict[str, Any]) -> None:
        assert isinstance(START.when(decision, resource="reports", **more).outcome, ValidationError)

    def test_an_arn_in_another_case_is_another_resource(self, decision: Decision, more: dict[str, Any]) -> None:
        outcome = START.when(decision, resource="arn:aws:s3:::REPORTS", **more).outcome
        assert isinstance(outcome, NoSuchEntity)
