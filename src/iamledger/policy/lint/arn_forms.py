"""Whether a pattern of resources and the forms of ARNs that a service has could mean the same ARN.

A form has `${Name}` where an ARN has something of its own: at least one character; no colon in the first five parts; and no
slash at the end of a form that another one continues after a slash, so that `arn:aws:s3:::reports/*` is no bucket. A `*` in
a form is anything, also nothing.

All forms are followed through a pattern at once, as the bits of one number: a bit for each character of each form, one more
where the form ends, and then one that is always zero. A wildcard of the pattern may skip any number of characters: all bits
from the lowest that is set up to the form's end. So the cost is the pattern's length times the forms' in machine words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from iamledger.policy.patterns import Pattern, Variable, Wildcard

_TOKEN = re.compile(r"\$\{[^}]*\}|.", re.DOTALL)
LONGEST = 2048
"""Longer patterns are taken to fit: no ARN is as long."""


class ArnForms:
    """The forms of some resource types."""

    def __init__(self, forms: Iterable[tuple[str, str]]) -> None:
        """`forms` are pairs of a type and a form; a type may have several."""
        forms = list(forms)
        self.types = frozenset(type_ for type_, _ in forms)
        self.services = frozenset(form.split(":")[2] for _, form in forms if form.count(":") >= 5)
        self._of_any_service = any("$" in service or "*" in service for service in self.services)
        self._masks: dict[str, int] = {}
        self._excluded = {":": 0, "/": 0}
        self._one = self._stay = self._start = self._guards = 0
        self._ends: list[tuple[int, str]] = []
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
        service = pattern.prefix.split(":")[2:3]
        if service and pattern.prefix.count(":") > 2 and service[0] not in self.services and not self._of_any_service:
            return frozenset()
        state = self._start
        for part in pattern.parts:
            if part is Wildcard.ONE:
                state = (state & self._steps) << 1 | (state & self._stay)
            elif isinstance(part, Variable | Wildcard):
                lowest = state & (self._guards - state)
                state = (self._guards - lowest) & ~self._guards
            else:
                for character in part:
                    may = ~self._excluded.get(character, 0)
                    step = self._masks.get(character, 0) | self._one & may
                    state = (state & step) << 1 | (state & self._stay & may)
            if not state:
                return frozenset()
        return frozenset(type_ for end, type_ in self._ends if state & end)

    def _add(self, type_: str, form: str, *, continued: bool) -> None:
        self._start |= 1 << self._length
        tokens = _TOKEN.findall(form)
        colons = 0
        for number, token in enumerate(tokens, 1):
            bit = 1 << self._length
            if token == "*":
                self._stay |= bit
                continue
            if len(token) > 1:
                self._one |= bit
                self._stay |= bit << 1
                if colons < 5:
                    self._excluded[":"] |= bit | bit << 1
                if continued and number == len(tokens):
                    self._excluded["/"] |= bit | bit << 1
            else:
                self._masks[token] = self._masks.get(token, 0) | bit
                colons += token == ":"
            self._length += 1
        self._ends.append((1 << self._length, type_))
        self._guards |= 2 << self._length
        self._length += 2
