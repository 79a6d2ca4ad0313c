"""The values of conditions, read as the type that the operator compares.

Strict readings, which both a policy's values and a request's go through:

- Numbers are exact decimals, with an exponent if wanted: `5`, `-0.25`, `1e3`. Nothing may stand around them.
- Dates are those of the W3C profile of ISO 8601 (`2026`, `2026-11`, `2026-11-24`, `2026-11-24T09:30Z`,
  `2026-11-24T09:30:15.5+01:00`), or seconds since 1970. A date without a time begins in UTC. Four digits are a year (the
  guide is silent). The result is exact seconds since 1970 either way, so that the two compare with each other.
- Addresses are CIDR blocks; a bare address is a block of one. Bits of the host may be set and are dropped.
- Binary values are base64 with its padding.
- Truth values are true and false, without regard to case.

A value of a policy that can never be of its operator's type is refused when it is written, though IAM may take some of them:
the statement would do nothing, or always. Left to the evaluation are variables in Bool, which IAM accepts.
"""

from __future__ import annotations

import base64
import re
from datetime import date
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from ipaddress import IPv4Network, IPv6Network, ip_network

from iamledger.policy.arns import check_arn
from iamledger.policy.operators import Family, Operator
from iamledger.policy.patterns import Pattern, Variable, read_pattern
from iamledger.policy.problems import Malformed
from iamledger.policy.words import quote

Operand = Pattern | Decimal | bool | bytes | IPv4Network | IPv6Network
"""A value of a condition: a Pattern for String and Arn operators (and for Bool, if there are variables in it), a Decimal for
Numeric and Date, a bool for Bool and Null, bytes, or a block of addresses."""


def read_operand(operator: Operator, text: str, *, variables: bool) -> Operand:
    """A policy's value as the operator's type. Raises Malformed."""
    read: Operand | None
    match operator.family:
        case Family.STRING:
            return read_pattern(text, variables=variables, wildcards=operator.wildcards)
        case Family.ARN:
            return _arn(text, variables=variables)
        case Family.BOOL if variables and "${" in text:
            return read_pattern(text, variables=True, wildcards=False)
        case Family.BOOL | Family.NULL:
            read, wanted = truth(text), "true or false"
        case Family.NUMERIC:
            read, wanted = number(text), "a number"
        case Family.DATE:
            read, wanted = moment(text), "a date such as 2026-11-24T09:30:00Z, or seconds since 1970"
        case Family.IP_ADDRESS:
            read, wanted = network(text), "an address or a CIDR block such as 203.0.113.0/24"
        case Family.BINARY:
            read, wanted = binary(text), "base64"
    if read is None:
        raise Malformed(f"{quote(text)} can never match: {operator} takes {wanted}", _about_variables(text))
    return read


def number(text: str) -> Decimal | None:
    """An exact number, or None."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def moment(text: str) -> Decimal | None:
    """Seconds since 1970 began in UTC, or None."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return Decimal(text) if _EPOCH.fullmatch(text) else None
    try:
        day = date(int(found["year"]), int(found["month"] or 1), int(found["day"] or 1))
    except ValueError:
        return None
    seconds = (day.toordinal() - _DAY_ZERO) * 86400
    if found["hour"]:
        seconds += int(found["hour"]) * 3600 + int(found["minute"]) * 60
    if found["sign"]:
        east = int(found["zone_hour"]) * 3600 + int(found["zone_minute"]) * 60
        seconds += east if found["sign"] == "-" else -east
    return _EXACT.add(Decimal(seconds), Decimal(found["second"] or 0))


def network(text: str) -> IPv4Network | IPv6Network | None:
    """A block of addresses, or None."""
    if not _NETWORK.fullmatch(text):
        return None
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def binary(text: str) -> bytes | None:
    """Decoded bytes, or None."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None


def truth(text: str) -> bool | None:
    """True, False, or None for neither."""
    return _TRUTH.get(text.lower())


_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)  # whatever the thread's own context is
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,4})?")
_EPOCH = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_TRUTH = {"true": True, "false": False}
_NETWORK = re.compile(r"[0-9A-Fa-f:.]+(?:/[0-9]{1,3})?")
_DAY_ZERO = date(1970, 1, 1).toordinal()
_MOMENT = re.compile(
    r"(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2})"
    r"(?:T(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9])(?::(?P<second>[0-5][0-9](?:\.[0-9]+)?))?"
    r"(?:Z|(?P<sign>[+-])(?P<zone_hour>[01][0-9]|2[0-3]):(?P<zone_minute>[0-5][0-9])))?)?)?"
)


def _arn(text: str, *, variables: bool) -> Pattern:
    pattern = read_pattern(text, variables=variables)
    if not any(isinstance(part, Variable) for part in pattern.parts):
        check_arn(text, wildcard_service=True)
    return pattern


def _about_variables(text: str) -> str | None:
    return "policy variables work in String and Arn operators" if "${" in text else None
