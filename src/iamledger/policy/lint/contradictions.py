"""Conditions on one key that no request fulfils together.

All conditions of a statement are to hold. So there is no request if a key is to be absent and to have a value; if all values
that one condition takes are refused by the others; if nothing lies between two bounds; if all addresses that are meant are
excluded. Set operators, IfExists and variables leave a way out, and are passed over. What is not found here may still never
match: the checks are those that are exact and quick.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network

from iamledger.policy.condition_tests import condition_test
from iamledger.policy.document import Condition
from iamledger.policy.lint.findings import Findings
from iamledger.policy.lint.written import WrittenCondition, WrittenStatement
from iamledger.policy.operators import Family
from iamledger.policy.patterns import Pattern
from iamledger.policy.substitution import has_variables
from iamledger.policy.words import quote

MOST_VALUES = 200
"""Conditions with more values are passed over,"""
MOST_CONDITIONS = 20
"""and keys with more conditions."""
_EQUALITIES = ("StringEquals", "NumericEquals", "DateEquals", "Bool", "BinaryEquals")


def check_contradictions(written: WrittenStatement, findings: Findings) -> None:
    """Keys whose conditions contradict each other."""
    by_key: dict[str, list[WrittenCondition]] = defaultdict(list)
    for one in written.conditions:
        by_key[one.condition.key.lower()].append(one)
    for conditions in by_key.values():
        if 1 < len(conditions) <= MOST_CONDITIONS and (why := _why_never(conditions)):
            last = conditions[-1]
            message = f"the conditions on {quote(last.condition.key)} are never true together: {why}"
            findings.add("never-matches", last.key, message)


def _why_never(written: Collection[WrittenCondition]) -> str | None:
    some = [one for one in written if len(one.values) <= MOST_VALUES]
    if why := _why_not_there(some):
        return why
    single = [one.condition for one in some if _is_exact(one.condition)]
    return _why_no_value(single) or _why_nothing_between(single) or _why_no_address(single) or _why_no_pattern(single)


def _why_not_there(written: Iterable[WrittenCondition]) -> str | None:
    """Whether the key is to be absent, and to be there."""
    absent, there = None, None
    for one in written:
        operator = one.condition.operator
        if operator.family is Family.NULL and set(one.condition.operands) == {True}:
            absent = "Null true"
        elif one.needs_value and one.values:
            there = "Null false" if operator.family is Family.NULL else str(operator)
    return f"{absent} and {there}" if absent and there else None


def _is_exact(condition: Condition) -> bool:
    """Whether it is about one value, which is told, and which the key must have."""
    operator = condition.operator
    return (
        operator.family is not Family.NULL
        and not operator.quantifier
        and not operator.if_exists
        and not any(isinstance(operand, Pattern) and has_variables(operand) for operand in condition.operands)
    )


def _why_no_value(conditions: Sequence[Condition]) -> str | None:
    """Whether each value that one condition takes is refused by another.

    A number has many texts, so that only what compares numbers is asked; and so with all but StringEquals.
    """
    for one in conditions:
        if one.operator.comparison not in _EQUALITIES or not one.values:
            continue
        comparable = [other for other in conditions if one.operator.family in (Family.STRING, other.operator.family)]
        tests = [condition_test(other) for other in comparable if other is not one]
        if tests and not any(all(test({one.key.lower(): value}) for test in tests) for value in one.values):
            return f"no value of {one.operator} fulfils the others"
    return None


def _why_nothing_between(conditions: Iterable[Condition]) -> str | None:
    """Whether there is nothing between the bounds of numbers or dates."""
    for family in (Family.NUMERIC, Family.DATE):
        lower: _Bound | None = None
        upper: _Bound | None = None
        for condition in conditions:
            numbers = [operand for operand in condition.operands if isinstance(operand, Decimal)]
            if condition.operator.family is not family or not numbers:
                continue
            bound = _Bound(condition.operator.comparison, numbers)
            if bound.is_lower and (lower is None or bound.stricter_than(lower)):
                lower = bound
            elif bound.is_upper and (upper is None or bound.stricter_than(upper)):
                upper = bound
        if lower and upper and (lower.at > upper.at or (lower.at == upper.at and (lower.open or upper.open))):
            return f"no value is both {lower.comparison} and {upper.comparison}"
    return None


class _Bound:
    """What a comparison with some numbers, one of which is enough, comes to."""

    def __init__(self, comparison: str, numbers: Collection[Decimal]) -> None:
        self.comparison = comparison
        self.is_lower = "GreaterThan" in comparison
        self.is_upper = "LessThan" in comparison
        self.open = not comparison.endswith("Equals")
        self.at = min(numbers) if self.is_lower else max(numbers)

    def stricter_than(self, other: _Bound) -> bool:
        """Whether less is left than by another bound of the same direction."""
        if self.at == other.at:
            return self.open and not other.open
        return self.at > other.at if self.is_lower else self.at < other.at


def _why_no_address(conditions: Iterable[Condition]) -> str | None:
    """Whether all blocks of addresses that are meant are excluded."""
    meant = [one for one in conditions if one.operator.comparison == "IpAddress"]
    excluded = [block for one in conditions if one.operator.comparison == "NotIpAddress" for block in _blocks(one)]
    for one in meant:
        if excluded and all(any(_within(block, other) for other in excluded) for block in _blocks(one)):
            return "NotIpAddress excludes every block of IpAddress"
    return None


def _blocks(condition: Condition) -> list[IPv4Network | IPv6Network]:
    return [operand for operand in condition.operands if isinstance(operand, IPv4Network | IPv6Network)]


def _within(block: IPv4Network | IPv6Network, other: IPv4Network | IPv6Network) -> bool:
    if isinstance(block, IPv4Network):
        return isinstance(other, IPv4Network) and block.subnet_of(other)
    return isinstance(other, IPv6Network) and block.subnet_of(other)


def _why_no_pattern(conditions: Iterable[Condition]) -> str | None:
    """Whether each pattern that is meant is excluded as it stands."""
    for like, unlike in (("StringLike", "StringNotLike"), ("ArnLike", "ArnNotLike"), ("ArnEquals", "ArnNotEquals")):
        excluded = {value for one in conditions if one.operator.comparison == unlike for value in one.values}
        for one in conditions:
            if one.operator.comparison == like and one.values and excluded.issuperset(one.values):
                return f"{unlike} excludes every value of {like}"
    return None
