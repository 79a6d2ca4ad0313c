"""Permissions boundaries: a managed policy beyond which a user's policies grant nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from iamledger.iam.events import USER, Event
from iamledger.iam.managed_policy import POLICY, AttachablePolicy, OfPolicy
from iamledger.iam.nouns import Dependent
from iamledger.iam.permissions import needs
from iamledger.iam.user import OfUser, User

# Events. Their names and fields are the storage format: never rename them.


class UserPermissionsBoundaryPut(Event):
    """A managed policy became the permissions boundary of a user, who had none."""

    user_id: Annotated[str, USER]
    policy_id: Annotated[str, POLICY]
    policy_arn: str


class UserPermissionsBoundaryDeleted(Event):
    """A user's permissions boundary was taken away, or the user with it."""

    user_id: Annotated[str, USER]
    policy_id: Annotated[str, POLICY]
    policy_arn: str


# State


@dataclass(frozen=True)
class UserPermissionsBoundary(OfUser, Dependent):
    """The id and ARN of the policy that bounds a user, if there is one. It does not stand in the way of a deletion."""

    evolves_on: ClassVar[tuple[type[Event], ...]] = (UserPermissionsBoundaryPut, UserPermissionsBoundaryDeleted)

    policy_id: str | None = None
    policy_arn: str = ""

    def evolve(self, event: UserPermissionsBoundaryPut | UserPermissionsBoundaryDeleted) -> UserPermissionsBoundary:
        if isinstance(event, UserPermissionsBoundaryDeleted):
            return replace(self, policy_id=None, policy_arn="")
        return replace(self, policy_id=event.policy_id, policy_arn=event.policy_arn)

    @property
    def gone(self) -> bool:
        return True

    def ended(self) -> Iterable[Event]:
        if self.policy_id is not None:
            yield UserPermissionsBoundaryDeleted(user_id=self.id, policy_id=self.policy_id, policy_arn=self.policy_arn)


@dataclass(frozen=True)
class PolicyBoundaryUse(OfPolicy, Dependent):
    """The users, by id, that a managed policy bounds. Only the policy's deletion looks at them all."""

    evolves_on: ClassVar[tuple[type[Event], ...]] = (UserPermissionsBoundaryPut, UserPermissionsBoundaryDeleted)

    users: frozenset[str] = frozenset()

    def fold(self, events: Iterable[Event]) -> PolicyBoundaryUse:
        users = set(self.users)
        for event in events:
            assert isinstance(event, UserPermissionsBoundaryPut | UserPermissionsBoundaryDeleted)
            (users.add if isinstance(event, UserPermissionsBoundaryPut) else users.discard)(event.user_id)
        return replace(self, users=frozenset(users))

    @property
    def gone(self) -> bool:
        return not self.users


# Decisions


@needs("iam:PutUserPermissionsBoundary", on="user", keys={"iam:PermissionsBoundary": "policy"})
def put_user_permissions_boundary(
    user: User, boundary: UserPermissionsBoundary, policy: AttachablePolicy
) -> Iterator[Event]:
    """Make a managed policy the boundary of a user, in the place of another. Doing it twice changes nothing."""
    if policy.id != boundary.policy_id:
        yield from boundary.ended()
        yield UserPermissionsBoundaryPut(user_id=user.id, policy_id=policy.id, policy_arn=policy.arn)


@needs("iam:DeleteUserPermissionsBoundary", on="boundary")
def delete_user_permissions_boundary(boundary: UserPermissionsBoundary) -> Iterator[Event]:
    """Take a user's boundary away. If there is none, nothing changes."""
    yield from boundary.ended()
