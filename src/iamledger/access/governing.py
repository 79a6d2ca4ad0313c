"""The policies of an account's own resources, for all that is told of many requests: whom each is about, and where.

A policy is looked at for those only whom its statements name: the user, its account in a Deny, or everybody. Users whom the
same statements are about are compared once. Resources of other accounts are not here: those have ledgers of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from iamledger.access.grants import How, UnreadablePolicy
from iamledger.iam.resource import policy_label
from iamledger.iam.resource_arn import governing_arns
from iamledger.policy import (
    Caller,
    Grant,
    Kind,
    Layer,
    Pattern,
    Policy,
    PolicyDocument,
    PolicyError,
    Source,
    Statement,
    Variable,
    parse,
)
from iamledger.policy.comparing import NOWHERE, Areas, Governed
from iamledger.policy.sources import sources
from iamledger.policy.substitution import has_variables
from iamledger_projections.resource_policies import policies_of

if TYPE_CHECKING:
    from iamledger.engine.view import View

READS = ("resource_policies",)

_OF_CALLERS = ("aws:username", "aws:userid", "aws:principal")
_parse = lru_cache(4_096)(parse)
"""Read once, though at many moments."""


@dataclass(frozen=True)
class OfResource:
    """The policy of a resource, and who put it, and when."""

    arn: str
    text: str = field(repr=False)
    granted: How

    @property
    def label(self) -> str:
        """What stands for it in explanations."""
        return policy_label(self.arn)

    @cached_property
    def policy(self) -> Policy:
        """For the policy engine. Raises UnreadablePolicy."""
        return Policy(self.label, document_of(self.arn, self.text))


OfResources = Mapping[str, OfResource]
"""By the ARNs of resources."""


def document_of(arn: str, text: str) -> PolicyDocument:
    """The text of the policy of a resource, understood. Raises UnreadablePolicy."""
    try:
        return _parse(text, Kind.RESOURCE)
    except PolicyError as error:
        raise UnreadablePolicy(f"{policy_label(arn)} cannot be read: {error}") from None


def read_resource_policies(view: View, arns: Sequence[str] | None = None) -> OfResources:
    """The policies of these resources, or of all, as of the view, which must have the projections `READS`."""
    return {
        row["resource_arn"]: OfResource(
            row["resource_arn"],
            row["document"],
            How(row["position"], row["at"], row["by"], row["reason"], row["ticket"]),
        )
        for row in policies_of(view, arns)
    }


def governing(policies: OfResources, resource: str) -> OfResource | None:
    """The policy that governs a resource, if there is one."""
    return next((policies[arn] for arn in governing_arns(resource) if arn in policies), None)


def is_own(grant: Grant) -> bool:
    """Whether a name that is granted so much is a user's own, and no other's."""
    return grant >= Grant.PASSES_BOUNDARY


class Governing:
    """The policies of resources at two moments, and what of them is about a caller."""

    def __init__(self, before: OfResources, after: OfResources) -> None:
        self.unread: dict[str, str] = {}
        """Why what governs some resources cannot be read, by their ARNs: nothing can be said of what lies in them."""
        self._governed = {arn: self._read(arn, before, after) for arn in sorted({*before, *after})}
        self._whole = Areas(self._governed.values())
        self.changed = frozenset(
            one.arn
            for one in self._governed.values()
            if (one.before and one.before.document) != (one.after and one.after.document)
        )
        """The resources governed otherwise after than before."""
        self._about: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._negated: dict[str, set[str]] = defaultdict(set)
        self._naming: dict[str, set[str]] = defaultdict(set)
        self.with_variables: set[str] = set()
        """The resources of whose policies a statement is about resources that hang on who asks."""
        for governed in self._governed.values():
            for source in statements(governed):
                self._note(governed.arn, source)
        self._known: dict[object, Areas] = {}

    def _note(self, arn: str, source: Source) -> None:
        if source.not_principals:
            self._negated[source.effect].add(arn)
        for name in source.principals:
            self._about[source.effect, name].add(arn)
        for name in (*source.principals, *source.not_principals):
            self._naming[name].add(arn)
        if any(map(has_variables, (*source.statement.resource, *source.statement.not_resource))):
            self.with_variables.add(arn)

    def _read(self, arn: str, before: OfResources, after: OfResources) -> Governed:
        try:
            return Governed(arn, *(_policy(governing(side, arn)) for side in (before, after)))
        except UnreadablePolicy as error:
            self.unread[arn] = str(error)
            return Governed(arn, None, None)

    def meaning(self, caller: Caller) -> frozenset[str]:
        """By which names policies are about a caller: for those who have the same, they mean the same."""
        return frozenset(name for name, _ in caller.names if name in self._naming)

    def naming(self, caller: Caller) -> set[str]:
        """The resources whose policies have a name for a caller that no other user has."""
        return {arn for name, grant in caller.names if is_own(grant) for arn in self._naming.get(name, ())}

    @property
    def hanging_on_boundaries(self) -> set[str]:
        """The resources whose policies may say something else to whom another boundary limits."""
        everybody = self._about.get(("Allow", "AWS *"), set())
        return everybody | self._negated["Allow"] | self._negated["Deny"]

    def areas(self, caller: Caller) -> Areas:
        """Those whose policies may be about a caller, and those in them, whose own policies are not."""
        names = tuple((name, grant) for name, grant in caller.names if not is_own(grant) and name in self._naming)
        if names not in self._known:
            arns = {*self.unread, *self._negated["Allow"], *self._negated["Deny"], *self._of(names)}
            self._known[names] = Areas(self._with_inner(arns)) if arns else NOWHERE
        common = self._known[names]
        own = self._of((name, grant) for name, grant in caller.names if is_own(grant))
        more = {one.arn: one for one in self._with_inner(own) if common.at(one.arn) is None}
        if not more:
            return common
        key = (names, frozenset(more))
        if key not in self._known:
            self._known[key] = Areas(more.values(), common)
        return self._known[key]

    def _of(self, names: Iterable[tuple[str, Grant]]) -> set[str]:
        """The resources whose policies say something to whom some names are those of."""
        found: set[str] = set()
        for name, grant in names:
            found |= self._about.get(("Deny", name), set())
            if grant >= Grant.PASSES_IDENTITY:
                found |= self._about.get(("Allow", name), set())
        return found

    def _with_inner(self, arns: set[str]) -> Iterator[Governed]:
        inner = (one.arn for arn in arns for one in self._whole.inside(arn))
        return (self._governed[arn] for arn in sorted({*arns, *inner}))

    def changed_about(self, caller: Caller) -> bool:
        """Whether what may be about a caller changed."""
        areas = self.areas(caller)
        return any(areas.at(arn) is not None for arn in self.changed)

    def tells_apart(self, one: Caller, other: Caller) -> bool:
        """Whether a policy is about one of two callers and not about the other, or may be."""
        return self.meaning(one) != self.meaning(other) or any(
            looks_at_callers(source.statement)
            for caller in (one, other)
            for governed in self.areas(caller)
            for source in statements(governed)
        )

    def denies(self, caller: Caller) -> bool:
        """Whether a Deny of theirs may be about a caller."""
        return bool(self._negated["Deny"]) or any(("Deny", name) in self._about for name, _ in caller.names)


def _policy(found: OfResource | None) -> Policy | None:
    return found.policy if found else None


def may_be_about(arn: str, text: str, user_id: str) -> bool:
    """Whether the policy of a resource may be about a user, who may have had any name. True if it cannot be read."""
    try:
        document = document_of(arn, text)
    except UnreadablePolicy:
        return True
    return any(
        bool(statement.not_principal)
        or any(
            one.id in ("*", user_id) or ":user/" in one.id or statement.effect == "Deny" for one in statement.principal
        )
        for statement in document.statements
    )


def statements(governed: Governed) -> Iterator[Source]:
    """The statements of what governs a resource, before and after."""
    for policy in filter(None, (governed.before, governed.after)):
        yield from sources(policy, Layer.RESOURCE)


def looks_at_callers(statement: Statement) -> bool:
    """Whether what a statement is about hangs on who asks."""
    operands = (operand for condition in statement.conditions for operand in condition.operands)
    patterns = (*statement.resource, *statement.not_resource, *operands)
    return any(
        isinstance(part, Variable) for pattern in patterns if isinstance(pattern, Pattern) for part in pattern.parts
    ) or any(condition.key.lower().startswith(_OF_CALLERS) for condition in statement.conditions)
