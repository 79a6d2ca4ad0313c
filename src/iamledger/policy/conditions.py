"""The Condition element: an object of operators, each an object of keys, each with one value or an array of them.

An empty Condition, an operator without keys and a key without values are accepted: the guide does not forbid them, and an
evaluation knows what they mean (nothing to fulfil; no value that matches).
"""

from __future__ import annotations

from collections.abc import Iterator

from iamledger.policy.document import Condition
from iamledger.policy.elements import every_member, scalars
from iamledger.policy.json_places import Value
from iamledger.policy.operands import Operand, read_operand
from iamledger.policy.operators import Operator, read_operator
from iamledger.policy.patterns import is_condition_key
from iamledger.policy.problems import Malformed, Problems
from iamledger.policy.words import quote


def read_conditions(node: Value, problems: Problems, *, variables: bool) -> Iterator[Condition]:
    """The conditions of a statement, in the order of the text."""
    for name, keys in every_member(node, problems):
        operator: Operator | None = None
        try:
            operator = read_operator(name.text)
        except Malformed as malformed:
            problems.add(name.offset, name.path, malformed.message, malformed.advice)
        for key, values in every_member(keys, problems):
            if not is_condition_key(key.text):
                advice = "write vendor:name, such as aws:SourceIp"
                problems.add(key.offset, key.path, f"{quote(key.text)} is no condition key", advice)
            texts, operands = _values(operator, values, problems, variables=variables)
            if operator is not None:
                yield Condition(operator, key.text, texts, operands, problems.lines.place(key.offset))


def _values(
    operator: Operator | None, node: Value, problems: Problems, *, variables: bool
) -> tuple[tuple[str, ...], tuple[Operand, ...]]:
    texts: list[str] = []
    operands: list[Operand] = []
    for value, written in scalars(node, problems):
        texts.append(written)
        if operator is None:
            continue
        try:
            operands.append(read_operand(operator, written, variables=variables))
        except Malformed as malformed:
            problems.add(value.offset, value.path, malformed.message, malformed.advice)
    return tuple(texts), tuple(operands)
