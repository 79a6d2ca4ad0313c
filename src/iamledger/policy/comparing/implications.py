"""What conditions say of one another: whether some imply others, or contradict them. True only if it is certain.

- A condition implies another on the same key if it has the same operator, without IfExists or with it like the other, and
  each value that it takes is one that the other takes; if it is negated, the other way round: each value that the other
  excludes is one that it excludes. StringEquals and StringLike are one operator for that, and ArnEquals and ArnLike.
- A value is within another if they are equal, if a block of addresses lies within the other, if a pattern covers the other,
  or if the order says so (less than 5 is less than 7).
- A positive condition and a negated one on the same key contradict each other if what the one takes the other excludes; two
  positive ones if what they take is of a kind that can only be equal, and nothing is.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network

from iamledger.policy.comparing.automata import text_glob
from iamledger.policy.comparing.exploring import Budget, covers
from iamledger.policy.document import Condition, Statement
from iamledger.policy.operands import Operand
from iamledger.policy.operators import Family, Operator
from iamledger.policy.patterns import Pattern

Block = tuple[Condition, ...]
Asked = Callable[[Block, Block], bool]

_SAME = {
    "StringLike": "StringEquals",
    "StringNotLike": "StringNotEquals",
    "ArnLike": "ArnEquals",
    "ArnNotLike": "ArnNotEquals",
}
_PATIENCE = 4_000


def implies(block: Block, other: Block) -> bool:
    """Whether all conditions of another block hold wherever those of a block do."""
    return all(any(_implies(one, wanted) for one in block) for wanted in other)


def contradicts(block: Block, other: Block) -> bool:
    """Whether two blocks can never hold together."""
    return any(_contradict(one, two) or _contradict(two, one) for one in block for two in other)


class Blocks:
    """The blocks of conditions of statements, so that each pair of different ones is compared once."""

    def __init__(self, statements: Iterable[Statement]) -> None:
        numbers: dict[Hashable, int] = {}
        self._numbers = {id(one): numbers.setdefault(one.conditions, len(numbers)) for one in statements}
        self._known: dict[tuple[int, int, Asked], bool] = {}

    def ask(self, asked: Asked, one: Statement, other: Statement) -> bool:
        """What `implies` or `contradicts` says of two statements' conditions."""
        key = (self._numbers[id(one)], self._numbers[id(other)], asked)
        if key not in self._known:
            self._known[key] = asked(one.conditions, other.conditions)
        return self._known[key]


def _comparison(operator: Operator) -> str:
    return _SAME.get(operator.comparison, operator.comparison)


def _implies(one: Condition, wanted: Condition) -> bool:
    if one.key.lower() != wanted.key.lower() or one.operator.quantifier is not wanted.operator.quantifier:
        return False
    if _comparison(one.operator) != _comparison(wanted.operator):
        return False
    if one.operator.if_exists and not wanted.operator.if_exists:
        return False
    if one.operator.negated:
        return _within(wanted.operands, one.operands, one.operator)
    return _within(one.operands, wanted.operands, one.operator)


def _contradict(one: Condition, other: Condition) -> bool:
    """Whether a positive condition, which needs its key, can never hold with another."""
    if one.key.lower() != other.key.lower() or one.operator.quantifier or other.operator.quantifier:
        return False
    if one.operator.negated or one.operator.if_exists or one.operator.family is Family.NULL:
        return False
    if other.operator.negated:
        positive = _comparison(other.operator).replace("Not", "")
        return _comparison(one.operator) == positive and _within(one.operands, other.operands, one.operator)
    return (
        one.operator.comparison == other.operator.comparison in ("Bool", "StringEquals", "NumericEquals", "DateEquals")
        and all(_is_constant(operand) for operand in (*one.operands, *other.operands))
        and not set(map(_plain, one.operands)) & set(map(_plain, other.operands))
    )


def _is_constant(operand: Operand) -> bool:
    return not isinstance(operand, Pattern) or operand.literal is not None


def _plain(operand: Operand) -> object:
    return operand.literal if isinstance(operand, Pattern) else operand


def _within(some: Sequence[Operand], others: Sequence[Operand], operator: Operator) -> bool:
    """Whether a value that compares with one of some operands compares with one of the others."""
    known = {_told(other) for other in others}
    left = [one for one in some if _told(one) not in known]
    if len(left) * len(others) > _PATIENCE:
        return False
    return all(any(_covers(other, one, operator) for other in others) for one in left)


def _told(operand: Operand) -> object:
    return operand.parts if isinstance(operand, Pattern) else (type(operand), operand)


def _covers(general: Operand, special: Operand, operator: Operator) -> bool:
    match general, special:
        case Pattern(), Pattern() if general.literal is not None:
            return False
        case Pattern(), Pattern() if operator.family is Family.STRING and "IgnoreCase" not in operator.comparison:
            return covers([text_glob(general)], text_glob(special), Budget(_PATIENCE))
        case IPv4Network(), IPv4Network():
            return special.subnet_of(general)
        case IPv6Network(), IPv6Network():
            return special.subnet_of(general)
        case Decimal(), Decimal() if "LessThan" in operator.comparison:
            return special <= general
        case Decimal(), Decimal() if "GreaterThan" in operator.comparison:
            return special >= general
    return False
