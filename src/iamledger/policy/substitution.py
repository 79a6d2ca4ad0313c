"""The facts of a request, and policy variables, which stand for them.

- Facts are the request's context with its keys in lower case: keys compare without regard to case, tag keys included
  (rules 25 and 31). If two keys differ in case alone, the later one counts. An empty list is an absent key (rule 34).
- A caller may bring keys of its own (`Caller.facts`); the request's context comes before them (?).
- A variable is the text of a single value. A list, also of one value, cannot be a variable (rule 25): it is unresolved, and
  its default does not help (?). A default stands in for an absent key only; an empty string is a value (rule 26).
- What is substituted is literal (rule 23): it becomes text among the parts of a pattern, never a wildcard or a variable.
- Values that are no strings have their JSON text: `true`, `5`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from iamledger.policy.globs import Part
from iamledger.policy.patterns import Pattern, Variable, Wildcard

Scalar = str | bool | int | float | Decimal
Fact = Scalar | Sequence[Scalar]
Facts = Mapping[str, Fact]


def text_of(value: Scalar) -> str:
    """A single value as a text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def resolver(variable: Variable) -> Callable[[Facts], str | None]:
    """The text that a variable has among facts, or None if it is unresolved."""
    key, default = variable.key.lower(), variable.default

    def resolve(facts: Facts) -> str | None:
        value = facts.get(key)
        if isinstance(value, str):
            return value
        if value is None or value in ([], ()):
            return default
        return None if isinstance(value, list | tuple) else text_of(value)  # type: ignore[arg-type]

    return resolve


def substituter(pattern: Pattern) -> Callable[[Facts], list[Part] | None]:
    """The parts of a pattern with its variables replaced, or None if one is unresolved: then nothing matches (rule 22)."""
    steps = [resolver(part) if isinstance(part, Variable) else part for part in pattern.parts]

    def substitute(facts: Facts) -> list[Part] | None:
        parts: list[Part] = []
        for step in steps:
            if isinstance(step, str | Wildcard):
                parts.append(step)
            elif (text := step(facts)) is None:
                return None
            else:
                parts.append(text)
        return parts

    return substitute


def writer(parts: Sequence[str | Variable]) -> Callable[[Facts], str | None]:
    """The text that literals and variables make together, or None if a variable is unresolved."""
    if len(parts) == 1 and isinstance(parts[0], Variable):
        return resolver(parts[0])
    if len(parts) == 3 and isinstance(variable := parts[1], Variable):
        head, resolve, tail = parts[0], resolver(variable), parts[2]
        if isinstance(head, str) and isinstance(tail, str):
            return lambda facts: None if (text := resolve(facts)) is None else head + text + tail
    steps = [resolver(part) if isinstance(part, Variable) else part for part in parts]

    def write(facts: Facts) -> str | None:
        texts: list[str] = []
        for step in steps:
            text = step if isinstance(step, str) else step(facts)
            if text is None:
                return None
            texts.append(text)
        return "".join(texts)

    return write


def has_variables(pattern: Pattern) -> bool:
    """Whether there are any."""
    return any(isinstance(part, Variable) for part in pattern.parts)
