"""What a difference is called: about which resources it is, under which conditions, and for which statements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from iamledger.policy.comparing.automata import EVERYTHING, Glob, Joint, resource_glob
from iamledger.policy.comparing.contexts import told_conditions
from iamledger.policy.comparing.exploring import meets
from iamledger.policy.comparing.sides import LAYERS, Placed, Sides
from iamledger.policy.patterns import Pattern, Wildcard
from iamledger.policy.requests import Layer, Request, learn
from iamledger.policy.substitution import Facts


@dataclass(frozen=True, slots=True)
class Cause:
    """A statement for which something differs: its policy's label, its index there, and on which side it stands.

    Without an index it is a boundary as a whole, which allows too little.
    """

    label: str
    index: int | None
    effect: str
    layer: Layer
    after: bool


class Name(NamedTuple):
    """What is told once for all actions that differ alike.

    `but_for` are patterns of those among the resources that do not differ, since the other side allows them too.
    """

    gained: bool
    resource: str
    but_for: tuple[str, ...]
    condition: str | None
    causes: tuple[Cause, ...]


def name_of(
    sides: Sides,
    about: Sequence[Placed],
    active: Sequence[Placed],
    matching: Sequence[Placed],
    request: Request,
    gained: bool,
) -> Name:
    """The name of a difference, of the statements about an action, those whose conditions hold, and those that match."""
    facts = learn(request, [])
    granting: list[Placed] = []
    causes: list[Cause] = []
    lacking: set[Layer] = set()
    for layer in LAYERS:
        allowing = [placed for placed in matching if placed.allows and placed.layer is layer]
        here = [placed for placed in allowing if placed.on(gained)]
        there = any(placed.on(not gained) for placed in allowing)
        if here:
            granting.append(chosen := _widest(here, request.resource, facts))
            if not there and (layer is Layer.IDENTITY or sides.bounded[not gained]):
                lacking.add(layer)
                causes.append(_cause(chosen, gained))
        elif layer is Layer.BOUNDARY and not there and (label := sides.boundary(not gained)):
            lacking.add(layer)
            causes.append(Cause(label, None, "Allow", layer, not gained))
    denying = [placed for placed in matching if not placed.allows and placed.on(not gained)]
    if denying:
        granting.append(chosen := _widest(denying, request.resource, facts))
        causes.append(_cause(chosen, not gained))
    resource, whole = _most_special(granting, request.resource, facts)
    others = [one for one in active if one.allows and one.layer in lacking and one.on(not gained)]
    asleep = [one for one in about if one not in active and one.is_about(bool(_matching(one, request.resource, facts)))]
    unless = [one for one in asleep if one.on(not gained) and one.layer in lacking and one.allows]
    unless += [one for one in asleep if gained and one.on(gained) and not one.allows]
    return Name(
        gained,
        resource,
        tuple(dict.fromkeys(_overlapping(whole, others, facts))),
        _condition(granting, unless),
        tuple(causes),
    )


def _cause(placed: Placed, after: bool) -> Cause:
    source = placed.on(after)[0]
    return Cause(source.label, source.index, source.effect, source.layer, after)


def _matching(placed: Placed, resource: str, facts: Facts) -> list[Pattern]:
    """Those of a statement's patterns that match a resource."""
    return [pattern for pattern, glob in placed.globs(facts) if Joint([glob]).matching(resource)]


def _literally(pattern: Pattern) -> int:
    return sum(1 if isinstance(part, Wildcard) else 1000 * len(str(part)) for part in pattern.parts)


def _width(placed: Placed, resource: str, facts: Facts) -> float:
    """How little a statement says of a resource that it is about."""
    if not placed.statement.resource:
        return 0
    return min((_literally(pattern) for pattern in _matching(placed, resource, facts)), default=float("inf"))


def _widest(some: Sequence[Placed], resource: str, facts: Facts) -> Placed:
    return min(some, key=lambda placed: (_width(placed, resource, facts), placed.number))


def _most_special(some: Sequence[Placed], resource: str, facts: Facts) -> tuple[str, Glob]:
    """The resources of the statement that says most of them."""
    most = max(some, key=lambda placed: _width(placed, resource, facts))
    if not most.statement.resource:
        return "all but " + ", ".join(pattern.text for pattern in most.statement.not_resource), EVERYTHING
    pattern = min(_matching(most, resource, facts), key=_literally)
    return pattern.text, resource_glob(pattern, facts) or EVERYTHING


def _overlapping(whole: Glob, others: Sequence[Placed], facts: Facts) -> Iterator[str]:
    """The patterns of statements that have resources in common with those of a name."""
    for placed in others:
        if placed.statement.resource:
            for pattern, glob in placed.globs(facts):
                if meets(whole, glob):
                    yield pattern.text


def _condition(granting: Sequence[Placed], unless: Sequence[Placed]) -> str | None:
    wanted = dict.fromkeys(told_conditions(placed.conditions) for placed in granting if placed.conditions)
    without = dict.fromkeys(told_conditions(placed.conditions) for placed in unless)
    parts = ["if " + " and ".join(wanted)] if wanted else []
    parts += ["unless " + " or ".join(without)] if without else []
    return ", ".join(parts) or None
