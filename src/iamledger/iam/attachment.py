"""Which managed policies are attached to which users and groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from iamledger.iam.events import USER, Event
from iamledger.iam.group import GROUP, Group, OfGroup
from iamledger.iam.managed_policy import POLICY, AttachablePolicy, OfPolicy
from iamledger.iam.nouns import Dependent
from iamledger.iam.permissions import needs
from iamledger.iam.quotas import Quotas, refuse_beyond
from iamledger.iam.refusals import NoSuchEntity
from iamledger.iam.user import OfUser, User

# Events. Their names and fields are the storage format: never rename them.


class UserPolicyAttached(Event):
    """A managed policy was attached to a user."""

    user_id: Annotated[str, USER]
    policy_id: Annotated[str, POLICY]
    policy_arn: str


class UserPolicyDetached(Event):
    """A managed policy was detached from a user."""

    user_id: Annotated[str, USER]
    policy_id: Annotated[str, POLICY]
    policy_arn: str


class GroupPolicyAttached(Event):
    """A managed policy was attached to a group."""

    group_id: Annotated[str, GROUP]
    policy_id: Annotated[str, POLICY]
    policy_arn: str


class GroupPolicyDetached(Event):
    """A managed policy was detached from a group."""

    group_id: Annotated[str, GROUP]
    policy_id: Annotated[str, POLICY]
    policy_arn: str


# State


@dataclass(frozen=True)
class UserAttachedPolicies(OfUser, Dependent):
    """The ids of the managed policies that are attached to a user."""

    evolves_on: ClassVar[tuple[type[Event], ...]] = (UserPolicyAttached, UserPolicyDetached)
    remove_first: ClassVar[str] = "must detach all policies"

    attached: frozenset[str] = frozenset()

    def evolve(self, event: UserPolicyAttached | UserPolicyDetached) -> UserAttachedPolicies:
        one = frozenset([event.policy_id])
        attached = self.attached | one if isinstance(event, UserPolicyAttached) else self.attached - one
        return replace(self, attached=attached)

    @property
    def gone(self) -> bool:
        return not self.attached


@dataclass(frozen=True)
class GroupAttachedPolicies(OfGroup, Dependent):
    """The ids of the managed policies that are attached to a group."""

    evolves_on: ClassVar[tuple[type[Event], ...]] = (GroupPolicyAttached, GroupPolicyDetached)
    remove_first: ClassVar[str] = "must detach all policies"

    attached: frozenset[str] = frozenset()

    def evolve(self, event: GroupPolicyAttached | GroupPolicyDetached) -> GroupAttachedPolicies:
        one = frozenset([event.policy_id])
        attached = self.attached | one if isinstance(event, GroupPolicyAttached) else self.attached - one
        return replace(self, attached=attached)

    @property
    def gone(self) -> bool:
        return not self.attached


@dataclass(frozen=True)
class PolicyAttachments(OfPolicy, Dependent):
    """The users and groups, by id, that a managed policy is attached to. Only the policy's deletion looks at them all."""

    evolves_on: ClassVar[tuple[type[Event], ...]] = (
        UserPolicyAttached,
        UserPolicyDetached,
        GroupPolicyAttached,
        GroupPolicyDetached,
    )

    principals: frozenset[str] = frozenset()

    def fold(self, events: Iterable[Event]) -> PolicyAttachments:
        principals = set(self.principals)
        for event in events:
            match event:
                case UserPolicyAttached():
                    principals.add(event.user_id)
                case GroupPolicyAttached():
                    principals.add(event.group_id)
                case UserPolicyDetached():
                    principals.discard(event.user_id)
                case GroupPolicyDetached():
                    principals.discard(event.group_id)
        return replace(self, principals=frozenset(principals))

    @property
    def gone(self) -> bool:
        return not self.principals


# Decisions


@needs("iam:AttachUserPolicy", on="user", keys={"iam:PolicyARN": "policy"})
def attach_user_policy(
    user: User, attached: UserAttachedPolicies, policy: AttachablePolicy, quotas: Quotas
) -> Iterator[Event]:
    """Attach a managed policy to a user. Attaching twice changes nothing."""
    if policy.id in attached.attached:
        return
    if len(attached.attached) >= quotas.policies_attached_per_user:
        raise refuse_beyond(quotas.policies_attached_per_user, "PoliciesPerUser")
    yield UserPolicyAttached(user_id=user.id, policy_id=policy.id, policy_arn=policy.arn)


@needs("iam:DetachUserPolicy", on="user", keys={"iam:PolicyARN": "policy"})
def detach_user_policy(user: User, attached: UserAttachedPolicies, policy: AttachablePolicy) -> Iterator[Event]:
    """Detach a managed policy from a user. Raises NoSuchEntity if it is not attached, as IAM does."""
    if policy.id not in attached.attached:
        raise NoSuchEntity(f"Policy {policy.arn} was not found.")
    yield UserPolicyDetached(user_id=user.id, policy_id=policy.id, policy_arn=policy.arn)


@needs("iam:AttachGroupPolicy", on="group", keys={"iam:PolicyARN": "policy"})
def attach_group_policy(
    group: Group, attached: GroupAttachedPolicies, policy: AttachablePolicy, quotas: Quotas
) -> Iterator[Event]:
    """Attach a managed policy to a group, and so to its users. Attaching twice changes nothing."""
    if policy.id in attached.attached:
        return
    if len(attached.attached) >= quotas.policies_attached_per_group:
        raise refuse_beyond(quotas.policies_attached_per_group, "PoliciesPerGroup")
    yield GroupPolicyAttached(group_id=group.id, policy_id=policy.id, policy_arn=policy.arn)


@needs("iam:DetachGroupPolicy", on="group", keys={"iam:PolicyARN": "policy"})
def detach_group_policy(group: Group, attached: GroupAttachedPolicies, policy: AttachablePolicy) -> Iterator[Event]:
    """Detach a managed policy from a group. Raises NoSuchEntity if it is not attached, as IAM does."""
    if policy.id not in attached.attached:
        raise NoSuchEntity(f"Policy {policy.arn} was not found.")
    yield GroupPolicyDetached(group_id=group.id, policy_id=policy.id, policy_arn=policy.arn)
