"""Findings, and how many are collected of one document."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from iamledger.policy.json_places import Value
from iamledger.policy.problems import Lines, Problem

MOST = 300
"""After so many findings the linting ends, and says so with an error: what comes later was not looked at."""


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"
    SUGGESTION = "suggestion"


_ERROR, _WARNING, _SUGGESTION = Severity

CODES = {
    "grammar": (_ERROR, "IAM refuses the document"),
    "too-large": (_ERROR, "the document has more characters than IAM takes"),
    "unknown-service": (_ERROR, "no service has this prefix"),
    "unknown-action": (_ERROR, "the service has no such action"),
    "unknown-condition-key": (_ERROR, "no service has such a condition key"),
    "never-matches": (_ERROR, "the statement applies to no request"),
    "too-many-findings": (_ERROR, "the rest of the document was not looked at"),
    "missing-version": (_WARNING, "without a Version, a document has the one of 2008"),
    "variable-in-old-version": (_WARNING, "in the Version of 2008 a variable is plain text"),
    "wildcard-without-actions": (_WARNING, "no action of the service matches"),
    "unknown-resource": (_WARNING, "no resource type of the service has such ARNs"),
    "unsupported-resource": (_WARNING, "no action of the statement is about such a resource"),
    "unsupported-action": (_WARNING, "no resource of the statement is one that the action is about"),
    "unsupported-condition-key": (_WARNING, "no action of the statement has the condition key"),
    "mismatched-type": (_WARNING, "the condition key has values of another type than the operator compares"),
    "needs-set-operator": (_WARNING, "a key with several values needs ForAllValues or ForAnyValue"),
    "for-all-values-alone": (_WARNING, "ForAllValues is true of a request that lacks the key"),
    "wildcard-in-equals": (_WARNING, "the operator takes * and ? for what they are"),
    "always-matches": (_WARNING, "the condition is true of every request"),
    "full-access": (_WARNING, "every action on every resource is allowed"),
    "full-access-to-service": (_WARNING, "every action of a service is allowed on every resource"),
    "pass-any-role": (_WARNING, "every role may be passed to every service"),
    "allow-not-action": (_WARNING, "every action but a few is allowed, also those to come"),
    "allow-not-resource": (_WARNING, "every resource but a few is allowed, also those to come"),
    "allow-not-principal": (_WARNING, "everybody but a few is allowed"),
    "public-access": (_WARNING, "everybody is allowed, without a condition"),
    "any-federated-identity": (_WARNING, "every identity of a provider is allowed, without a condition"),
    "denied-elsewhere": (_WARNING, "another statement denies all that this one allows"),
    "old-version": (_SUGGESTION, "the Version of 2008 has no variables"),
    "large-for-inline": (_SUGGESTION, "the document is too large for an inline policy"),
    "set-operator-on-single-value": (_SUGGESTION, "the condition key has one value at most"),
    "redundant-value": (_SUGGESTION, "another value of the element says the same"),
    "redundant-statement": (_SUGGESTION, "another statement says the same"),
}
"""The severity of each code, and what it is about."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. Place and path are as those of a `Problem`."""

    code: str
    line: int
    column: int
    path: str
    message: str
    advice: str | None = None

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return CODES[self.code][0]

    @staticmethod
    def of(problem: Problem) -> Finding:
        """A breach of the grammar as a finding."""
        return Finding("grammar", problem.line, problem.column, problem.path, problem.message, problem.advice)


class EnoughFindings(Exception):
    """`MOST` findings were made."""


class Findings:
    """The findings so far in one text."""

    def __init__(self, text: str) -> None:
        self._lines = Lines(text)
        self._found: list[tuple[int, Finding]] = []

    def add(self, code: str, node: Value, message: str, advice: str | None = None) -> None:
        """Note what was found at a value. Raises EnoughFindings."""
        full = len(self._found) == MOST
        if full:
            code, message = "too-many-findings", f"there are more than {MOST} findings"
            advice = "mend those that are told first"
        finding = Finding(code, *self._lines.place(node.offset), str(node.path), message, advice)
        self._found.append((node.offset, finding))
        if full:
            raise EnoughFindings

    def all(self) -> tuple[Finding, ...]:
        """All of them, in the order of the text."""
        return tuple(finding for _, finding in sorted(self._found, key=lambda found: found[0]))
