"""Requests and their policies as lines of JSON, and a decision for each: `docs/simulate.md` describes both.

Nothing is known of a request but what its line says. A policy is read from the very text that the line has for it, so that
repeated keys and the way in which a number is written are what the policy language makes of them, and not a JSON reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, BinaryIO

from iamledger.access.json_members import NotJson, elements, members, value
from iamledger.access.kept import Kept
from iamledger.access.questions import check_action, check_resource
from iamledger.access.statements import condition_text
from iamledger.iam import constraints
from iamledger.iam.refusals import ValidationError
from iamledger.policy import (
    ANONYMOUS,
    Caller,
    CompiledPolicies,
    Explanation,
    Kind,
    Policy,
    PolicyDocument,
    PolicyError,
    PolicySet,
    Request,
    Source,
    compile_policies,
    parse,
)

LONGEST = 1 << 24
"""Bytes of a line."""
KEPT_CHARACTERS = 1 << 20
"""Compiled policies are kept, those used last, while their texts have so many characters in all."""

Answer = dict[str, Any]


class MalformedRequest(ValueError):
    """A line is not a request. The message says why."""


_KINDS = {
    "identity_policies": Kind.IDENTITY,
    "boundary": Kind.IDENTITY,
    "session_policies": Kind.IDENTITY,
    "resource_policy": Kind.RESOURCE,
    "resource_policies": Kind.RESOURCE,
    "trust_policy": Kind.TRUST,
    "service_control_policies": Kind.SERVICE_CONTROL,
    "resource_control_policies": Kind.RESOURCE_CONTROL,
}
"""The members with policies. Those in the singular have one, those of service and resource control lists of levels."""
_BLANK = " \t\r\n"
_OF_ARN = {"issuer", "unique_id", "canonical_user"}
_OTHERS = ("principal", "action", "resource", "resource_account", "context")


def answers(stream: BinaryIO, engine: Engine) -> Iterator[Answer]:
    """An answer for each line that is not blank: a decision, or an object with `error` and `line`, its number, from 1."""
    number = 0
    while raw := stream.readline(LONGEST + 1):
        number += 1
        try:
            if len(raw) > LONGEST:
                _skip_line(stream, raw)
                raise MalformedRequest(f"the line is longer than {LONGEST} bytes")
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            if line.strip(_BLANK):
                yield engine.answer(line)
        except UnicodeDecodeError as error:
            yield {"error": f"byte {error.start + 1} of the line is no UTF-8", "line": number}
        except (MalformedRequest, NotJson) as error:
            yield {"error": str(error), "line": number}


def _skip_line(stream: BinaryIO, raw: bytes) -> None:
    while raw and not raw.endswith(b"\n"):
        raw = stream.readline(LONGEST)


class Engine:
    """Decides lines. The same policies in the same members are not compiled again, as long as they are kept."""

    def __init__(self, *, explain: bool = False) -> None:
        self._explain = explain
        self._kept: Kept[tuple[tuple[str, str], ...], CompiledPolicies] = Kept(KEPT_CHARACTERS)

    def answer(self, line: str) -> Answer:
        """The decision on a line. Raises MalformedRequest, NotJson."""
        texts = {name: text for name, text in members(line).items() if text != "null"}
        for name in texts:
            if name not in _KINDS and name not in _OTHERS:
                raise MalformedRequest(f"there is no member {name!a}; there are {', '.join((*_OTHERS, *_KINDS))}")
        request = _request({name: value(text) for name, text in texts.items() if name in _OTHERS})
        policies = tuple((name, text) for name, text in sorted(texts.items()) if name in _KINDS)
        size = 1 + sum(len(text) for _, text in policies)
        compiled = self._kept.get(policies, lambda: compile_policies(_policy_set(dict(policies))), lambda _: size)
        if self._explain:
            return _explained(compiled.explain(request))
        decision = compiled.decide(request)
        return {"decision": decision.outcome.value, "layer": decision.layer.value}


def _explained(explanation: Explanation) -> Answer:
    decision = explanation.decision
    return {
        "decision": decision.outcome.value,
        "layer": decision.layer.value,
        "matched": [_statement(source) for source in explanation.matched],
        "lacking": [layer.value for layer, _ in explanation.lacking],
        "would_have_matched": [
            {
                **_statement(miss.source),
                "resource": miss.resource,
                "principal": miss.caller,
                "conditions": [condition_text(condition) for condition in miss.conditions],
            }
            for miss in explanation.would_have_matched
        ],
    }


def _statement(source: Source) -> Answer:
    return {
        "policy": source.label,
        "layer": source.layer.value,
        "effect": source.effect,
        "statement": source.index,
        "sid": source.sid,
        "line": source.place.line,
        "column": source.place.column,
    }


# The request


def _request(values: Mapping[str, Any]) -> Request:
    for name in ("principal", "action", "resource"):
        if name not in values:
            raise MalformedRequest(f"the member {name} is missing")
    action, resource, account = values["action"], values["resource"], values.get("resource_account")
    if not isinstance(action, str) or not isinstance(resource, str):
        raise MalformedRequest("action and resource are strings")
    _check_names(action, resource)
    if account is not None and not _is_account(account):
        raise MalformedRequest("resource_account is a string of twelve digits, or null")
    return Request(_caller(values["principal"]), action, resource, account, _context(values.get("context")))


def _check_names(action: str, resource: str) -> None:
    """Raise MalformedRequest if these are no action and no resource. In a resource, * and ? are characters as others."""
    try:
        check_action(action)
    except ValidationError as error:
        raise MalformedRequest(str(error)) from None
    try:
        check_resource(resource if resource == "*" else re.sub("[*?]", "-", resource))
    except ValidationError:
        raise MalformedRequest(f"the resource {resource!a} is neither an ARN nor *") from None


def _is_account(given: Any) -> bool:
    try:
        return isinstance(given, str) and bool(constraints.ACCOUNT_ID.check(given))
    except ValidationError:
        return False


def _caller(given: Any) -> Caller:
    named: Any = {"arn": given} if isinstance(given, str) else given
    match named:
        case {"arn": str(arn), **more} if more.keys() <= _OF_ARN and all(
            isinstance(name, str) for name in more.values()
        ):
            if not arn.startswith("arn:") or arn.count(":") < 5:
                raise MalformedRequest(f"the principal {arn!a} is not an ARN")
            return Caller.of(arn, **{name: named[name] for name in _OF_ARN & more.keys()})
        case {"service": str(name), **more} if not more:
            return Caller.service(name)
        case {"federated": str(provider), **more} if not more:
            return Caller.federated(provider)
        case {"anonymous": True, **more} if not more:
            return ANONYMOUS
    raise MalformedRequest(
        "principal is an ARN, or an object with arn (and issuer, unique_id, canonical_user if wanted), service, federated or"
        " anonymous: true"
    )


def _context(given: Any) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise MalformedRequest("context is an object of keys and values")
    for key, values in given.items():
        for item in values if isinstance(values, list) else [values]:
            if not isinstance(item, str | bool | Decimal):
                raise MalformedRequest(
                    f"the context key {key!a} has a value that is no string, number, boolean or list of them"
                )
    return given


# The policies


def _policy_set(texts: Mapping[str, str]) -> PolicySet:
    of_resource = [*_one(texts, "resource_policy"), *_list(texts, "resource_policies")]
    trust = _one(texts, "trust_policy")
    if of_resource and trust:
        raise MalformedRequest("a resource has a trust policy or other policies, not both")
    return PolicySet(
        identity=_list(texts, "identity_policies"),
        boundary=next(iter(_one(texts, "boundary")), None),
        session=_list(texts, "session_policies"),
        resource=_together(of_resource) or next(iter(trust), None),
        service_control=_levels(texts, "service_control_policies"),
        resource_control=_levels(texts, "resource_control_policies"),
    )


def _one(texts: Mapping[str, str], name: str) -> tuple[Policy, ...]:
    return (_policy(name, texts[name], _KINDS[name]),) if name in texts else ()


def _list(texts: Mapping[str, str], name: str) -> tuple[Policy, ...]:
    return _all(name, texts[name], _KINDS[name]) if name in texts else ()


def _levels(texts: Mapping[str, str], name: str) -> tuple[tuple[Policy, ...], ...]:
    if name not in texts:
        return ()
    return tuple(_all(f"{name}[{n}]", level, _KINDS[name]) for n, level in enumerate(_elements(name, texts[name])))


def _all(label: str, text: str, kind: Kind) -> tuple[Policy, ...]:
    return tuple(_policy(f"{label}[{n}]", policy, kind) for n, policy in enumerate(_elements(label, text)))


def _elements(label: str, text: str) -> list[str]:
    try:
        return elements(text)
    except NotJson as error:
        raise MalformedRequest(f"{label}: {error}") from None


def _policy(label: str, text: str, kind: Kind) -> Policy:
    document = value(text) if text.startswith('"') else text
    try:
        return Policy(label, parse(document, kind))
    except PolicyError as error:
        raise MalformedRequest(f"{label}: {error}") from None


def _together(policies: list[Policy]) -> Policy | None:
    """Several policies of one resource as one: an Allow or a Deny of any of them counts."""
    if len(policies) < 2:
        return policies[0] if policies else None
    statements = tuple(statement for policy in policies for statement in policy.document.statements)
    return Policy("resource_policies", PolicyDocument(Kind.RESOURCE, "2012-10-17", None, statements))
