"""Many spans, of which it is told at once which of them another one meets, or is within.

Patterns that begin otherwise are never looked at; those that are left are followed one by one if they are few, and at once
if they are many. What was found for a pattern is kept. Sets of spans are numbers, with a bit for each span by its place.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property

from iamledger.access.spans import Span, certain, may_match, possible, surely_match
from iamledger.policy import Pattern, Wildcard
from iamledger.policy.comparing.automata import Joint
from iamledger.policy.comparing.exploring import Budget
from iamledger.policy.prefixes import Prefixes

FEW = 16
"""So many patterns are followed one by one."""
WIDE = 16_384
"""Places of patterns followed at once beyond which a step counts more."""


class GatheredSpans:
    """Spans by their places. Whatever is asked spends of the budget, and raises Exhausted once that is spent."""

    def __init__(self, spans: Sequence[Span], budget: Budget) -> None:
        self._spans, self._budget = spans, budget
        self._negated = sum(1 << place for place, span in enumerate(spans) if span.negated)
        self._all = (1 << len(spans)) - 1
        plain = [(pattern, place) for place, span in enumerate(spans) if not span.negated for pattern in span.patterns]
        but = [(pattern, place) for place, span in enumerate(spans) if span.negated for pattern in span.patterns]
        self._meeting, self._around = _Meeting(plain, budget), _Around(plain, budget)
        self._not_meeting, self._not_around = _Meeting(but, budget), _Around(but, budget)
        self._known: dict[tuple[Span, bool], int] = {}

    def met(self, span: Span) -> int:
        """Those that a span meets."""
        return self._kept(span, True, self._met_by_negated if span.negated else self._met)

    def around(self, span: Span) -> int:
        """Those that a span is within."""
        return self._kept(span, False, self._around_negated if span.negated else self._around_all)

    def _kept(self, span: Span, met: bool, found: Callable[[Span], int]) -> int:
        self._budget.spend(len(span.patterns))
        if (span, met) not in self._known:
            self._known[span, met] = found(span)
        return self._known[span, met]

    def _met(self, span: Span) -> int:
        met, outside = 0, 0
        for pattern in span.patterns:
            met |= self._meeting.of(pattern)
            if self._negated & ~outside:
                outside |= ~self._not_around.of(pattern)
        return met | (self._negated & outside)

    def _around_all(self, span: Span) -> int:
        around = self._all
        for pattern in span.patterns:
            if around:
                not_met = self._negated & ~self._not_meeting.of(pattern) if around & self._negated else 0
                around &= self._around.of(pattern) | not_met
        return around

    def _met_by_negated(self, span: Span) -> int:
        mine = self._patterns_of(span)
        outside = (
            1 << place
            for place, other in enumerate(self._spans)
            if not other.negated and not all(mine.of(pattern) for pattern in other.patterns)
        )
        return self._negated | sum(outside)

    def _around_negated(self, span: Span) -> int:
        mine = self._patterns_of(span)
        return sum(1 << place for place, other in enumerate(self._spans) if _is_around(other, mine))

    def _patterns_of(self, span: Span) -> _Around:
        self._budget.spend(len(self._spans) + sum(len(pattern.text) for pattern in span.patterns))
        return _Around([(pattern, 0) for pattern in span.patterns], self._budget)


def places(spans: int) -> Iterator[int]:
    """The places of a set of spans."""
    while spans:
        yield (spans & -spans).bit_length() - 1
        spans &= spans - 1


def _is_around(other: Span, mine: _Around) -> bool:
    """Whether a span has all but some patterns."""
    if other.negated:
        return all(mine.of(pattern) for pattern in other.patterns)
    return any(pattern.parts == (Wildcard.ANY,) for pattern in other.patterns)


class _Patterns:
    """Patterns and the places of the spans that they belong to."""

    _joint: Callable[[Iterable[Pattern]], Joint]
    _followed: Callable[[Pattern, Joint], frozenset[int]]

    def __init__(self, placed: Iterable[tuple[Pattern, int]], budget: Budget) -> None:
        places: dict[Pattern, int] = defaultdict(int)
        for pattern, place in placed:
            places[pattern] |= 1 << place
        self._patterns = sorted(places, key=lambda pattern: pattern.prefix)
        self._places = [places[pattern] for pattern in self._patterns]
        self._prefixes = [pattern.prefix for pattern in self._patterns]
        self._budget = budget
        self._found: dict[Pattern, int] = {}
        self._single: dict[int, Joint] = {}

    def of(self, pattern: Pattern) -> int:
        """The places of those that have to do with a pattern."""
        self._budget.spend(4)
        if pattern not in self._found:
            candidates = list(self._candidates(pattern.prefix))
            self._budget.spend(len(candidates))
            few = sum(map(len, candidates)) <= FEW
            numbers = self._of_few(pattern, candidates) if few else self._of_all(pattern)
            found = 0
            for number in numbers:
                found |= self._places[number]
            self._found[pattern] = found
        return self._found[pattern]

    def _of_few(self, pattern: Pattern, candidates: Iterable[range]) -> Iterator[int]:
        for number in (number for some in candidates for number in some):
            other = self._patterns[number]
            if other.parts in ((Wildcard.ANY,), (other.prefix, Wildcard.ANY)) and pattern.prefix.startswith(
                other.prefix
            ):
                yield number
                continue
            if number not in self._single:
                self._budget.spend(len(other.text))
                self._single[number] = type(self)._joint([other])
            if self._follow(pattern, self._single[number]):
                yield number

    def _of_all(self, pattern: Pattern) -> frozenset[int]:
        self._budget.spend(len(self._patterns) // 4)
        return self._follow(pattern, self._whole)

    @cached_property
    def _whole(self) -> Joint:
        return type(self)._joint(self._patterns)

    def _follow(self, pattern: Pattern, joint: Joint) -> frozenset[int]:
        self._budget.spend(len(pattern.text) * (1 + joint.length // WIDE))
        return type(self)._followed(pattern, joint)

    def _candidates(self, prefix: str) -> Iterator[range]:
        """The numbers of the patterns that could match something that begins so."""
        yield from self._shorter.under(prefix)

    @cached_property
    def _shorter(self) -> Prefixes[range]:
        """The numbers of the patterns with each prefix."""
        begins: dict[str, int] = {}
        ends: dict[str, int] = {}
        for number, prefix in enumerate(self._prefixes):
            begins.setdefault(prefix, number)
            ends[prefix] = number + 1
        return Prefixes({prefix: range(begin, ends[prefix]) for prefix, begin in begins.items()})


class _Around(_Patterns):
    """Of a pattern, those that match all that it matches."""

    _joint = staticmethod(certain)
    _followed = staticmethod(surely_match)


class _Meeting(_Patterns):
    """Of a pattern, those that may match something that it matches."""

    _joint = staticmethod(possible)
    _followed = staticmethod(may_match)

    def _candidates(self, prefix: str) -> Iterator[range]:
        yield from (some for some in self._shorter.under(prefix) if self._prefixes[some.start] != prefix)
        end = bisect_right(self._prefixes, prefix, key=lambda longer: longer[: len(prefix)])
        yield range(bisect_left(self._prefixes, prefix), end)
