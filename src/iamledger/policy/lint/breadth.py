"""Statements that allow more than anybody can have meant.

What only the attached thing limits is not broad: service control policies allow everything by design, and are passed over.
"""

from __future__ import annotations

import re

from iamledger.policy.globs import glob
from iamledger.policy.kinds import Kind
from iamledger.policy.lint.findings import Findings
from iamledger.policy.lint.written import WrittenStatement
from iamledger.policy.patterns import Pattern, Variable
from iamledger.policy.principals import EVERYBODY

_ANY_ROLE = re.compile(r"\*|arn:[^:]*:iam:[^:]*:(?:[^:]*:(?:role/)?)?\*")
_WITHOUT_ACTION = "allows what is not named, also what services will have later"


def check_breadth(written: WrittenStatement, kind: Kind, findings: Findings) -> None:
    """Grants of too much, or to too many."""
    if written.statement.effect == "Deny" or kind is Kind.SERVICE_CONTROL:
        return
    _check_exclusions(written, findings)
    _check_principals(written, findings)
    if kind is Kind.IDENTITY:
        _check_actions(written, findings)


def _check_exclusions(written: WrittenStatement, findings: Findings) -> None:
    statement = written.statement
    if statement.not_action:
        message = f"Allow with NotAction {_WITHOUT_ACTION}"
        findings.add("allow-not-action", written.key("NotAction"), message, "name the actions, or deny the others")
    if statement.not_resource:
        message = f"Allow with NotResource {_WITHOUT_ACTION}"
        findings.add(
            "allow-not-resource", written.key("NotResource"), message, "name the resources, or deny the others"
        )
    if statement.not_principal:
        message = "Allow with NotPrincipal allows everybody who is not named, also who is not signed in"
        findings.add("allow-not-principal", written.key("NotPrincipal"), message, "name the principals")


def _check_principals(written: WrittenStatement, findings: Findings) -> None:
    statement = written.statement
    if statement.conditions:
        return
    if EVERYBODY in statement.principal:
        advice = "name the principals, or add a condition such as aws:PrincipalOrgID"
        findings.add("public-access", written.value("Principal"), "everybody in the world is allowed", advice)
    if any(principal.type == "Federated" for principal in statement.principal):
        message = "every identity that the provider vouches for is allowed"
        advice = "add a condition on the provider's keys, such as its :aud and :sub"
        findings.add("any-federated-identity", written.value("Principal"), message, advice)


def _check_actions(written: WrittenStatement, findings: Findings) -> None:
    statement = written.statement
    conditional = bool(statement.conditions)
    everywhere = any(pattern.text == "*" for pattern in statement.resource)
    for pattern, node in written.actions() if statement.action else ():
        if everywhere and not conditional and pattern.text in ("*", "*:*"):
            message = "every action on every resource is allowed"
            findings.add("full-access", node, message, "name the actions and the resources that are needed")
        elif everywhere and not conditional and pattern.text.endswith(":*"):
            service = pattern.text.partition(":")[0]
            message = f"every action of {service} is allowed on every resource"
            findings.add("full-access-to-service", node, message, "name the actions or the resources that are needed")
        elif _passes_roles(pattern) and _any_role(written) and not _says_to_whom(written):
            message = "every role may be passed to every service, and with it all that it can do"
            advice = "name the roles, and add a condition on iam:PassedToService"
            findings.add("pass-any-role", node, message, advice)


def _passes_roles(pattern: Pattern) -> bool:
    if pattern.text in ("*", "*:*"):
        return True
    return glob([part for part in pattern.parts if not isinstance(part, Variable)])("iam:passrole")


def _any_role(written: WrittenStatement) -> bool:
    return any(_ANY_ROLE.fullmatch(pattern.text) for pattern in written.statement.resource)


def _says_to_whom(written: WrittenStatement) -> bool:
    return any(one.condition.key.lower() == "iam:passedtoservice" for one in written.conditions)
