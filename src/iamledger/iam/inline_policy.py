"""Inline policies: a part of one user or group, under a name that counts there alone, with regard to case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Self

from iamledger.iam import constraints
from iamledger.iam.events import USER, Event
from iamledger.iam.group import GROUP, Group, OfGroup
from iamledger.iam.nouns import Dependent
from iamledger.iam.permissions import needs
from iamledger.iam.policy_document import checked_size, size
from iamledger.iam.quotas import Quotas
from iamledger.iam.refusals import LimitExceeded, NoSuchEntity
from iamledger.iam.user import OfUser, User

# Events. Their names and fields are the storage format: never rename them.


class UserPolicyPut(Event):
    """An inline policy of a user was written, or replaced."""

    user_id: Annotated[str, USER]
    policy_name: str
    document: str


class UserPolicyDeleted(Event):
    """An inline policy of a user was deleted."""

    user_id: Annotated[str, USER]
    policy_name: str


class GroupPolicyPut(Event):
    """An inline policy of a group was written, or replaced."""

    group_id: Annotated[str, GROUP]
    policy_name: str
    document: str


class GroupPolicyDeleted(Event):
    """An inline policy of a group was deleted."""

    group_id: Annotated[str, GROUP]
    policy_name: str


# State


@dataclass(frozen=True)
class _InlinePolicies(Dependent):
    """Inline policies: their texts, by name."""

    remove_first: ClassVar[str] = "must delete policies"

    documents: Mapping[str, str] = field(default_factory=dict)

    def evolve(self, event: UserPolicyPut | UserPolicyDeleted | GroupPolicyPut | GroupPolicyDeleted) -> Self:
        kept = {name: document for name, document in self.documents.items() if name != event.policy_name}
        if isinstance(event, UserPolicyPut | GroupPolicyPut):
            kept[event.policy_name] = event.document
        return replace(self, documents=kept)

    @property
    def gone(self) -> bool:
        return not self.documents

    def check_room(self, policy_name: str, document: str, quota: int, whose: str) -> None:
        """Raise LimitExceeded if all texts together would be too large with this one, white space not counted."""
        if sum(map(size, {**self.documents, policy_name: document}.values())) > quota:
            raise LimitExceeded(f"Maximum policy size of {quota} bytes exceeded for {whose}")


@dataclass(frozen=True)
class UserInlinePolicies(OfUser, _InlinePolicies):
    """A user's inline policies."""

    evolves_on: ClassVar[tuple[type[Event], ...]] = (UserPolicyPut, UserPolicyDeleted)


@dataclass(frozen=True)
class GroupInlinePolicies(OfGroup, _InlinePolicies):
    """A group's inline policies."""

    evolves_on: ClassVar[tuple[type[Event], ...]] = (GroupPolicyPut, GroupPolicyDeleted)


# Decisions


@needs("iam:PutUserPolicy", on="user")
def put_user_policy(
    user: User, inline: UserInlinePolicies, policy_name: str, document: str, quotas: Quotas
) -> Iterator[Event]:
    """Write an inline policy of a user, or replace it. The same text again changes nothing."""
    constraints.POLICY_NAME.check(policy_name)
    checked_size(document)
    if inline.documents.get(policy_name) != document:
        inline.check_room(policy_name, document, quotas.inline_policies_size_per_user, f"user {user.user_name}")
        yield UserPolicyPut(user_id=user.id, policy_name=policy_name, document=document)


@needs("iam:DeleteUserPolicy", on="user")
def delete_user_policy(user: User, inline: UserInlinePolicies, policy_name: str) -> Iterator[Event]:
    """Delete an inline policy of a user. Its text stays in the ledger."""
    constraints.POLICY_NAME.check(policy_name)
    if policy_name not in inline.documents:
        raise NoSuchEntity(f"The user policy with name {policy_name} cannot be found.")
    yield UserPolicyDeleted(user_id=user.id, policy_name=policy_name)


@needs("iam:PutGroupPolicy", on="group")
def put_group_policy(
    group: Group, inline: GroupInlinePolicies, policy_name: str, document: str, quotas: Quotas
) -> Iterator[Event]:
    """Write an inline policy of a group, or replace it. The same text again changes nothing."""
    constraints.POLICY_NAME.check(policy_name)
    checked_size(document)
    if inline.documents.get(policy_name) != document:
        inline.check_room(policy_name, document, quotas.inline_policies_size_per_group, f"group {group.group_name}")
        yield GroupPolicyPut(group_id=group.id, policy_name=policy_name, document=document)


@needs("iam:DeleteGroupPolicy", on="group")
def delete_group_policy(group: Group, inline: GroupInlinePolicies, policy_name: str) -> Iterator[Event]:
    """Delete an inline policy of a group. Its text stays in the ledger."""
    constraints.POLICY_NAME.check(policy_name)
    if policy_name not in inline.documents:
        raise NoSuchEntity(f"The group policy with name {policy_name} cannot be found.")
    yield GroupPolicyDeleted(group_id=group.id, policy_name=policy_name)
