"""Whether a pattern of resources and the forms of ARNs that a service has could mean the same ARN.

A form has `${Name}` where an ARN has something of its own: at least one character; no colon in the first five parts; and no
slash at the end of a form that another one continues after a slash, so that `arn:aws:s3:::reports/*` is no bucket. A `*` in
a form is anything, also nothing. What has a region may have no account: it is AWS's own then, as are images and
`arn:aws:ssm:eu-west-1::parameter/aws/service/*`. Wildcards of a pattern stay in their part of the first five, unless the
pattern ends so: `arn:aws:iam::*` may be anything of IAM's, but who writes `arn:aws:iam::*:user/*` means no group `a:user/b`.

All forms are followed through a pattern at once, as the bits of one number: a bit for each character of each form, one more
where the form ends, and then one that is always zero. A `*` of the pattern may skip any number of characters: all bits from
the lowest that is set up to the part's or the form's end. So the cost is the pattern's length times the forms' in machine
words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from iamledger.policy.patterns import Pattern, Variable, Wildcard

LONGEST = 2048
"""Longer patterns are taken to fit: no ARN is as long."""
_TOKEN = re.compile(r"\$\{[^}]*\}|.", re.DOTALL)
_PARTS = 5
"""So many colons divide an ARN; what follows has colons of its own."""


def service_of(pattern: Pattern) -> str:
    """The service in a pattern of ARNs, where the grammar allows no wildcard."""
    return pattern.text.split(":", 3)[2]


class ArnForms:
    """The forms of some resource types."""

    def __init__(self, forms: Iterable[tuple[str, str]]) -> None:
        """`forms` are pairs of a type and a form; a type may have several."""
        forms = [(type_, each) for type_, form in forms if form.count(":") >= _PARTS for each in _with_own(form)]
        self.types = frozenset(type_ for type_, _ in forms)
        services = frozenset(form.split(":")[2] for _, form in forms)
        self.services = None if any("$" in service or "*" in service for service in services) else services
        """The third parts of the forms. None if some have any."""
        self._masks: dict[str, int] = {}
        self._excluded = {":": 0, "/": 0}
        self._one = self._stay = self._start = 0
        self._ends: list[tuple[int, str]] = []
        self._beyond = [0] * (_PARTS + 1)
        """The bits after the end of each part; the last are the zeros after the forms."""
        self._length = 0
        texts = [form for _, form in forms]
        for type_, form in forms:
            self._add(type_, form, continued=any(other.startswith(f"{form}/") for other in texts))
        self._steps = self._one
        for mask in self._masks.values():
            self._steps |= mask

    def fitting(self, pattern: Pattern) -> frozenset[str]:
        """The types of which some ARN matches a pattern."""
        if pattern.parts == (Wildcard.ANY,) or len(pattern.text) > LONGEST:
            return self.types
        if self.services is not None and service_of(pattern) not in self.services:
            return frozenset()
        state, passed = self._start, 0
        for number, part in enumerate(pattern.parts, 1):
            if part is Wildcard.ONE:
                within = ~self._masks.get(":", 0) if passed < _PARTS else -1
                state = (state & self._steps & within) << 1 | (state & self._stay)
            elif isinstance(part, Variable | Wildcard):
                state = self._skipped(state, _PARTS if number == len(pattern.parts) else passed)
            else:
                state = self._read(state, part)
                passed = min(passed + part.count(":"), _PARTS)
            if not state:
                return frozenset()
        return frozenset(type_ for end, type_ in self._ends if state & end)

    def _read(self, state: int, text: str) -> int:
        for character in text:
            may = ~self._excluded.get(character, 0)
            step = self._masks.get(character, 0) | self._one & may
            state = (state & step) << 1 | (state & self._stay & may)
            if not state:
                break
        return state

    def _skipped(self, state: int, part: int) -> int:
        """The state after any number of characters, up to the end of a part."""
        beyond = self._beyond[part]
        lowest = state & (beyond - state)
        return (beyond - lowest) & ~beyond

    def _add(self, type_: str, form: str, *, continued: bool) -> None:
        self._start |= 1 << self._length
        tokens = _TOKEN.findall(form)
        passed = 0
        for number, token in enumerate(tokens, 1):
            bit = 1 << self._length
            if token == "*":
                self._stay |= bit
                self._excluded[":"] |= bit if passed < _PARTS else 0
                continue
            if len(token) > 1:
                self._one |= bit
                self._stay |= bit << 1
                self._excluded[":"] |= bit | bit << 1 if passed < _PARTS else 0
                self._excluded["/"] |= bit | bit << 1 if continued and number == len(tokens) else 0
            else:
                self._masks[token] = self._masks.get(token, 0) | bit
                if token == ":" and passed < _PARTS:
                    self._beyond[passed] |= bit << 1
                    passed += 1
            self._length += 1
        self._ends.append((1 << self._length, type_))
        self._beyond[_PARTS] |= 2 << self._length
        self._length += 2


def _with_own(form: str) -> Iterator[str]:
    """A form, and that of AWS's own resources if it has a region and an account."""
    yield form
    *before, region, account, resource = form.split(":", _PARTS)
    if region.startswith("${") and account.startswith("${"):
        yield ":".join([*before, region, "", resource])
