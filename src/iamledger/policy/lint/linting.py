"""The linting of one document: its grammar first, then what its statements say, each for itself and beside the others."""

from __future__ import annotations

from iamledger.policy.grammar import parse
from iamledger.policy.json_places import Object
from iamledger.policy.kinds import Kind
from iamledger.policy.lint.actions import check_actions
from iamledger.policy.lint.breadth import check_breadth
from iamledger.policy.lint.conditions import check_conditions, check_variables
from iamledger.policy.lint.contradictions import check_contradictions
from iamledger.policy.lint.findings import EnoughFindings, Finding, Findings
from iamledger.policy.lint.keys import check_keys
from iamledger.policy.lint.known import Known
from iamledger.policy.lint.nothing import check_nothing
from iamledger.policy.lint.repeats import Repeats
from iamledger.policy.lint.resources import check_resources
from iamledger.policy.lint.sizes import Quotas, check_size
from iamledger.policy.lint.written import WrittenStatement, written
from iamledger.policy.problems import PolicyError
from iamledger.policy.services import Services


def lint(
    text: str, kind: Kind = Kind.IDENTITY, *, services: Services, quotas: Quotas | None = None
) -> tuple[Finding, ...]:
    """All findings of a document, in the order of the text, at most `MOST` and one that says so.

    Of a document that IAM refuses only that is told. Without quotas, the size of identity policies is not looked at. Raises
    what the catalogue raises.
    """
    try:
        document = parse(text, kind)
    except PolicyError as refused:
        return tuple(map(Finding.of, refused.problems))
    findings = Findings(text)
    root, statements = written(text, document)
    old = document.version == "2008-10-17"
    known = Known(services)
    try:
        check_size(text, root, kind, quotas, findings)
        _check_version(root, findings, old=old)
        for statement in statements:
            _check(statement, kind, known, findings, old=old)
        repeats = Repeats(findings)
        for statement in statements:
            repeats.check_values(statement)
        repeats.check_statements(statements)
    except EnoughFindings:
        pass
    return findings.all()


def _check(statement: WrittenStatement, kind: Kind, known: Known, findings: Findings, *, old: bool) -> None:
    nothing = check_nothing(statement, findings)
    check_actions(statement, known, findings)
    check_resources(statement, known, findings)
    check_keys(statement, known, findings)
    check_conditions(statement, findings)
    check_contradictions(statement, findings)
    if not nothing:
        check_breadth(statement, kind, findings)
    if old:
        check_variables(statement, findings)


def _check_version(root: Object, findings: Findings, *, old: bool) -> None:
    advice = 'write "Version": "2012-10-17"'
    if "Version" not in root.members:
        message = "without a Version, this is the language of 2008, which has no variables"
        findings.add("missing-version", root, message, advice)
    elif old:
        message = "the Version of 2008 has no variables"
        findings.add("old-version", root.members["Version"][1], message, advice)
