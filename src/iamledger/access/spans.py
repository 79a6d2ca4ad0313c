"""What patterns of actions or resources span, and how two spans lie to each other, without asking for every text.

`meets` is never False where two spans have a text in common, and `within` is never True where one has a text that the
other has not; otherwise they may not know better. A variable may have any value for `meets`, and is only itself for
`within`. Patterns are followed as automata, so that the time is about that of reading one of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from iamledger.policy import Pattern, Statement, Variable, Wildcard
from iamledger.policy.comparing.automata import Glob, Joint, resource_glob, text_glob


@dataclass(frozen=True, slots=True)
class Span:
    """What some patterns match, or, if `negated`, all else."""

    patterns: tuple[Pattern, ...]
    negated: bool = False

    @staticmethod
    def _meet(one: Pattern, other: Pattern) -> bool:
        return bool(may_match(one, possible([other])))

    @staticmethod
    def _within(inner: Pattern, outer: Pattern) -> bool:
        return bool(surely_match(inner, certain([outer])))

    def meets(self, other: Span) -> bool:
        """Whether some text may be in both."""
        if self.negated and other.negated:
            return True
        if other.negated:
            return other.meets(self)
        if self.negated:
            return not all(any(self._within(one, not_) for not_ in self.patterns) for one in other.patterns)
        return any(self._meet(one, another) for one in self.patterns for another in other.patterns)

    def within(self, other: Span) -> bool:
        """Whether every text of this one is in the other, for certain."""
        if other.negated and self.negated:
            return all(any(self._within(not_, mine) for mine in self.patterns) for not_ in other.patterns)
        if other.negated:
            return not any(self._meet(one, not_) for one in self.patterns for not_ in other.patterns)
        if self.negated:
            return any(pattern.parts == (Wildcard.ANY,) for pattern in other.patterns)
        return all(any(self._within(one, another) for another in other.patterns) for one in self.patterns)

    def __str__(self) -> str:
        text = ", ".join(pattern.text for pattern in self.patterns)
        return f"all but {text}" if self.negated else text


def actions(statement: Statement) -> Span:
    """What a statement is about."""
    return Span(statement.action or statement.not_action, not statement.action)


def resources(statement: Statement) -> list[Span]:
    """The resources of a statement: a span for each pattern, or the one of NotResource."""
    if statement.resource:
        return [Span((pattern,)) for pattern in statement.resource]
    return [Span(statement.not_resource, True)]


def all_resources(statement: Statement) -> Span:
    """The resources of a statement, as one span."""
    return Span(statement.resource or statement.not_resource, not statement.resource)


def possible(patterns: Iterable[Pattern]) -> Joint:
    """Patterns to be followed by `may_match`."""
    return Joint((), [text_glob(pattern) for pattern in patterns])


def certain(patterns: Iterable[Pattern]) -> Joint:
    """Patterns to be followed by `surely_match`."""
    return Joint([_sure_glob(pattern) for pattern in patterns])


def may_match(one: Pattern, others: Joint) -> frozenset[int]:
    """The numbers of the patterns that may match a text which another one matches, too."""
    state = others.start
    for part in one.parts:
        if isinstance(part, str):
            for character in part:
                state = others.after(state, character)
        else:
            state = others.possibly(state, Wildcard.ANY if isinstance(part, Variable) else part)
        if not state:
            return frozenset()
    return others.matched(state)


def surely_match(inner: Pattern, outer: Joint) -> frozenset[int]:
    """The numbers of the patterns that match all that another one matches, which is read as a text with wildcards in it.

    A wildcard of the outer ones takes colons of the first five parts of an ARN only where it surely may (rule 21).
    """
    state = outer.start
    for part, _ in _sure_glob(inner):
        if isinstance(part, Wildcard):
            state = outer.surely(state, part)
        else:
            for symbol in (part,) if isinstance(part, Variable) else part:
                state = outer.after(state, symbol)
        if not state:
            return frozenset()
    return outer.matched(state)


def _sure_glob(pattern: Pattern) -> Glob:
    """A pattern of actions, which have but one colon, or of resources."""
    return resource_glob(pattern) or () if pattern.prefix.startswith("arn:") else text_glob(pattern)
