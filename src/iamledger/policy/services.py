"""Services as policies speak of them: their actions, the resources that those are about, and the keys of conditions.

This is what a catalogue of services tells. Whoever has one gives it to what needs it (`Services`); where it is read from is
not known here. All names compare without regard to case, as IAM compares them; mappings have them in lower case.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

AccessLevel = Literal["List", "Read", "Write", "Tagging", "Permissions management"]
"""What an action does at most, in the words of AWS's service authorization reference."""

ACCESS_LEVELS: tuple[AccessLevel, ...] = get_args(AccessLevel)


@dataclass(frozen=True, slots=True)
class ActionResource:
    """A type of resources that an action is about. `condition_keys` are those that it has with these alone."""

    type: str
    condition_keys: tuple[str, ...] = ()
    dependent_actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Action:
    """An action of a service. One without resources is allowed on `*` only.

    `dependent_actions` are what somebody needs beside it, such as `iam:PassRole`.
    """

    name: str
    access_level: AccessLevel
    description: str = ""
    resources: tuple[ActionResource, ...] = ()
    condition_keys: tuple[str, ...] = ()
    dependent_actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A type of resources. The forms of its ARNs have `${Name}` wherever an ARN has something of its own."""

    name: str
    arns: tuple[str, ...]
    condition_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConditionKey:
    """A key of conditions. `name` has `${Name}` or `<name>` where a tag key or the like stands.

    `type` is String, Numeric, Date, Bool, ARN or IPAddress, with ArrayOf before it if a request has several values for it.
    """

    name: str
    type: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """A service. Its mappings go by names in lower case; actions without the prefix."""

    prefix: str
    name: str
    source: str
    """Where its description comes from: the catalogue that came with the product, or a file."""
    actions: Mapping[str, Action]
    resource_types: Mapping[str, ResourceType]
    condition_keys: Mapping[str, ConditionKey]


class Services(Protocol):
    """A catalogue."""

    def prefixes(self) -> Collection[str]:
        """The prefixes of all services, in lower case."""

    def service(self, prefix: str) -> Service | None:
        """The service of a prefix."""
