"""The fixed mix of events: the made-up life of accounts, the same for the same seed.

Each step picks an operation by its weight and a user, key, group, policy or resource to do it to; where the operation would
be refused (one with two keys gets no third, a policy in use is not deleted) another step is drawn. A user without keys is
deleted together with what it is granted. So every event could have come from a decision, and every projection gets rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from benchmarks.grants import PATHS, Member
from benchmarks.resources import Resources
from iamledger.iam import access_key as keys
from iamledger.iam import identifiers
from iamledger.iam import user as users
from iamledger.iam.account import AccountCreated
from iamledger.iam.events import Event

SEED = 20261124
SERVICES = ("s3", "ec2", "dynamodb", "sqs", "sts", "lambda")
REGIONS = ("eu-central-1", "eu-west-1", "us-east-1", "ap-southeast-2")


@dataclass(eq=False)
class _User(Member):
    tags: list[tuple[str, str]] = field(default_factory=list)
    keys: list[_Key] = field(default_factory=list)


@dataclass(eq=False)
class _Key:
    id: str
    user: _User
    active: bool = True
    superseded: bool = False


class Life(Resources):
    """The events of one account, in order, without an end."""

    def __init__(self, account_id: str, seed: int = SEED) -> None:
        super().__init__()
        self.account_id = account_id
        self.random = Random(f"{seed}/{account_id}")
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.number = 0
        self.noted: deque[str] = deque(maxlen=5)  # steps of three minutes
        self.users: list[_User] = []
        self.keys: list[_Key] = []

    def __iter__(self) -> Iterator[Event]:
        yield AccountCreated(account_id=self.account_id, account_name="acme", email="root@acme.example")
        names, weights = list(WEIGHTS), list(WEIGHTS.values())
        while True:
            operation = self.random.choices(names, weights)[0]
            self.number += 1
            self.now += timedelta(minutes=3)
            yield from operation(self)

    def create_user(self) -> Iterator[Event]:
        user = _User(identifiers.unique_id("AIDA", self.random.randbytes(11)), f"user-{self.number}")
        user.tags = self._tags(0)
        self.users.append(user)
        self.members.append(user)
        path = self.random.choice(PATHS)
        yield users.UserCreated(user_id=user.id, user_name=user.name, path=path, tags=user.tags)

    def rename_user(self) -> Iterator[Event]:
        if user := self.pick(self.users):
            old, user.name = user.name, f"user-{self.number}"
            yield users.UserRenamed(user_id=user.id, old_user_name=old, user_name=user.name)

    def move_user(self) -> Iterator[Event]:
        if user := self.pick(self.users):
            yield users.UserPathChanged(user_id=user.id, path=f"/team-{self.number}/")

    def tag_user(self) -> Iterator[Event]:
        if user := self.pick(self.users):
            user.tags = self._tags(1)
            yield users.UserTagged(user_id=user.id, tags=user.tags)

    def untag_user(self) -> Iterator[Event]:
        user = self.pick(self.users)
        if user and user.tags:
            user.tags = user.tags[1:]
            yield users.UserUntagged(user_id=user.id, tags=user.tags)

    def delete_user(self) -> Iterator[Event]:
        user = self.pick(self.users)
        if user and not user.keys:
            yield from self.ungranted(user)
            self.users.remove(user)
            self.members.remove(user)
            yield users.UserDeleted(user_id=user.id, user_name=user.name)

    def create_key(self) -> Iterator[Event]:
        user = self.pick(self.users)
        if user and len(user.keys) < 2:
            key = _Key(identifiers.access_key_id(self.account_id, self.random.randbytes(11)), user)
            user.keys.append(key)
            self.keys.append(key)
            yield keys.AccessKeyCreated(access_key_id=key.id, user_id=user.id)

    def rotate_key(self) -> Iterator[Event]:
        old = self.pick(self.keys)
        if old and len(old.user.keys) == 1 and old.active and not old.superseded:
            new = _Key(identifiers.access_key_id(self.account_id, self.random.randbytes(11)), old.user)
            old.superseded = True
            old.user.keys.append(new)
            self.keys.append(new)
            yield keys.AccessKeyCreated(access_key_id=new.id, user_id=new.user.id)
            yield keys.AccessKeyRotated(
                access_key_id=old.id,
                user_id=old.user.id,
                superseded_by=new.id,
                usable_until=self.now + timedelta(hours=24),
            )

    def switch_key(self) -> Iterator[Event]:
        key = self.pick(self.keys)
        if key and not key.superseded:
            key.active = not key.active
            switched = keys.AccessKeyActivated if key.active else keys.AccessKeyDeactivated
            yield switched(access_key_id=key.id, user_id=key.user.id)

    def revoke_key(self) -> Iterator[Event]:
        if key := self.pick(self.keys):
            key.user.keys.remove(key)
            self.keys.remove(key)
            reason = self.random.choice(list(keys.RevocationReason))
            leaked = reason is keys.RevocationReason.KEY_COMPROMISE
            yield keys.AccessKeyRevoked(
                access_key_id=key.id,
                user_id=key.user.id,
                revocation_reason=reason,
                note="found in a public repository" if leaked else None,
                suspected_since=self.now - timedelta(days=2) if leaked else None,
            )

    def use_key(self) -> Iterator[Event]:
        if key := self.pick(self.keys):
            service, region = self.random.choice(SERVICES), self.random.choice(REGIONS)
            use = keys.use_of(key.id, service, region, self.now)
            if use in self.noted:  # by its name a use is counted once in a quarter of an hour
                return
            self.noted.append(use)
            yield keys.AccessKeyUsed(
                access_key_id=key.id,
                user_id=key.user.id,
                service_name=service,
                region=region,
                used_at=self.now,
                use=use,
            )

    def _tags(self, fewest: int) -> list[tuple[str, str]]:
        names = ("team", "cost-center", "environment")[: self.random.randint(fewest, 3)]
        return [(name, f"{name}-{self.random.randrange(40)}") for name in names]


WEIGHTS: Mapping[Callable[[Life], Iterator[Event]], int] = {
    Life.create_user: 10,
    Life.rename_user: 2,
    Life.move_user: 4,
    Life.tag_user: 6,
    Life.untag_user: 2,
    Life.delete_user: 6,
    Life.create_key: 14,
    Life.rotate_key: 8,
    Life.switch_key: 8,
    Life.revoke_key: 14,
    Life.use_key: 34,
    Life.create_group: 2,
    Life.rename_group: 1,
    Life.move_group: 1,
    Life.delete_group: 1,
    Life.join_group: 12,
    Life.leave_group: 4,
    Life.change_group: 3,
    Life.create_policy: 3,
    Life.import_policy: 1,
    Life.create_version: 3,
    Life.set_default_version: 2,
    Life.delete_version: 2,
    Life.delete_policy: 2,
    Life.attach: 9,
    Life.detach: 6,
    Life.put_inline: 5,
    Life.delete_inline: 3,
    Life.put_boundary: 3,
    Life.delete_boundary: 3,
    Life.register_resource: 4,
    Life.transfer_resource: 3,
    Life.share_resource: 5,
    Life.unshare_resource: 3,
    Life.deregister_resource: 2,
}
"""How often each operation is drawn. Some are drawn in vain; what came of it is printed with the results."""
