"""The services that there are, and questions about their actions.

A team's own service takes the place of one of AWS's with the same prefix: what the team runs under that name is meant, also
when AWS begins to use it later. iamledger's own prefix is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

from iamledger.iam.refusals import InvalidInput
from iamledger.policy.document import Statement
from iamledger.policy.globs import glob
from iamledger.policy.patterns import Variable, read_pattern
from iamledger.policy.services import Action, Service
from iamledger.services import aws

ITSELF = Path(__file__).with_name("iamledger.yaml")
"""What describes iamledger's own actions."""
_SUFFIXES = (".yaml", ".yml")


class Configured(Protocol):
    """The settings that say where a team's own services are."""

    @property
    def service_folders(self) -> Sequence[Path]:
        """The folders of their files."""


def open_catalogue(settings: Configured) -> Catalogue:
    """The catalogue of AWS's services, iamledger's own, and those in the folders that the settings name."""
    return Catalogue(settings.service_folders)


class Catalogue:
    """Services by prefix. Each is read when it is first asked for, and InvalidInput raised if its file is wrong."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self._folders = folders
        self._read: dict[str, Service] = {}

    def prefixes(self) -> list[str]:
        """The prefixes of all services, in order."""
        return sorted({*aws.service_names(), *self._files})

    def service(self, prefix: str) -> Service | None:
        """The service of a prefix, without regard to case."""
        prefix = prefix.lower()
        if prefix not in self._read:
            found = self._found(prefix)
            if found is None:
                return None
            self._read[prefix] = found
        return self._read[prefix]

    def action(self, action: str) -> Action | None:
        """The action of a text `service:Name`, without regard to case."""
        prefix, _, name = action.partition(":")
        service = self.service(prefix)
        return service.actions.get(name.lower()) if service else None

    def canonical(self, action: str) -> str | None:
        """An action `service:Name` with the upper and lower case of the catalogue. None if there is none."""
        known = self.action(action)
        return f"{action.partition(':')[0].lower()}:{known.name}" if known else None

    def actions_matching(self, pattern: str) -> list[str]:
        """The actions that a pattern of a policy means, such as `s3:Get*` or `*`, in order. None of an unknown service."""
        if pattern in ("*", "*:*"):
            return [action for prefix in self.prefixes() for action in self._matching(prefix, "*")]
        prefix, _, name = pattern.lower().partition(":")
        return list(self._matching(prefix, name))

    def actions_of(self, statement: Statement) -> list[str]:
        """The actions that a statement is about, in order: those of Action, or all but those of NotAction."""
        patterns = statement.action or statement.not_action
        named = {action for pattern in patterns for action in self.actions_matching(pattern.text)}
        return sorted(named) if statement.action else [a for a in self.actions_matching("*") if a not in named]

    def summaries(self) -> Iterator[tuple[str, str, str]]:
        """Of each service, in order, the prefix, the name and the source. AWS's are not read for it."""
        names = aws.service_names()
        for prefix in self.prefixes():
            if prefix in self._files:
                service = self.service(prefix)
                assert service is not None
                yield prefix, service.name, service.source
            else:
                yield prefix, names[prefix], aws.SOURCE

    def _found(self, prefix: str) -> Service | None:
        if prefix in self._files:
            from iamledger.services.own import read_service  # with it comes YAML, which few need

            file = self._files[prefix]
            return read_service(file, "iamledger" if file == ITSELF else None)
        return aws.service(prefix) if prefix in aws.service_names() else None

    @cached_property
    def _files(self) -> dict[str, Path]:
        """The files of services that are not AWS's, by prefix."""
        found = {ITSELF.stem: ITSELF}
        for folder in self._folders:
            if not folder.is_dir():
                raise InvalidInput(f"IAMLEDGER_SERVICES: there is no folder {folder}")
            for file in sorted(folder.iterdir()):
                if file.suffix.lower() in _SUFFIXES:
                    prefix = file.stem.lower()
                    if prefix in found:
                        raise InvalidInput(f"{file}: the service {prefix} is described by {found[prefix]} already")
                    found[prefix] = file
        return found

    def _matching(self, prefix: str, name: str) -> Iterator[str]:
        service = self.service(prefix)
        if service is None:
            return
        matches = glob([part for part in read_pattern(name, variables=False).parts if not isinstance(part, Variable)])
        for folded in sorted(service.actions):
            if matches(folded):
                yield f"{service.prefix}:{service.actions[folded].name}"
