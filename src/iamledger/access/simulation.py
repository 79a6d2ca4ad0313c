"""Simulations: what IAM's SimulatePrincipalPolicy and SimulateCustomPolicy answer, with their members.

Where IAM's guide is silent: positions of statements are the line and column, both from 1, of the first character and of
the one behind the last; columns count characters. An implicit deny has no MatchedStatements, an explicit one the Denies
alone. MissingContextValues are all keys that the policies look at and the request lacks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from iamledger.access.compiled import access_of
from iamledger.access.grants import Grants, HeldPolicy
from iamledger.access.questions import Named, Question, account_in
from iamledger.access.statements import facts_given, keys_of, resource_keys, spelled, unknown
from iamledger.iam.refusals import InvalidInput, ValidationError
from iamledger.policy import (
    ANONYMOUS,
    Caller,
    CompiledPolicies,
    Explanation,
    Layer,
    Outcome,
    Policy,
    PolicySet,
    Request,
    Source,
    compile_policies,
)
from iamledger.principals import root_as_caller

if TYPE_CHECKING:
    from iamledger.engine.view import View

Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Simulated:
    """A policy, with the SourcePolicyType and the SourcePolicyId that results tell of it.

    Two policies may have the same id, as those of IAM may: z of group x_y, and y_z of group x. The label of each is its own.
    """

    policy: Policy
    type: str = "none"
    told_id: str | None = None

    @property
    def id(self) -> str:
        """The SourcePolicyId: the label, if nothing else is told."""
        return self.told_id or self.policy.label


@dataclass(frozen=True)
class Simulation:
    """Policies to be asked, of which no two have the same label."""

    identity: Sequence[Simulated] = ()
    boundary: Simulated | None = None
    resource: Simulated | None = None

    @cached_property
    def compiled(self) -> CompiledPolicies:
        """The policies, compiled."""
        return compile_policies(
            PolicySet(
                identity=tuple(simulated.policy for simulated in self.identity),
                boundary=self.boundary.policy if self.boundary else None,
                resource=self.resource.policy if self.resource else None,
            )
        )

    def result(self, request: Request) -> Result:
        """One of IAM's EvaluationResults."""
        explanation = self.compiled.explain(request)
        told: Result = {
            "EvalActionName": request.action,
            "EvalResourceName": request.resource,
            "EvalDecision": explanation.decision.outcome.value,
            "MatchedStatements": [self._statement(source) for source in self._deciding(explanation)],
            "MissingContextValues": self._missing(request),
        }
        if self.boundary:
            says = {source.effect for source in explanation.matched if source.layer is Layer.BOUNDARY}
            told["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": says == {"Allow"}}
        return told

    @cached_property
    def _by_layer(self) -> dict[tuple[Layer, str], Simulated]:
        found = {(Layer.IDENTITY, one.policy.label): one for one in self.identity}
        for layer, one in ((Layer.BOUNDARY, self.boundary), (Layer.RESOURCE, self.resource)):
            if one is not None:
                found[layer, one.policy.label] = one
        return found

    def _deciding(self, explanation: Explanation) -> list[Source]:
        """The statements that decided: of an explicit deny the Denies, else the Allows that let the request through."""
        effects = {Outcome.ALLOWED: "Allow", Outcome.EXPLICIT_DENY: "Deny"}
        effect = effects.get(explanation.decision.outcome)
        return sorted((source for source in explanation.matched if source.effect == effect), key=self._order)

    def _order(self, source: Source) -> tuple[int, str, str, int]:
        simulated = self._by_layer[source.layer, source.label]
        return list(Layer).index(source.layer), simulated.id, source.label, source.index

    def _statement(self, source: Source) -> Result:
        simulated = self._by_layer[source.layer, source.label]
        place, end = source.place, source.statement.end
        return {
            "SourcePolicyId": simulated.id,
            "SourcePolicyType": simulated.type,
            "StartPosition": {"Line": place.line, "Column": place.column},
            "EndPosition": {"Line": end.line, "Column": end.column},
        }

    def _missing(self, request: Request) -> list[str]:
        statements = [s for simulated in self._by_layer.values() for s in simulated.policy.document.statements]
        keys = {key for statement in statements for key in resource_keys(statement)}
        keys |= {key for statement in statements for condition in statement.conditions for key in keys_of(condition)}
        return spelled(unknown(keys, facts_given(request)), statements)


class Inputs(NamedTuple):
    """What a simulation is given beside a principal: more policies, a boundary in the place of the principal's, the policy
    of the resources, and the ARN of who asks, if it is somebody else than the principal.
    """

    identity: Sequence[Simulated] = ()
    boundary: Simulated | None = None
    resource: Simulated | None = None
    caller: str | None = None


def simulate_custom(inputs: Inputs, questions: Iterable[Question]) -> list[Result]:
    """The results of questions by a caller that has these policies, and no keys but those that the questions have.

    Raises ValidationError if the caller is no user, InvalidInput if it is not told and a policy of the resource names some.
    """
    if inputs.resource is not None and inputs.caller is None:
        raise InvalidInput("A policy of the resource is about callers. Say who asks: --caller ARN.")
    simulation = Simulation(inputs.identity, inputs.boundary, inputs.resource)
    caller = _caller(inputs.caller, {}) if inputs.caller else _NOBODY
    return [
        simulation.result(
            Request(
                caller,
                question.action,
                question.resource,
                question.resource_account or (account_in(question.resource) if inputs.caller else None),
                question.context,
            )
        )
        for question in questions
    ]


def simulate_principal(view: View, principal: Named, inputs: Inputs, questions: Iterable[Question]) -> list[Result]:
    """The results of questions by a user, a group or the root, as of the view, which must have `grants.READS`.

    Raises ValidationError, UnreadablePolicy.
    """
    grants = access_of(view, principal.user_id).grants
    boundary, policies = None, [policy for policy, _ in grants.granted.get(principal.group_id or "", ())]
    caller = root_as_caller(view.account_id) if principal.is_root else replace(_NOBODY, account=view.account_id)
    if principal.user_id is not None:
        policies = [holding.policy for holding in grants.holdings(principal.user_id)]
        bound = grants.boundaries.get(principal.user_id)
        boundary = next(held(grants, [bound[0]])) if bound else None
        caller = grants.caller(principal.user_id)
    if inputs.caller is not None:
        caller = _caller(inputs.caller, caller.facts)
    simulation = Simulation([*held(grants, policies), *inputs.identity], inputs.boundary or boundary, inputs.resource)
    return [simulation.result(question.request(caller, view.account_id, view.time)) for question in questions]


_NOBODY = Caller(None, "000000000000", ANONYMOUS.names)
"""Somebody whom no policy names."""


def _caller(arn: str, facts: Mapping[str, Any]) -> Caller:
    """A user, as IAM takes no other caller here: a root's ARN would be allowed all."""
    if not re.fullmatch(r"arn:[a-z-]+:iam::[0-9]{12}:user/.+", arn, re.ASCII):
        raise ValidationError(
            f"{arn!a} is not the ARN of a user. Write one such as arn:aws:iam::123456789012:user/alice."
        )
    return Caller.of(arn, context=facts)


def held(grants: Grants, policies: Sequence[HeldPolicy]) -> Iterator[Simulated]:
    """Policies that users and groups hold, each once. Raises UnreadablePolicy."""
    for policy in {policy.label: policy for policy in policies}.values():
        owner = grants.users.get(policy.owner or "") or grants.groups.get(policy.owner or "")
        kind = "user" if policy.owner in grants.users else "group"
        if owner is not None:
            id_, type_ = f"{kind}_{owner.name}_{policy.name}", kind
        else:
            id_, type_ = policy.arn or policy.label, f"{'aws' if policy.type.startswith('AWS') else 'user'}-managed"
        yield Simulated(policy.policy, type_, id_)
