"""What a difference is called: about which resources it is, under which conditions, and for which statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from iamledger.policy.callers import Grant
from iamledger.policy.comparing.areas import both
from iamledger.policy.comparing.contexts import told_conditions
from iamledger.policy.comparing.exceptions import Exceptions
from iamledger.policy.comparing.sides import PASSES, Match, Placed, Sides, literally
from iamledger.policy.patterns import read_pattern
from iamledger.policy.requests import Layer
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

    `but_for` are those among the resources for which it is not so, in words: as the same side denies them, or does not
    allow them in all layers, or the other side allows them too; with the conditions for which that is so.
    """

    gained: bool
    resource: str
    but_for: tuple[str, ...]
    condition: str | None
    causes: tuple[Cause, ...]


class Naming:
    """Finds the names of differences between two sides."""

    def __init__(self, sides: Sides, known: Facts, inside: Sequence[str] = ()) -> None:
        """`known` are the caller's own keys, in lower case; what is `inside` the area is governed by itself."""
        self._sides, self._inside = sides, [read_pattern(text, variables=False) for arn in inside for text in both(arn)]
        self._exceptions = Exceptions(known)

    def name(self, about: Sequence[Placed], matching: Sequence[Match], gained: bool) -> Name:
        """A name, of the statements about an action, and of those that match a request that shows it."""
        granting, lacking, causes = self._granting(matching, gained)
        denying = [match for match in matching if not match.placed.allows and match.placed.on(not gained)]
        against: list[Placed] = []
        if denying:
            granting.append(chosen := min(denying, key=_width))
            causes.append(_cause(chosen, not gained))
        else:
            against += [one for one in about if one.allows and _fills(one, lacking) and one.on(not gained)]
        against += [one for one in about if not one.allows and one.on(gained)]
        most = max(granting, key=_width)
        but_for, unless = self._excepted(most, against)
        beyond = [text for match in granting if match is not most for text in self._exceptions.beyond(most, match)]
        beyond += self._exceptions.among(most, self._inside)
        return Name(
            gained,
            most.resources,
            tuple(dict.fromkeys([*beyond, *but_for])),
            _condition([match.placed for match in granting], unless),
            tuple(causes),
        )

    def _granting(self, matching: Sequence[Match], gained: bool) -> tuple[list[Match], set[Layer], list[Cause]]:
        """The Allow of each layer that grants on one side, the layers that do not on the other, and what is so for that."""
        granting: list[Match] = []
        lacking: set[Layer] = set()
        causes: list[Cause] = []
        passed = self._sides.granted(matching, not gained)
        for layer, needed in PASSES.items():
            allowing = [match for match in matching if match.placed.allows and match.placed.layer is layer]
            here = [match for match in allowing if match.placed.on(gained)]
            passing = [match for match in matching if match.placed.on(gained) and match.placed.grant >= needed]
            there = passed >= needed or any(match.placed.on(not gained) for match in allowing)
            other = self._sides.boundary(not gained) if layer is Layer.BOUNDARY else None
            chosen = [min(some, key=_width) for some in (passing, here) if some]
            granting += [match for match in chosen[:1] if match not in granting]
            if not there and chosen and (layer is Layer.IDENTITY or other):
                lacking.add(layer)
                causes += [_cause(match, gained) for match in chosen]
            elif not there and other:
                lacking.add(layer)
                causes.append(Cause(other, None, "Allow", layer, not gained))
        return granting, lacking, list(dict.fromkeys(causes))

    def _excepted(self, most: Match, against: Sequence[Placed]) -> tuple[list[str], list[Placed]]:
        """The resources of a match that statements against it are about, and those statements that are about all of them."""
        but_for: list[str] = []
        unless: list[Placed] = []
        for one in against:
            condition = f" if {told_conditions(one.conditions)}" if one.conditions else ""
            texts = self._exceptions.about(most, one)
            if texts is None:
                unless.append(one)
            else:
                but_for += [f"{text}{condition}" for text in texts]
        return but_for, unless


def _fills(allow: Placed, lacking: set[Layer]) -> bool:
    """Whether an Allow is one that is lacking, or does without all that are."""
    if allow.layer is Layer.RESOURCE:
        return allow.grant >= max((PASSES[layer] for layer in lacking), default=Grant.NONE)
    return allow.layer in lacking


def _cause(match: Match, after: bool) -> Cause:
    source = match.placed.on(after)[0]
    return Cause(source.label, source.index, source.effect, source.layer, after)


def _width(match: Match) -> tuple[int, int, int]:
    """How much a statement says of a resource that it is about, and of actions."""
    actions = min(map(literally, match.placed.statement.action), default=0)
    return (literally(match.pattern) if match.pattern else 0, actions, match.placed.number)


def _condition(granting: Sequence[Placed], unless: Sequence[Placed]) -> str | None:
    wanted = dict.fromkeys(told_conditions(placed.conditions) for placed in granting if placed.conditions)
    without = dict.fromkeys(told_conditions(placed.conditions) for placed in unless)
    parts = ["if " + " and ".join(wanted)] if wanted else []
    parts += ["unless " + " or ".join(without)] if without else []
    return ", ".join(parts) or None
