"""The kinds of policy documents, and what is special about each.

- Identity policies, also as permissions boundaries and session policies, say nothing of principals. Their Sids, and those of
  trust policies, have letters and digits only.
- Resource policies name a principal. Without a resource they are about the one they are attached to.
- Trust policies name a principal, no resource, and actions of STS alone.
- Service control policies say nothing of principals.
- Resource control policies deny only, to the principal `*`, and know neither NotPrincipal nor NotAction.

Sources: "IAM JSON policy element reference" of the IAM User Guide; "SCP syntax" and "RCP syntax" of the Organizations guide.
What single services add (lists of actions, sizes, what may be absent) is left to whoever knows the service.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Rules:
    """What a kind needs and forbids."""

    article: str
    forbidden: frozenset[str]
    needed: frozenset[str]
    """Which pairs of elements, by the name without Not, need one of the two."""
    plain_sids: bool = False
    only_vendor: str | None = None
    only_effect: str | None = None
    only_everybody: bool = False


class Kind(Enum):
    """What a document is for."""

    IDENTITY = "identity"
    RESOURCE = "resource"
    TRUST = "trust"
    SERVICE_CONTROL = "service-control"
    RESOURCE_CONTROL = "resource-control"

    @property
    def rules(self) -> Rules:
        """What this kind needs and forbids."""
        return _RULES[self]

    def __str__(self) -> str:
        return f"{self.rules.article} {self.value.replace('-', ' ')} policy"


_PRINCIPALS = frozenset({"Principal", "NotPrincipal"})
_ALONE = frozenset({"Action", "Resource"})
_ATTACHED = frozenset({"Action", "Principal"})
_RULES = {
    Kind.IDENTITY: Rules("an", _PRINCIPALS, _ALONE, plain_sids=True),
    Kind.RESOURCE: Rules("a", frozenset(), _ATTACHED),
    Kind.TRUST: Rules("a", frozenset({"Resource", "NotResource"}), _ATTACHED, plain_sids=True, only_vendor="sts"),
    Kind.SERVICE_CONTROL: Rules("a", _PRINCIPALS, _ALONE),
    Kind.RESOURCE_CONTROL: Rules(
        "a", frozenset({"NotPrincipal", "NotAction"}), _ALONE | _ATTACHED, only_effect="Deny", only_everybody=True
    ),
}
