"""Users. A user keeps its unique id for life; its name can change, and can be taken again after a deletion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

from iamledger.iam import constraints, identifiers
from iamledger.iam.constraints import Tags
from iamledger.iam.events import PERSONAL, USER, USER_NAME, Event, Tag
from iamledger.iam.nouns import CountOf, Dependent, DependentsOf, Name, Named, NewId, Noun, delete_dependents
from iamledger.iam.permissions import needs
from iamledger.iam.quotas import Quotas, refuse_beyond
from iamledger.iam.refusals import EntityAlreadyExists

# Events. Their names and fields are the storage format: never rename them.


class UserCreated(Event):
    """A user was created."""

    user_id: Annotated[str, USER]
    user_name: Annotated[str, USER_NAME]
    path: str
    tags: Annotated[list[tuple[str, str]] | None, PERSONAL] = []


class UserRenamed(Event):
    """A user got another name. Both names are tags, so that decisions about either see it."""

    user_id: Annotated[str, USER]
    old_user_name: Annotated[str, USER_NAME]
    user_name: Annotated[str, USER_NAME]


class UserPathChanged(Event):
    """A user was moved to another path, which changes its ARN."""

    user_id: Annotated[str, USER]
    path: str


class UserTagged(Event):
    """Tags were set; `tags` are all the user's tags afterwards."""

    user_id: Annotated[str, USER]
    tags: Annotated[list[tuple[str, str]] | None, PERSONAL]


class UserUntagged(Event):
    """Tags were removed; `tags` are all the user's tags afterwards."""

    user_id: Annotated[str, USER]
    tags: Annotated[list[tuple[str, str]] | None, PERSONAL]


class UserDeleted(Event):
    """A user was deleted; its name is free again."""

    user_id: Annotated[str, USER]
    user_name: Annotated[str, USER_NAME]


# State


@dataclass(frozen=True)
class UserName(Name):
    """Which user has a name now."""

    tag: ClassVar[Tag] = USER_NAME
    evolves_on: ClassVar[tuple[type[Event], ...]] = (UserCreated, UserRenamed, UserDeleted)

    def evolve(self, event: UserCreated | UserRenamed | UserDeleted) -> UserName:
        taken = not isinstance(event, UserDeleted) and event.user_name.lower() == self.id.lower()
        return replace(self, holder=event.user_id if taken else None)

    @classmethod
    def check_reference(cls, reference: str) -> None:
        constraints.EXISTING_USER_NAME.check(reference)

    @classmethod
    def arn_of(cls, account_id: str, name: str, path: str) -> str:
        return identifiers.arn(account_id, "user", path, name)


class OfUser(Named):
    """Mixed into every noun that belongs to a user and is called by the user's name."""

    tag: ClassVar[Tag] = USER
    named_by: ClassVar[type[Name]] = UserName
    no_such: ClassVar[str] = "The user with name {} cannot be found."

    def belongs_to(self) -> tuple[type[Noun], str]:
        return User, self.id


@dataclass(frozen=True)
class User(OfUser, Noun):
    """A user's name and path. `id` is the unique id."""

    evolves_on: ClassVar[tuple[type[Event], ...]] = (UserCreated, UserRenamed, UserPathChanged)

    user_name: str = ""
    path: str = "/"

    def evolve(self, event: UserCreated | UserRenamed | UserPathChanged) -> User:
        match event:
            case UserCreated():
                return replace(self, user_name=event.user_name, path=event.path)
            case UserRenamed():
                return replace(self, user_name=event.user_name)
            case UserPathChanged():
                return replace(self, path=event.path)

    def resource_arn(self, account_id: str) -> str:
        return identifiers.arn(account_id, "user", self.path, self.user_name)


@dataclass(frozen=True)
class UserExistence(OfUser, Noun):
    """Whether a user exists, for who knows its unique id already."""

    evolves_on: ClassVar[tuple[type[Event], ...]] = (UserCreated, UserDeleted)

    exists: bool = False

    def evolve(self, event: UserCreated | UserDeleted) -> UserExistence:
        return replace(self, exists=isinstance(event, UserCreated))


@dataclass(frozen=True)
class UserTags(OfUser, Noun):
    """A user's tags."""

    evolves_on: ClassVar[tuple[type[Event], ...]] = (UserCreated, UserTagged, UserUntagged)

    tags: Tags = ()

    def evolve(self, event: UserCreated | UserTagged | UserUntagged) -> UserTags:
        return replace(self, tags=tuple(event.tags or ()))


# Decisions


@needs("iam:CreateUser", on="name", keys={"aws:RequestTag": "tags"})
@needs("iam:TagUser", on="name", keys={"aws:RequestTag": "tags"}, when="tags")
def create_user(
    name: UserName,
    users: Annotated[int, CountOf("users")],
    quotas: Quotas,
    user_id: Annotated[str, NewId(identifiers.unique_id_of("AIDA"))],
    path: str = "/",
    tags: Annotated[Tags, PERSONAL] = (),
) -> Iterator[Event]:
    """Create a user. Names are unique without regard to case, and kept as written.

    The quota over the account is checked on the projection, so it is approximate under concurrency.
    """
    constraints.USER_NAME.check(name.id)
    constraints.PATH.check(path)
    tags = constraints.check_tags(tags)
    if name.holder is not None:
        raise EntityAlreadyExists(f"User with name {name.id} already exists.")
    if users >= quotas.users_per_account:
        raise refuse_beyond(quotas.users_per_account, "UsersPerAccount")
    if len(tags) > quotas.tags_per_resource:
        raise refuse_beyond(quotas.tags_per_resource, "TagsPerUser")
    yield UserCreated(user_id=user_id, user_name=name.id, path=path, tags=tags)


def _updated_arn(account_id: str, arguments: Mapping[str, Any]) -> str:
    """The ARN that a user is to have: IAM wants the permission on both, the old one and the new."""
    user, name, path = arguments["user"], arguments.get("new_name"), arguments.get("new_path")
    return identifiers.arn(account_id, "user", path or user.path, name.id if name else user.user_name)


@needs("iam:UpdateUser", on="user")
@needs("iam:UpdateUser", on=_updated_arn)
def update_user(user: User, new_name: UserName | None = None, new_path: str | None = None) -> Iterator[Event]:
    """Change a user's name, path, or both. Keys, tags and history stay with the unique id."""
    if new_path is not None and constraints.PATH.check(new_path) != user.path:
        yield UserPathChanged(user_id=user.id, path=new_path)
    if new_name is not None and constraints.USER_NAME.check(new_name.id) != user.user_name:
        if new_name.holder not in (None, user.id):
            raise EntityAlreadyExists(f"User with name {new_name.id} already exists.")
        yield UserRenamed(user_id=user.id, old_user_name=user.user_name, user_name=new_name.id)


@needs("iam:TagUser", on="user", keys={"aws:RequestTag": "tags"})
def tag_user(user: UserTags, tags: Annotated[Tags, PERSONAL], quotas: Quotas) -> Iterator[Event]:
    """Set tags; a key that the user has already, in whatever case, gets the new value and spelling."""
    tags = constraints.check_tags(tags)
    after = [*_without(user.tags, [key for key, _ in tags]), *tags]
    if len(after) > quotas.tags_per_resource:
        raise refuse_beyond(quotas.tags_per_resource, "TagsPerUser")
    if set(after) != set(user.tags):
        yield UserTagged(user_id=user.id, tags=after)


@needs("iam:UntagUser", on="user", keys={"aws:TagKeys": "keys"})
def untag_user(user: UserTags, keys: Annotated[Sequence[str], PERSONAL]) -> Iterator[Event]:
    """Remove tags. Keys that the user does not have are passed over, as IAM does."""
    after = _without(user.tags, constraints.check_tag_keys(keys))
    if len(after) < len(user.tags):
        yield UserUntagged(user_id=user.id, tags=after)


@needs("iam:DeleteUser", on="user")
def delete_user(user: User, dependents: Annotated[Sequence[Dependent], DependentsOf(USER)]) -> Iterator[Event]:
    """Delete a user, who must have nothing left that belongs to it."""
    yield from delete_dependents(dependents)
    yield UserDeleted(user_id=user.id, user_name=user.user_name)


def _without(tags: Tags, keys: Iterable[str]) -> list[tuple[str, str]]:
    folded = {key.lower() for key in keys}
    return [(key, value) for key, value in tags if key.lower() not in folded]
