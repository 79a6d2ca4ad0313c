"""All the policies that have a say about a caller's requests for a resource."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from iamledger.policy.kinds import Kind
from iamledger.policy.requests import Layer
from iamledger.policy.sources import Policy

KINDS = {
    Layer.RESOURCE_CONTROL: (Kind.RESOURCE_CONTROL,),
    Layer.SERVICE_CONTROL: (Kind.SERVICE_CONTROL,),
    Layer.RESOURCE: (Kind.RESOURCE, Kind.TRUST),
    Layer.IDENTITY: (Kind.IDENTITY,),
    Layer.BOUNDARY: (Kind.IDENTITY,),
    Layer.SESSION: (Kind.IDENTITY,),
}
"""The kinds of documents that a layer may have."""

Levels = tuple[tuple[Policy, ...], ...]


@dataclass(frozen=True, slots=True)
class PolicySet:
    """The policies, in any order within a layer (rule 18). Raises ValueError if a document's kind is not its layer's.

    `identity` are the caller's own and its groups' policies. Without a `boundary` or `session` policies, nothing is bounded
    by them. `service_control` and `resource_control` have the policies of each level of an organisation, from its root to
    the account: of the caller's account, and of the resource's. Without an organisation, and for its management account,
    there are no levels (rule 4).
    """

    identity: tuple[Policy, ...] = ()
    boundary: Policy | None = None
    session: tuple[Policy, ...] = ()
    resource: Policy | None = None
    service_control: Levels = ()
    resource_control: Levels = ()

    def __post_init__(self) -> None:
        for layer, _, policies in self.layers():
            for policy in policies:
                if policy.document.kind not in KINDS[layer]:
                    raise ValueError(f"{policy.label} is {policy.document.kind}, and cannot be a {layer.value}")

    def layers(self) -> Iterator[tuple[Layer, int | None, tuple[Policy, ...]]]:
        """Each layer that there is, with the number of its level in an organisation, in the order of reasons (rule 2)."""
        for level, policies in enumerate(self.resource_control):
            yield Layer.RESOURCE_CONTROL, level, policies
        for level, policies in enumerate(self.service_control):
            yield Layer.SERVICE_CONTROL, level, policies
        if self.resource:
            yield Layer.RESOURCE, None, (self.resource,)
        yield Layer.IDENTITY, None, self.identity
        if self.boundary:
            yield Layer.BOUNDARY, None, (self.boundary,)
        if self.session:
            yield Layer.SESSION, None, self.session
