"""Resources of a match for which a difference is not so: those that another statement takes out.

Variables that go with the caller have its values. Of others nothing is known here, since what is told of a difference is
told for every request: they may stand for anything, and what may be an exception then is told as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from iamledger.policy.comparing.automata import EVERYTHING, Glob, resource_glob
from iamledger.policy.comparing.contexts import is_fixed
from iamledger.policy.comparing.exploring import Budget, covers, meets
from iamledger.policy.comparing.sides import Match, Placed
from iamledger.policy.patterns import Pattern, Variable
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
            return tuple(p.text for p, _ in self._common(match, self._globs(other.placed.statement.not_resource)))
        if _covered(self._globs([other.pattern]), self._whole(match)):
            return ()
        return (f"all but {other.pattern.text}",)

    def _about(self, match: Match, other: Placed) -> tuple[str, ...] | None:
        globs = self._globs(other.patterns)
        covered = _covered(globs, self._whole(match))
        if other.statement.resource:
            return None if covered else tuple(pattern.text for pattern, _ in self._common(match, globs))
        if covered:
            return ()
        common = self._common(match, globs)
        return (f"all but {' and '.join(pattern.text for pattern, _ in common)}",) if common else None

    def _common(self, match: Match, globs: _Globs) -> _Globs:
        """Those patterns that may have resources in common with a match."""
        whole = self._whole(match)
        excluded = self._globs(match.placed.statement.not_resource)
        return [one for one in globs if meets(whole, one[1]) and not _covered(excluded, one[1])]

    def _whole(self, match: Match) -> Glob:
        found = self._globs([match.pattern]) if match.pattern else []
        return found[0][1] if found else EVERYTHING

    def _globs(self, patterns: Iterable[Pattern]) -> _Globs:
        """Those patterns that can match."""
        found = ((pattern, resource_glob(pattern, self._facts(pattern))) for pattern in patterns)
        return [(pattern, glob) for pattern, glob in found if glob is not None]

    def _facts(self, pattern: Pattern) -> Facts | None:
        keys = [part.key.lower() for part in pattern.parts if isinstance(part, Variable)]
        return self._known if all(is_fixed(key, self._known) for key in keys) else None


def _covered(globs: _Globs, special: Glob) -> bool:
    return bool(globs) and covers([glob for _, glob in globs], special, Budget(_PATIENCE))
