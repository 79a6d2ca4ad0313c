"""What is wrong, useless or dangerous in a policy document, beyond what its grammar tells.

    from iamledger.policy.lint import lint

    for finding in lint(text, services=catalogue):
        print(finding.line, finding.column, finding.severity, finding.code, finding.message, finding.advice)

Errors are documents that IAM refuses, names that do not exist, and statements that can never match. Warnings probably do
not do, or do more than, what was meant. Suggestions make a document simpler. Every code is in `findings.CODES`, with what
it is about. Pure: the catalogue of services comes from whoever has one.
"""

from iamledger.policy.lint.findings import CODES, Finding, Severity
from iamledger.policy.lint.linting import lint
from iamledger.policy.lint.sizes import Quotas

__all__ = ["CODES", "Finding", "Quotas", "Severity", "lint"]
