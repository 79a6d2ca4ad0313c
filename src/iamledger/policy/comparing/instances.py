"""Texts that patterns match, as a person would choose them."""

from __future__ import annotations

from iamledger.policy.patterns import Pattern, Variable, Wildcard
from iamledger.policy.substitution import Facts, resolver

EXAMPLE = "example"
ONE = "x"


def instance(pattern: Pattern, facts: Facts | None = None) -> str:
    """A text that a pattern matches if its variables have the values that they have here."""
    return "".join(_text(part, facts or {}) for part in pattern.parts)


def _text(part: str | Wildcard | Variable, facts: Facts) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Variable):
        found = resolver(part)(facts)
        return EXAMPLE if found is None else found
    return EXAMPLE if part is Wildcard.ANY else ONE
