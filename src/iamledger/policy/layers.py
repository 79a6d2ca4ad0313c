"""One layer of policies, compiled: an index of its Denies, and one of its Allows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from iamledger.policy.callers import Caller, Grant
from iamledger.policy.entries import Placed
from iamledger.policy.index import Index
from iamledger.policy.requests import Layer, Request
from iamledger.policy.sources import Policy, Source, sources
from iamledger.policy.substitution import Facts


class CompiledLayer:
    """A layer. An index that would be empty is None. `action` is in lower case everywhere."""

    __slots__ = ("allow", "deny", "layer", "level")

    def __init__(self, layer: Layer, level: int | None, policies: Iterable[Policy]) -> None:
        self.layer, self.level = layer, level
        every = [source for policy in policies for source in sources(policy, layer, level)]
        denies = [source for source in every if source.effect == "Deny"]
        allows = [source for source in every if source.effect == "Allow"]
        self.deny = Index(denies) if denies else None
        self.allow = Index(allows) if allows else None

    def denies(self, action: str, resource: str, request: Request, known: list[Facts]) -> bool:
        """Whether a Deny matches."""
        return self.deny is not None and self.deny.any(action, resource, request, known)

    def allows(self, action: str, resource: str, request: Request, known: list[Facts]) -> bool:
        """Whether an Allow matches."""
        return self.allow is not None and self.allow.any(action, resource, request, known)

    def allowing(self) -> Sequence[tuple[Source, Sequence[Placed]]]:
        """The statements that allow something, with their entries."""
        return self.allow.placed if self.allow is not None else ()

    def denying(self) -> Sequence[tuple[Source, Sequence[Placed]]]:
        """The statements that deny something, with their entries."""
        return self.deny.placed if self.deny is not None else ()


def denying(found: Iterable[Source], caller: Caller, *, bounded: bool) -> list[Source]:
    """Those of a resource policy's matching Denies that are about a caller."""
    return [source for source in found if source.denies(caller, bounded=bounded)]


def granted(found: Iterable[Source], caller: Caller) -> Grant:
    """What a resource policy's matching Allows grant to a caller: the most that one of them does."""
    return max((source.grant(caller) for source in found), default=Grant.NONE)
