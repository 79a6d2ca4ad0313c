"""The statements of many policies that are about one action and resource, each to be asked whether it matches a request.

Two questions are asked of a statement: whether it matches a request as it is, and whether it could favour whoever asks if
the keys that the request does not have had the right values: an Allow that would match then, a Deny that would not. Whether
the conditions of several statements can hold at the same time is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from iamledger.access.grants import HeldPolicy
from iamledger.access.statements import condition_text, facts_given, keys_of, resource_keys, spelled, unknown, variables
from iamledger.access.texts import about
from iamledger.policy import (
    Condition,
    Explanation,
    Kind,
    Layer,
    NearMiss,
    Pattern,
    Policy,
    PolicyDocument,
    Reach,
    Request,
    Source,
    Statement,
    Variable,
    Wildcard,
)
from iamledger.policy.layers import CompiledLayer
from iamledger.policy.substitution import Facts

Matches = Callable[[Request, list[Facts]], bool]


class Asked:
    """A statement that may match.

    `matches` and `could` are the two questions: of a Deny, `could` is whether it matches whatever the unknown keys are.
    `might` is whether it matches for some values of the unknown keys, an Allow or a Deny.
    `hangs_on` tells what of the statement looks at keys that no request of the question has.
    """

    __slots__ = ("could", "hangs_on", "matches", "might", "source")

    def __init__(self, source: Source, given: set[str]) -> None:
        statement = source.statement
        self.source = source
        unmet = tuple(condition for condition in statement.conditions if unknown(keys_of(condition), given))
        keys = spelled(unknown(resource_keys(statement), given), (statement,))
        self.hangs_on = (*map(condition_text, unmet), *(f"a value of {key}" for key in keys))
        self.matches: Matches = _matches(source, statement)
        self.might = _matches(source, _favoured(statement, unmet, given)) if self.hangs_on else self.matches
        self.could: Matches = (lambda *_: False) if self.hangs_on and source.effect == "Deny" else self.might


def asked_of(policies: Iterable[HeldPolicy], action: str, resource: str, given: set[str]) -> dict[str, list[Asked]]:
    """The statements that could match, by the label of their policy; those of policies with the same text are the same.

    `given` are the keys that every request of the question has, in lower case. Raises UnreadablePolicy.
    """
    could_be = about(action, resource)
    labels: dict[str, list[str]] = {}
    documents: list[Policy] = []
    for policy in policies:
        if policy.text is None or could_be(policy.text):
            text = policy.text or policy.label
            if text not in labels:
                documents.append(Policy(text, policy.document))
            labels.setdefault(text, []).append(policy.label)
    found: dict[str, list[Asked]] = {}
    for asked in _reached(Reach(documents), action, resource, given):
        for label in labels[asked.source.label]:
            found.setdefault(label, []).append(asked)
    return found


def asked_of_resource(policy: Policy, action: str, resource: str, given: set[str]) -> list[Asked]:
    """The statements of the resource's own policy that could match, whoever they are about."""
    return list(_reached(Reach((policy,), Layer.RESOURCE), action, resource, given))


def would_deny(explanation: Explanation) -> Iterator[tuple[NearMiss, Asked]]:
    """The Denies that would match an allowed request if keys that it does not have had the right values."""
    given = facts_given(explanation.request)
    for miss in explanation.would_have_denied:
        asked = Asked(miss.source, given)
        if asked.might(explanation.request, []):
            yield miss, asked


def _reached(reach: Reach, action: str, resource: str, given: set[str]) -> Iterator[Asked]:
    for source in (*reach.denies(action, resource), *reach.allows(action, resource)):
        yield Asked(source, given)


def _matches(source: Source, statement: Statement) -> Matches:
    """Whether a statement that is about the action and the resource matches a request."""
    if not statement.conditions and not resource_keys(statement):
        return lambda *_: True
    document = PolicyDocument(Kind.IDENTITY, "2012-10-17", None, (statement,))
    layer = CompiledLayer(Layer.IDENTITY, None, (Policy(source.label, document),))
    index = layer.deny or layer.allow
    assert index is not None
    return lambda request, known: index.any(request.action.lower(), request.resource, request, known)


def _favoured(statement: Statement, unmet: tuple[Condition, ...], given: set[str]) -> Statement:
    """The statement without what hangs on unknown keys: such conditions hold, such variables have any value."""
    return replace(
        statement,
        conditions=tuple(condition for condition in statement.conditions if condition not in unmet),
        resource=tuple(_opened(pattern, given) for pattern in statement.resource),
        not_resource=tuple(p for p in statement.not_resource if not unknown(variables((p,)), given)),
    )


def _opened(pattern: Pattern, given: set[str]) -> Pattern:
    parts = (
        Wildcard.ANY if isinstance(part, Variable) and unknown((part.key.lower(),), given) else part
        for part in pattern.parts
    )
    return Pattern(pattern.text, tuple(parts))
