"""Whether a resource is one that a pattern of Resource or NotResource stands for.

- Resources compare with case (rule 21). `*` crosses `/`.
- Of the first five parts of an ARN, a `*` that ends a part may cross colons (`arn:aws:iam::*`); other wildcards there match
  no colon (?). A run of wildcards is `?`s and then a `*`, so that `*?` before a colon ends its part with a `*` (?).
- In the sixth part, which has colons of its own, wildcards match everything.
- Variables stand in the sixth part only; with one unresolved, the pattern matches nothing (rule 22).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from iamledger.policy.bounded_globs import matches_bounded
from iamledger.policy.globs import Part, Test, chunks, glob, matches
from iamledger.policy.patterns import Pattern, Variable, Wildcard
from iamledger.policy.substitution import Facts, has_variables, substituter, writer

FactsTest = Callable[[str, Facts], bool]


def static_test(pattern: Pattern) -> Test | None:
    """The test of a pattern without variables. None if whatever begins with the pattern's prefix matches."""
    parts = _static(pattern.parts)
    if not all(colons for _, colons in bounds(parts)):
        bounded = list(bounds(parts))
        return lambda resource: matches_bounded(bounded, resource)
    if pattern.parts in ((Wildcard.ANY,), (pattern.prefix, Wildcard.ANY)):
        return None
    return glob(parts)


def variable_test(pattern: Pattern) -> FactsTest | None:
    """The test of a pattern with variables, which needs the facts. None for a pattern without."""
    if not has_variables(pattern):
        return None
    *before, last = pattern.parts
    plain = [part for part in pattern.parts if not isinstance(part, Wildcard)]
    if plain == list(pattern.parts):
        return _exactly(plain)
    if last is Wildcard.ANY and plain == before:
        return _beginning(plain)
    substitute = substituter(pattern)
    bounded = not all(colons for _, colons in bounds(pattern.parts))

    def test(resource: str, facts: Facts) -> bool:
        parts = substitute(facts)
        if parts is None:
            return False
        if bounded:
            return matches_bounded(bounds(parts), resource)
        return matches(chunks(parts), resource)

    return test


def possible_test(pattern: Pattern) -> Test | None:
    """The test of whether a pattern matches for some values of its variables. None as of `static_test`."""
    parts = tuple(Wildcard.ANY if isinstance(part, Variable) else part for part in pattern.parts)
    return static_test(Pattern(pattern.text, parts))


def _exactly(plain: Sequence[str | Variable]) -> FactsTest:
    write = writer(plain)
    return lambda resource, facts: write(facts) == resource


def _beginning(plain: Sequence[str | Variable]) -> FactsTest:
    write = writer(plain)

    def test(resource: str, facts: Facts) -> bool:
        beginning = write(facts)
        return beginning is not None and resource.startswith(beginning)

    return test


def _static(parts: Sequence[Part | Variable]) -> list[Part]:
    return [part for part in parts if not isinstance(part, Variable)]


def bounds(parts: Sequence[Part | Variable]) -> Iterator[tuple[Part, bool]]:
    """Each part but for variables, and whether a wildcard there may match a colon."""
    passed = 0
    for place, part in enumerate(parts):
        if isinstance(part, Variable):
            continue
        following = parts[place + 1] if place + 1 < len(parts) else None
        ends = following is None or (isinstance(following, str) and following.startswith(":"))
        yield part, passed >= 5 or not isinstance(part, Wildcard) or (part is Wildcard.ANY and ends)
        if isinstance(part, str):
            passed += part.count(":")
