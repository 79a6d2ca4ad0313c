"""ArnEquals and ArnLike, which are one and the same (rule 39), and their negations.

- The components of an ARN are compared one by one, with case; a wildcard matches no colon, except in the sixth, which has
  colons of its own.
- A pattern that ends early, such as `arn:aws:iam::*`, compares its last component with all that remains (?). `*` alone is
  every ARN.
- A wildcard in the service matches nothing (?).
- What is compared must have six components; anything else is no ARN, and matches no pattern (?).
- Values of variables are literal. If they have colons, they make components.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from iamledger.policy.globs import Part, Test, chunks, glob, matches
from iamledger.policy.patterns import Pattern, Wildcard
from iamledger.policy.substitution import Facts, has_variables, substituter

SERVICE = 2


def static_arn_test(pattern: Pattern) -> Test:
    """The test of a pattern without variables."""
    parts = [part for part in pattern.parts if isinstance(part, str | Wildcard)]
    components = _components(parts)
    if _matches_nothing(components):
        return lambda _: False
    tests = [glob(component) for component in components]
    cuts = len(tests) - 1

    def test(arn: str) -> bool:
        if arn.count(":") < 5:
            return False
        return all(test(text) for test, text in zip(tests, arn.split(":", cuts), strict=True))

    return test


def variable_arn_test(pattern: Pattern) -> Callable[[str, Facts], bool] | None:
    """The test of a pattern with variables; None for a pattern without. An unresolved variable matches nothing."""
    if not has_variables(pattern):
        return None
    substitute = substituter(pattern)

    def test(arn: str, facts: Facts) -> bool:
        parts = substitute(facts)
        if parts is None or arn.count(":") < 5:
            return False
        components = _components(parts)
        texts = arn.split(":", len(components) - 1)
        return not _matches_nothing(components) and all(
            matches(chunks(component), text) for component, text in zip(components, texts, strict=True)
        )

    return test


def _components(parts: Sequence[Part]) -> list[list[Part]]:
    """The parts of each of the components, at most six."""
    found: list[list[Part]] = [[]]
    for part in parts:
        if isinstance(part, Wildcard):
            found[-1].append(part)
            continue
        first, *others = part.split(":", 6 - len(found))
        if first:
            found[-1].append(first)
        found.extend([other] if other else [] for other in others)
    return found


def _matches_nothing(components: Sequence[Sequence[Part]]) -> bool:
    """Whether it has a wildcard for a service, or ends early without one."""
    if len(components) < 6 and components[-1][-1:] != [Wildcard.ANY]:
        return True
    return len(components) > SERVICE and any(isinstance(part, Wildcard) for part in components[SERVICE])
