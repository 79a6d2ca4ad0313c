"""What a value of a request is to the values of a condition: True, False, or None if it is of no type that compares.

- String: with case, wildcards in StringLike only; the IgnoreCase forms have none (rule 38) and fold as Unicode does (?).
- Numeric: exact decimals (rule 41). Date: exact seconds, from ISO 8601 or a number of seconds (rule 42).
- IpAddress: families never match each other, but that is an answer: NotIpAddress is then true (rule 43). A block in a
  request is within a condition's block or is not (?).
- Bool: true and false without regard to case; other strings never match (rule 40). Variables work in it (?).
- Binary: the decoded bytes (rule 44).
- A value that cannot be read is None, and matches nothing, not even negated: rule 41 says so of numbers, and we of all (?).
- Policy variables are replaced in String and Arn operators (rule 29). An unresolved one matches nothing (rule 28).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network

from iamledger.policy.arn_operators import static_arn_test, variable_arn_test
from iamledger.policy.document import Condition
from iamledger.policy.globs import chunks, glob, matches
from iamledger.policy.operands import binary, moment, network, number, truth
from iamledger.policy.operators import COMPARISONS, Family
from iamledger.policy.patterns import Pattern, Variable, Wildcard
from iamledger.policy.substitution import Facts, has_variables, substituter, writer

Comparison = Callable[[str, Facts], bool | None]


def comparison(condition: Condition) -> Comparison | None:
    """How a request's value compares with a condition's, before any negation. None if the operator is unknown (rule 45)."""
    match COMPARISONS.get(condition.operator.comparison):
        case Family.STRING if "IgnoreCase" in condition.operator.comparison:
            return _folded(condition)
        case Family.STRING:
            return _strings(condition)
        case Family.ARN:
            return _arns(condition)
        case Family.BOOL:
            return _truths(condition)
        case Family.NUMERIC:
            return _ordered(condition, number)
        case Family.DATE:
            return _ordered(condition, moment)
        case Family.IP_ADDRESS:
            return _addresses(condition)
        case Family.BINARY:
            return _binaries(condition)
        case _:
            return None


def _patterns(condition: Condition) -> list[Pattern]:
    return [operand for operand in condition.operands if isinstance(operand, Pattern)]


def _strings(condition: Condition) -> Comparison:
    patterns = _patterns(condition)
    literals = frozenset(pattern.literal for pattern in patterns if pattern.literal is not None)
    globs = [glob(_plain(p)) for p in patterns if p.literal is None and not has_variables(p)]
    written = [_writer(p) for p in patterns if has_variables(p) and not _has_wildcards(p)]
    other = [substituter(p) for p in patterns if has_variables(p) and _has_wildcards(p)]
    if not globs and not written and not other:
        return lambda text, _: text in literals

    def compare(text: str, facts: Facts) -> bool:
        if text in literals:
            return True
        for test in globs:
            if test(text):
                return True
        for write in written:
            if write(facts) == text:
                return True
        return bool(other) and any(
            (parts := substitute(facts)) is not None and matches(chunks(parts), text) for substitute in other
        )

    return compare


def _folded(condition: Condition) -> Comparison:
    patterns = _patterns(condition)
    literals = frozenset(pattern.literal.casefold() for pattern in patterns if pattern.literal is not None)
    written = [_writer(pattern) for pattern in patterns if pattern.literal is None]

    def compare(text: str, facts: Facts) -> bool:
        folded = text.casefold()
        return folded in literals or any(
            (w := write(facts)) is not None and w.casefold() == folded for write in written
        )

    return compare


def _arns(condition: Condition) -> Comparison:
    patterns = _patterns(condition)
    bound = [test for pattern in patterns if (test := variable_arn_test(pattern))]
    static = [static_arn_test(pattern) for pattern in patterns if not has_variables(pattern)]
    return lambda text, facts: any(test(text) for test in static) or any(test(text, facts) for test in bound)


def _truths(condition: Condition) -> Comparison:
    accepted = frozenset(operand for operand in condition.operands if isinstance(operand, bool))
    written = [_writer(pattern) for pattern in _patterns(condition)]

    def compare(text: str, facts: Facts) -> bool | None:
        value = truth(text)
        if value is None or value in accepted:
            return None if value is None else True
        return bool(written) and any((w := write(facts)) is not None and truth(w) is value for write in written)

    return compare


_Order = Callable[[Decimal, Decimal], bool]
_ORDERS: dict[str, _Order] = {
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}


def _binaries(condition: Condition) -> Comparison:
    accepted = frozenset(operand for operand in condition.operands if isinstance(operand, bytes))

    def compare(text: str, _: Facts) -> bool | None:
        return None if (read := binary(text)) is None else read in accepted

    return compare


def _ordered(condition: Condition, read: Callable[[str], Decimal | None]) -> Comparison:
    operands = [operand for operand in condition.operands if isinstance(operand, Decimal)]
    order: _Order = _ORDERS.get(condition.operator.comparison.removeprefix("Numeric").removeprefix("Date"), operator.eq)

    def compare(text: str, _: Facts) -> bool | None:
        value = read(text)
        return None if value is None else any(order(value, operand) for operand in operands)

    return compare


def _addresses(condition: Condition) -> Comparison:
    blocks = [_bounds(operand) for operand in condition.operands if isinstance(operand, IPv4Network | IPv6Network)]

    def compare(text: str, _: Facts) -> bool | None:
        if (block := network(text)) is None:
            return None
        version, first, last = _bounds(block)
        return any(version == family and low <= first and last <= high for family, low, high in blocks)

    return compare


def _bounds(block: IPv4Network | IPv6Network) -> tuple[int, int, int]:
    return block.version, int(block.network_address), int(block.broadcast_address)


def _plain(pattern: Pattern) -> Sequence[str | Wildcard]:
    return [part for part in pattern.parts if not isinstance(part, Variable)]


def _has_wildcards(pattern: Pattern) -> bool:
    return any(isinstance(part, Wildcard) for part in pattern.parts)


def _writer(pattern: Pattern) -> Callable[[Facts], str | None]:
    return writer([part for part in pattern.parts if not isinstance(part, Wildcard)])
