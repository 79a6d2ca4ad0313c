"""Why a request is allowed or denied.

An explanation finds all statements that match, in one pass, and decides by them as a decision does. What would have been
needed is looked for when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamledger.policy.callers import Grant
from iamledger.policy.combining import ALLOWED, EXPLICIT_DENY, IMPLICIT_DENY, combine, lacking
from iamledger.policy.layers import CompiledLayer, denying, granted
from iamledger.policy.near_misses import NearMiss, could_be_about, near_misses
from iamledger.policy.requests import Decision, Layer, Outcome, Request
from iamledger.policy.sources import Source
from iamledger.policy.substitution import Facts

if TYPE_CHECKING:
    from iamledger.policy.compiled import CompiledPolicies

_OF_ACCOUNTS = (Layer.SERVICE_CONTROL, Layer.IDENTITY, Layer.BOUNDARY, Layer.SESSION)


class Explanation:
    """A decision, and the statements that led to it.

    `matched` are all that match, in every layer that has a say, in the order of the layers; in each, the Denies come first,
    and otherwise there is no order.
    """

    __slots__ = ("_allowing", "_compiled", "_grant", "decision", "matched", "request")

    def __init__(self, compiled: CompiledPolicies, request: Request) -> None:
        self._compiled, self.request = compiled, request
        caller, action, resource, _, _ = request
        action = action.lower()
        known: list[Facts] = []
        matched: list[Source] = []
        self._allowing: list[CompiledLayer] = []
        self._grant = Grant.NONE
        denied: Layer | None = None
        for layer in compiled.layers:
            if not self._has_say(layer):
                continue
            denies = layer.deny.all(action, resource, request, known) if layer.deny else None
            allows = layer.allow.all(action, resource, request, known) if layer.allow else None
            if layer is compiled.resource:
                denies = denying(denies or (), caller, bounded=compiled.bounds(caller))
                allows = [source for source in allows or () if source.grant(caller)]
                self._grant = granted(allows, caller)
            if denies:
                denied = denied or layer.layer
                matched += denies
            if allows:
                self._allowing.append(layer)
                matched += allows
        self.matched: tuple[Source, ...] = tuple(matched)
        self.decision: Decision = EXPLICIT_DENY[denied] if denied else self._combined()

    @property
    def lacking(self) -> tuple[tuple[Layer, int | None], ...]:
        """Each layer that lacks an Allow, with the number of its level in an organisation; none without an implicit deny.

        All are told for lack of which the request is denied, the reason first.
        """
        if self.decision.outcome is not Outcome.IMPLICIT_DENY:
            return ()
        if self.request.caller.account is None:
            return ((Layer.RESOURCE, None),)
        levels = [(layer.layer, layer.level) for layer in self._compiled.service_control if layer not in self._allowing]
        return (*levels, *((layer, None) for layer in lacking(*self._said())))

    @property
    def would_have_matched(self) -> tuple[NearMiss, ...]:
        """The Allows in the lacking layers that are about the action, and what else of each does not fit; the closest first.

        Where an identity policy is lacking within one account, those of the resource policy are among them.
        """
        wanted = {layer for layer, _ in self.lacking}
        if Layer.IDENTITY in wanted and self._same_account():
            wanted.add(Layer.RESOURCE)
        layers = [layer for layer in self._compiled.layers if layer.layer in wanted and layer not in self._allowing]
        return near_misses(
            (placed for layer in layers for placed in layer.allowing()),
            self.request,
            lambda source: source.layer is not Layer.RESOURCE or bool(source.grant(self.request.caller)),
        )

    @property
    def would_have_denied(self) -> tuple[NearMiss, ...]:
        """Of an allowed request: the Denies about the action and the caller that other condition keys could make match.

        What does not fit is conditions, or the resource for the values of variables. Whether a request could have other
        values for those keys is not looked at. The closest come first.
        """
        if not self.decision:
            return ()
        caller, bounded = self.request.caller, self._compiled.bounds(self.request.caller)
        found = near_misses(
            (placed for layer in self._compiled.layers if self._has_say(layer) for placed in layer.denying()),
            self.request,
            lambda source: source.layer is not Layer.RESOURCE or source.denies(caller, bounded=bounded),
        )
        resource = self.request.resource
        return tuple(
            miss for miss in found if not miss.caller and (not miss.resource or could_be_about(miss.source, resource))
        )

    def _has_say(self, layer: CompiledLayer) -> bool:
        return self.request.caller.account is not None or layer.layer not in _OF_ACCOUNTS

    def _combined(self) -> Decision:
        if self.request.caller.account is None:
            return ALLOWED[Layer.RESOURCE] if self._grant else IMPLICIT_DENY[Layer.RESOURCE]
        for layer in self._compiled.service_control:
            if layer not in self._allowing:
                return IMPLICIT_DENY[Layer.SERVICE_CONTROL]
        return combine(*self._said())

    def _said(self) -> tuple[Grant, bool, bool, bool, bool, bool]:
        compiled, allowing = self._compiled, self._allowing
        return (
            self._grant,
            self.request.caller.is_root or compiled.identity in allowing,
            compiled.boundary is None or compiled.boundary in allowing,
            compiled.session is None or compiled.session in allowing,
            self._same_account(),
            compiled.trust,
        )

    def _same_account(self) -> bool:
        return self.request.resource_account in (None, self.request.caller.account)
