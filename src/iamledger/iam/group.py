"""Groups. A group keeps its unique id for life; its name can change. It is no principal: its users get its policies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

from iamledger.iam import constraints, identifiers
from iamledger.iam.events import Event, Tag
from iamledger.iam.nouns import CountOf, Dependent, DependentsOf, Name, Named, NewId, Noun, delete_dependents
from iamledger.iam.permissions import needs
from iamledger.iam.quotas import Quotas, refuse_beyond
from iamledger.iam.refusals import EntityAlreadyExists

GROUP = Tag("group")
GROUP_NAME = Tag("group-name", fold_case=True)

# Events. Their names and fields are the storage format: never rename them.


class GroupCreated(Event):
    """A group was created."""

    group_id: Annotated[str, GROUP]
    group_name: Annotated[str, GROUP_NAME]
    path: str


class GroupRenamed(Event):
    """A group got another name. Both names are tags, so that decisions about either see it."""

    group_id: Annotated[str, GROUP]
    old_group_name: Annotated[str, GROUP_NAME]
    group_name: Annotated[str, GROUP_NAME]


class GroupPathChanged(Event):
    """A group was moved to another path, which changes its ARN."""

    group_id: Annotated[str, GROUP]
    path: str


class GroupDeleted(Event):
    """A group was deleted; its name is free again."""

    group_id: Annotated[str, GROUP]
    group_name: Annotated[str, GROUP_NAME]


# State


@dataclass(frozen=True)
class GroupName(Name):
    """Which group has a name now."""

    tag: ClassVar[Tag] = GROUP_NAME
    evolves_on: ClassVar[tuple[type[Event], ...]] = (GroupCreated, GroupRenamed, GroupDeleted)

    def evolve(self, event: GroupCreated | GroupRenamed | GroupDeleted) -> GroupName:
        taken = not isinstance(event, GroupDeleted) and event.group_name.lower() == self.id.lower()
        return replace(self, holder=event.group_id if taken else None)

    @classmethod
    def check_reference(cls, reference: str) -> None:
        constraints.GROUP_NAME.check(reference)

    @classmethod
    def arn_of(cls, account_id: str, name: str, path: str) -> str:
        return identifiers.arn(account_id, "group", path, name)


class OfGroup(Named):
    """Mixed into every noun that belongs to a group and is called by the group's name."""

    tag: ClassVar[Tag] = GROUP
    named_by: ClassVar[type[Name]] = GroupName
    no_such: ClassVar[str] = "The group with name {} cannot be found."

    def belongs_to(self) -> tuple[type[Noun], str]:
        return Group, self.id


@dataclass(frozen=True)
class Group(OfGroup, Noun):
    """A group's name and path. `id` is the unique id."""

    evolves_on: ClassVar[tuple[type[Event], ...]] = (GroupCreated, GroupRenamed, GroupPathChanged)

    group_name: str = ""
    path: str = "/"

    def evolve(self, event: GroupCreated | GroupRenamed | GroupPathChanged) -> Group:
        match event:
            case GroupCreated():
                return replace(self, group_name=event.group_name, path=event.path)
            case GroupRenamed():
                return replace(self, group_name=event.group_name)
            case GroupPathChanged():
                return replace(self, path=event.path)

    def resource_arn(self, account_id: str) -> str:
        return identifiers.arn(account_id, "group", self.path, self.group_name)


# Decisions


@needs("iam:CreateGroup", on="name")
def create_group(
    name: GroupName,
    groups: Annotated[int, CountOf("groups")],
    quotas: Quotas,
    group_id: Annotated[str, NewId(identifiers.unique_id_of("AGPA"))],
    path: str = "/",
) -> Iterator[Event]:
    """Create a group. Names are unique without regard to case, and kept as written.

    The quota over the account is checked on the projection, so it is approximate under concurrency.
    """
    constraints.PATH.check(path)
    if name.holder is not None:
        raise EntityAlreadyExists(f"Group with name {name.id} already exists.")
    if groups >= quotas.groups_per_account:
        raise refuse_beyond(quotas.groups_per_account, "GroupsPerAccount")
    yield GroupCreated(group_id=group_id, group_name=name.id, path=path)


def _updated_arn(account_id: str, arguments: Mapping[str, Any]) -> str:
    """The ARN that a group is to have: IAM wants the permission on both, the old one and the new."""
    group, name, path = arguments["group"], arguments.get("new_name"), arguments.get("new_path")
    return identifiers.arn(account_id, "group", path or group.path, name.id if name else group.group_name)


@needs("iam:UpdateGroup", on="group")
@needs("iam:UpdateGroup", on=_updated_arn)
def update_group(group: Group, new_name: GroupName | None = None, new_path: str | None = None) -> Iterator[Event]:
    """Change a group's name, path, or both. Members, policies and history stay with the unique id."""
    if new_path is not None and constraints.PATH.check(new_path) != group.path:
        yield GroupPathChanged(group_id=group.id, path=new_path)
    if new_name is not None and new_name.id != group.group_name:
        if new_name.holder not in (None, group.id):
            raise EntityAlreadyExists(f"Group with name {new_name.id} already exists.")
        yield GroupRenamed(group_id=group.id, old_group_name=group.group_name, group_name=new_name.id)


@needs("iam:DeleteGroup", on="group")
def delete_group(group: Group, dependents: Annotated[Sequence[Dependent], DependentsOf(GROUP)]) -> Iterator[Event]:
    """Delete a group, which must have no members and no policies left."""
    yield from delete_dependents(dependents)
    yield GroupDeleted(group_id=group.id, group_name=group.group_name)
