"""Whether users may do something: always, or if something holds; and by which statements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product

from iamledger.access.grants import Grants, User
from iamledger.policy import Caller, CompiledPolicies, Policy, PolicySet, Request, Source, Statement, compile_policies
from iamledger.policy.comparing import instance, satisfying, told_conditions
from iamledger.policy.comparing.automata import EVERYTHING, Glob, resource_glob
from iamledger.policy.comparing.contexts import Context, holds, without
from iamledger.policy.comparing.instances import EXAMPLE
from iamledger.policy.entries import action_test

_CONTEXTS = 32


@dataclass(frozen=True, slots=True)
class Allowed:
    """That something is allowed: by which statements, and if it is not always, what must hold."""

    action: str
    resource: str
    sources: tuple[Source, ...]
    condition: str | None


class Abilities:
    """What one user may do."""

    def __init__(self, grants: Grants, user: User) -> None:
        """Raises UnreadablePolicy."""
        self.user = user
        self.policies: PolicySet = grants.policy_set(user.id)
        self.caller: Caller = grants.caller(user.id)
        self.compiled: CompiledPolicies = compile_policies(self.policies)

    def attempt(self, action: str, resource: str, context: Context | None = None) -> Allowed | None:
        """Whether an action on a resource is allowed, in the best of contexts, which begin with one."""
        request = Request(self.caller, action, resource, context=context or {})
        if self.compiled.decide(request):
            sources = self._allowing(request)
            always = any(not source.statement.conditions for source in sources)
            return Allowed(action, resource, sources, None if always else self._condition(request))
        for other in islice(self._contexts(action, context or {}), _CONTEXTS):
            request = Request(self.caller, action, resource, context=other)
            if self.compiled.decide(request):
                return Allowed(action, resource, self._allowing(request), self._condition(request))
        return None

    def likely(self, action: str) -> list[str]:
        """Resources of the patterns for which an action is allowed, for want of real ones."""
        found: dict[str, None] = {}
        for statement in self._about(self.policies.identity, action, "Allow"):
            for pattern in statement.resource:
                found[instance(pattern, self.caller.facts) if pattern.text != "*" else self._example(action)] = None
            if statement.not_resource:
                found[self._example(action)] = None
        return list(found)

    def patterns(self, action: str) -> frozenset[Glob]:
        """The patterns of the resources for which an action may be allowed, whatever Denies and conditions say."""
        found: set[Glob | None] = set()
        for statement in self._about(self.policies.identity, action, "Allow"):
            found.update(resource_glob(pattern, self.caller.facts) for pattern in statement.resource)
            found.update([EVERYTHING] if statement.not_resource else [])
        return frozenset(glob for glob in found if glob is not None)

    def _example(self, action: str) -> str:
        vendor = action.partition(":")[0]
        kind = f"role/{EXAMPLE}" if vendor == "iam" else EXAMPLE
        region = "" if vendor == "iam" else "us-east-1"
        return f"arn:aws:{vendor}:{region}:{self.caller.account}:{kind}"

    def _allowing(self, request: Request) -> tuple[Source, ...]:
        matched = self.compiled.explain(request).matched
        allows = [source for source in matched if source.effect == "Allow" and source.layer.name == "IDENTITY"]
        return tuple(sorted(allows, key=lambda source: (len(source.statement.conditions), source.label, source.index)))

    def _contexts(self, action: str, context: Context) -> Iterator[Context]:
        """Contexts in which conditions of the Allows hold, and those of the Denies do not."""
        layers = [self.policies.identity, *((self.policies.boundary,),) * (self.policies.boundary is not None)]
        blocks = [
            list(dict.fromkeys(one.conditions for one in self._about(layer, action, "Allow")))
            for layer in layers
            if all(layer)
        ]
        denying = [one.conditions for layer in layers for one in self._about(layer, action, "Deny") if one.conditions]
        for combined in product(*blocks):
            block = tuple(condition for conditions in combined for condition in conditions)
            made = satisfying(block, self.caller.facts, context)
            if made is not None:
                yield made
                yield without(denying, self.caller.facts, made, block)

    def _about(self, policies: Sequence[Policy | None], action: str, effect: str) -> Iterator[Statement]:
        for policy in policies:
            for statement in policy.document.statements if policy else ():
                test = action_test(statement)
                if statement.effect == effect and (test is None or test(action.lower())):
                    yield statement

    def _condition(self, request: Request) -> str:
        """What must hold for it: the conditions of an Allow of each layer, and that those of Denies do not hold."""
        allows: dict[object, str] = {}
        for source in self.compiled.explain(request).matched:
            if source.effect == "Allow" and source.statement.conditions:
                allows.setdefault(source.layer, told_conditions(source.statement.conditions))
        policies = (*self.policies.identity, self.policies.boundary)
        denies = [
            told_conditions(one.conditions)
            for one in self._about(policies, request.action, "Deny")
            if one.conditions and holds(one.conditions, self.caller.facts)
        ]
        parts = [f"if {' and '.join(allows.values())}"] if allows else []
        parts += [f"unless {' or '.join(dict.fromkeys(denies))}"] if denies else []
        return ", ".join(parts) or "if its conditions hold"
