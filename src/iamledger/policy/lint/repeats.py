"""Values and statements that others make superfluous.

A value is superfluous if a pattern of the same element matches whatever it matches. A statement is superfluous if another
one of the same effect applies whenever it does, and in vain if it allows what another one denies. Only what can be seen from
the texts is found, and of documents with very many patterns only a part: `BUDGET` comparisons are made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from iamledger.policy.globs import Test, glob
from iamledger.policy.json_places import Value
from iamledger.policy.lint.findings import Findings
from iamledger.policy.lint.written import WrittenStatement
from iamledger.policy.patterns import Pattern, Variable, Wildcard
from iamledger.policy.words import quote

BUDGET = 100_000
"""Comparisons of two patterns in one document."""


class Repeats:
    """Compares patterns and statements of one document."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._left = BUDGET
        self._tests: dict[str, Test | None] = {}

    def check_values(self, written: WrittenStatement) -> None:
        """Values of Action and Resource that another value of the element covers."""
        self._check_values(list(written.actions()))
        self._check_values(list(written.resources()))

    def check_statements(self, written: Sequence[WrittenStatement]) -> None:
        """Statements that another statement covers. Of two that say the same, the later one."""
        compared = [_Compared(one) for one in written]
        first: dict[_Content, int] = {}
        for place, one in enumerate(compared):
            same = first.setdefault(one.content, place)
            if same != place:
                self._tell(one.written, written[same])
        denies_first = sorted(first.values(), key=lambda place: written[place].statement.effect == "Allow")
        for place in first.values():
            for other in denies_first:
                if self._left < 0:
                    return
                if other != place and self._is_wider(compared, other, place):
                    self._tell(written[place], written[other])
                    break

    def _is_wider(self, compared: Sequence[_Compared], other: int, place: int) -> bool:
        """Whether the statement at a place covers another. Of two that cover each other, the first does."""
        if not self._covers(compared[other], compared[place]):
            return False
        return other < place or not self._covers(compared[place], compared[other])

    def _tell(self, one: WrittenStatement, other: WrittenStatement) -> None:
        line = other.statement.place.line
        if other.statement.effect == one.statement.effect:
            message = f"the statement in line {line} says all that this one does"
            self._findings.add("redundant-statement", one.node, message, "remove this one")
        else:
            message = f"the statement in line {line} denies all that this one allows"
            self._findings.add("denied-elsewhere", one.node, message, "remove this one, or except it there")

    def _check_values(self, values: Sequence[tuple[Pattern, Value]]) -> None:
        seen: set[_Parts] = set()
        wide = [pattern for pattern, _ in values if Wildcard.ANY in pattern.parts]
        for pattern, node in values:
            if pattern.parts in seen:
                self._findings.add("redundant-value", node, f"{quote(pattern.text)} stands here twice", "remove it")
                continue
            seen.add(pattern.parts)
            for other in wide if self._left > 0 else ():
                if other.parts != pattern.parts and self._matches(other, pattern):
                    message = f"{quote(pattern.text)} is among {quote(other.text)}"
                    self._findings.add("redundant-value", node, message, "remove it")
                    break

    def _covers(self, wide: _Compared, narrow: _Compared) -> bool:
        """Whether a statement applies whenever another one does. A Deny covers an Allow too, but not the other way."""
        self._left -= 1
        one, other = wide.written.statement, narrow.written.statement
        if one.effect != other.effect and one.effect == "Allow":
            return False
        if one.not_action or other.not_action or one.not_resource or other.not_resource:
            return False
        if (one.conditions and one.conditions != other.conditions) or wide.principals != narrow.principals:
            return False
        if bool(one.resource) != bool(other.resource):
            return False
        return self._all_among(other.action, wide.actions) and self._all_among(other.resource, wide.resources)

    def _all_among(self, patterns: Iterable[Pattern], wide: _Patterns) -> bool:
        return self._left > 0 and all(
            pattern.parts in wide.parts or any(self._matches(other, pattern) for other in wide.open)
            for pattern in patterns
        )

    def _matches(self, wide: Pattern, narrow: Pattern) -> bool:
        """Whether a pattern matches all that another one does, as far as can be told from their texts."""
        self._left -= 1
        if self._left < 0:
            return False
        if wide.text not in self._tests:
            self._tests[wide.text] = _test(wide)
        test = self._tests[wide.text]
        return test is not None and test(_read(narrow))


def _test(wide: Pattern) -> Test | None:
    """None of a pattern with variables or `?`s, of which the texts do not tell enough."""
    parts = [part for part in wide.parts if isinstance(part, str) or part is Wildcard.ANY]
    if len(parts) < len(wide.parts) or not _crosses_colons(wide):
        return None
    return glob(parts)


def _crosses_colons(pattern: Pattern) -> bool:
    """Whether its wildcards match whatever they look like. In the first five parts of an ARN they may stop at colons."""
    if not pattern.prefix.startswith("arn:"):
        return not pattern.text.startswith("arn:")
    return pattern.prefix.count(":") >= 5


def _read(narrow: Pattern) -> str:
    """A pattern as a text in which its wildcards and variables are characters that only a `*` matches."""
    return "".join(part if isinstance(part, str) else _OPEN for part in narrow.parts)


_OPEN = "\0"


_Parts = tuple[str | Wildcard | Variable, ...]
_Content = tuple[object, ...]


class _Patterns:
    """The patterns of an element, and those of them with a `*`."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self.parts = frozenset(pattern.parts for pattern in patterns)
        self.open = [pattern for pattern in patterns if Wildcard.ANY in pattern.parts]


class _Compared:
    """A statement as it is compared with others. `content` is all that it says, but for its Sid."""

    def __init__(self, written: WrittenStatement) -> None:
        said = written.statement
        self.written = written
        self.actions, self.resources = _Patterns(said.action), _Patterns(said.resource)
        self.principals = frozenset(said.principal), frozenset(said.not_principal)
        self.content: _Content = (
            *(said.effect, *self.principals, self.actions.parts, self.resources.parts),
            *(_Patterns(said.not_action).parts, _Patterns(said.not_resource).parts),
            tuple((one.operator, one.key, one.values) for one in said.conditions),
        )
