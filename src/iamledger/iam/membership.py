"""Which users are in which groups. A user gets the policies of its groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from iamledger.iam.events import USER, Event
from iamledger.iam.group import GROUP, Group, OfGroup
from iamledger.iam.nouns import Dependent
from iamledger.iam.permissions import needs
from iamledger.iam.quotas import Quotas, refuse_beyond
from iamledger.iam.refusals import InvalidInput, NoSuchEntity
from iamledger.iam.user import OfUser, User

# Events. Their names and fields are the storage format: never rename them.


class UserAddedToGroup(Event):
    """A user became a member of a group."""

    user_id: Annotated[str, USER]
    group_id: Annotated[str, GROUP]


class UserRemovedFromGroup(Event):
    """A user is no member of a group any more."""

    user_id: Annotated[str, USER]
    group_id: Annotated[str, GROUP]


# State


@dataclass(frozen=True)
class UserGroups(OfUser, Dependent):
    """The groups that a user is in, by id. A decision about one membership looks at these, not at the group's members."""

    evolves_on: ClassVar[tuple[type[Event], ...]] = (UserAddedToGroup, UserRemovedFromGroup)
    remove_first: ClassVar[str] = "must remove user from groups"

    groups: frozenset[str] = frozenset()

    def evolve(self, event: UserAddedToGroup | UserRemovedFromGroup) -> UserGroups:
        one = frozenset([event.group_id])
        return replace(self, groups=self.groups | one if isinstance(event, UserAddedToGroup) else self.groups - one)

    @property
    def gone(self) -> bool:
        return not self.groups


@dataclass(frozen=True)
class GroupMembers(OfGroup, Dependent):
    """The users in a group, by id. Only the group's deletion looks at them all."""

    evolves_on: ClassVar[tuple[type[Event], ...]] = (UserAddedToGroup, UserRemovedFromGroup)
    remove_first: ClassVar[str] = "must remove users from group"

    users: frozenset[str] = frozenset()

    def fold(self, events: Iterable[Event]) -> GroupMembers:
        users = set(self.users)
        for event in events:
            assert isinstance(event, UserAddedToGroup | UserRemovedFromGroup)
            (users.add if isinstance(event, UserAddedToGroup) else users.discard)(event.user_id)
        return replace(self, users=frozenset(users))

    @property
    def gone(self) -> bool:
        return not self.users


# Decisions


@needs("iam:AddUserToGroup", on="group")
def add_user_to_group(user: User, memberships: UserGroups, group: Group, quotas: Quotas) -> Iterator[Event]:
    """Make a user a member of a group. Doing it twice changes nothing."""
    if group.id in memberships.groups:
        return
    if len(memberships.groups) >= quotas.groups_per_user:
        raise refuse_beyond(quotas.groups_per_user, "GroupsPerUser")
    yield UserAddedToGroup(user_id=user.id, group_id=group.id)


@needs("iam:RemoveUserFromGroup", on="group")
def remove_user_from_group(user: User, memberships: UserGroups, group: Group) -> Iterator[Event]:
    """End a membership. If there is none, nothing changes (the service model leaves open whether that is refused)."""
    if group.id in memberships.groups:
        yield UserRemovedFromGroup(user_id=user.id, group_id=group.id)


@needs("iam:RemoveUserFromGroup", on="source")
@needs("iam:AddUserToGroup", on="target")
def move_user(user: User, memberships: UserGroups, source: Group, target: Group) -> Iterator[Event]:
    """Take a user from one group into another, at once: people change departments.

    It needs no room among the user's groups. Raises NoSuchEntity if the user is not in the first.
    """
    if source.id == target.id:
        raise InvalidInput(f"{source.group_name} and {target.group_name} are the same group.")
    if source.id not in memberships.groups:
        raise NoSuchEntity(f"The user {user.user_name} is not in the group {source.group_name}.")
    yield UserRemovedFromGroup(user_id=user.id, group_id=source.id)
    if target.id not in memberships.groups:
        yield UserAddedToGroup(user_id=user.id, group_id=target.id)
