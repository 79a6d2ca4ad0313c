"""Patterns: texts with wildcards and policy variables, taken apart once so that they can be compared and indexed.

- `*` is any number of characters, `?` exactly one.
- A policy variable is `${key}`, or `${key, 'default'}` with a comma, a space and single quotes. `${*}`, `${?}` and `${$}`
  are those characters themselves. There are variables only in documents of version 2012-10-17; in an older one `${...}`
  is plain text. A `$` without a brace is always plain text.
- What a variable names has the form of a condition key; whether it exists is known when a request comes.

Source: "IAM policy elements: Variables and tags" of the IAM User Guide. It says that `${ key }` and a default in other
quotes are errors; a name without a vendor is refused for the same reason: no request can have it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from iamledger.policy.problems import Malformed
from iamledger.policy.words import quote


class Wildcard(Enum):
    """A part of a pattern that stands for characters."""

    ANY = "*"
    ONE = "?"


@dataclass(frozen=True, slots=True)
class Variable:
    """A part of a pattern that stands for the value of a request's context key, or for the default if there is none."""

    key: str
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text as written, and its parts. Literals are never neighbours; a run of wildcards is `?`s, then one `*` at most."""

    text: str
    parts: tuple[str | Wildcard | Variable, ...]

    @property
    def prefix(self) -> str:
        """What every match begins with: the literal before the first wildcard or variable."""
        return self.parts[0] if self.parts and isinstance(self.parts[0], str) else ""

    @property
    def literal(self) -> str | None:
        """The only text that matches, or None if there are wildcards or variables."""
        return self.prefix if not self.parts or self.parts == (self.prefix,) else None

    def __str__(self) -> str:
        return self.text


def read_pattern(text: str, *, variables: bool, wildcards: bool = True) -> Pattern:
    """Take a text apart. Raises Malformed for a variable that is none."""
    return Pattern(text, _merged(_split(text, variables=variables, wildcards=wildcards)))


def is_condition_key(text: str) -> bool:
    """Whether a text has the form of a condition key: `vendor:name`, with a tag key or the like after a `/` or a `:`.

    The vendor may be an identity provider, whose address can have dots and slashes.
    """
    return _CONDITION_KEY.fullmatch(text) is not None


_KEY = r"[A-Za-z0-9][A-Za-z0-9._/~%+-]*+:[A-Za-z0-9_.-]+"
_CONDITION_KEY = re.compile(rf"{_KEY}(?:[/:][^\x00-\x1f\x7f]+)?")
_SPECIAL = re.compile(r"[*?$]")
_VARIABLE = re.compile(
    rf"\$\{{(?P<key>{_KEY}(?:[/:][^\x00-\x1f\x7f,'{{}}$*?]*[^\x00-\x20\x7f,'{{}}$*?])?)(?:, '(?P<default>[^']*)')?\}}"
)


def _split(text: str, *, variables: bool, wildcards: bool) -> list[str | Wildcard | Variable]:
    parts: list[str | Wildcard | Variable] = []
    at = 0
    while at < len(text):
        if variables and text.startswith("${", at):
            if found := _VARIABLE.match(text, at):
                parts.append(Variable(found["key"], found["default"]))
                at = found.end()
            elif text[at + 2 : at + 3] in ("*", "?", "$") and text[at + 3 : at + 4] == "}":
                parts.append(text[at + 2])
                at += 4
            else:
                raise _no_variable(text[at:])
        elif wildcards and text[at] in "*?":
            parts.append(Wildcard(text[at]))
            at += 1
        else:
            end = _next_special(text, at + 1)
            parts.append(text[at:end])
            at = end
    return parts


def _next_special(text: str, start: int) -> int:
    found = _SPECIAL.search(text, start)
    return found.start() if found else len(text)


def _merged(parts: list[str | Wildcard | Variable]) -> tuple[str | Wildcard | Variable, ...]:
    merged: list[str | Wildcard | Variable] = []
    literal: list[str] = []
    many = False
    for part in [*parts, None]:
        if literal and not isinstance(part, str):
            merged.append("".join(literal))
            literal.clear()
        if many and not isinstance(part, Wildcard):
            merged.append(Wildcard.ANY)
            many = False
        match part:
            case str():
                literal.append(part)
            case Wildcard.ANY:
                many = True
            case Wildcard() | Variable():
                merged.append(part)
    return tuple(merged)


def _no_variable(rest: str) -> Malformed:
    body, closed, _ = rest[2:].partition("}")
    if not closed:
        return Malformed(f"the policy variable {quote(rest)} has no }}", "close it, or write ${$} for a $ before a {")
    shown = quote("${" + body + "}")
    if not body.strip():
        return Malformed(f"the policy variable {shown} names no key", "write ${$} for a $ before a {")
    if "," in body or "'" in body or '"' in body:
        return Malformed(f"the policy variable {shown} has a malformed default", "write ${key, 'default'}")
    if body != body.strip():
        return Malformed(f"the policy variable {shown} has spaces around its key", "remove them")
    return Malformed(f"{quote(body)} in {shown} is no condition key", "write vendor:name, such as aws:username")
