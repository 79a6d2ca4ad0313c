"""Statements as the tests that an index goes through: an entry for each pattern of a statement's resources.

A test that is None is one that there is no need to make. Actions are compared in lower case, and so come here (rule 19).
NotAction and NotResource match if no listed pattern does (rule 20). A statement without resources is about the one that its
policy is attached to, and so matches whatever it is asked about.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from iamledger.policy.condition_tests import Holds, conditions_test
from iamledger.policy.document import Statement
from iamledger.policy.globs import Test, glob
from iamledger.policy.patterns import Pattern, Variable, Wildcard
from iamledger.policy.prefixes import Prefixes
from iamledger.policy.resource_tests import FactsTest, possible_test, static_test, variable_test
from iamledger.policy.sources import Source

FEW = 6
"""So many are gone through one by one."""


class Entry(NamedTuple):
    """What is to hold of an action, a resource, both with the facts, and the facts alone; and whose entry it is."""

    action: Test | None
    resource: Test | None
    variables: FactsTest | None
    conditions: Holds | None
    source: Source


Placed = tuple[Pattern | None, Entry]
"""An entry, with its pattern if the resource must match one."""


def entries(source: Source, *, possible: bool) -> Iterator[Placed]:
    """The entries of a statement.

    `possible`: whether they tell what could match for some facts, instead of what does.
    """
    statement = source.statement
    action = action_test(statement)
    conditions = None if possible else conditions_test(statement.conditions)
    for pattern in statement.resource:
        static, variable = _tests(pattern, possible=possible)
        yield pattern, Entry(action, static, variable, conditions, source)
    if not statement.resource:
        yield None, Entry(action, *_none_of(statement.not_resource, possible=possible), conditions, source)


def action_test(statement: Statement) -> Test | None:
    """The test of a statement's actions."""
    patterns = statement.action or statement.not_action
    literals = frozenset(pattern.literal for pattern in patterns if pattern.literal is not None)
    matches = _any([pattern for pattern in patterns if pattern.literal is None])
    if statement.not_action:
        return lambda action: action not in literals and (matches is None or not matches(action))
    if any(pattern.parts == (Wildcard.ANY,) for pattern in patterns):
        return None
    if matches is None:
        return literals.__contains__
    if not literals:
        return matches
    return lambda action: action in literals or matches(action)


def _any(patterns: Sequence[Pattern]) -> Test | None:
    """The test of whether a text matches one of the patterns. None if there are none."""
    if len(patterns) <= FEW:
        tests = [glob(_parts(pattern)) for pattern in patterns]
        return tests[0] if len(tests) == 1 else (lambda text: any(test(text) for test in tests)) if tests else None
    by_prefix: dict[str, list[Test]] = defaultdict(list)
    for pattern in patterns:
        by_prefix[pattern.prefix].append(glob(_parts(pattern)))
    held = Prefixes(by_prefix)
    return lambda text: any(test(text) for tests in held.under(text) for test in tests)


def pattern_test(pattern: Pattern) -> Test | None:
    """The test of one pattern of actions, of an action that begins with its prefix. None if there is nothing more to it."""
    if pattern.literal is None and len(pattern.parts) == 1 + bool(pattern.prefix) and pattern.parts[-1] is Wildcard.ANY:
        return None
    return glob(_parts(pattern))


def _parts(pattern: Pattern) -> list[str | Wildcard]:
    return [part for part in pattern.parts if not isinstance(part, Variable)]


def _tests(pattern: Pattern, *, possible: bool) -> tuple[Test | None, FactsTest | None]:
    if possible:
        return possible_test(pattern), None
    if variable := variable_test(pattern):
        return None, variable
    return static_test(pattern), None


def _none_of(patterns: Sequence[Pattern], *, possible: bool) -> tuple[Test | None, FactsTest | None]:
    """The tests of NotResource. With variables, it is possible that they have values for which a pattern does not match."""
    static = [_whole(pattern) for pattern in patterns if variable_test(pattern) is None]
    variable = [test for pattern in patterns if (test := variable_test(pattern))]
    outside = (lambda resource: not any(test(resource) for test in static)) if static else None
    if possible or not variable:
        return outside, None
    return outside, lambda resource, facts: not any(test(resource, facts) for test in variable)


def _whole(pattern: Pattern) -> Test:
    """The test of a pattern, of a resource of which nothing is known yet."""
    return static_test(pattern) or glob(_parts(pattern))
