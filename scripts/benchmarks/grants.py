"""The part of the fixed mix that is about groups, policies, and what users and groups are granted by them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from iamledger.iam import attachment, group, identifiers, inline_policy, managed_policy, membership
from iamledger.iam import permissions_boundary as boundary
from iamledger.iam.aws_managed import AWS_MANAGED
from iamledger.iam.events import Event
from iamledger.iam.quotas import Quotas

T = TypeVar("T")

QUOTAS = Quotas()
ACTIONS = ("s3:GetObject", "s3:PutObject", "sqs:SendMessage", "dynamodb:Query", "ec2:Describe*", "logs:PutLogEvents")
PATHS = ("/", "/engineering/", "/engineering/storage/", "/finance/")
INLINE_NAMES = ("own-bucket", "break-glass", "on-call")


@dataclass(eq=False)
class Policy:
    """A managed policy, and how many users and groups need it."""

    id: str
    arn: str
    versions: list[str]
    default: str = "v1"
    newest: int = 1
    uses: int = 0


@dataclass(eq=False)
class Principal:
    """What a user and a group have in common."""

    id: str
    name: str
    attached: list[Policy] = field(default_factory=list)
    inline: list[str] = field(default_factory=list)


@dataclass(eq=False)
class Member(Principal):
    """A user, as far as groups and policies go."""

    groups: list[Group] = field(default_factory=list)
    boundary: Policy | None = None


@dataclass(eq=False)
class Group(Principal):
    """A group."""

    members: int = 0


class Grants:
    """Operations on groups and policies. The quotas over the account are kept, too."""

    account_id: str
    random: Random
    number: int

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.policies: list[Policy] = []  # the customer's
        self.of_aws: list[Policy] = []
        self.members: list[Member] = []
        """Users that can be granted something."""

    # Groups

    def create_group(self) -> Iterator[Event]:
        if len(self.groups) < QUOTAS.groups_per_account:
            made = Group(identifiers.unique_id("AGPA", self.random.randbytes(11)), f"group-{self.number}")
            self.groups.append(made)
            yield group.GroupCreated(group_id=made.id, group_name=made.name, path=self.random.choice(PATHS))

    def rename_group(self) -> Iterator[Event]:
        if found := self.pick(self.groups):
            old, found.name = found.name, f"group-{self.number}"
            yield group.GroupRenamed(group_id=found.id, old_group_name=old, group_name=found.name)

    def move_group(self) -> Iterator[Event]:
        if found := self.pick(self.groups):
            yield group.GroupPathChanged(group_id=found.id, path=f"/division-{self.number}/")

    def delete_group(self) -> Iterator[Event]:
        found = self.pick(self.groups)
        if found and found.members == 0:
            yield from self._cleared(found)
            self.groups.remove(found)
            yield group.GroupDeleted(group_id=found.id, group_name=found.name)

    def join_group(self) -> Iterator[Event]:
        user, found = self.pick(self.members), self.pick(self.groups)
        if user and found and found not in user.groups and len(user.groups) < QUOTAS.groups_per_user:
            yield self._joined(user, found)

    def leave_group(self) -> Iterator[Event]:
        user = self.pick(self.members)
        if user and user.groups:
            yield self._left(user, self.random.choice(user.groups))

    def change_group(self) -> Iterator[Event]:
        user, found = self.pick(self.members), self.pick(self.groups)
        if user and user.groups and found and found not in user.groups:
            yield self._left(user, self.random.choice(user.groups))
            yield self._joined(user, found)

    def _joined(self, user: Member, found: Group) -> Event:
        user.groups.append(found)
        found.members += 1
        return membership.UserAddedToGroup(user_id=user.id, group_id=found.id)

    def _left(self, user: Member, found: Group) -> Event:
        user.groups.remove(found)
        found.members -= 1
        return membership.UserRemovedFromGroup(user_id=user.id, group_id=found.id)

    # Managed policies

    def create_policy(self) -> Iterator[Event]:
        if len(self.policies) < QUOTAS.policies_per_account:
            name, path = f"policy-{self.number}", self.random.choice(PATHS)
            arn = f"arn:aws:iam::{self.account_id}:policy{path}{name}"
            made = Policy(identifiers.unique_id("ANPA", self.random.randbytes(11)), arn, ["v1"])
            self.policies.append(made)
            yield managed_policy.PolicyCreated(
                policy_id=made.id,
                arn=arn,
                policy_name=name,
                path=path,
                description="for one team" if self.number % 2 else None,
                version_id="v1",
                document=self._document(),
            )

    def import_policy(self) -> Iterator[Event]:
        if len(self.of_aws) < len(AWS_MANAGED):
            found = AWS_MANAGED[len(self.of_aws)]
            made = Policy(identifiers.unique_id("ANPA", self.random.randbytes(11)), found.arn, ["v1"])
            self.of_aws.append(made)
            yield managed_policy.ManagedPolicyImported(
                policy_id=made.id,
                arn=found.arn,
                policy_name=found.arn.rpartition("/")[2],
                path="/",
                description=found.description,
                version_id="v1",
                document=found.document,
            )

    def create_version(self) -> Iterator[Event]:
        policy = self.pick(self.policies)
        if policy and len(policy.versions) < QUOTAS.versions_per_policy:
            policy.newest += 1
            version = f"v{policy.newest}"
            policy.versions.append(version)
            document = self._document()
            yield managed_policy.PolicyVersionCreated(policy_id=policy.id, version_id=version, document=document)
            if self.random.random() < 0.5:
                policy.default = version
                yield managed_policy.DefaultPolicyVersionSet(policy_id=policy.id, version_id=version)

    def set_default_version(self) -> Iterator[Event]:
        policy = self.pick(self.policies)
        if policy and len(policy.versions) > 1:
            policy.default = self.random.choice([v for v in policy.versions if v != policy.default])
            yield managed_policy.DefaultPolicyVersionSet(policy_id=policy.id, version_id=policy.default)

    def delete_version(self) -> Iterator[Event]:
        policy = self.pick(self.policies)
        if policy and len(policy.versions) > 1:
            yield self._without_version(policy)

    def delete_policy(self) -> Iterator[Event]:
        policy = self.pick(self.policies)
        if policy and policy.uses == 0:
            while len(policy.versions) > 1:
                yield self._without_version(policy)
            self.policies.remove(policy)
            yield managed_policy.PolicyDeleted(policy_id=policy.id, arn=policy.arn, version_id=policy.default)

    def _without_version(self, policy: Policy) -> Event:
        oldest = next(version for version in policy.versions if version != policy.default)
        policy.versions.remove(oldest)
        return managed_policy.PolicyVersionDeleted(policy_id=policy.id, version_id=oldest)

    def _document(self) -> str:
        statements = [
            {
                "Effect": "Allow",
                "Action": self.random.sample(ACTIONS, self.random.randint(1, 3)),
                "Resource": f"arn:aws:s3:::bucket-{self.random.randrange(1000)}/*",
            }
            for _ in range(self.random.randint(1, 3))
        ]
        return json.dumps({"Version": "2012-10-17", "Statement": statements})

    # What users and groups are granted

    def attach(self) -> Iterator[Event]:
        whom, policy = self._principal(), self.pick([self.policies, self.of_aws][self.number % 5 == 0])
        if whom and policy and policy not in whom.attached and len(whom.attached) < QUOTAS.policies_attached_per_user:
            whom.attached.append(policy)
            policy.uses += 1
            if isinstance(whom, Group):
                yield attachment.GroupPolicyAttached(group_id=whom.id, policy_id=policy.id, policy_arn=policy.arn)
            else:
                yield attachment.UserPolicyAttached(user_id=whom.id, policy_id=policy.id, policy_arn=policy.arn)

    def detach(self) -> Iterator[Event]:
        whom = self._principal()
        if whom and whom.attached:
            yield self._detached(whom, self.random.choice(whom.attached))

    def put_inline(self) -> Iterator[Event]:
        if whom := self._principal():
            name = self.random.choice(INLINE_NAMES)  # three such documents are smaller than any quota
            whom.inline = [*(other for other in whom.inline if other != name), name]
            if isinstance(whom, Group):
                yield inline_policy.GroupPolicyPut(group_id=whom.id, policy_name=name, document=self._document())
            else:
                yield inline_policy.UserPolicyPut(user_id=whom.id, policy_name=name, document=self._document())

    def delete_inline(self) -> Iterator[Event]:
        whom = self._principal()
        if whom and whom.inline:
            yield self._without_inline(whom, whom.inline[0])

    def put_boundary(self) -> Iterator[Event]:
        user, policy = self.pick(self.members), self.pick(self.policies)
        if user and policy and policy is not user.boundary:
            yield from self._unbounded(user)
            user.boundary = policy
            policy.uses += 1
            yield boundary.UserPermissionsBoundaryPut(user_id=user.id, policy_id=policy.id, policy_arn=policy.arn)

    def delete_boundary(self) -> Iterator[Event]:
        if user := self.pick(self.members):
            yield from self._unbounded(user)

    def ungranted(self, user: Member) -> Iterator[Event]:
        """All that stands in the way of a user's deletion, and the boundary, which ends with it."""
        for found in list(user.groups):
            yield self._left(user, found)
        yield from self._cleared(user)
        yield from self._unbounded(user)

    def _principal(self) -> Principal | None:
        return self.pick(self.groups) if self.random.random() < 0.3 else self.pick(self.members)

    def _cleared(self, whom: Principal) -> Iterator[Event]:
        for policy in list(whom.attached):
            yield self._detached(whom, policy)
        for name in list(whom.inline):
            yield self._without_inline(whom, name)

    def _detached(self, whom: Principal, policy: Policy) -> Event:
        whom.attached.remove(policy)
        policy.uses -= 1
        if isinstance(whom, Group):
            return attachment.GroupPolicyDetached(group_id=whom.id, policy_id=policy.id, policy_arn=policy.arn)
        return attachment.UserPolicyDetached(user_id=whom.id, policy_id=policy.id, policy_arn=policy.arn)

    def _without_inline(self, whom: Principal, name: str) -> Event:
        whom.inline.remove(name)
        if isinstance(whom, Group):
            return inline_policy.GroupPolicyDeleted(group_id=whom.id, policy_name=name)
        return inline_policy.UserPolicyDeleted(user_id=whom.id, policy_name=name)

    def _unbounded(self, user: Member) -> Iterator[Event]:
        if policy := user.boundary:
            user.boundary = None
            policy.uses -= 1
            yield boundary.UserPermissionsBoundaryDeleted(user_id=user.id, policy_id=policy.id, policy_arn=policy.arn)

    def pick(self, among: list[T]) -> T | None:
        """Any of them."""
        return self.random.choice(among) if among else None
