"""The decisions about attachments of managed policies to users and groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from iamledger.decisions import Decision
from iamledger.iam.attachment import (
    GroupPolicyAttached,
    GroupPolicyDetached,
    UserPolicyAttached,
    UserPolicyDetached,
    attach_group_policy,
    attach_user_policy,
    detach_group_policy,
    detach_user_policy,
)
from iamledger.iam.events import Event
from iamledger.iam.group import GroupCreated, GroupDeleted, GroupRenamed, delete_group
from iamledger.iam.managed_policy import ManagedPolicyImported, PolicyCreated, PolicyDeleted
from iamledger.iam.refusals import DeleteConflict, LimitExceeded, NoSuchEntity
from iamledger.iam.user import UserCreated, UserDeleted, UserRenamed, delete_user
from specification import Given, given, policy_text

U, V = "AIDAAAAAAAAAAAAAAAAAA", "AIDABBBBBBBBBBBBBBBBB"
A, B = "AGPAAAAAAAAAAAAAAAAAA", "AGPABBBBBBBBBBBBBBBBB"
P, Q = "ANPAAAAAAAAAAAAAAAAAA", "ANPABBBBBBBBBBBBBBBBB"
OWN = "arn:aws:iam::123456789012:policy"
ARN = f"{OWN}/ops/Deployers"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


def policy(id_: str, arn: str) -> PolicyCreated:
    name = arn.rpartition("/")[2]
    path = arn.removeprefix(OWN).removesuffix(name)
    return PolicyCreated(policy_id=id_, arn=arn, policy_name=name, path=path, version_id="v1", document=policy_text())


DEPLOYERS = policy(P, ARN)
MANAGED = ManagedPolicyImported(
    policy_id=Q, arn=READ_ONLY, policy_name="ReadOnlyAccess", path="/", version_id="v1", document=policy_text()
)
START = given(
    UserCreated(user_id=U, user_name="Alice", path="/"),
    UserCreated(user_id=V, user_name="bob", path="/"),
    GroupCreated(group_id=A, group_name="Alice", path="/"),
    GroupCreated(group_id=B, group_name="bob", path="/"),
    DEPLOYERS,
    MANAGED,
)


@dataclass(frozen=True)
class Kind:
    """What policies are attached to, and how; there is one called Alice, and another called bob."""

    noun: str
    id: str
    other: str
    attach: Decision
    detach: Decision
    delete: Decision
    attached_type: type[Event]
    detached_type: type[Event]
    deleted_type: type[Event]
    renamed_type: type[Event]
    quota: str

    def __str__(self) -> str:
        return self.noun

    def attached(self, policy_id: str = P, arn: str = ARN, to: str = "") -> Event:
        return self.attached_type(**{f"{self.noun}_id": to or self.id}, policy_id=policy_id, policy_arn=arn)

    def detached(self, policy_id: str = P, arn: str = ARN, of: str = "") -> Event:
        return self.detached_type(**{f"{self.noun}_id": of or self.id}, policy_id=policy_id, policy_arn=arn)

    def deleted(self) -> Event:
        return self.deleted_type(**{f"{self.noun}_id": self.id, f"{self.noun}_name": "Alice"})

    def renamed(self) -> Event:
        names = {f"old_{self.noun}_name": "Alice", f"{self.noun}_name": "carol"}
        return self.renamed_type(**{f"{self.noun}_id": self.id}, **names)

    def called(self, name: str) -> dict[str, Any]:
        return {self.noun: name}


USERS = Kind(
    "user", U, V, attach_user_policy, detach_user_policy, delete_user,
    UserPolicyAttached, UserPolicyDetached, UserDeleted, UserRenamed, "PoliciesPerUser",
)  # fmt: skip
GROUPS = Kind(
    "group", A, B, attach_group_policy, detach_group_policy, delete_group,
    GroupPolicyAttached, GroupPolicyDetached, GroupDeleted, GroupRenamed, "PoliciesPerGroup",
)  # fmt: skip
both = pytest.mark.parametrize("kind", [USERS, GROUPS], ids=str)


def with_policies(kind: Kind, number: int) -> Given:
    """So many policies, that are not `ARN`, are attached."""
    past: list[Event] = []
    for n in range(number):
        past.append(policy(f"ANPA{n:017}", f"{OWN}/p{n}"))
        past.append(kind.attached(f"ANPA{n:017}", f"{OWN}/p{n}"))
    return START.followed_by(past)


@both
class TestAttach:
    @pytest.mark.parametrize("name", ["Alice", "alice", "ALICE"])
    def test_a_policy_is_attached(self, kind: Kind, name: str) -> None:
        START.when(kind.attach, **kind.called(name), policy=ARN).then(kind.attached())

    def test_doing_it_twice_changes_nothing(self, kind: Kind) -> None:
        START.when(kind.attach, **kind.called("alice"), policy=ARN).again().then()

    def test_it_is_found_by_both(self, kind: Kind) -> None:
        assert kind.attached().ledger_tags() == [f"{kind.noun}:{kind.id}", f"policy:{P}"]
        assert kind.detached().ledger_tags() == [f"{kind.noun}:{kind.id}", f"policy:{P}"]

    def test_a_policy_of_aws_can_be_attached(self, kind: Kind) -> None:
        START.when(kind.attach, **kind.called("alice"), policy=READ_ONLY).then(kind.attached(Q, READ_ONLY))

    def test_one_policy_to_several_and_several_to_one(self, kind: Kind) -> None:
        past = START.followed_by([kind.attached()])
        past.when(kind.attach, **kind.called("bob"), policy=ARN).then(kind.attached(to=kind.other))
        past.when(kind.attach, **kind.called("alice"), policy=READ_ONLY).then(kind.attached(Q, READ_ONLY))

    def test_after_detaching_once_more(self, kind: Kind) -> None:
        past = START.followed_by([kind.attached(), kind.detached()])
        past.when(kind.attach, **kind.called("alice"), policy=ARN).then(kind.attached())

    def test_ten_are_the_most(self, kind: Kind) -> None:
        with_policies(kind, 9).when(kind.attach, **kind.called("alice"), policy=ARN).then(kind.attached())
        with_policies(kind, 10).when(kind.attach, **kind.called("alice"), policy=ARN).then(
            LimitExceeded(f"Cannot exceed quota for {kind.quota}: 10")
        )

    def test_policies_of_aws_count(self, kind: Kind) -> None:
        with_policies(kind, 9).followed_by([kind.attached(Q, READ_ONLY)]).when(
            kind.attach, **kind.called("alice"), policy=ARN
        ).then(LimitExceeded(f"Cannot exceed quota for {kind.quota}: 10"))

    def test_what_is_attached_already_is_no_matter_of_the_quota(self, kind: Kind) -> None:
        with_policies(kind, 10).when(kind.attach, **kind.called("alice"), policy=f"{OWN}/p4").then()

    def test_the_quota_is_a_setting_of_the_kind_and_counts_for_each_one(self, kind: Kind) -> None:
        other = {USERS: "group", GROUPS: "user"}[kind]
        past = START.followed_by([kind.attached()])
        past.under(**{f"policies_attached_per_{kind.noun}": 1}).when(
            kind.attach, **kind.called("alice"), policy=READ_ONLY
        ).then(LimitExceeded(f"Cannot exceed quota for {kind.quota}: 1"))
        past.under(**{f"policies_attached_per_{kind.noun}": 1}).when(
            kind.attach, **kind.called("bob"), policy=READ_ONLY
        ).then(kind.attached(Q, READ_ONLY, kind.other))
        past.under(**{f"policies_attached_per_{other}": 1}).when(
            kind.attach, **kind.called("alice"), policy=READ_ONLY
        ).then(kind.attached(Q, READ_ONLY))

    def test_what_was_detached_does_not_count(self, kind: Kind) -> None:
        past = with_policies(kind, 10).followed_by([kind.detached(f"ANPA{3:017}", f"{OWN}/p3")])
        past.when(kind.attach, **kind.called("alice"), policy=ARN).then(kind.attached())

    @pytest.mark.parametrize("name", ["/Deployers", "/ops/deployers", "/nothing"])
    def test_a_policy_that_is_not_there_is_refused(self, kind: Kind, name: str) -> None:
        START.when(kind.attach, **kind.called("alice"), policy=OWN + name).then(
            NoSuchEntity(f"Policy {OWN}{name} does not exist or is not attachable.")
        )

    def test_a_policy_that_was_deleted_is_refused(self, kind: Kind) -> None:
        START.followed_by([PolicyDeleted(policy_id=P, arn=ARN, version_id="v1")]).when(
            kind.attach, **kind.called("alice"), policy=ARN
        ).then(NoSuchEntity(f"Policy {ARN} does not exist or is not attachable."))

    def test_a_policy_of_the_same_name_is_another(self, kind: Kind) -> None:
        past = START.followed_by(
            [kind.attached(), kind.detached(), PolicyDeleted(policy_id=P, arn=ARN, version_id="v1")]
        )
        again = "ANPACCCCCCCCCCCCCCCCC"
        past.followed_by([policy(again, ARN)]).when(kind.attach, **kind.called("alice"), policy=ARN).then(
            kind.attached(again)
        )

    def test_it_stays_when_names_change(self, kind: Kind) -> None:
        START.followed_by([kind.attached(), kind.renamed()]).when(
            kind.attach, **kind.called("carol"), policy=ARN
        ).then()

    def test_others_that_have_the_policy_are_not_looked_at(self, kind: Kind) -> None:
        done = START.when(kind.attach, **kind.called("alice"), policy=ARN)
        asked = {item.tags[0]: set(item.types) for item in done.boundary}
        assert asked[f"policy:{P}"] == {"PolicyCreated", "ManagedPolicyImported"}


@both
class TestDetach:
    def test_a_policy_is_detached(self, kind: Kind) -> None:
        START.followed_by([kind.attached()]).when(kind.detach, **kind.called("ALICE"), policy=ARN).then(kind.detached())

    def test_detaching_again_is_refused(self, kind: Kind) -> None:
        START.followed_by([kind.attached()]).when(kind.detach, **kind.called("alice"), policy=ARN).again().then(
            NoSuchEntity(f"Policy {ARN} was not found.")
        )

    def test_what_is_attached_to_others_or_not_at_all_is_refused(self, kind: Kind) -> None:
        other = {USERS: GROUPS, GROUPS: USERS}[kind]
        for past in ([], [kind.attached(to=kind.other)], [other.attached()], [kind.attached(Q, READ_ONLY)]):
            START.followed_by(past).when(kind.detach, **kind.called("alice"), policy=ARN).then(
                NoSuchEntity(f"Policy {ARN} was not found.")
            )

    def test_a_policy_of_aws_can_be_detached(self, kind: Kind) -> None:
        START.followed_by([kind.attached(Q, READ_ONLY)]).when(
            kind.detach, **kind.called("alice"), policy=READ_ONLY
        ).then(kind.detached(Q, READ_ONLY))

    def test_a_policy_that_is_not_there_is_refused(self, kind: Kind) -> None:
        outcome = START.when(kind.detach, **kind.called("alice"), policy=f"{OWN}/nothing").outcome
        assert isinstance(outcome, NoSuchEntity)


@both
@pytest.mark.parametrize("do", ["attach", "detach"])
@pytest.mark.parametrize("past", [[], "deleted"])
def test_a_user_or_group_that_is_not_there_is_refused(kind: Kind, do: str, past: list[Event] | str) -> None:
    name = "alice" if past else "nobody"
    START.followed_by([kind.deleted()] if past else []).when(getattr(kind, do), **kind.called(name), policy=ARN).then(
        NoSuchEntity(f"The {kind.noun} with name {name} cannot be found.")
    )


@both
class TestDeletion:
    """Of what policies are attached to. That of a policy: see test_managed_policy.py."""

    def test_policies_must_be_detached_first(self, kind: Kind) -> None:
        refusal = DeleteConflict("Cannot delete entity, must detach all policies first.")
        past = START.followed_by([kind.attached(), kind.attached(Q, READ_ONLY)])
        past.when(kind.delete, **kind.called("alice")).then(refusal)
        past.followed_by([kind.detached()]).when(kind.delete, **kind.called("alice")).then(refusal)
        past.followed_by([kind.detached(), kind.detached(Q, READ_ONLY)]).when(kind.delete, **kind.called("alice")).then(
            kind.deleted()
        )

    def test_those_of_others_do_not_matter(self, kind: Kind) -> None:
        other = {USERS: GROUPS, GROUPS: USERS}[kind]
        START.followed_by([kind.attached(to=kind.other), other.attached()]).when(
            kind.delete, **kind.called("alice")
        ).then(kind.deleted())
