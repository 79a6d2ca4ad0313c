"""A policy document as it was understood. Two documents that differ in layout only are equal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from iamledger.policy.kinds import Kind
from iamledger.policy.operands import Operand
from iamledger.policy.operators import Operator
from iamledger.policy.patterns import Pattern
from iamledger.policy.problems import Place

Version = Literal["2012-10-17", "2008-10-17"]
Effect = Literal["Allow", "Deny"]
PrincipalType = Literal["AWS", "Service", "Federated", "CanonicalUser"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom a statement is about. `"Principal": "*"` is the type AWS and the id `*`, as IAM has it."""

    type: PrincipalType
    id: str


@dataclass(frozen=True, slots=True)
class Condition:
    """One key under one operator. `values` are the texts; JSON's numbers and booleans are texts as they were written.

    `operands` are the same values, in the same order, as the operator's type.
    """

    operator: Operator
    key: str
    values: tuple[str, ...]
    operands: tuple[Operand, ...]
    place: Place = field(compare=False)

    @property
    def text(self) -> str:
        """The condition in one line: `IpAddress aws:SourceIp 10.0.0.0/8, 192.0.2.0/24`."""
        return f"{self.operator} {self.key} {', '.join(self.values)}".rstrip()


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. Of `action` and `not_action` one is empty, which means that it was not written; so with the others.

    Patterns of actions are in lower case, except for their text: actions compare without regard to case. `place` is that of
    the first character, `end` that behind the last.
    """

    sid: str | None
    effect: Effect
    principal: tuple[Principal, ...]
    not_principal: tuple[Principal, ...]
    action: tuple[Pattern, ...]
    not_action: tuple[Pattern, ...]
    resource: tuple[Pattern, ...]
    not_resource: tuple[Pattern, ...]
    conditions: tuple[Condition, ...]
    place: Place = field(compare=False)
    end: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class PolicyDocument:
    """A document. One without a version has the older one, 2008-10-17."""

    kind: Kind
    version: Version
    id: str | None
    statements: tuple[Statement, ...]
