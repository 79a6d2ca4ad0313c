"""The decisions about permissions boundaries of users."""

from __future__ import annotations

from itertools import permutations

import pytest

from iamledger.iam.access_key import AccessKeyCreated, AccessKeyRevoked, RevocationReason
from iamledger.iam.attachment import UserPolicyAttached, UserPolicyDetached, attach_user_policy, detach_user_policy
from iamledger.iam.events import Event
from iamledger.iam.inline_policy import UserPolicyDeleted, UserPolicyPut
from iamledger.iam.managed_policy import ManagedPolicyImported, PolicyCreated, PolicyDeleted, delete_policy
from iamledger.iam.membership import UserAddedToGroup, UserRemovedFromGroup
from iamledger.iam.permissions_boundary import (
    UserPermissionsBoundaryDeleted,
    UserPermissionsBoundaryPut,
    delete_user_permissions_boundary,
    put_user_permissions_boundary,
)
from iamledger.iam.refusals import DeleteConflict, NoSuchEntity
from iamledger.iam.user import UserCreated, UserDeleted, UserRenamed, delete_user
from specification import given, policy_text

U, V = "AIDAAAAAAAAAAAAAAAAAA", "AIDABBBBBBBBBBBBBBBBB"
P, Q = "ANPAAAAAAAAAAAAAAAAAA", "ANPABBBBBBBBBBBBBBBBB"
G, KEY = "AGPAAAAAAAAAAAAAAAAAA", "AKIAAAAAAAAAAAAAAAAA"
ARN = "arn:aws:iam::123456789012:policy/ops/Limits"
POWER = "arn:aws:iam::aws:policy/PowerUserAccess"
ALICE = UserCreated(user_id=U, user_name="Alice", path="/")
LIMITS = PolicyCreated(
    policy_id=P, arn=ARN, policy_name="Limits", path="/ops/", version_id="v1", document=policy_text()
)
MANAGED = ManagedPolicyImported(
    policy_id=Q, arn=POWER, policy_name="PowerUserAccess", path="/", version_id="v1", document=policy_text()
)
START = given(ALICE, UserCreated(user_id=V, user_name="bob", path="/"), LIMITS, MANAGED)
GONE = UserDeleted(user_id=U, user_name="Alice")


def put(policy_id: str = P, arn: str = ARN, user: str = U) -> UserPermissionsBoundaryPut:
    return UserPermissionsBoundaryPut(user_id=user, policy_id=policy_id, policy_arn=arn)


def deleted(policy_id: str = P, arn: str = ARN, user: str = U) -> UserPermissionsBoundaryDeleted:
    return UserPermissionsBoundaryDeleted(user_id=user, policy_id=policy_id, policy_arn=arn)


class TestPut:
    def test_a_policy_bounds_a_user(self) -> None:
        START.when(put_user_permissions_boundary, user="ALICE", policy=ARN).then(put()).again().then()

    def test_it_is_found_by_both(self) -> None:
        assert put().ledger_tags() == deleted().ledger_tags() == [f"user:{U}", f"policy:{P}"]

    def test_a_policy_of_aws_can_be_one(self) -> None:
        START.when(put_user_permissions_boundary, user="alice", policy=POWER).then(put(Q, POWER))

    def test_over_another_it_takes_its_place(self) -> None:
        over = START.followed_by([put()]).when(put_user_permissions_boundary, user="alice", policy=POWER)
        over.then(deleted(), put(Q, POWER)).again().then()
        over.after.when(delete_user_permissions_boundary, boundary="alice").then(deleted(Q, POWER))
        over.after.when(delete_policy, policy=ARN).then(PolicyDeleted(policy_id=P, arn=ARN, version_id="v1"))

    def test_back_to_the_first(self) -> None:
        past = START.followed_by([put(), deleted(), put(Q, POWER)])
        past.when(put_user_permissions_boundary, user="alice", policy=ARN).then(deleted(Q, POWER), put())

    def test_one_policy_bounds_several_users(self) -> None:
        START.followed_by([put()]).when(put_user_permissions_boundary, user="bob", policy=ARN).then(put(user=V))

    def test_it_needs_no_room_among_the_attached_policies(self) -> None:
        START.under(policies_attached_per_user=0).when(put_user_permissions_boundary, user="alice", policy=ARN).then(
            put()
        )

    def test_a_policy_may_be_attached_and_be_the_boundary(self) -> None:
        attached = UserPolicyAttached(user_id=U, policy_id=P, policy_arn=ARN)
        START.followed_by([attached]).when(put_user_permissions_boundary, user="alice", policy=ARN).then(put())
        START.followed_by([put()]).when(attach_user_policy, user="alice", policy=ARN).then(attached)
        START.followed_by([put()]).when(detach_user_policy, user="alice", policy=ARN).then(
            NoSuchEntity(f"Policy {ARN} was not found.")
        )

    @pytest.mark.parametrize("name", ["Limits", "ops/limits", "nothing"])
    def test_a_policy_that_is_not_there_is_refused(self, name: str) -> None:
        arn = f"arn:aws:iam::123456789012:policy/{name}"
        START.when(put_user_permissions_boundary, user="alice", policy=arn).then(
            NoSuchEntity(f"Policy {arn} does not exist or is not attachable.")
        )

    def test_a_policy_that_was_deleted_is_refused(self) -> None:
        START.followed_by([PolicyDeleted(policy_id=P, arn=ARN, version_id="v1")]).when(
            put_user_permissions_boundary, user="alice", policy=ARN
        ).then(NoSuchEntity(f"Policy {ARN} does not exist or is not attachable."))

    def test_it_stays_when_the_user_is_renamed(self) -> None:
        START.followed_by([put(), UserRenamed(user_id=U, old_user_name="Alice", user_name="carol")]).when(
            put_user_permissions_boundary, user="carol", policy=ARN
        ).then()


class TestDelete:
    def test_it_is_taken_away(self) -> None:
        START.followed_by([put()]).when(delete_user_permissions_boundary, boundary="alice").then(
            deleted()
        ).again().then()

    def test_without_one_nothing_changes(self) -> None:
        START.when(delete_user_permissions_boundary, boundary="alice").then()
        START.followed_by([put(user=V)]).when(delete_user_permissions_boundary, boundary="alice").then()


@pytest.mark.parametrize("past", [[LIMITS], [LIMITS, ALICE, GONE]])
def test_a_user_who_is_not_there_is_refused(past: list[Event]) -> None:
    refusal = NoSuchEntity("The user with name alice cannot be found.")
    given(*past).when(put_user_permissions_boundary, user="alice", policy=ARN).then(refusal)
    given(*past).when(delete_user_permissions_boundary, boundary="alice").then(refusal)


class TestDeletionOfTheUser:
    def test_the_boundary_goes_with_the_user(self) -> None:
        gone = START.followed_by([put()]).when(delete_user, user="alice").then(deleted(), GONE)
        gone.after.when(delete_policy, policy=ARN).then(PolicyDeleted(policy_id=P, arn=ARN, version_id="v1"))

    def test_only_the_one_that_there_is(self) -> None:
        START.followed_by([put(), deleted()]).when(delete_user, user="alice").then(GONE)
        START.followed_by([put(), deleted(), put(Q, POWER)]).when(delete_user, user="alice").then(
            deleted(Q, POWER), GONE
        )
        START.followed_by([put(user=V)]).when(delete_user, user="alice").then(GONE)

    def test_the_next_holder_of_the_name_has_none(self) -> None:
        again = UserCreated(user_id="AIDACCCCCCCCCCCCCCCCC", user_name="alice", path="/")
        START.followed_by([put(), deleted(), GONE, again]).when(
            delete_user_permissions_boundary, boundary="alice"
        ).then()


DEPENDENTS: dict[str, tuple[Event, Event]] = {
    "must delete access keys": (
        AccessKeyCreated(access_key_id=KEY, user_id=U),
        AccessKeyRevoked(access_key_id=KEY, user_id=U, revocation_reason=RevocationReason.UNSPECIFIED),
    ),
    "must detach all policies": (
        UserPolicyAttached(user_id=U, policy_id=P, policy_arn=ARN),
        UserPolicyDetached(user_id=U, policy_id=P, policy_arn=ARN),
    ),
    "must remove user from groups": (
        UserAddedToGroup(user_id=U, group_id=G),
        UserRemovedFromGroup(user_id=U, group_id=G),
    ),
    "must delete policies": (
        UserPolicyPut(user_id=U, policy_name="own", document=policy_text()),
        UserPolicyDeleted(user_id=U, policy_name="own"),
    ),
}
"""What must be gone before a user, in the order in which it is told; how it comes and how it goes."""


@pytest.mark.parametrize("remove", DEPENDENTS)
def test_a_dependent_stands_in_the_way_of_a_users_deletion_and_the_boundary_stays(remove: str) -> None:
    begun, ended = DEPENDENTS[remove]
    past = START.followed_by([put(), begun])
    past.when(delete_user, user="alice").then(DeleteConflict(f"Cannot delete entity, {remove} first."))
    past.when(delete_user, user="bob").then(UserDeleted(user_id=V, user_name="bob"))
    past.followed_by([ended]).when(delete_user, user="alice").then(deleted(), GONE)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_of_several_dependents_the_same_is_told_first_in_whatever_order_they_came_and_go(
    order: tuple[int, ...],
) -> None:
    left = dict(DEPENDENTS)
    past = START.followed_by([put(), *(list(DEPENDENTS.values())[place][0] for place in order)])
    for place in order:
        past.when(delete_user, user="alice").then(DeleteConflict(f"Cannot delete entity, {next(iter(left))} first."))
        past = past.followed_by([left.pop(list(DEPENDENTS)[place])[1]])
    past.when(delete_user, user="alice").then(deleted(), GONE)
