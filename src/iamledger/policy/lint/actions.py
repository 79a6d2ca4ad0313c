"""Whether the services and the actions that a statement names exist."""

from __future__ import annotations

from iamledger.policy.json_places import Value
from iamledger.policy.lint.findings import Findings
from iamledger.policy.lint.known import Known
from iamledger.policy.lint.written import WrittenStatement
from iamledger.policy.patterns import Pattern
from iamledger.policy.words import quote


def check_actions(written: WrittenStatement, known: Known, findings: Findings) -> None:
    """Unknown services and actions, and wildcards that match none."""
    for pattern, node in written.actions():
        if ":" in pattern.text and not pattern.text.startswith("*"):
            _check(pattern, node, known, findings)


def _check(pattern: Pattern, node: Value, known: Known, findings: Findings) -> None:
    meaning = known.meaning(pattern)
    prefix, _, name = pattern.text.partition(":")
    if meaning is None:
        advice = known.guess_service(prefix) or "describe a service of your own in a file of IAMLEDGER_SERVICES"
        findings.add("unknown-service", node, f"there is no service {quote(prefix)}", advice)
    elif not meaning.names and pattern.literal is None:
        findings.add("wildcard-without-actions", node, f"no action of {prefix} matches {quote(pattern.text)}")
    elif not meaning.names:
        names = {folded: f"{prefix}:{action.name}" for folded, action in meaning.service.actions.items()}
        message = f"{meaning.service.prefix} has no action {quote(name)}"
        findings.add("unknown-action", node, message, known.guess(name, names))
