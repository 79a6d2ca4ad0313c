"""What a difference is called: about which resources it is, under which conditions, and for which statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from iamledger.policy.comparing.automata import EVERYTHING, Glob, Joint, resource_glob
from iamledger.policy.comparing.contexts import told_conditions
from iamledger.policy.comparing.exploring import meets
from iamledger.policy.comparing.sides import LAYERS, Match, Placed, Sides, literally
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


class Naming:
    """Finds the names of differences between two sides."""

    def __init__(self, sides: Sides) -> None:
        self._sides = sides
        self._known: dict[tuple[Glob, tuple[Glob, ...]], tuple[str, ...]] = {}

    def name(
        self,
        about: Sequence[Placed],
        active: Sequence[Placed],
        matching: Sequence[Match],
        request: Request,
        gained: bool,
    ) -> Name:
        """A name, of the statements about an action, those whose conditions hold, and those that match a request."""
        facts = learn(request, [])
        granting, lacking, causes = self._granting(matching, gained)
        denying = [match for match in matching if not match.placed.allows and match.placed.on(not gained)]
        if denying:
            granting.append(chosen := min(denying, key=_width))
            causes.append(_cause(chosen, not gained))
        most = max(granting, key=_width)
        others = [one for one in active if one.allows and one.layer in lacking and one.on(not gained)]
        asleep = [one for one in about if one not in active and _is_about(one, request.resource, facts)]
        unless = [one for one in asleep if one.on(not gained) and one.layer in lacking and one.allows]
        unless += [one for one in asleep if gained and one.on(gained) and not one.allows]
        return Name(
            gained,
            most.resources,
            self._overlapping(most, others, facts),
            _condition([match.placed for match in granting], unless),
            tuple(causes),
        )

    def _granting(self, matching: Sequence[Match], gained: bool) -> tuple[list[Match], set[Layer], list[Cause]]:
        """The Allow of each layer that grants on one side, the layers that do not on the other, and what is so for that."""
        granting: list[Match] = []
        lacking: set[Layer] = set()
        causes: list[Cause] = []
        for layer in LAYERS:
            allowing = [match for match in matching if match.placed.allows and match.placed.layer is layer]
            here = [match for match in allowing if match.placed.on(gained)]
            there = any(match.placed.on(not gained) for match in allowing)
            other = self._sides.boundary(not gained) if layer is Layer.BOUNDARY else None
            if here:
                granting.append(chosen := min(here, key=_width))
            if not there and here and (layer is Layer.IDENTITY or other):
                lacking.add(layer)
                causes.append(_cause(chosen, gained))
            elif not there and other:
                lacking.add(layer)
                causes.append(Cause(other, None, "Allow", layer, not gained))
        return granting, lacking, causes

    def _overlapping(self, most: Match, others: Sequence[Placed], facts: Facts) -> tuple[str, ...]:
        """The patterns of statements that have resources in common with those of a match."""
        whole = (resource_glob(most.pattern, facts) if most.pattern else None) or EVERYTHING
        found = [one for placed in others if placed.statement.resource for one in placed.globs(facts)]
        key = (whole, tuple(glob for _, glob in found))
        if key not in self._known:
            self._known[key] = tuple(dict.fromkeys(pattern.text for pattern, glob in found if meets(whole, glob)))
        return self._known[key]


def _cause(match: Match, after: bool) -> Cause:
    source = match.placed.on(after)[0]
    return Cause(source.label, source.index, source.effect, source.layer, after)


def _width(match: Match) -> tuple[int, int]:
    """How little a statement says of a resource that it is about."""
    return (literally(match.pattern) if match.pattern else 0, match.placed.number)


def _is_about(placed: Placed, resource: str, facts: Facts) -> bool:
    return placed.is_about(any(Joint([glob]).matching(resource) for _, glob in placed.globs(facts)))


def _condition(granting: Sequence[Placed], unless: Sequence[Placed]) -> str | None:
    wanted = dict.fromkeys(told_conditions(placed.conditions) for placed in granting if placed.conditions)
    without = dict.fromkeys(told_conditions(placed.conditions) for placed in unless)
    parts = ["if " + " and ".join(wanted)] if wanted else []
    parts += ["unless " + " or ".join(without)] if without else []
    return ", ".join(parts) or None
