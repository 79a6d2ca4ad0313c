"""A request, and what is decided of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from iamledger.policy.callers import Caller
from iamledger.policy.substitution import Fact, Facts


class Request(NamedTuple):
    """Who wants to do what, to which resource.

    `resource_account` is the account that has the resource; None means that it is the caller's. `context` has condition keys
    with a single value (a string, boolean or number) or a list of them.
    """

    caller: Caller
    action: str
    resource: str
    resource_account: str | None = None
    context: Mapping[str, Fact] = {}


def learn(request: Request, known: list[Facts]) -> Facts:
    """The facts of a request: the caller's context keys and its own, in lower case.

    They are noted in `known`, an empty list, so that they are made once for all layers, and only if a statement asks.
    """
    facts = {key.lower(): value for key, value in request.context.items()}
    known.append({**request.caller.facts, **facts} if request.caller.facts else facts)
    return known[0]


class Outcome(Enum):
    """Whether a request may be fulfilled. Without an Allow it may not (rule 1)."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicitDeny"
    IMPLICIT_DENY = "implicitDeny"


class Layer(Enum):
    """The kinds of policies that have a say, in the order in which they are told as a reason (rule 2)."""

    RESOURCE_CONTROL = "resource control policy"
    SERVICE_CONTROL = "service control policy"
    RESOURCE = "resource-based policy"
    IDENTITY = "identity-based policy"
    BOUNDARY = "permissions boundary"
    SESSION = "session policy"


@dataclass(frozen=True, slots=True)
class Decision:
    """An outcome, and the layer that decided: the first in the order of reasons that denied, or the one that granted."""

    outcome: Outcome
    layer: Layer

    def __bool__(self) -> bool:
        return self.outcome is Outcome.ALLOWED

    def __str__(self) -> str:
        return f"{self.outcome.value}: {self.layer.value}"
