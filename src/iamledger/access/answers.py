"""May a user do this, and why: the decision, the statements that led to it, and how the user came to have them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iamledger.access.compiled import NOTHING, Access, access_of
from iamledger.access.grants import Grants, How
from iamledger.access.matching import would_deny
from iamledger.access.questions import Named, Question
from iamledger.access.statements import (
    GRANT,
    Row,
    condition_text,
    facts_given,
    how,
    keys_of,
    order,
    resource_keys,
    rows_of,
    spelled,
    unknown,
)
from iamledger.policy import Caller, CompiledPolicies, Decision, Explanation, Layer, NearMiss, Outcome, Request, Source
from iamledger.principals import root_as_caller

if TYPE_CHECKING:
    from iamledger.engine.view import View

WORDS = {
    Outcome.ALLOWED: "ALLOWED",
    Outcome.EXPLICIT_DENY: "DENIED (explicit)",
    Outcome.IMPLICIT_DENY: "DENIED (implicit)",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A decision with its explanation, and the grants that the explanation's labels belong to."""

    principal: Named
    explanation: Explanation
    grants: Grants
    put: How | None = None
    """Who put the policy of the resource."""

    @property
    def allowed(self) -> bool:
        """Whether the request is allowed."""
        return bool(self.explanation.decision)

    @property
    def words(self) -> str:
        """`ALLOWED`, `DENIED (explicit)` or `DENIED (implicit)`."""
        return WORDS[self.explanation.decision.outcome]

    @property
    def reasons(self) -> list[str]:
        """What decided, in sentences."""
        decision, request = self.explanation.decision, self.explanation.request
        if decision.outcome is Outcome.EXPLICIT_DENY:
            return [f"A statement of {_a(decision.layer)} denies it."]
        if decision.outcome is Outcome.IMPLICIT_DENY:
            return [self._lack(layer, request) for layer, _ in self.explanation.lacking]
        if request.caller.is_root and not self.explanation.matched:
            return ["The account's root may do everything in its account."]
        return []

    @property
    def boundary(self) -> Row | None:
        """The user's permissions boundary, and who set it; None without one."""
        held = self.grants.boundaries.get(self.principal.user_id or "")
        if held is None:
            return None
        policy, granted = held
        named = {"PolicyName": policy.name, "PolicyArn": policy.arn, "PolicyVersion": policy.version}
        return {**named, **dict(zip(GRANT, how(granted), strict=True))}

    def matched(self) -> list[Row]:
        """A row for each statement that matched, and each way in which the user has it."""
        places = {layer: place for place, layer in enumerate(Layer)}
        rows = [(places[source.layer], row) for source in self.explanation.matched for row in self._rows(source)]
        return [row for _, row in sorted(rows, key=lambda found: (found[0], order(found[1])))]

    def near_misses(self) -> list[Row]:
        """Of an implicit deny: what would have allowed it but for the members of `ButFor`; the closest first."""
        given = facts_given(self.explanation.request)
        return [
            {**row, "ButFor": list(_but_for(miss, given))}
            for miss in self.explanation.would_have_matched
            for row in sorted(self._rows(miss.source), key=order)
        ]

    def would_deny(self) -> list[Row]:
        """Of an allowed request: the Denies that match if the members of `If`, about keys that it lacks, hold."""
        given = facts_given(self.explanation.request)
        return [
            {**row, "If": list(_if(miss, given))}
            for miss, _ in would_deny(self.explanation)
            for row in sorted(self._rows(miss.source), key=order)
        ]

    def missing_keys(self) -> list[str]:
        """Keys that the request did not have, with which it could have been decided otherwise."""
        given = facts_given(self.explanation.request)
        denies = [source.statement for source in self.explanation.matched if source.effect == "Deny"]
        keys = {
            key
            for statement in denies
            for key in (
                *resource_keys(statement),
                *(key for condition in statement.conditions for key in keys_of(condition)),
            )
        }
        close = [miss for miss in self.explanation.would_have_matched if not miss.resource and not miss.caller]
        close += [miss for miss, _ in would_deny(self.explanation)]
        keys |= {key for miss in close for condition in miss.conditions for key in keys_of(condition)}
        keys |= {key for miss in close if miss.resource for key in resource_keys(miss.source.statement)}
        return spelled(unknown(keys, given), [*denies, *(miss.source.statement for miss in close)])

    def _lack(self, layer: Layer, request: Request) -> str:
        """What it means that a layer lacks an Allow."""
        if layer is Layer.BOUNDARY and self.boundary:
            return f"The permissions boundary, policy {self.boundary['PolicyName']}, does not allow it."
        if layer is Layer.RESOURCE and request.resource_account != request.caller.account:
            return f"The resource is of account {request.resource_account}, and no policy of the resource allows it."
        if layer is Layer.RESOURCE:
            return "The policy of the resource does not allow it."
        return f"No {layer.value} allows it."

    def _rows(self, source: Source) -> Iterator[Row]:
        return rows_of(source, self.grants, self.principal.user_id, self.put)


def can(view: View, principal: Named, question: Question) -> Answer:
    """The answer as of the view, which must have the projections `grants.READS`. Raises UnreadablePolicy."""
    access, policies, request = _asked(view, principal, question)
    return Answer(principal, policies.explain(request), access.grants, question.put)


def decide(view: View, principal: Named, question: Question) -> Decision:
    """As `can`, without the explanation."""
    _, policies, request = _asked(view, principal, question)
    return policies.decide(request)


def _asked(view: View, principal: Named, question: Question) -> tuple[Access, CompiledPolicies, Request]:
    access = access_of(view, principal.user_id) if principal.user_id else Access(Grants(view.account_id, view.position))
    policies = access.policies_of(principal.user_id) if principal.user_id else NOTHING
    if question.resource_policy is not None:
        policies = policies.beside(question.resource_policy)
    caller = _caller(access, principal, view.account_id)
    return access, policies, question.request(caller, view.account_id, view.time)


def _caller(access: Access, principal: Named, account_id: str) -> Caller:
    return access.grants.caller(principal.user_id) if principal.user_id else root_as_caller(account_id)


def _a(layer: Layer) -> str:
    return f"{'an' if layer is Layer.IDENTITY else 'a'} {layer.value}"


def _but_for(miss: NearMiss, given: set[str]) -> Iterator[str]:
    if miss.resource:
        yield "the resource"
    if miss.caller:
        yield "the principal"
    for condition in miss.conditions:
        missing = unknown(keys_of(condition), given)
        yield condition_text(condition) + (" (not given)" if missing else "")


def _if(miss: NearMiss, given: set[str]) -> Iterator[str]:
    for condition in miss.conditions:
        yield f"{condition_text(condition)} (not given)"
    if miss.resource:
        statement = miss.source.statement
        for key in spelled(unknown(resource_keys(statement), given), [statement]):
            yield f"a value of {key} (not given)"
