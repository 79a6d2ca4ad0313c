"""Condition operators: the closed list of the IAM User Guide, "IAM JSON policy elements: Condition operators".

An operator is written like `ForAllValues:StringLikeIfExists`: a quantifier over the values that a request has for a key, a
comparison, and `IfExists`. The first and the last may be absent. Null has no IfExists form. That a quantifier before Null is
accepted is a choice: the guide does not forbid it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from iamledger.policy.problems import Malformed
from iamledger.policy.words import did_you_mean, quote


class Family(Enum):
    """The type of values that an operator compares."""

    STRING = "String"
    NUMERIC = "Numeric"
    DATE = "Date"
    BOOL = "Bool"
    BINARY = "Binary"
    IP_ADDRESS = "IpAddress"
    ARN = "Arn"
    NULL = "Null"


class Quantifier(Enum):
    """How an operator treats the values of a key in the request."""

    ALL = "ForAllValues"
    ANY = "ForAnyValue"


COMPARISONS = {
    **dict.fromkeys(
        (
            *("StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"),
            *("StringLike", "StringNotLike"),
        ),
        Family.STRING,
    ),
    **dict.fromkeys(
        (
            *("NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals"),
            *("NumericGreaterThan", "NumericGreaterThanEquals"),
        ),
        Family.NUMERIC,
    ),
    **dict.fromkeys(
        (
            *("DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals"),
            *("DateGreaterThan", "DateGreaterThanEquals"),
        ),
        Family.DATE,
    ),
    "Bool": Family.BOOL,
    "BinaryEquals": Family.BINARY,
    **dict.fromkeys(("IpAddress", "NotIpAddress"), Family.IP_ADDRESS),
    **dict.fromkeys(("ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"), Family.ARN),
    "Null": Family.NULL,
}
"""Each comparison and the type of its values."""


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator, taken apart."""

    comparison: str
    quantifier: Quantifier | None = None
    if_exists: bool = False

    @property
    def family(self) -> Family:
        """The type of its values."""
        return COMPARISONS[self.comparison]

    @property
    def negated(self) -> bool:
        """Whether it is the negation of another operator: no value may match."""
        return "Not" in self.comparison

    @property
    def wildcards(self) -> bool:
        """Whether `*` and `?` stand for other characters. ArnEquals is ArnLike."""
        return self.family is Family.ARN or self.comparison in ("StringLike", "StringNotLike")

    def __str__(self) -> str:
        prefix = f"{self.quantifier.value}:" if self.quantifier else ""
        return f"{prefix}{self.comparison}{'IfExists' if self.if_exists else ''}"


_BY_NAME = {
    str(operator): operator
    for comparison in COMPARISONS
    for quantifier in (None, *Quantifier)
    for if_exists in (False, True)
    if (operator := Operator(comparison, quantifier, if_exists)) and not (if_exists and comparison == "Null")
}


def read_operator(text: str) -> Operator:
    """The operator of a name. Raises Malformed."""
    if text in _BY_NAME:
        return _BY_NAME[text]
    if text.removesuffix("IfExists") in _BY_NAME and "Null" in text:
        raise Malformed(
            f"{quote(text)} is no condition operator", "Null has no IfExists form, it asks that very question"
        )
    raise Malformed(f"{quote(text)} is no condition operator", did_you_mean(text, _BY_NAME))
