"""Condition keys by name: without regard to case, and with those that a tag key or the like is part of."""

from __future__ import annotations

import re
from collections.abc import Iterable

from iamledger.policy.globs import glob
from iamledger.policy.patterns import Wildcard
from iamledger.policy.services import ConditionKey

_PLACEHOLDER = re.compile(r"\$\{[^}]*\}|<[^>]*>")


class KeyNames:
    """Some condition keys."""

    def __init__(self, keys: Iterable[ConditionKey]) -> None:
        keys = list(keys)
        self._exact = {key.name.lower(): key for key in keys}
        self._open = [(_begins(key.name), glob(_parts(key.name)), key) for key in keys if _PLACEHOLDER.search(key.name)]
        self.names = {name: key.name for name, key in self._exact.items()}
        """The names, by themselves in lower case."""

    def find(self, name: str) -> ConditionKey | None:
        """The key of a name."""
        folded = name.lower()
        if folded in self._exact:
            return self._exact[folded]
        for begins, matches, key in self._open:
            if folded.startswith(begins) and matches(folded):
                return key
        return None


def _begins(name: str) -> str:
    return _PLACEHOLDER.split(name.lower())[0]


def _parts(name: str) -> list[str | Wildcard]:
    """The name as a pattern. A placeholder is at least one character."""
    first, *others = _PLACEHOLDER.split(name.lower())
    parts: list[str | Wildcard] = [first]
    for other in others:
        parts += [Wildcard.ONE, Wildcard.ANY, other]
    return parts
