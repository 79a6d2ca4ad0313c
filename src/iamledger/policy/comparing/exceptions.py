"""Resources of a match for which a difference is not so: those that another statement takes out.

Variables that go with the caller have its values. Of others nothing is known here, since what is told of a difference is
told for every request: they may stand for anything, and what may be an exception then is told as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from iamledger.policy.comparing.areas import area_globs, both
from iamledger.policy.comparing.automata import EVERYTHING, Glob, resource_glob
from iamledger.policy.comparing.contexts import is_fixed
from iamledger.policy.comparing.exploring import Budget, covers, meets
from iamledger.policy.comparing.sides import Match, Placed
from iamledger.policy.patterns import Pattern, Variable, read_pattern
from iamledger.policy.substitution import Facts

_PATIENCE = 4_000

_Globs = Sequence[tuple[Pattern, Glob]]


class Exceptions:
    """Finds exceptions, for a caller with these facts. What is not shown to be none, within little work, is told as one."""

    def __init__(self, known: Facts) -> None:
        self._known = known
        self._found: dict[tuple[int, Pattern | None, int], tuple[str, ...] | None] = {}

    def about(self, match: Match, other: Placed) -> tuple[str, ...] | None:
        """The resources of a match that another statement is about too, in words; None if it is about all of them."""
        key = (match.placed.number, match.pattern, other.number)
        if key not in self._found:
            self._found[key] = self._about(match, other)
        return self._found[key]

    def beyond(self, match: Match, other: Match) -> tuple[str, ...]:
        """The resources of a match that another match is not about, in words."""
        if other.pattern is None:
            return tuple(p.text for p, _ in self._common(match, self._globs(other.placed.patterns)))
        if self._covered(self._globs([other.pattern]), match):
            return ()
        return (f"all but {other.pattern.text}",)

    def among(self, match: Match, patterns: Iterable[Pattern]) -> tuple[str, ...]:
        """Those of some patterns that may have resources in common with a match, in words."""
        return tuple(pattern.text for pattern, _ in self._common(match, self._globs(patterns)))

    def _about(self, match: Match, other: Placed) -> tuple[str, ...] | None:
        globs = self._globs(other.patterns)
        if other.area is not None and match.placed.area is None:
            return tuple(self._in_area(match, other, globs))
        covered = self._covered(globs, match)
        if other.statement.resource:
            return None if covered else tuple(pattern.text for pattern, _ in self._common(match, globs))
        if covered:
            return ()
        common = self._common(match, globs)
        return (f"all but {' and '.join(pattern.text for pattern, _ in common)}",) if common else None

    def _in_area(self, match: Match, other: Placed, globs: _Globs) -> Iterator[str]:
        """The resources of a match that a statement is about which counts in one area alone."""
        without = [pattern.text for pattern, _ in globs] if other.statement.not_resource else []
        if other.statement.not_resource:
            globs = self._globs(read_pattern(text, variables=False) for text in both(other.area or ""))
        for pattern, _ in self._common(match, globs):
            wide = [*without, *other.inside] if pattern.literal is None else []
            yield f"{pattern.text} but for {' and '.join(wide)}" if wide else pattern.text

    def _common(self, match: Match, globs: _Globs) -> _Globs:
        """Those patterns that may have resources in common with a match."""
        excluded = self._globs(match.placed.patterns) if match.placed.statement.not_resource else []
        return [
            one
            for one in globs
            if any(_meets(whole, one[1]) for whole in self._whole(match)) and not _covered(excluded, one[1])
        ]

    def _covered(self, globs: _Globs, match: Match) -> bool:
        """Whether some patterns match all that a match is about."""
        return all(_covered(globs, whole) for whole in self._whole(match))

    def _whole(self, match: Match) -> Sequence[Glob]:
        """What a match is about at most."""
        found = self._globs([match.pattern]) if match.pattern else []
        if found:
            return [found[0][1]]
        return [EVERYTHING] if match.placed.area is None else area_globs(match.placed.area)

    def _globs(self, patterns: Iterable[Pattern]) -> _Globs:
        """Those patterns that can match."""
        found = ((pattern, resource_glob(pattern, self._facts(pattern))) for pattern in patterns)
        return [(pattern, glob) for pattern, glob in found if glob is not None]

    def _facts(self, pattern: Pattern) -> Facts | None:
        keys = [part.key.lower() for part in pattern.parts if isinstance(part, Variable)]
        return self._known if all(is_fixed(key, self._known) for key in keys) else None


def _covered(globs: _Globs, special: Glob) -> bool:
    return bool(globs) and covers([glob for _, glob in globs], special, Budget(_PATIENCE))


_meets = lru_cache(16_384)(meets)
"""For thousands of users, the same areas are compared with the same patterns."""
