"""How spans lie to each other, and what limits a row, pattern by pattern and place by place: slow, and without any index."""

from __future__ import annotations

from collections.abc import Sequence

from iamledger.access.spans import Span, actions, all_resources
from iamledger.access.what_can import LIMITED, NOTHING, UNLIMITED
from iamledger.policy import Pattern, Statement, Variable, Wildcard

Token = str | Wildcard | Variable
Limited = tuple[str, list[int], str]


class SlowSpan(Span):
    """A span whose patterns are followed place by place."""

    __slots__ = ()

    @staticmethod
    def _meet(one: Pattern, other: Pattern) -> bool:
        return meet(one, other)

    @staticmethod
    def _within(inner: Pattern, outer: Pattern) -> bool:
        return within(inner, outer)


def slow(span: Span) -> SlowSpan:
    """The same span."""
    return SlowSpan(span.patterns, span.negated)


def limited_by(denies: Sequence[Statement], bounds: Sequence[Statement] | None, span: Span, resource: Span) -> Limited:
    """What is left of some actions on a resource, the places of the Denies that take from it, and what the bounds do."""
    met = [place for place, statement in enumerate(denies) if _meets(statement, span, resource)]
    nothing = _covers([denies[place] for place in met], span, resource)
    bounded = ""
    if bounds is not None and not _covers(bounds, span, resource):
        outside = not any(_meets(statement, span, resource) for statement in bounds)
        bounded, nothing = "outside of" if outside else "only what is within", nothing or outside
    return NOTHING if nothing else LIMITED if met or bounded else UNLIMITED, met, bounded


def _meets(statement: Statement, span: Span, resource: Span) -> bool:
    return slow(span).meets(slow(actions(statement))) and slow(resource).meets(slow(all_resources(statement)))


def _covers(statements: Sequence[Statement], span: Span, resource: Span) -> bool:
    sure = [statement for statement in statements if not statement.conditions]
    whole = [slow(actions(one)) for one in sure if slow(resource).within(slow(all_resources(one)))]
    each = [slow(span)] if span.negated else [SlowSpan((pattern,)) for pattern in span.patterns]
    return all(any(one.within(other) for other in whole) for one in each)


def meet(one: Pattern, other: Pattern) -> bool:
    """Whether two patterns may match the same text: which pairs of places can be reached by reading both."""
    if not (one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix)):
        return False
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


def within(inner: Pattern, outer: Pattern) -> bool:
    """Whether all that one pattern matches is matched by another: the inner one is read as a text with wildcards in it.

    A wildcard of the outer one takes colons of the first five parts of an ARN only where it surely may (rule 21).
    """
    if not inner.prefix.startswith(outer.prefix):
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
    """The characters, wildcards and variables; keys are the same in whatever case."""
    return [token for part in pattern.parts for token in (part if isinstance(part, str) else (_variable(part),))]


def _variable(part: Wildcard | Variable) -> Wildcard | Variable:
    return Variable(part.key.lower(), part.default) if isinstance(part, Variable) else part
