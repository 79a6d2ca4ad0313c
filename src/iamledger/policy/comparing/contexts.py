"""Contexts in which conditions hold, or do not: made for them from their own values, and tried out before they are told.

Keys that go with a caller are as they are: a caller's name and tags are not made up, and a tag that it has not is absent.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from itertools import islice

from iamledger.policy.comparing.instances import EXAMPLE, instance
from iamledger.policy.condition_tests import Holds, condition_test
from iamledger.policy.document import Condition
from iamledger.policy.operators import Family
from iamledger.policy.patterns import Pattern, Variable
from iamledger.policy.substitution import Fact, Facts

Context = Mapping[str, Fact]

_ELSEWHERE = ("198.51.100.7", "2001:db8:ffff::7")
_OTHER = "another-example"
_TRIED = 200
"""So many values of one condition are tried out."""
_TRIES = 2_000
"""So many contexts are tried out for one question."""


def satisfying(conditions: Sequence[Condition], known: Facts, context: Context | None = None) -> Context | None:
    """A context, which may begin with another one, in which all of some conditions hold. None if none was found.

    `known` are the caller's own keys, in lower case.
    """
    return next(_satisfying(conditions, (), known, dict(context or {})), None)


def separating(conditions: Sequence[Condition], others: Sequence[Condition], known: Facts) -> Context | None:
    """A context in which all of some conditions hold, and one of others does not. None if none was found."""
    for context in _satisfying(conditions, others, known, {}):
        if not holds(others, {**known, **context}):
            return context
        if (found := violating(others, known, context, keeping=conditions)) is not None:
            return found
    return None


def violating(
    conditions: Sequence[Condition], known: Facts, context: Context, *, keeping: Sequence[Condition] = ()
) -> Context | None:
    """A context, with all of another one and more, in which one of some conditions does not hold, but those to keep do.

    None if none was found.
    """
    for condition in conditions:
        for made in _tried(condition.key.lower(), [condition], known, dict(context)):
            facts = {**known, **made}
            if not holds([condition], facts) and holds(keeping, facts):
                return made
    return None


def without(
    blocks: Iterable[Sequence[Condition]], known: Facts, context: Context, keeping: Sequence[Condition]
) -> Context:
    """A context, with all of another one and more, in which as many blocks as can be do not hold, but those to keep do."""
    for block in blocks:
        if holds(block, {**known, **context}):
            context = violating(block, known, context, keeping=keeping) or context
    return context


def holds(conditions: Sequence[Condition], facts: Facts) -> bool:
    """Whether all of some conditions hold."""
    return all(_test(condition)(facts) for condition in conditions)


def is_fixed(key: str, known: Facts) -> bool:
    """Whether a key, in lower case, is a caller's own, and so not to be made up."""
    return key in known or (bool(known) and key.startswith("aws:principaltag/"))


def variables(condition: Condition) -> Iterator[str]:
    """The keys, in lower case, that a condition's values name."""
    for operand in condition.operands:
        if isinstance(operand, Pattern):
            yield from (part.key.lower() for part in operand.parts if isinstance(part, Variable))


def told_conditions(conditions: Sequence[Condition]) -> str:
    """Conditions in one line: `StringEquals aws:PrincipalTag/team a, b and Bool aws:SecureTransport true`."""
    return " and ".join(condition.text for condition in conditions)


@lru_cache(4096)
def _test(condition: Condition) -> Holds:
    return condition_test(condition)


def _satisfying(
    conditions: Sequence[Condition], others: Sequence[Condition], known: Facts, made: dict[str, Fact]
) -> Iterator[dict[str, Fact]]:
    """Contexts in which some conditions hold; of the values that they allow, also those that others name."""
    for condition in conditions:
        for variable in variables(condition):
            if variable not in made and not is_fixed(variable, known):
                made[variable] = EXAMPLE
    by_key: dict[str, list[Condition]] = {}
    for condition in conditions:
        by_key.setdefault(condition.key.lower(), []).append(condition)
    telling = {key: [other for other in others if other.key.lower() == key] for key in by_key}
    left = list(by_key)
    tries = [_TRIES]

    def go_on(at: int, made: dict[str, Fact]) -> Iterator[dict[str, Fact]]:
        if at == len(left):
            if holds(conditions, {**known, **made}):
                yield made
            return
        key = left[at]
        for facts in _tried(key, [*_newest_first(by_key[key], telling[key]), *telling[key]], known, made):
            tries[0] -= 1
            if tries[0] < 0:
                return
            if holds(by_key[key], {**known, **facts}):
                yield from go_on(at + 1, facts)

    return go_on(0, made)


def _newest_first(conditions: Sequence[Condition], others: Sequence[Condition]) -> list[Condition]:
    """Conditions with those of their values first that others do not have."""
    named = [operand for other in others for operand in other.operands]
    return [replace(one, operands=tuple(sorted(one.operands, key=named.__contains__))) for one in conditions]


def _tried(key: str, conditions: Sequence[Condition], known: Facts, made: dict[str, Fact]) -> Iterator[dict[str, Fact]]:
    """Contexts with one value after the other for a key; as it is, first."""
    yield made
    if is_fixed(key, known) or key in made:
        return
    facts = {**known, **made}
    for condition in conditions:
        values = list(dict.fromkeys(islice(_values(condition, facts), _TRIED)))
        yield from ({**made, key: value} for value in values)
        yield from ({**made, key: [value]} for value in values)
        if condition.operator.quantifier:
            yield {**made, key: values}


def _values(condition: Condition, facts: Facts) -> Iterator[str]:
    """Values that are likely to compare with a condition's, or likely not to."""
    for operand in condition.operands:
        match operand:
            case Pattern():
                yield instance(operand, facts)
            case bool():
                yield str(operand).lower()
            case Decimal():
                yield from (f"{operand:f}", f"{operand - 1:f}", f"{operand + 1:f}")
            case IPv4Network() | IPv6Network():
                yield str(operand.network_address)
            case bytes():
                yield base64.b64encode(operand).decode()
    match condition.operator.family:
        case Family.BOOL:
            yield from ("true", "false")
        case Family.IP_ADDRESS:
            yield from _ELSEWHERE
        case Family.BINARY:
            yield base64.b64encode(_OTHER.encode()).decode()
        case Family.ARN:
            yield "arn:aws:iam::123456789012:user/another-example"
        case Family.STRING | Family.NULL:
            yield from (_OTHER, "")
        case Family.NUMERIC | Family.DATE:
            yield from ("0", "1", "1800000000")
