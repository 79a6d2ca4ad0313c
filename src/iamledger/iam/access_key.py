"""Access keys: at most two a user, their secret shown once, and their whole life kept after they are gone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from iamledger.iam import constraints, identifiers
from iamledger.iam.events import ACCESS_KEY, USER, Event, Instant, Tag
from iamledger.iam.nouns import Dependent, NewId, Noun
from iamledger.iam.permissions import needs
from iamledger.iam.quotas import Quotas, refuse_beyond
from iamledger.iam.refusals import EntityAlreadyExists, InvalidInput, NoSuchEntity
from iamledger.iam.user import OfUser, User

USE = Tag("access-key-use")
MAXIMUM_GRACE = timedelta(days=365)


class RevocationReason(StrEnum):
    """Why a key was revoked, in the words of RFC 5280, section 5.3.1."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"


# Events. Their names and fields are the storage format: never rename them.


class AccessKeyCreated(Event):
    """A key was issued to a user, active. Its secret stands encrypted beside the ledger, never in it."""

    issues_secret: ClassVar[str | None] = "access_key_id"

    access_key_id: Annotated[str, ACCESS_KEY]
    user_id: Annotated[str, USER]


class AccessKeyDeactivated(Event):
    """A key was made Inactive."""

    access_key_id: Annotated[str, ACCESS_KEY]
    user_id: Annotated[str, USER]


class AccessKeyActivated(Event):
    """A key was made Active again."""

    access_key_id: Annotated[str, ACCESS_KEY]
    user_id: Annotated[str, USER]


class AccessKeyRotated(Event):
    """A key was superseded by a new one; it is unusable from `usable_until` on, and still holds its slot."""

    access_key_id: Annotated[str, ACCESS_KEY]
    user_id: Annotated[str, USER]
    superseded_by: Annotated[str, ACCESS_KEY]
    usable_until: Instant


class AccessKeyRevoked(Event):
    """A key was deleted, which is IAM's DeleteAccessKey; its secret went with it.

    `suspected_since` is RFC 5280's invalidity date: the moment from which the key is suspected.
    """

    deletes_secrets: ClassVar[str | None] = "access_key_id"

    access_key_id: Annotated[str, ACCESS_KEY]
    user_id: Annotated[str, USER]
    revocation_reason: RevocationReason
    note: str | None = None
    suspected_since: Instant | None = None


class AccessKeyUsed(Event):
    """A service saw the key in use. `use` names key, service, region and the quarter of an hour."""

    access_key_id: Annotated[str, ACCESS_KEY]
    user_id: Annotated[str, USER]
    service_name: str
    region: str
    used_at: Instant
    use: Annotated[str, USE]


# State


@dataclass(frozen=True)
class AccessKey(Noun):
    """One key. `id` is the access key id; without an owner the key does not exist (yet, or any more)."""

    tag: ClassVar[Tag] = ACCESS_KEY
    evolves_on: ClassVar[tuple[type[Event], ...]] = (
        AccessKeyCreated,
        AccessKeyDeactivated,
        AccessKeyActivated,
        AccessKeyRotated,
        AccessKeyRevoked,
    )

    user_id: str | None = None
    issued: bool = False
    active: bool = False
    superseded_by: str | None = None
    usable_until: datetime | None = None

    def evolve(self, event: Event) -> AccessKey:
        match event:
            case AccessKeyCreated():
                return replace(self, user_id=event.user_id, issued=True, active=True)
            case AccessKeyDeactivated():
                return replace(self, active=False)
            case AccessKeyActivated():
                return replace(self, active=True)
            case AccessKeyRotated(access_key_id=self.id):
                return replace(self, superseded_by=event.superseded_by, usable_until=event.usable_until)
            case AccessKeyRevoked():
                return replace(self, user_id=None, active=False)
        return self

    @classmethod
    def check_reference(cls, reference: str) -> None:
        constraints.ACCESS_KEY_ID.check(reference)

    def check_usable(self, now: datetime) -> None:
        """Raise InvalidInput if the key was superseded and its grace has ended: it is never usable again."""
        if self.usable_until is not None and self.usable_until <= now:
            raise InvalidInput(
                f"The Access Key with id {self.id} was superseded by {self.superseded_by} and is unusable since"
                f" {self.usable_until:%Y-%m-%dT%H:%M:%SZ}. Revoke it and create another."
            )

    def belongs_to(self) -> tuple[type[Noun], str] | None:
        return None if self.user_id is None else (User, self.user_id)

    def owner(self) -> str:
        """The user id of the key's owner, or NoSuchEntity."""
        if self.user_id is None:
            raise NoSuchEntity(f"The Access Key with id {self.id} cannot be found.")
        return self.user_id


@dataclass(frozen=True)
class UserAccessKeys(OfUser, Dependent):
    """The keys that a user holds, by id, in the order in which they were issued."""

    evolves_on: ClassVar[tuple[type[Event], ...]] = (
        AccessKeyCreated,
        AccessKeyDeactivated,
        AccessKeyActivated,
        AccessKeyRotated,
        AccessKeyRevoked,
    )
    remove_first: ClassVar[str] = "must delete access keys"

    held: Mapping[str, AccessKey] = field(default_factory=dict)

    def evolve(
        self,
        event: AccessKeyCreated | AccessKeyDeactivated | AccessKeyActivated | AccessKeyRotated | AccessKeyRevoked,
    ) -> UserAccessKeys:
        key = self.held.get(event.access_key_id, AccessKey(event.access_key_id)).evolve(event)
        held = {**self.held, key.id: key}
        return replace(self, held={id_: key for id_, key in held.items() if key.user_id is not None})

    @property
    def gone(self) -> bool:
        return not self.held


@dataclass(frozen=True)
class AccessKeyUse(Noun):
    """Whether a use was noted already. `id` is what `use_of` returns."""

    tag: ClassVar[Tag] = USE
    evolves_on: ClassVar[tuple[type[Event], ...]] = (AccessKeyUsed,)

    noted: bool = False

    def evolve(self, event: Event) -> AccessKeyUse:
        return replace(self, noted=True)

    @classmethod
    def check_reference(cls, reference: str) -> None:
        constraints.USE.check(reference)


def use_of(access_key_id: str, service_name: str, region: str, used_at: datetime) -> str:
    """What uses are counted by: key, service, region and the quarter of an hour in which it was.

    Raises ValidationError, because a name that is malformed must not become a tag.
    """
    constraints.ACCESS_KEY_ID.check(access_key_id)
    constraints.SERVICE.check(service_name)
    constraints.REGION.check(region)
    used_at = used_at.astimezone(UTC)
    quarter = used_at.replace(minute=used_at.minute // 15 * 15)
    return f"{access_key_id}/{service_name}/{region}/{quarter:%Y-%m-%dT%H:%MZ}"


def use_as_arguments(access_key_id: str, service_name: str, region: str, used_at: datetime) -> dict[str, Any]:
    """The arguments of `record_access_key_use` for a use, with what it is counted by. Raises ValidationError."""
    return {
        "key": access_key_id,
        "use": use_of(access_key_id, service_name, region, used_at),
        "service_name": service_name,
        "region": region,
        "used_at": used_at,
    }


# Decisions

NewAccessKey = Annotated[AccessKey, NewId(identifiers.access_key_id)]


@needs("iam:CreateAccessKey", on="user")
def create_access_key(
    user: User, keys: UserAccessKeys, key: NewAccessKey, quotas: Quotas, if_none: bool = False
) -> Iterator[Event]:
    """Issue a key to a user; its secret is made with it and shown once. With `if_none`, only to a user without one."""
    if if_none and keys.held:
        return
    if len(keys.held) >= quotas.access_keys_per_user:
        raise refuse_beyond(quotas.access_keys_per_user, "AccessKeysPerUser")
    if key.issued:
        raise EntityAlreadyExists(f"The access key id {key.id} was drawn a second time. Repeat the command.")
    yield AccessKeyCreated(access_key_id=key.id, user_id=user.id)


@needs("iam:UpdateAccessKey", on="key")
def deactivate_access_key(key: AccessKey) -> Iterator[Event]:
    """Make a key Inactive. Doing it twice changes nothing."""
    user_id = key.owner()
    if key.active:
        yield AccessKeyDeactivated(access_key_id=key.id, user_id=user_id)


@needs("iam:UpdateAccessKey", on="key")
def activate_access_key(key: AccessKey, now: datetime) -> Iterator[Event]:
    """Make a key Active. Doing it twice changes nothing; a superseded key whose grace has ended stays unusable."""
    user_id = key.owner()
    key.check_usable(now)
    if not key.active:
        yield AccessKeyActivated(access_key_id=key.id, user_id=user_id)


@needs("iam:CreateAccessKey", on="user")
@needs("iam:UpdateAccessKey", on="user")
def rotate_access_key(
    user: User, keys: UserAccessKeys, key: NewAccessKey, grace: timedelta, now: datetime, quotas: Quotas
) -> Iterator[Event]:
    """Issue a new key to a user, and let the one that the user has end when `grace` has passed.

    The old key holds its slot until it is revoked, so that a user with two keys cannot rotate. An end that was
    recorded before is never put off.
    """
    if not timedelta(0) <= grace <= MAXIMUM_GRACE:
        raise InvalidInput("The grace of a rotation must be between 0 and 365 days.")
    if not keys.held:
        raise NoSuchEntity(f"The user with name {user.user_name} has no access key to rotate. Create one.")
    yield from create_access_key(user, keys, key, quotas)
    old = min(keys.held.values(), key=lambda held: held.superseded_by is not None)  # the first that is not superseded
    old.check_usable(now)
    if not old.active:
        raise InvalidInput(
            f"The Access Key with id {old.id} is Inactive. Activate it first, or revoke it and create another."
        )
    until = now + grace if old.usable_until is None else min(now + grace, old.usable_until)
    yield AccessKeyRotated(access_key_id=old.id, user_id=user.id, superseded_by=key.id, usable_until=until)


@needs("iam:DeleteAccessKey", on="key")
def revoke_access_key(
    key: AccessKey,
    now: datetime,
    revocation_reason: RevocationReason = RevocationReason.UNSPECIFIED,
    note: str | None = None,
    suspected_since: datetime | None = None,
) -> Iterator[Event]:
    """Delete a key and its secret. What it was and did stays in the ledger."""
    user_id = key.owner()
    if note is not None:
        constraints.NOTE.check(note)
    if suspected_since is not None and suspected_since > now:
        raise InvalidInput("A key cannot be suspected since a time that has not come yet.")
    yield AccessKeyRevoked(
        access_key_id=key.id,
        user_id=user_id,
        revocation_reason=revocation_reason,
        note=note,
        suspected_since=suspected_since,
    )


@needs("iamledger:RecordAccessKeyUse", on="key")
def record_access_key_use(
    key: AccessKey, use: AccessKeyUse, service_name: str, region: str, used_at: datetime, now: datetime
) -> Iterator[Event]:
    """Note that a service saw the key in use, once per key, service, region and quarter of an hour.

    It is an observation, so it is taken for an Inactive key too.
    """
    user_id = key.owner()
    if use.id != use_of(key.id, service_name, region, used_at):
        raise InvalidInput(f"{use.id} is not what this use is counted by.")
    if used_at > now + timedelta(minutes=5):
        raise InvalidInput("A key cannot have been used at a time that has not come yet.")
    if not use.noted:
        yield AccessKeyUsed(
            access_key_id=key.id,
            user_id=user_id,
            service_name=service_name,
            region=region,
            used_at=used_at,
            use=use.id,
        )
