"""Policies compiled once, and decisions on requests.

Every layer is asked in the order of reasons, so that the first explicit Deny is the one that is told (rules 1 and 2).

- Service control policies bind whoever belongs to an account, its root too (rule 3), and grants by resource policies too
  (rule 5); every level needs an Allow (rule 4). Resource control policies bind everybody, and only deny (rules 5 and 6).
- Identity policies, boundary and session policies are not looked at for who belongs to no account: services, identity
  providers and anonymous callers have the resource policy alone (rules 14 and 15).
"""

from __future__ import annotations

from collections.abc import Sequence

from iamledger.policy.callers import Caller, Grant
from iamledger.policy.combining import ALLOWED, EXPLICIT_DENY, IMPLICIT_DENY, combine
from iamledger.policy.explanations import Explanation
from iamledger.policy.kinds import Kind
from iamledger.policy.layers import CompiledLayer, denying, granted
from iamledger.policy.policy_sets import Levels, PolicySet
from iamledger.policy.requests import Decision, Layer, Request
from iamledger.policy.sources import Policy
from iamledger.policy.substitution import Facts


class CompiledPolicies:
    """A set of policies that answers for any number of requests. Immutable, and safe to share between threads."""

    def __init__(self, layers: Sequence[CompiledLayer], *, trust: bool) -> None:
        self.layers, self.trust = tuple(layers), trust
        self._resource_control = self._levels(Layer.RESOURCE_CONTROL)
        self.service_control = self._levels(Layer.SERVICE_CONTROL)
        self.resource = self._layer(Layer.RESOURCE)
        self.identity = self._layer(Layer.IDENTITY)
        self.boundary = self._layer(Layer.BOUNDARY)
        self.session = self._layer(Layer.SESSION)

    def decide(self, request: Request) -> Decision:
        """Whether a request is allowed, and which layer decided."""
        caller, action, resource, resource_account, _ = request
        action, account = action.lower(), caller.account
        known: list[Facts] = []

        for level in self._resource_control:
            if level.denies(action, resource, request, known):
                return EXPLICIT_DENY[Layer.RESOURCE_CONTROL]
        controlled = True
        for level in self.service_control if account else ():
            if level.denies(action, resource, request, known):
                return EXPLICIT_DENY[Layer.SERVICE_CONTROL]
            controlled = controlled and level.allows(action, resource, request, known)

        grant = Grant.NONE
        if (layer := self.resource) is not None:
            bounded = self.bounds(caller)
            if layer.deny and denying(layer.deny.all(action, resource, request, known), caller, bounded=bounded):
                return EXPLICIT_DENY[Layer.RESOURCE]
            if layer.allow:
                grant = granted(layer.allow.all(action, resource, request, known), caller)
        if account is None:
            return ALLOWED[Layer.RESOURCE] if grant else IMPLICIT_DENY[Layer.RESOURCE]

        identity, boundary, session = caller.is_root, True, True
        if (layer := self.identity) is not None:
            if layer.deny and layer.deny.any(action, resource, request, known):
                return EXPLICIT_DENY[Layer.IDENTITY]
            identity = identity or (layer.allow is not None and layer.allow.any(action, resource, request, known))
        if (layer := self.boundary) is not None:
            if layer.denies(action, resource, request, known):
                return EXPLICIT_DENY[Layer.BOUNDARY]
            boundary = layer.allows(action, resource, request, known)
        if (layer := self.session) is not None:
            if layer.denies(action, resource, request, known):
                return EXPLICIT_DENY[Layer.SESSION]
            session = layer.allows(action, resource, request, known)
        if not controlled:
            return IMPLICIT_DENY[Layer.SERVICE_CONTROL]
        same_account = resource_account is None or resource_account == account
        return combine(grant, identity, boundary, session, same_account, self.trust)

    def explain(self, request: Request) -> Explanation:
        """The same decision, and why."""
        return Explanation(self, request)

    def beside(self, resource: Policy | None, resource_control: Levels = ()) -> CompiledPolicies:
        """The same policies of the caller's side beside those of another resource; only these are compiled."""
        kept = [layer for layer in self.layers if layer.layer not in (Layer.RESOURCE, Layer.RESOURCE_CONTROL)]
        added = compile_policies(PolicySet(resource=resource, resource_control=resource_control))
        new = [layer for layer in added.layers if layer.layer in (Layer.RESOURCE, Layer.RESOURCE_CONTROL)]
        return CompiledPolicies([*new, *kept], trust=added.trust)

    def bounds(self, caller: Caller) -> bool:
        """Whether a caller has a permissions boundary."""
        return self.boundary is not None and caller.account is not None

    def _levels(self, wanted: Layer) -> tuple[CompiledLayer, ...]:
        return tuple(layer for layer in self.layers if layer.layer is wanted)

    def _layer(self, wanted: Layer) -> CompiledLayer | None:
        return next(iter(self._levels(wanted)), None)


def compile_policies(policies: PolicySet) -> CompiledPolicies:
    """Compile policies. For each statement it takes about as long as a dozen decisions."""
    layers = [CompiledLayer(layer, level, some) for layer, level, some in policies.layers()]
    trust = policies.resource is not None and policies.resource.document.kind is Kind.TRUST
    return CompiledPolicies(layers, trust=trust)
