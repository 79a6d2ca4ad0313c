"""Statements together with the values that they were read from, so that a finding has a place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from iamledger.policy.document import Condition, PolicyDocument, Statement
from iamledger.policy.json_places import Array, Object, String, Value, read
from iamledger.policy.operators import Family, Quantifier
from iamledger.policy.patterns import Pattern
from iamledger.policy.problems import Problems


@dataclass(frozen=True, slots=True)
class WrittenCondition:
    """A condition, its key, and its values in their order."""

    condition: Condition
    key: String
    values: tuple[Value, ...]

    @property
    def needs_value(self) -> bool:
        """Whether it is false of a request without the key."""
        operator = self.condition.operator
        if operator.family is Family.NULL:
            return True not in self.condition.operands
        if operator.if_exists or operator.quantifier is Quantifier.ALL:
            return False
        return operator.quantifier is Quantifier.ANY or not operator.negated


@dataclass(frozen=True, slots=True)
class WrittenStatement:
    """A statement, and the object that it is."""

    statement: Statement
    node: Object
    conditions: tuple[WrittenCondition, ...]

    def key(self, element: str) -> String:
        """The name of an element where it stands."""
        return self.node.members[element][0]

    def value(self, element: str) -> Value:
        """The value of an element."""
        return self.node.members[element][1]

    def actions(self) -> Iterator[tuple[Pattern, Value]]:
        """The patterns of Action or NotAction."""
        return self._patterns("Action", self.statement.action, self.statement.not_action)

    def resources(self) -> Iterator[tuple[Pattern, Value]]:
        """The patterns of Resource or NotResource."""
        return self._patterns("Resource", self.statement.resource, self.statement.not_resource)

    def _patterns(
        self, element: str, plain: tuple[Pattern, ...], negated: tuple[Pattern, ...]
    ) -> Iterator[tuple[Pattern, Value]]:
        if plain or negated:
            yield from zip(plain or negated, _each(self.value(element if plain else f"Not{element}")), strict=True)


def written(text: str, document: PolicyDocument) -> tuple[Object, list[WrittenStatement]]:
    """The object that a text is, and its statements. `document` is what the text was parsed as."""
    root = read(text, Problems(text))
    assert isinstance(root, Object)
    statements = [
        WrittenStatement(statement, node, tuple(_conditions(statement, node)))
        for statement, node in zip(document.statements, _each(root.members["Statement"][1]), strict=True)
        if isinstance(node, Object)
    ]
    return root, statements


def _conditions(statement: Statement, node: Object) -> Iterator[WrittenCondition]:
    if not statement.conditions:
        return
    operators = _members(node.members["Condition"][1])
    keys = [member for _, operator in operators for member in _members(operator)]
    for condition, (key, value) in zip(statement.conditions, keys, strict=True):
        yield WrittenCondition(condition, key, _each(value))


def _members(node: Value) -> list[tuple[String, Value]]:
    return list(node.members.values()) if isinstance(node, Object) else []


def _each(node: Value) -> tuple[Value, ...]:
    return node.items if isinstance(node, Array) else (node,)
