"""Statements about an action that do not match a request for its resource, its caller or its conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from iamledger.policy.condition_tests import condition_test
from iamledger.policy.document import Condition
from iamledger.policy.entries import Placed, entries
from iamledger.policy.requests import Request, learn
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


def near_misses(
    statements: Iterable[tuple[Source, Sequence[Placed]]], request: Request, is_about_caller: Callable[[Source], bool]
) -> tuple[NearMiss, ...]:
    """Those of some statements that would match but for something else than the action; who lacks least comes first."""
    facts, action = learn(request, []), request.action.lower()
    found = [
        miss
        for source, placed in statements
        if (miss := _near_miss(source, placed, action, request.resource, facts, is_about_caller))
    ]
    return tuple(sorted(found, key=lambda miss: (miss.resource + miss.caller, len(miss.conditions))))


def could_be_about(source: Source, resource: str) -> bool:
    """Whether a statement is about a resource for some values of the variables in its resources."""
    return any(
        (pattern is None or resource.startswith(pattern.prefix))
        and (entry.resource is None or entry.resource(resource))
        for pattern, entry in entries(source, possible=True)
    )


def _near_miss(
    source: Source,
    placed: Sequence[Placed],
    action: str,
    resource: str,
    facts: Facts,
    is_about_caller: Callable[[Source], bool],
) -> NearMiss | None:
    """What does not fit of a statement; None if all does, or if it is not about the action."""
    fits = False
    for pattern, entry in placed:
        if entry.action is not None and not entry.action(action):
            return None
        fits = fits or (
            (pattern is None or resource.startswith(pattern.prefix))
            and (entry.resource is None or entry.resource(resource))
            and (entry.variables is None or entry.variables(resource, facts))
        )
    hold = placed[0][1].conditions
    caller = not is_about_caller(source)
    conditions = () if hold is None or hold(facts) else source.statement.conditions
    failed = tuple(condition for condition in conditions if not condition_test(condition)(facts))
    return None if fits and not caller and not failed else NearMiss(source, not fits, caller, failed)
