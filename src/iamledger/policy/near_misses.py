"""Statements about an action that do not match a request for its resource, its caller or its conditions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from iamledger.policy.condition_tests import condition_test
from iamledger.policy.document import Condition
from iamledger.policy.entries import entries
from iamledger.policy.requests import Layer, Request, learn
from iamledger.policy.sources import Source
from iamledger.policy.substitution import Facts


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A statement, and what of it does not fit. `conditions` are those that do not hold."""

    source: Source
    resource: bool
    caller: bool
    conditions: tuple[Condition, ...]

    def __str__(self) -> str:
        wrong = ["the resource"] * self.resource + ["the principal"] * self.caller
        wrong += [f"the condition {condition.operator} of {condition.key}" for condition in self.conditions]
        return f"{self.source}, but for {', '.join(wrong)}"


def near_misses(sources: Iterable[Source], request: Request) -> tuple[NearMiss, ...]:
    """Those of some statements that would match but for something else than the action; who lacks least comes first."""
    facts = learn(request, [])
    found = [miss for source in sources if (miss := near_miss(source, request, facts))]
    return tuple(sorted(found, key=lambda miss: (miss.resource + miss.caller, len(miss.conditions))))


def near_miss(source: Source, request: Request, facts: Facts) -> NearMiss | None:
    """What does not fit of a statement; None if all does, or if it is not about the action."""
    action, resource = request.action.lower(), request.resource
    fits = False
    for pattern, entry in entries(source, possible=False):
        if entry.action is not None and not entry.action(action):
            return None
        fits = fits or (
            (pattern is None or resource.startswith(pattern.prefix))
            and (entry.resource is None or entry.resource(resource))
            and (entry.variables is None or entry.variables(resource, facts))
        )
    caller = source.layer is Layer.RESOURCE and not source.grant(request.caller)
    failed = tuple(condition for condition in source.statement.conditions if not condition_test(condition)(facts))
    return None if fits and not caller and not failed else NearMiss(source, not fits, caller, failed)
