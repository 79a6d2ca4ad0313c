"""Conditions that do not mean what they seem to."""

from __future__ import annotations

import re

from iamledger.policy.json_places import Value
from iamledger.policy.lint.findings import Findings
from iamledger.policy.lint.written import WrittenCondition, WrittenStatement
from iamledger.policy.operators import Family, Quantifier
from iamledger.policy.words import quote

_ESCAPED = re.compile(r"\$\{[*?$]\}")
_VARIABLE = re.compile(r"\$\{[A-Za-z0-9][^}]*:[^}]*\}")
_TAKES_VARIABLES = (Family.STRING, Family.ARN, Family.BOOL)


def check_conditions(written: WrittenStatement, findings: Findings) -> None:
    """Conditions that hold always or never, and ForAllValues that lets requests through that lack the key."""
    present = {
        one.condition.key.lower()
        for one in written.conditions
        if one.condition.operator.family is Family.NULL and set(one.condition.operands) == {False}
    }
    for one in written.conditions:
        _check_values(one, findings)
        _check_wildcards(one, findings)
        all_values = one.condition.operator.quantifier is Quantifier.ALL
        if all_values and written.statement.effect == "Allow" and one.condition.key.lower() not in present:
            key = quote(one.condition.key)
            message = f"{one.condition.operator} is also true of a request without {key}, which this then allows"
            findings.add("for-all-values-alone", one.key, message, f'write "Null": {{{key}: "false"}} beside it')


def _check_values(one: WrittenCondition, findings: Findings) -> None:
    condition = one.condition
    operator = condition.operator
    if operator.family is Family.NULL and len(set(condition.operands)) == 2:
        findings.add("always-matches", one.key, "Null with true and false is true of every request", "keep one of them")
    if condition.values:
        return
    if operator.family is Family.NULL or not (operator.negated or operator.quantifier is Quantifier.ALL):
        message = f"{operator} has no value, which no request matches"
        findings.add("never-matches", one.key, message, "write a value, or remove the key")
    elif operator.negated and operator.quantifier is None:
        message = f"{operator} has no value, and so is true of every request"
        findings.add("always-matches", one.key, message, "write a value, or remove the key")


def _check_wildcards(one: WrittenCondition, findings: Findings) -> None:
    operator = one.condition.operator
    if operator.family is not Family.STRING or operator.wildcards:
        return
    for text, node in zip(one.condition.values, one.values, strict=True):
        if re.search(r"[*?]", _ESCAPED.sub("", text)):
            message = f"{operator} takes {quote(text)} as it is written, not as a pattern"
            findings.add("wildcard-in-equals", node, message, _about_wildcards(operator.comparison))


def _about_wildcards(comparison: str) -> str:
    if "IgnoreCase" in comparison:
        return "no operator has patterns without regard to case"
    return f"write {comparison.replace('Equals', 'Like')}, or ${{*}} and ${{?}} for the characters themselves"


def check_variables(written: WrittenStatement, findings: Findings) -> None:
    """Variables in a document of 2008, in which they are plain text."""
    for pattern, node in written.resources():
        _check_variable(pattern.text, node, findings)
    for one in written.conditions:
        if one.condition.operator.family in _TAKES_VARIABLES:
            for text, node in zip(one.condition.values, one.values, strict=True):
                _check_variable(text, node, findings)


def _check_variable(text: str, node: Value, findings: Findings) -> None:
    if found := _VARIABLE.search(text):
        message = f"{quote(found.group())} is plain text in the Version of 2008"
        findings.add("variable-in-old-version", node, message, 'write "Version": "2012-10-17"')
