"""What a caller must be permitted to do, for a decision to be made for it: an action, and the resource that it is about.

Actions, resources and keys are those of IAM's service authorization reference; where IAM has no such action, they are of a
service of our own, `iamledger`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

Told = Callable[[str, Mapping[str, Any]], str | None]
"""Makes an ARN of the account's number and a decision's arguments, nouns included; None if there is nothing to permit."""


@dataclass(frozen=True, slots=True)
class Permission:
    """An action on a resource. `on` is a parameter of the decision that tells the resource, or what makes its ARN.

    `keys` are keys of the request's context, by the parameters that tell their values: a noun its ARN, tags and tag keys
    theirs. With `when`, it is needed only if that parameter was given.
    """

    action: str
    on: str | Told
    keys: Mapping[str, str] = field(default_factory=dict)
    when: str | None = None


D = TypeVar("D", bound=Callable[..., Any])
_needed: dict[Callable[..., Any], tuple[Permission, ...]] = {}


def needs(
    action: str, on: str | Told, *, keys: Mapping[str, str] | None = None, when: str | None = None
) -> Callable[[D], D]:
    """Marks a decision: its caller needs a permission. Several marks mean that it needs all of them."""

    def marked(decision: D) -> D:
        _needed[decision] = (Permission(action, on, keys or {}, when), *permissions_of(decision))
        return decision

    return marked


def permissions_of(decision: Callable[..., Any]) -> tuple[Permission, ...]:
    """The permissions that a decision's caller needs. Without any, nobody but the local operator has it made."""
    return _needed.get(decision, ())
