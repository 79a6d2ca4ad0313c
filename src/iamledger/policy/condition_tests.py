"""Whether the conditions of a statement hold among the facts of a request.

- Operators and keys are all to hold; of a key's values one is enough, or none if the operator is negated (rule 30).
- An absent key: positive operators are false, negated and IfExists ones true (rules 32 and 33). A key with an empty list is
  absent, as rule 34 says of Null (?).
- Null is "true" if and only if the key is absent (rule 34); a quantifier before it means nothing (?).
- ForAllValues is true, and ForAnyValue false, of an absent key (rule 35); ForAnyValue with IfExists is true then (?). The
  negation is that of each value (rule 36).
- A list, also of one value, without a quantifier: no match, not even negated (rule 37) (?). A single value under a
  quantifier is a list of one.
- An unknown operator never holds (rule 45).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from iamledger.policy.comparisons import Comparison, comparison
from iamledger.policy.document import Condition
from iamledger.policy.operators import COMPARISONS, Family, Quantifier
from iamledger.policy.substitution import Fact, Facts, text_of

Holds = Callable[[Facts], bool]


def conditions_test(conditions: Sequence[Condition]) -> Holds | None:
    """The test of whether all conditions hold. None if there are none."""
    tests = [condition_test(condition) for condition in conditions]
    if not tests:
        return None
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda facts: first(facts) and second(facts)

    def holds(facts: Facts) -> bool:
        for test in tests:  # noqa: SIM110 - a generator takes twice as long
            if not test(facts):
                return False
        return True

    return holds


def condition_test(condition: Condition) -> Holds:
    """The test of whether one condition holds."""
    operator, key = condition.operator, condition.key.lower()
    if COMPARISONS.get(operator.comparison) is Family.NULL:
        return _null(key, frozenset(condition.operands))
    compare = comparison(condition)
    if compare is None:
        return lambda _: False
    wanted = not operator.negated
    match operator.quantifier:
        case None:
            return _single(key, compare, wanted, absent=operator.if_exists or operator.negated)
        case Quantifier.ALL:
            return _every(key, compare, wanted)
        case Quantifier.ANY:
            return _some(key, compare, wanted, absent=operator.if_exists)


def _null(key: str, wanted: frozenset[object]) -> Holds:
    return lambda facts: (not _values(facts.get(key))) in wanted


def _single(key: str, compare: Comparison, wanted: bool, absent: bool) -> Holds:
    def holds(facts: Facts) -> bool:
        value = facts.get(key)
        if isinstance(value, str):
            return compare(value, facts) is wanted
        if value is None:
            return absent
        if isinstance(value, Sequence):
            return absent and not value
        return compare(text_of(value), facts) is wanted

    return holds


def _every(key: str, compare: Comparison, wanted: bool) -> Holds:
    return lambda facts: all(compare(text, facts) is wanted for text in _values(facts.get(key)))


def _some(key: str, compare: Comparison, wanted: bool, absent: bool) -> Holds:
    def holds(facts: Facts) -> bool:
        values = _values(facts.get(key))
        return any(compare(text, facts) is wanted for text in values) if values else absent

    return holds


def _values(value: Fact | None) -> list[str]:
    """The texts of a key's values; none if it is absent."""
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    return [text_of(item) for item in value] if isinstance(value, Sequence) else [text_of(value)]
