"""What patterns of actions or resources span, and how two spans lie to each other, without asking for every text.

`meets` is never False where two spans have a text in common, and `within` is never True where one has a text that the
other has not; otherwise they may not know better, and do not try with patterns that are very long. A variable may have any
value for `meets`, and is only itself for `within`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from iamledger.policy import Pattern, Statement, Variable, Wildcard

LONGEST = 1_000_000
"""The product of two patterns' lengths above which they are not compared."""

Token = str | Wildcard | Variable


@dataclass(frozen=True, slots=True)
class Span:
    """What some patterns match, or, if `negated`, all else."""

    patterns: tuple[Pattern, ...]
    negated: bool = False

    def meets(self, other: Span) -> bool:
        """Whether some text may be in both."""
        if self.negated and other.negated:
            return True
        if other.negated:
            return other.meets(self)
        if self.negated:
            return not all(any(_within(one, not_) for not_ in self.patterns) for one in other.patterns)
        return any(_meet(one, another) for one in self.patterns for another in other.patterns)

    def within(self, other: Span) -> bool:
        """Whether every text of this one is in the other, for certain."""
        if other.negated and self.negated:
            return all(any(_within(not_, mine) for mine in self.patterns) for not_ in other.patterns)
        if other.negated:
            return not any(_meet(one, not_) for one in self.patterns for not_ in other.patterns)
        if self.negated:
            return any(pattern.parts == (Wildcard.ANY,) for pattern in other.patterns)
        return all(any(_within(one, another) for another in other.patterns) for one in self.patterns)

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


def _meet(one: Pattern, other: Pattern) -> bool:
    """Whether two patterns may match the same text: which pairs of places can be reached by reading both."""
    if not (one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix)):
        return False
    if len(one.text) * len(other.text) > LONGEST:
        return True
    first = [Wildcard.ANY if isinstance(token, Variable) else token for token in _tokens(one)]
    second = [Wildcard.ANY if isinstance(token, Variable) else token for token in _tokens(other)]
    row = [True] + [False] * len(second)
    for at, token in enumerate(second):
        row[at + 1] = row[at] and token is Wildcard.ANY
    for mine in first:
        new = [row[0] and mine is Wildcard.ANY]
        for at, theirs in enumerate(second):
            either = mine is Wildcard.ANY or theirs is Wildcard.ANY
            same = mine == theirs or Wildcard.ONE in (mine, theirs)
            new.append(
                (row[at] and (either or same))
                or (mine is Wildcard.ANY and (new[at] or row[at + 1]))
                or (theirs is Wildcard.ANY and (row[at + 1] or new[at]))
            )
        row = new
    return row[-1]


def _within(inner: Pattern, outer: Pattern) -> bool:
    """Whether all that one pattern matches is matched by another: the inner one is read as a text with wildcards in it.

    A wildcard of the outer one takes colons of the first five parts of an ARN only where it surely may (rule 21).
    """
    if not inner.prefix.startswith(outer.prefix) or len(inner.text) * len(outer.text) > LONGEST:
        return False
    text, pattern = _tokens(inner), _tokens(outer)
    row = [True] + [False] * len(text)
    for place, token in enumerate(pattern):
        crosses = _crosses(pattern, place)
        new = [row[0] and token is Wildcard.ANY]
        for at, theirs in enumerate(text):
            single = theirs is not Wildcard.ANY and not isinstance(theirs, Variable)
            fits = crosses or (single and theirs not in (":", Wildcard.ONE))
            if token is Wildcard.ANY:
                new.append(row[at + 1] or (fits and new[at]))
            elif token is Wildcard.ONE:
                new.append(row[at] and single and fits)
            else:
                new.append(row[at] and theirs == token)
        row = new
    return row[-1]


def _crosses(tokens: Sequence[Token], place: int) -> bool:
    """Whether a wildcard may match a colon: behind the fifth, or as a `*` at the end of a part. Actions have but one."""
    if tokens[:4] != list("arn:"):
        return True
    following = tokens[place + 1] if place + 1 < len(tokens) else ":"
    return tokens[:place].count(":") >= 5 or (tokens[place] is Wildcard.ANY and following == ":")


def _tokens(pattern: Pattern) -> list[Token]:
    return [token for part in pattern.parts for token in (part if isinstance(part, str) else (part,))]
