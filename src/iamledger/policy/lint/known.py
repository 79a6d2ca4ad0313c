"""What a catalogue tells about the names in one document, remembered while the document is looked at."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from difflib import get_close_matches
from typing import NamedTuple

from iamledger.policy.globs import glob
from iamledger.policy.lint.arn_forms import ArnForms
from iamledger.policy.lint.key_names import KeyNames
from iamledger.policy.patterns import Pattern, Variable
from iamledger.policy.services import Service, Services

GUESSES = 25
"""For so many unknown names it is guessed what was meant: a guess takes milliseconds."""


class Meaning(NamedTuple):
    """The actions that a pattern means, by their names in lower case."""

    service: Service
    names: tuple[str, ...]


class Known:
    """What is known about services."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._meanings: dict[str, Meaning | None] = {}
        self._names: dict[str, list[str]] = {}
        self._forms: dict[str, ArnForms] = {}
        self._keys: dict[str, KeyNames] = {}
        self._guesses = 0

    def service(self, prefix: str) -> Service | None:
        """The service of a prefix."""
        return self._services.service(prefix)

    def meaning(self, pattern: Pattern) -> Meaning | None:
        """The actions that a pattern means. None if it means those of all services, or of one that is unknown."""
        text = pattern.text.lower()
        if text not in self._meanings:
            prefix, colon, _ = text.partition(":")
            service = self.service(prefix) if colon and prefix != "*" else None
            self._meanings[text] = Meaning(service, self._matching(service, pattern)) if service else None
        return self._meanings[text]

    def forms(self, service: Service) -> ArnForms:
        """The forms of the ARNs of all resource types of a service."""
        if service.prefix not in self._forms:
            types = service.resource_types.items()
            self._forms[service.prefix] = ArnForms((name, arn) for name, type_ in types for arn in type_.arns)
        return self._forms[service.prefix]

    def keys(self, service: Service) -> KeyNames:
        """The condition keys of a service."""
        if service.prefix not in self._keys:
            self._keys[service.prefix] = KeyNames(service.condition_keys.values())
        return self._keys[service.prefix]

    def guess(self, name: str, known: Mapping[str, str]) -> str | None:
        """Advice for an unknown name, if a known one is close. `known` are names by themselves in lower case."""
        self._guesses += 1
        if self._guesses > GUESSES or len(name) > 64:
            return None
        close = get_close_matches(name.lower(), known, n=1, cutoff=0.7)
        return f"did you mean {known[close[0]]}?" if close else None

    def guess_service(self, prefix: str) -> str | None:
        """Advice for the prefix of an unknown service."""
        return self.guess(prefix, {known: known for known in self._services.prefixes()})

    def _matching(self, service: Service, pattern: Pattern) -> tuple[str, ...]:
        """The names of a service's actions that a pattern matches. The names that begin as it does stand together."""
        before = len(service.prefix) + 1
        if pattern.literal is not None:
            name = pattern.literal[before:]
            return (name,) if name in service.actions else ()
        if service.prefix not in self._names:
            self._names[service.prefix] = sorted(f"{service.prefix}:{name}" for name in service.actions)
        names = self._names[service.prefix]
        begins = names[bisect_left(names, pattern.prefix) : bisect_left(names, f"{pattern.prefix}\x7f")]
        matches = glob([part for part in pattern.parts if not isinstance(part, Variable)])
        return tuple(name[before:] for name in begins if matches(name))
