"""Cases in the form of the vectors, as requests and policies of the library."""

from __future__ import annotations

import json
from typing import Any

from iamledger.policy import (
    ANONYMOUS,
    Caller,
    CompiledPolicies,
    Kind,
    Policy,
    PolicySet,
    Request,
    compile_policies,
    parse,
)


def caller(given: dict[str, Any]) -> Caller:
    """Who makes the request."""
    if "arn" in given:
        return Caller.of(**given)
    if "service" in given:
        return Caller.service(given["service"])
    return Caller.federated(given["federated"]) if "federated" in given else ANONYMOUS


def request(case: dict[str, Any]) -> Request:
    """The request of a case."""
    return Request(
        caller(case["caller"]), case["action"], case["resource"], case.get("resource_account"), case.get("context", {})
    )


def policy_set(given: dict[str, Any]) -> PolicySet:
    """The policies of a case. Raises PolicyError."""

    def some(documents: list[Any], kind: Kind, label: str) -> tuple[Policy, ...]:
        return tuple(Policy(f"{label} {n}", parse(json.dumps(document), kind)) for n, document in enumerate(documents))

    def one(name: str, kind: Kind) -> Policy | None:
        return some([given[name]], kind, name)[0] if name in given else None

    return PolicySet(
        identity=some(given.get("identity", []), Kind.IDENTITY, "identity"),
        boundary=one("boundary", Kind.IDENTITY),
        session=some(given.get("session", []), Kind.IDENTITY, "session"),
        resource=one("trust", Kind.TRUST) or one("resource", Kind.RESOURCE),
        service_control=tuple(
            some(level, Kind.SERVICE_CONTROL, "service control") for level in given.get("service_control", [])
        ),
        resource_control=tuple(
            some(level, Kind.RESOURCE_CONTROL, "resource control") for level in given.get("resource_control", [])
        ),
    )


def compiled(case: dict[str, Any]) -> CompiledPolicies:
    """The policies of a case, compiled."""
    return compile_policies(policy_set(case.get("policies", {})))
