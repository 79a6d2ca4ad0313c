"""The services that there are, and questions about their actions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from iamledger.policy.globs import glob
from iamledger.policy.patterns import Variable, Wildcard, read_pattern
from iamledger.policy.services import Service
from iamledger.services.aws import aws_service, aws_services


class Configured(Protocol):
    """The settings that say where a team's own services are."""

    @property
    def service_folders(self) -> Sequence[Path]:
        """The folders of their files."""


def open_catalogue(settings: Configured) -> Catalogue:
    """The catalogue of AWS's services, iamledger's own, and those in the folders that the settings name."""
    return Catalogue(settings.service_folders)


class Catalogue:
    """Services by prefix. Each is read when it is first asked for."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self._folders = folders
        self._read: dict[str, Service] = {}

    def prefixes(self) -> list[str]:
        """The prefixes of all services, in order."""
        return sorted(aws_services())

    def service(self, prefix: str) -> Service | None:
        """The service of a prefix, without regard to case."""
        prefix = prefix.lower()
        if prefix not in self._read:
            if prefix not in aws_services():
                return None
            self._read[prefix] = aws_service(prefix)
        return self._read[prefix]

    def canonical(self, action: str) -> str | None:
        """An action `service:Name` with the upper and lower case of the catalogue. None if there is none."""
        prefix, _, name = action.partition(":")
        service = self.service(prefix)
        known = service.actions.get(name.lower()) if service else None
        return f"{prefix.lower()}:{known.name}" if known else None

    def actions_matching(self, pattern: str) -> list[str]:
        """The actions that a pattern of a policy means, such as `s3:Get*` or `*`, in order. None of an unknown service."""
        prefix, _, name = pattern.lower().partition(":")
        if pattern in ("*", "*:*"):
            return [action for each in self.prefixes() for action in self._matching(each, "*")]
        return list(self._matching(prefix, name))

    def _matching(self, prefix: str, name: str) -> Iterator[str]:
        service = self.service(prefix)
        if service is None:
            return
        parts: list[str | Wildcard] = [
            part for part in read_pattern(name, variables=False).parts if not isinstance(part, Variable)
        ]
        matches = glob(parts)
        for folded in sorted(service.actions):
            if matches(folded):
                yield f"{service.prefix}:{service.actions[folded].name}"
