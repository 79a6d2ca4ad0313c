"""Values and statements that others make superfluous.

A value is superfluous if a pattern of the same element matches whatever it matches. A statement is superfluous if another
one of the same effect applies whenever it does, and in vain if it allows what another one denies. Only what can be seen from
the texts is found, and of documents with very many patterns only a part: `BUDGET` comparisons are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from iamledger.policy.document import Statement
from iamledger.policy.globs import Test, glob
from iamledger.policy.json_places import Value
from iamledger.policy.lint.findings import Findings
from iamledger.policy.lint.written import WrittenStatement
from iamledger.policy.patterns import Pattern, Wildcard
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
        self._check_values(list(written.actions()), lambda pattern: pattern.text.lower())
        self._check_values(list(written.resources()), lambda pattern: pattern.text)

    def check_statements(self, written: Sequence[WrittenStatement]) -> None:
        """Statements that another statement covers."""
        for place, one in enumerate(written):
            for other_place, other in enumerate(written):
                if one is other or self._left < 0:
                    continue
                equal = _same(one.statement, other.statement)
                if equal and other_place > place:
                    continue
                if equal or self._covers(other.statement, one.statement):
                    self._tell(one, other)
                    break

    def _tell(self, one: WrittenStatement, other: WrittenStatement) -> None:
        line = other.statement.place.line
        if other.statement.effect == one.statement.effect:
            message = f"the statement in line {line} says all that this one does"
            self._findings.add("redundant-statement", one.node, message, "remove this one")
        else:
            message = f"the statement in line {line} denies all that this one allows"
            self._findings.add("denied-elsewhere", one.node, message, "remove this one, or except it there")

    def _check_values(self, values: list[tuple[Pattern, Value]], told: Callable[[Pattern], str]) -> None:
        seen: set[str] = set()
        wide = [pattern for pattern, _ in values if Wildcard.ANY in pattern.parts]
        for pattern, node in values:
            text = told(pattern)
            if text in seen:
                self._findings.add("redundant-value", node, f"{quote(pattern.text)} stands here twice", "remove it")
                continue
            seen.add(text)
            for other in wide:
                if told(other) != text and self._matches(other, pattern):
                    message = f"{quote(pattern.text)} is among {quote(other.text)}"
                    self._findings.add("redundant-value", node, message, "remove it")
                    break

    def _covers(self, wide: Statement, narrow: Statement) -> bool:
        """Whether a statement applies whenever another one does. A Deny also covers an Allow, but not the other way."""
        if wide.effect != narrow.effect and wide.effect == "Allow":
            return False
        if wide.not_action or narrow.not_action or wide.not_resource or narrow.not_resource:
            return False
        if (wide.conditions and wide.conditions != narrow.conditions) or not _same_principals(wide, narrow):
            return False
        return self._all_among(narrow.action, wide.action) and self._all_among(narrow.resource, wide.resource)

    def _all_among(self, patterns: Iterable[Pattern], wide: Sequence[Pattern]) -> bool:
        literals = set(wide)
        open_ = [pattern for pattern in wide if Wildcard.ANY in pattern.parts]
        return all(pattern in literals or any(self._matches(other, pattern) for other in open_) for pattern in patterns)

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


def _same(one: Statement, other: Statement) -> bool:
    return _but_sid(one) == _but_sid(other)


def _but_sid(statement: Statement) -> tuple[object, ...]:
    return (
        statement.effect,
        frozenset(statement.principal),
        frozenset(statement.not_principal),
        *(
            frozenset(pattern.parts for pattern in patterns)
            for patterns in (statement.action, statement.not_action, statement.resource, statement.not_resource)
        ),
        statement.conditions,
    )


def _same_principals(one: Statement, other: Statement) -> bool:
    return set(one.principal) == set(other.principal) and set(one.not_principal) == set(other.not_principal)
