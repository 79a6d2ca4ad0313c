"""What the parts of the model share: states, refusals, values that only the ledger can know, and rules for values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias

State = dict[str, Any]
Fields = dict[str, Any]
Args = Mapping[str, Any]
Told = list[tuple[str, Fields]]
"""Events: their types and fields."""
Meaning: TypeAlias = Callable[[State, Fields, datetime], None]
"""Changes the state by an event, and asserts that it was legal where it stands."""

SMALL = {
    "users_per_account": 4,
    "access_keys_per_user": 2,
    "tags_per_resource": 3,
    "groups_per_account": 3,
    "groups_per_user": 2,
    "policies_per_account": 4,
    "versions_per_policy": 3,
    "policies_attached_per_user": 2,
    "policies_attached_per_group": 2,
    "policy_size": 160,
    "inline_policies_size_per_user": 220,
    "inline_policies_size_per_group": 300,
    "resource_policy_size": 900,
}
"""Quotas that random commands use up."""
IAMS = {
    "users_per_account": 5000,
    "access_keys_per_user": 2,
    "tags_per_resource": 50,
    "groups_per_account": 300,
    "groups_per_user": 10,
    "policies_per_account": 1500,
    "versions_per_policy": 5,
    "policies_attached_per_user": 10,
    "policies_attached_per_group": 10,
    "policy_size": 6144,
    "inline_policies_size_per_user": 2048,
    "inline_policies_size_per_group": 5120,
    "resource_policy_size": 20480,
}
"""IAM's own quotas."""


def nothing(quotas: Mapping[str, int]) -> State:
    """The state before the first event."""
    return {
        "quotas": quotas,
        "position": 0,
        "number": None,
        "account": None,
        "ids": set(),
        "users": {},
        "keys": {},
        "uses": {},
        "noted": set(),
        "revocations": {},
        "gone": {},
        "groups": {},
        "memberships": {},  # by user and group
        "policies": {},
        "versions": {},  # by policy and version, oldest first
        "attached": {},  # by user or group, and policy
        "inline": {},  # by user or group, and name
        "boundaries": {},  # by user
        "resources": {},  # by ARN
        "resource policies": {},  # by ARN
    }


def copied(state: State) -> State:
    """A state that can change by itself: things are copied, their values are never changed in place."""
    return {name: _copied(value) for name, value in state.items()}


def _copied(value: Any) -> Any:
    match value:
        case dict():
            return {key: dict(thing) if isinstance(thing, dict) else thing for key, thing in value.items()}
        case set():
            return set(value)
    return value


class New:
    """A new id: only the ledger can know it, but it is the same wherever it stands."""


@dataclass(frozen=True)
class End:
    """The end of a grace. An end that was recorded before is never put off."""

    grace: timedelta
    at_most: datetime | None
    decided: datetime

    @property
    def assumed(self) -> datetime:
        """When that is, if the decision was made at the last event."""
        end = self.decided + self.grace
        return end if self.at_most is None else min(end, self.at_most)


class Refused(Exception):
    """The command is refused with this code."""

    @property
    def code(self) -> str:
        """IAM's error code."""
        return str(self.args[0])


@dataclass(frozen=True)
class Command:
    """What must come of a command: events, or `Refused`. `references` says how its things may be called at all."""

    decide: Callable[..., Told]
    references: Mapping[str, Callable[[str], None]] = field(default_factory=dict)


def require(condition: object, code: str = "ValidationError") -> None:
    """Refuse the command unless this is so."""
    if not condition:
        raise Refused(code)


def check_path(path: str) -> None:
    """The path of a user or group."""
    require(re.fullmatch(r"/|/[!-~]+/", path) and len(path) <= 512)


def entity_name(name: str) -> None:
    """What a user, a group or an inline policy may be called."""
    require(re.fullmatch(r"[A-Za-z0-9_+=,.@-]+", name) and len(name) <= 128)


def called(things: Mapping[str, Fields], name: str) -> str | None:
    """The id of the thing that has a name."""
    found = [id_ for id_, thing in things.items() if thing["name"].lower() == name.lower()]
    assert len(found) <= 1, f"{name} is held by {found}"
    return found[0] if found else None


def named(things: Mapping[str, Fields], name: str) -> tuple[str, Fields]:
    """The thing that has a name, with its id; a command about what is not there is refused."""
    id_ = called(things, name)
    if id_ is None:
        raise Refused("NoSuchEntity")
    return id_, things[id_]


def take_id(state: State, id_: str) -> None:
    """Ids are never used again."""
    assert id_ not in state["ids"], "the id was used before"
    state["ids"].add(id_)


def time_of(text: str | End | None) -> datetime | None:
    """The moment that a field holds."""
    if isinstance(text, End):
        return text.assumed
    return None if text is None else datetime.fromisoformat(text)


def told_time(time: datetime | None) -> str | None:
    """The field that holds a moment."""
    return None if time is None else time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
