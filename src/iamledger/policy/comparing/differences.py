"""What a caller may do under one set of policies and not under another.

Whatever differs is about a statement that stands on one side only; only such requests are looked at.

- Actions are those that the catalogue has for the patterns of both sides; of one that it does not know, one is made up.
- Contexts are made from the conditions (`scenarios.py`).
- Of resources, whatever the changed statements are about is gone through with all patterns at once (`exploring.py`): for
  each action and context nothing is left out. Variables have the values of the context, as in a decision.

- Some resources may have policies of their own (`areas.py`). What lies in the area of one is compared by itself, with what
  governs it on both sides; all else without it. What the policies of areas take out of a difference elsewhere is told as its
  exceptions; where it lies in areas alone, these are told (`Compared.elsewhere`).

Each difference comes with a request that both sides decide differently: the policy engine has confirmed it. What was not
compared, since the work is bounded or no context was found in which conditions hold, is told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain

from iamledger.policy.callers import Caller
from iamledger.policy.comparing.areas import NOWHERE, Areas, Governed, area_globs, clipped
from iamledger.policy.comparing.automata import Glob, Joint, resource_glob
from iamledger.policy.comparing.contexts import Context, holds
from iamledger.policy.comparing.exploring import Budget, Exhausted, covers, explore
from iamledger.policy.comparing.instances import EXAMPLE, instance
from iamledger.policy.comparing.meanings import Actions, Meant
from iamledger.policy.comparing.naming import Cause, Name, Naming
from iamledger.policy.comparing.scenarios import Scenarios
from iamledger.policy.comparing.sides import Match, Placed, Sides, elsewhere, literally
from iamledger.policy.comparing.telling import Row, Telling, ToldActions
from iamledger.policy.compiled import CompiledPolicies, compile_policies
from iamledger.policy.patterns import Pattern, read_pattern
from iamledger.policy.policy_sets import PolicySet
from iamledger.policy.requests import Layer, Request
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


def includes(wide: Difference, narrow: Difference) -> bool:
    """Whether a difference elsewhere says all that one in an area does, of which identity policies alone are the cause."""
    return (
        (wide.gained, wide.causes, _wanted(wide)) == (narrow.gained, narrow.causes, _wanted(narrow))
        and all(cause.layer is not Layer.RESOURCE for cause in narrow.causes)
        and set(narrow.actions) <= set(wide.actions)
        and _around(wide.resource, narrow.resource)
    )


def _wanted(difference: Difference) -> str:
    """The conditions that must hold; what a Deny takes out is an exception of the wide one."""
    return (difference.condition or "").partition("unless ")[0].rstrip(", ")


def _around(wide: str, narrow: str) -> bool:
    """Whether the words for resources in an area are those of a pattern, or of others, in that area."""
    if wide.startswith("all but "):
        return narrow.startswith("all of ")
    if narrow.startswith(("all of ", f"{wide} in ")):
        return wide == "*" or narrow.startswith(f"{wide} in ")
    one, other = (resource_glob(read_pattern(text.partition(" in ")[0], variables=True)) for text in (wide, narrow))
    return one is not None and other is not None and covers([one], other, Budget())


@dataclass
class Compared:
    """The differences, and what was not compared. `elsewhere` are the areas in which there are differences like these."""

    differences: list[Difference] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    elsewhere: list[Governed] = field(default_factory=list)


def differences(
    before: PolicySet,
    after: PolicySet,
    caller: Caller,
    actions: Actions,
    budget: Budget,
    areas: Areas = NOWHERE,
    here: Governed | None = None,
) -> Compared:
    """What a caller gains and loses when one set of policies takes another's place.

    That is for what lies in no area, or in the one that is given.
    """
    if here is not None:
        before, after = replace(before, resource=here.before), replace(after, resource=here.after)
    sides = Sides(before, after, caller, here.arn if here else None)
    return (
        Compared() if sides.same else _Comparison(sides, before, after, caller, actions, budget, areas, here).compared()
    )


_FEW = 16
"""So many areas are told apart at once, as soon as one must be."""
_Reaches = Sequence[tuple[Pattern | None, Glob]]


@dataclass(frozen=True)
class _Found:
    """A resource for which both sides differ, and the statements about it."""

    resource: str
    matching: tuple[Match, ...]
    gained: bool


class _Comparison:
    def __init__(
        self,
        sides: Sides,
        before: PolicySet,
        after: PolicySet,
        caller: Caller,
        actions: Actions,
        budget: Budget,
        areas: Areas,
        here: Governed | None,
    ) -> None:
        self._sides, self._caller, self._budget = sides, caller, budget
        self._areas, self._here = areas, here
        self._policies = before, after
        self._telling = sides.telling()
        self._naming = Naming(sides, caller.facts, [one.arn for one in areas.inside(here.arn)] if here else ())
        self._meant = Meant(actions)
        self._scenarios = Scenarios(sides.placed, self._telling, caller.facts)
        self._searched: dict[tuple[object, ...], list[_Found]] = {}
        self._met: dict[str, Governed] = {}
        self._apart: dict[str, Governed] = {}
        self._untold: dict[str, None] = {}
        self._exhausted = False

    def compared(self) -> Compared:
        """All that differs."""
        statements = [placed.statement for placed in self._sides.placed]
        patterns = [pattern for one in statements for pattern in one.action]
        words = [*patterns, *(pattern for one in statements for pattern in one.not_action)]
        told = Telling(self._meant, words)
        for number, (about, actions) in enumerate(classes := self._classes()):
            found = list(self._found(about))
            for excepting, some in self._excepting(actions) if found else ():
                for name, witness in self._named(found, [*about, *excepting], some[0]):
                    told.add(name, some, witness)
            if self._exhausted:
                left = [action for _, some in classes[number:] for action in some]
                self._untold[f"{_few(left)}: there is more to compare than the work that a comparison may take"] = None
                break
        if rows := list(told.rows()):
            words += [pattern for about in self._elsewhere for some in about for pattern in some]
        self._untold.update(dict.fromkeys(self._scenarios.untold()))
        told_rows = [_difference(row, *told.told(row, patterns)) for row in rows]
        return Compared(told_rows, list(self._untold), list(self._met.values()))

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

    @cached_property
    def _elsewhere(self) -> dict[tuple[tuple[Pattern, ...], tuple[Pattern, ...]], list[Placed]]:
        """The statements of areas other than this one, those together that are about the same actions."""
        found: dict[tuple[tuple[Pattern, ...], tuple[Pattern, ...]], list[Placed]] = defaultdict(list)
        about = [one for one in self._areas if self._may_tell(one.arn)] if self._here is None else []
        for placed in elsewhere(about, self._areas, self._caller, self._sides.bounded):
            found[placed.statement.action, placed.statement.not_action].append(placed)
        return found

    def _may_tell(self, arn: str) -> bool:
        """Whether what differs may be about anything in an area."""
        return any(
            not placed.statement.resource or any(clipped(pattern, arn) for pattern in placed.statement.resource)
            for placed in self._telling
        )

    def _excepting(self, actions: Sequence[str]) -> list[tuple[list[Placed], list[str]]]:
        """Actions, together with those that the same statements of other areas are about."""
        tests = [some[0].on_action for some in self._elsewhere.values()]
        found: dict[tuple[bool, ...], list[str]] = defaultdict(list)
        for action in actions:
            found[tuple(test is None or test(action.lower()) for test in tests)].append(action)
        every = list(self._elsewhere.values())
        return [
            ([one for n, yes in enumerate(about) if yes for one in every[n]], some) for about, some in found.items()
        ]

    def _found(self, about: Sequence[Placed]) -> Iterator[tuple[_Found, Context]]:
        """The resources for which both sides differ, and the contexts in which they do."""
        for context in self._scenarios.contexts:
            facts = {**self._caller.facts, **context}
            active = [placed for placed in about if holds(placed.conditions, facts)]
            for found in self._search(active, facts):
                yield found, context

    def _named(
        self, found: Sequence[tuple[_Found, Context]], about: Sequence[Placed], action: str
    ) -> Iterator[tuple[Name, Request]]:
        for one, context in found:
            request = self._request(action, one, context)
            if request is None:
                self._untold[f"{action} on {clip(one.resource)}: the comparison and the decision differ"] = None
                continue
            yield self._naming.name(about, one.matching, one.gained), request

    @cached_property
    def _engines(self) -> tuple[CompiledPolicies, CompiledPolicies]:
        return compile_policies(self._policies[0]), compile_policies(self._policies[1])

    def _request(self, action: str, found: _Found, context: Context) -> Request | None:
        """A request that both sides decide as it was found, for a resource that has a name of its kind if it can."""
        named = [f"arn:aws:{action.partition(':')[0]}:::{EXAMPLE}"] if found.resource == EXAMPLE else []
        for resource in (*named, found.resource):
            request = Request(self._caller, action, resource, context=context)
            decided = [bool(engine.decide(request)) for engine in self._engines]
            if decided == [not found.gained, found.gained] and self._areas.of(resource) is self._here:
                return request
        return None

    def _search(self, active: list[Placed], facts: Facts) -> list[_Found]:
        """The resources for which both sides differ: one for each set of patterns that match it."""
        globs = [glob for placed in active if placed.varies for _, glob in placed.globs(facts)]
        key = (tuple(placed.number for placed in active), tuple(globs))
        if key not in self._searched:
            found = self._searched[key] = []
            try:
                self._go_through(active, facts, found)
            except Exhausted:
                self._exhausted = True
        return self._searched[key]

    def _go_through(self, active: list[Placed], facts: Facts, found: list[_Found]) -> None:
        """Of each pattern's resources, one as a person would choose it, and then all that there are.

        Where one lies in another area, it is gone through again with that area told apart.
        """
        while True:
            found.clear()
            met: dict[str, Governed] = {}
            for one in self._all(active, facts, self._apart.values()):
                area = self._areas.of(one.resource)
                if area is self._here:
                    found.append(one)
                elif area is not None:
                    met[area.arn] = area
            self._met.update(met)
            if met.keys() <= self._apart.keys():
                return
            some = self._areas if len(self._areas) <= _FEW else [*met.values(), *self._inner(met)]
            self._apart.update((one.arn, one) for one in some)

    def _inner(self, arns: Iterable[str]) -> Iterator[Governed]:
        for arn in arns:
            yield from self._areas.inside(arn)

    def _all(self, active: list[Placed], facts: Facts, apart: Iterable[Governed]) -> Iterator[_Found]:
        """Resources for which both sides differ, of each set of patterns and areas that match one."""
        every = [(placed, pattern, glob) for placed in active for pattern, glob in placed.globs(facts)]
        every.sort(key=lambda one: -literally(one[1]))
        others = [glob for one in apart for glob in area_globs(one.arn)]
        joint = Joint([*(glob for _, _, glob in every), *others])
        telling = [reach for placed in active if placed in self._telling for reach in placed.reach(facts)]
        within = [glob for _, glob in telling] if self._here is None else area_globs(self._here.arn)
        seen: set[tuple[tuple[Match, ...], frozenset[int]]] = set()
        for matched, resource in chain(self._chosen(telling, joint, facts), _explored(within, joint, self._budget)):
            widest = {every[n][0].number: every[n][1] for n in sorted(matched) if n < len(every)}
            matching = tuple(Match(one, widest.get(one.number)) for one in active if one.is_about(one.number in widest))
            where = frozenset(n for n in matched if n >= len(every))
            if (matching, where) not in seen:
                seen.add((matching, where))
                gained = self._sides.allowed(matching, after=True)
                if gained != self._sides.allowed(matching, after=False):
                    yield _Found(resource, matching, gained)

    def _chosen(self, telling: _Reaches, joint: Joint, facts: Facts) -> Iterator[tuple[frozenset[int], str]]:
        resources = [EXAMPLE if pattern is None else instance(pattern, facts) for pattern, _ in telling]
        if self._here is not None:
            resources += [self._here.arn, f"{self._here.arn}/{EXAMPLE}"]
        for resource in resources:
            if self._here is None or self._areas.of(resource) is self._here:
                yield joint.matching(resource), resource


def _difference(row: Row, patterns: tuple[ToldActions, ...], but_for: tuple[str, ...]) -> Difference:
    name = row.name
    actions = tuple(row.exceptions)
    return Difference(name.gained, actions, patterns, name.resource, but_for, name.condition, name.causes, row.witness)


def _explored(within: Sequence[Glob], joint: Joint, budget: Budget) -> Iterator[tuple[frozenset[int], str]]:
    for glob in within:
        for matched, way in explore(glob, joint, budget):
            yield matched, "".join(map(str, way))


def _few(actions: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(map(clip, actions[:most]))
    return shown if len(actions) <= most else f"{shown} and {len(actions) - most} more actions"
