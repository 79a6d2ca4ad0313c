"""What a caller may do under one set of policies and not under another.

Whatever differs is about a statement that stands on one side only; only such requests are looked at.

- Actions are those that the catalogue has for the patterns of both sides; of one that it does not know, one is made up.
- Contexts are made from the conditions (`scenarios.py`).
- Of resources, whatever the changed statements are about is gone through with all patterns at once (`exploring.py`): for
  each action and context nothing is left out. Variables have the values of the context, as in a decision.

Each difference comes with a request that both sides decide differently: the policy engine has confirmed it. What was not
compared, since the work is bounded or no context was found in which conditions hold, is told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from iamledger.policy.callers import Caller
from iamledger.policy.comparing.automata import Glob, Joint
from iamledger.policy.comparing.contexts import Context, holds
from iamledger.policy.comparing.exploring import Budget, Exhausted, explore
from iamledger.policy.comparing.instances import EXAMPLE, instance
from iamledger.policy.comparing.meanings import Actions, Meant
from iamledger.policy.comparing.naming import Cause, Name, Naming
from iamledger.policy.comparing.scenarios import Scenarios
from iamledger.policy.comparing.sides import Match, Placed, Sides, literally
from iamledger.policy.comparing.telling import Row, Telling, ToldActions
from iamledger.policy.compiled import compile_policies
from iamledger.policy.patterns import Pattern
from iamledger.policy.policy_sets import PolicySet
from iamledger.policy.requests import Request
from iamledger.policy.substitution import Facts
from iamledger.policy.words import clip


@dataclass(frozen=True, slots=True)
class Difference:
    """What was gained or lost: actions (with the patterns that mean them), resources, and for which conditions.

    `but_for` are those among the resources for which it is not so, in words: they are denied, or are allowed on the other
    side too. One may begin with the actions that it is about, and end with its conditions: `s3:Delete* on all but
    arn:aws:s3:::scratch/*`.

    `patterns` are texts with the number of actions that each means, and the exceptions among those; together they are
    `actions`. `witness` is a request that shows it.
    """

    gained: bool
    actions: tuple[str, ...]
    patterns: tuple[ToldActions, ...]
    resource: str
    but_for: tuple[str, ...]
    condition: str | None
    causes: tuple[Cause, ...]
    witness: Request


@dataclass
class Compared:
    """The differences, and what was not compared."""

    differences: list[Difference] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)


def differences(before: PolicySet, after: PolicySet, caller: Caller, actions: Actions, budget: Budget) -> Compared:
    """What a caller gains and loses when one set of policies takes another's place."""
    sides = Sides(before, after)
    return Compared() if sides.same else _Comparison(sides, before, after, caller, actions, budget).compared()


@dataclass(frozen=True)
class _Found:
    """A resource for which both sides differ, and the statements about it."""

    resource: str
    matching: tuple[Match, ...]
    gained: bool


class _Comparison:
    def __init__(
        self, sides: Sides, before: PolicySet, after: PolicySet, caller: Caller, actions: Actions, budget: Budget
    ) -> None:
        self._sides, self._caller, self._budget = sides, caller, budget
        self._engines = compile_policies(before), compile_policies(after)
        self._telling = sides.telling()
        self._naming = Naming(sides, caller.facts)
        self._meant = Meant(actions)
        self._scenarios = Scenarios(sides.placed, self._telling, caller.facts)
        self._searched: dict[tuple[object, ...], list[_Found]] = {}
        self._untold: dict[str, None] = {}
        self._exhausted = False

    def compared(self) -> Compared:
        """All that differs."""
        statements = [placed.statement for placed in self._sides.placed]
        patterns = [pattern for one in statements for pattern in one.action]
        told = Telling(self._meant, [*patterns, *(pattern for one in statements for pattern in one.not_action)])
        for number, (about, actions) in enumerate(classes := self._classes()):
            for name, witness in self._differing(about, actions[0]):
                told.add(name, actions, witness)
            if self._exhausted:
                left = [action for _, some in classes[number:] for action in some]
                self._untold[f"{_few(left)}: there is more to compare than the work that a comparison may take"] = None
                break
        found = [_difference(row, *told.told(row, patterns)) for row in told.rows()]
        self._untold.update(dict.fromkeys(self._scenarios.untold()))
        return Compared(found, list(self._untold))

    def _classes(self) -> list[tuple[tuple[Placed, ...], list[str]]]:
        """Actions, together with those that the same statements are about."""
        found: dict[tuple[int, ...], list[str]] = defaultdict(list)
        for action in self._meant.actions(self._sides.placed, self._telling):
            lower = action.lower()
            about = tuple(
                placed.number for placed in self._sides.placed if placed.on_action is None or placed.on_action(lower)
            )
            found[about].append(action)
        return [(tuple(self._sides.placed[n] for n in about), actions) for about, actions in found.items()]

    def _differing(self, about: Sequence[Placed], action: str) -> Iterator[tuple[Name, Request]]:
        for context in self._scenarios.contexts:
            facts = {**self._caller.facts, **context}
            active = [placed for placed in about if holds(placed.conditions, facts)]
            for found in self._search(active, facts):
                request = self._request(action, found, context)
                if request is None:
                    self._untold[f"{action} on {clip(found.resource)}: the comparison and the decision differ"] = None
                    continue
                yield self._naming.name(about, found.matching, found.gained), request

    def _request(self, action: str, found: _Found, context: Context) -> Request | None:
        """A request that both sides decide as it was found, for a resource that has a name of its kind if it can."""
        named = [f"arn:aws:{action.partition(':')[0]}:::{EXAMPLE}"] if found.resource == EXAMPLE else []
        for resource in (*named, found.resource):
            request = Request(self._caller, action, resource, context=context)
            if [bool(engine.decide(request)) for engine in self._engines] == [not found.gained, found.gained]:
                return request
        return None

    def _search(self, active: list[Placed], facts: Facts) -> list[_Found]:
        """The resources for which both sides differ: one for each set of patterns that match it."""
        globs = [glob for placed in active if placed.varies for _, glob in placed.globs(facts)]
        key = (tuple(placed.number for placed in active), tuple(globs))
        if key not in self._searched:
            found = self._searched[key] = []
            try:
                found.extend(self._gone_through(active, facts))
            except Exhausted:
                self._exhausted = True
        return self._searched[key]

    def _gone_through(self, active: list[Placed], facts: Facts) -> Iterator[_Found]:
        """Of each pattern's resources, one as a person would choose it, and then all that there are."""
        every = [(placed, pattern, glob) for placed in active for pattern, glob in placed.globs(facts)]
        every.sort(key=lambda one: -literally(one[1]))
        joint = Joint([glob for _, _, glob in every])
        telling = [reach for placed in active if placed in self._telling for reach in placed.reach(facts)]
        seen: set[tuple[Match, ...]] = set()
        for matched, resource in chain(_chosen(telling, joint, facts), _all(telling, joint, self._budget)):
            widest = {every[number][0].number: every[number][1] for number in sorted(matched)}
            matching = tuple(Match(one, widest.get(one.number)) for one in active if one.is_about(one.number in widest))
            if matching not in seen:
                seen.add(matching)
                gained = self._sides.allowed(matching, after=True)
                if gained != self._sides.allowed(matching, after=False):
                    yield _Found(resource, matching, gained)


def _difference(row: Row, patterns: tuple[ToldActions, ...], but_for: tuple[str, ...]) -> Difference:
    name = row.name
    actions = tuple(row.exceptions)
    return Difference(name.gained, actions, patterns, name.resource, but_for, name.condition, name.causes, row.witness)


_Reaches = Sequence[tuple[Pattern | None, Glob]]


def _chosen(reaches: _Reaches, joint: Joint, facts: Facts) -> Iterator[tuple[frozenset[int], str]]:
    for pattern, _ in reaches:
        resource = EXAMPLE if pattern is None else instance(pattern, facts)
        yield joint.matching(resource), resource


def _all(reaches: _Reaches, joint: Joint, budget: Budget) -> Iterator[tuple[frozenset[int], str]]:
    for _, glob in reaches:
        for matched, way in explore(glob, joint, budget):
            yield matched, "".join(map(str, way))


def _few(actions: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(map(clip, actions[:most]))
    return shown if len(actions) <= most else f"{shown} and {len(actions) - most} more actions"
