"""What an account's users hold: each policy with its text in force; how, from whom and since which position they have it.

Read from a view, so it is of one moment; nothing is parsed or compiled before it is asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from iamledger.policy import Caller, Policy, PolicyDocument, PolicyError, PolicySet, parse
from iamledger.principals import user_as_caller
from iamledger_projections.reports.grants import READS, grant_rows

if TYPE_CHECKING:
    from iamledger.engine.view import Row, View

__all__ = ["READS", "Grants", "Group", "HeldPolicy", "Holding", "How", "UnreadablePolicy", "User", "read_grants"]


class UnreadablePolicy(Exception):
    """A policy in force cannot be read, so nothing can be said of what its holders may do."""


class How(NamedTuple):
    """Who granted something, when, why, and at which position."""

    position: int
    at: datetime
    by: dict[str, Any]
    reason: str | None = None
    ticket: str | None = None


@dataclass(frozen=True)
class HeldPolicy:
    """A policy in force. `label` names it, and in explanations it stands for it; no two of an account have the same.

    `type` is `AWS managed`, `Customer managed` or `Inline`; `arn` and `version` are those of managed ones, `owner` is the
    user or group, by id, of an inline one.
    """

    label: str
    name: str
    type: str
    text: str | None = field(repr=False)
    arn: str | None = None
    version: str | None = None
    owner: str | None = None

    @cached_property
    def document(self) -> PolicyDocument:
        """The text, understood. Raises UnreadablePolicy."""
        if self.text is None:
            raise UnreadablePolicy(f"{self.label} has no version in force.")
        try:
            return parse(self.text)
        except PolicyError as error:
            raise UnreadablePolicy(f"{self.label} cannot be read: {error}") from None

    @property
    def policy(self) -> Policy:
        """For the policy engine. Raises UnreadablePolicy."""
        return Policy(self.label, self.document)


@dataclass(frozen=True, slots=True)
class User:
    """A user."""

    id: str
    name: str
    arn: str
    tags: Mapping[str, str]
    create_date: datetime


@dataclass(frozen=True, slots=True)
class Group:
    """A group."""

    id: str
    name: str
    arn: str


class Holding(NamedTuple):
    """A policy that a user holds: its own, or through a group, which it then `joined`."""

    policy: HeldPolicy
    granted: How
    group: Group | None = None
    joined: How | None = None


class Grants:
    """The grants of an account, or of one user, at a position."""

    def __init__(self, account_id: str, position: int) -> None:
        self.account_id, self.position = account_id, position
        self.users: dict[str, User] = {}
        self.groups: dict[str, Group] = {}
        self.policies: dict[str, HeldPolicy] = {}
        """All policies in force, by label, held by somebody or not."""
        self.granted: dict[str, list[tuple[HeldPolicy, How]]] = defaultdict(list)
        """What users and groups have of their own, by id."""
        self.groups_of: dict[str, list[tuple[str, How]]] = defaultdict(list)
        """The ids of each user's groups, by the user's id."""
        self.boundaries: dict[str, tuple[HeldPolicy, How]] = {}
        """By the user's id."""

    @cached_property
    def members(self) -> Mapping[str, list[str]]:
        """The ids of each group's users, by the group's id."""
        found: dict[str, list[str]] = defaultdict(list)
        for user_id, groups in self.groups_of.items():
            for group_id, _ in groups:
                found[group_id].append(user_id)
        return found

    @cached_property
    def holders(self) -> Mapping[str, list[str]]:
        """The ids of the users and groups that have a policy of their own, by the policy's label."""
        found: dict[str, list[str]] = defaultdict(list)
        for principal_id, held in self.granted.items():
            for policy, _ in held:
                found[policy.label].append(principal_id)
        return found

    def holdings(self, user_id: str) -> Iterator[Holding]:
        """Everything that a user holds: its own policies, then those of its groups."""
        for policy, granted in self.granted.get(user_id, ()):
            yield Holding(policy, granted)
        for group_id, joined in self.groups_of.get(user_id, ()):
            for policy, granted in self.granted.get(group_id, ()):
                yield Holding(policy, granted, self.groups.get(group_id), joined)

    def policy_set(self, user_id: str) -> PolicySet:
        """A user's policies and boundary. Raises UnreadablePolicy."""
        held = {holding.policy.label: holding.policy for holding in self.holdings(user_id)}
        boundary = self.boundaries.get(user_id)
        return PolicySet(
            identity=tuple(policy.policy for policy in held.values()),
            boundary=boundary[0].policy if boundary else None,
        )

    def caller(self, user_id: str) -> Caller:
        """A user as a caller, with the context keys that go with it."""
        user = self.users[user_id]
        return user_as_caller(user.arn, user.id, user.name, user.tags)


def read_grants(view: View, user_id: str | None = None) -> Grants:
    """The grants of all users, or of one of them, as of the view, which must have the projections `READS`."""
    rows = grant_rows(view, user_id)
    found = Grants(view.account_id, view.position)
    for row in rows.users:
        user = User(row["user_id"], row["user_name"], row["arn"], dict(row["tags"] or ()), row["create_date"])
        found.users[user.id] = user
    for row in rows.groups:
        found.groups[row["group_id"]] = Group(row["group_id"], row["group_name"], row["arn"])
    managed: dict[str, HeldPolicy] = {}
    for row in rows.managed:
        policy = _managed(row)
        managed[row["policy_id"]] = found.policies[policy.label] = policy
    for row in rows.inline:
        policy = _inline(row)
        found.policies[policy.label] = policy
        found.granted[row["principal_id"]].append((policy, _how(row)))
    for row in rows.attached:
        found.granted[row["principal_id"]].append((_held(managed, row["policy_id"]), _how(row)))
    for row in rows.memberships:
        found.groups_of[row["user_id"]].append((row["group_id"], _how(row)))
    for row in rows.boundaries:
        found.boundaries[row["user_id"]] = (
            _held(managed, row["policy_id"]),
            How(row["position"], row["at"], _actor(row["by"])),
        )
    return found


def _how(row: Row) -> How:
    return How(row["position"], row["at"], _actor(row["by"]), row["reason"], row["ticket"])


@lru_cache(maxsize=1024)
def _actor(text: str) -> dict[str, Any]:
    return dict(orjson.loads(text))


def _managed(row: Row) -> HeldPolicy:
    type_ = "AWS managed" if row["scope"] == "AWS" else "Customer managed"
    label = f"{row['arn']} {row['version_id']}"
    return HeldPolicy(label, row["policy_name"], type_, row["document"], row["arn"], row["version_id"])


def _inline(row: Row) -> HeldPolicy:
    owner = row["principal_id"]
    label = f"inline policy {row['policy_name']} of {row['principal_type'].lower()} {owner}"
    return HeldPolicy(label, row["policy_name"], "Inline", row["document"], owner=owner)


def _held(managed: Mapping[str, HeldPolicy], policy_id: str) -> HeldPolicy:
    """The product lets nobody have a policy that is not there. If somebody has one, nothing can be said of them."""
    return managed.get(policy_id) or HeldPolicy(policy_id, policy_id, "Managed", None)
