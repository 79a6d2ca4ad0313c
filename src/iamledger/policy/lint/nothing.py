"""Elements that leave nothing over: a statement with one of them applies to no request."""

from __future__ import annotations

from iamledger.policy.lint.findings import Findings
from iamledger.policy.lint.written import WrittenStatement
from iamledger.policy.principals import EVERYBODY


def check_nothing(written: WrittenStatement, findings: Findings) -> bool:
    """NotAction, NotResource and NotPrincipal that exclude everything. Whether there is one."""
    statement = written.statement
    everything = {
        "NotAction": any(pattern.text in ("*", "*:*") for pattern in statement.not_action),
        "NotResource": any(pattern.text == "*" for pattern in statement.not_resource),
        "NotPrincipal": EVERYBODY in statement.not_principal,
    }
    for element, excluded in everything.items():
        if excluded:
            message = f"{element} excludes everything, so that the statement applies to no request"
            findings.add(
                "never-matches", written.key(element), message, "remove the statement, or name what is excluded"
            )
    return any(everything.values())
