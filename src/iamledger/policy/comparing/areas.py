"""Areas: what the policy of a resource governs, which is that resource and what lies in it by `/`.

A statement of such a policy counts only there, whatever its patterns say; of several areas around a resource, the smallest
one's policy counts alone. What a pattern matches in an area is told by patterns again, by following the pattern along the
resource's ARN: of `*`, `arn:aws:s3:::reports` and `arn:aws:s3:::reports/*`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from iamledger.policy.comparing.automata import Glob, resource_glob
from iamledger.policy.comparing.exploring import Budget, covers
from iamledger.policy.patterns import Pattern, Variable, Wildcard
from iamledger.policy.resource_tests import bounds
from iamledger.policy.sources import Policy

_MOST = 8
"""A pattern that would be told by more patterns than that in an area is told as it is."""
_PATIENCE = 1_000


@dataclass(frozen=True, slots=True)
class Governed:
    """A resource that has a policy of its own on one of two sides, and the policies that govern it there.

    Either is its own, or that of what it lies in.
    """

    arn: str
    before: Policy | None
    after: Policy | None


class Areas:
    """The areas of some resources; of those of others too, of which thousands may be shared."""

    def __init__(self, governed: Iterable[Governed] = (), others: Areas | None = None) -> None:
        self._by_arn = {one.arn: one for one in governed}
        self._others = others
        self._inner: dict[str, list[Governed]] = defaultdict(list)
        for one in self._by_arn.values():
            for arn in _around(one.arn):
                if arn != one.arn:
                    self._inner[arn].append(one)

    def __iter__(self) -> Iterator[Governed]:
        yield from self._by_arn.values()
        yield from self._others or ()

    def __len__(self) -> int:
        return len(self._by_arn) + len(self._others or ())

    def at(self, arn: str) -> Governed | None:
        """That of a resource, if it has one."""
        return self._by_arn.get(arn) or (self._others.at(arn) if self._others else None)

    def of(self, resource: str) -> Governed | None:
        """What governs a resource, if anything does."""
        return next((found for arn in _around(resource) if (found := self.at(arn))), None)

    def inside(self, arn: str) -> Sequence[Governed]:
        """Those that lie in the area of another one, and are governed by themselves."""
        return [*self._inner.get(arn, ()), *(self._others.inside(arn) if self._others else ())]


NOWHERE = Areas()


def both(arn: str) -> tuple[str, str]:
    """The two patterns that match all of the area of a resource: itself, and what lies in it."""
    return arn, f"{arn}/*"


def area_globs(arn: str) -> list[Glob]:
    """The same, as globs."""
    return [((arn, True),), ((f"{arn}/", True), (Wildcard.ANY, True))]


def _around(resource: str) -> Iterator[str]:
    """A resource, and what it lies in, the closest first."""
    end = len(resource)
    while end > 0:
        yield resource[:end]
        end = resource.rfind("/", 0, end)


@lru_cache(16_384)
def clipped(pattern: Pattern, arn: str) -> tuple[Pattern, ...]:
    """Patterns of what a pattern matches in the area of a resource.

    Where no few patterns say it, the pattern itself, whose text then says that only what is in the area is meant.
    """
    within = f"{arn}/"
    if pattern.prefix.startswith(within):
        return (pattern,)
    if not within.startswith(pattern.prefix):
        return ()
    if (found := _Followed(pattern).along(arn)) is not None:
        return found
    return (Pattern(f"{pattern.text} in {arn}", pattern.parts),)


class _Followed:
    """A pattern, as places from which the rest of it goes on."""

    def __init__(self, pattern: Pattern) -> None:
        self._steps: list[tuple[str | Wildcard | Variable, bool]] = []
        self._stays: dict[int, bool] = {}
        colons = bounds(pattern.parts)
        for part in pattern.parts:
            crosses = isinstance(part, Variable) or next(colons)[1]
            if part is Wildcard.ANY:
                self._stays[len(self._steps)] = crosses
            else:
                self._steps += [(one, crosses) for one in (part if isinstance(part, str) else [part])]

    def along(self, arn: str) -> tuple[Pattern, ...] | None:
        """What is matched of an area. None if a variable stands in the way, or if it takes many patterns."""
        places: set[int] | None = {0}
        for character in arn:
            places = self._after(places, character)
        itself = places is not None and len(self._steps) in places
        places = self._after(places, "/")
        if places is None or len(places) > _MOST or not all(map(self._is_plain, places)):
            return None
        rest = [_written([f"{arn}/", *self._rest(place)]) for place in sorted(places)]
        kept: list[Pattern] = []
        for one in rest:
            if not covers(
                [glob for glob in map(resource_glob, kept) if glob], resource_glob(one) or (), Budget(_PATIENCE)
            ):
                kept.append(one)
        return (*([_written([arn])] if itself else []), *kept)

    def _after(self, places: set[int] | None, character: str) -> set[int] | None:
        """The places that a character leads to. None if a variable could be in its place."""
        found: set[int] = set()
        for place in places or ():
            if place in self._stays and (character != ":" or self._stays[place]):
                found.add(place)
            step, crosses = self._steps[place] if place < len(self._steps) else (None, False)
            if isinstance(step, Variable):
                return None
            if step == character or (step is Wildcard.ONE and (character != ":" or crosses)):
                found.add(place + 1)
        return None if places is None else found

    def _is_plain(self, place: int) -> bool:
        """Whether all wildcards from a place on match whatever there is, as they do in the last part of an ARN."""
        return all(crosses for _, crosses in self._steps[place:]) and all(
            crosses for at, crosses in self._stays.items() if at >= place
        )

    def _rest(self, place: int) -> Iterator[str | Wildcard | Variable]:
        for at in range(place, len(self._steps) + 1):
            if at in self._stays:
                yield Wildcard.ANY
            if at < len(self._steps):
                yield self._steps[at][0]


def _written(parts: Sequence[str | Wildcard | Variable]) -> Pattern:
    """A pattern of these parts, as it is written."""
    merged: list[str | Wildcard | Variable] = []
    for part in parts:
        if merged and isinstance(part, str) and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    return Pattern("".join(map(_text, merged)), tuple(merged))


def _text(part: str | Wildcard | Variable) -> str:
    if isinstance(part, Wildcard):
        return part.value
    if isinstance(part, Variable):
        return f"${{{part.key}}}" if part.default is None else f"${{{part.key}, '{part.default}'}}"
    return part.replace("*", "${*}").replace("?", "${?}")
