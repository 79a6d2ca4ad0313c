"""Policies with the names that tell them apart, and the statements in them, as explanations name them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from iamledger.policy.callers import Caller, Grant
from iamledger.policy.document import Effect, PolicyDocument, Statement
from iamledger.policy.problems import Place
from iamledger.policy.requests import Layer


@dataclass(frozen=True, slots=True)
class Policy:
    """A document, and a label that tells where it comes from: its ARN, and the group that it is attached to, say."""

    label: str
    document: PolicyDocument


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A statement where it stands: in which layer (and at which level of an organisation, from 0, the root), in which
    policy, at which index (from 0) and place. Each is equal to itself alone.
    """

    layer: Layer
    level: int | None
    label: str
    index: int
    statement: Statement
    principals: frozenset[str] = field(repr=False)
    not_principals: frozenset[str] = field(repr=False)

    @property
    def sid(self) -> str | None:
        """The statement's Sid."""
        return self.statement.sid

    @property
    def effect(self) -> Effect:
        """Allow or Deny."""
        return self.statement.effect

    @property
    def place(self) -> Place:
        """The line and column at which the statement begins."""
        return self.statement.place

    def grant(self, caller: Caller) -> Grant:
        """What an Allow in a resource policy passes over for a caller (rules 10 to 14)."""
        if self.not_principals:
            return Grant.NONE if caller.grant(self.not_principals) else Grant.PASSES_IDENTITY
        return caller.grant(self.principals)

    def denies(self, caller: Caller, *, bounded: bool) -> bool:
        """Whether a Deny in a resource policy is about a caller: always, if by NotPrincipal and `bounded` (rule 16)."""
        if self.not_principals:
            return bounded or not caller.grant(self.not_principals)
        return caller.grant(self.principals) > Grant.NONE

    def __str__(self) -> str:
        at = "" if self.level is None else f" at level {self.level}"
        named = f"{self.sid} " if self.sid else ""
        where = f"statement {self.index + 1}, line {self.place.line}"
        return f"{self.effect} {named}({where}) of {self.label}, {self.layer.value}{at}"


def sources(policy: Policy, layer: Layer, level: int | None = None) -> Iterator[Source]:
    """The statements of a policy."""
    for index, statement in enumerate(policy.document.statements):
        principals = frozenset(f"{principal.type} {principal.id}" for principal in statement.principal)
        not_principals = frozenset(f"{principal.type} {principal.id}" for principal in statement.not_principal)
        yield Source(layer, level, policy.label, index, statement, principals, not_principals)
