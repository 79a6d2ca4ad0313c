"""A team's own services, each described by a file of YAML, and iamledger itself, described by one in the same form.

    service: warehouse
    name: The warehouse
    actions:
      GetItem:
        access_level: Read
        description: Look at an item
        resource_types: [item]
        condition_keys: [warehouse:Aisle]
    resource_types:
      item:
        arn: arn:${Partition}:warehouse:${Region}:${Account}:item/${ItemId}
    condition_keys:
      warehouse:Aisle:
        type: String

What a file names it must describe, so that a mistyped name is found here and not by who is refused something. The file is
called after the service, `warehouse.yaml`: so a service is found without reading the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

from iamledger.iam.refusals import InvalidInput
from iamledger.policy.arns import check_arn
from iamledger.policy.patterns import is_condition_key
from iamledger.policy.problems import Malformed
from iamledger.policy.services import (
    ACCESS_LEVELS,
    Action,
    ActionResource,
    ConditionKey,
    ResourceType,
    Service,
)
from iamledger.policy.words import did_you_mean, listed
from iamledger.yaml_files.reading import YamlReader
from iamledger.yaml_files.tree import Node, Scalar

T = TypeVar("T")
KEY_TYPES = tuple(
    several + one for several in ("", "ArrayOf") for one in ("String", "Numeric", "Date", "Bool", "ARN", "IPAddress")
)
_PREFIX = re.compile("[a-z0-9]+(?:-[a-z0-9]+)*")
_ACTION = re.compile("[A-Za-z][A-Za-z0-9]*")
_PLACEHOLDER = re.compile(r"\$\{[A-Za-z0-9]+\}")


def read_service(file: Path, source: str | None = None) -> Service:
    """The service that a file describes. Raises InvalidInput, with line and column, or OSError."""
    if not file.is_file():
        raise InvalidInput(f"{file} is no file. Each service has a file of its own.")
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file}: byte {error.start + 1} is no UTF-8. Save the file as UTF-8.") from None
    return _Reader(str(file)).service(text, file.stem.lower(), source or str(file))


class _Reader(YamlReader):
    def service(self, text: str, prefix: str, source: str) -> Service:
        root = self.root(
            text, too_large="A service has one file, which is small.", empty="Describe a service: its name and actions."
        )
        said = self.members(root, "the file", {"service", "name", "actions", "resource_types", "condition_keys"})
        for needed in ("service", "actions"):
            if needed not in said:
                raise self.wrong(root, f"there is no {needed}: in the file")
        self._check_prefix(said["service"], prefix)
        keys = self._all(said, "condition_keys", self._condition_key)
        self._known_keys = {key.name.lower(): key.name for key in keys.values()}
        types = self._all(said, "resource_types", self._resource_type)
        self._known_types = {type_.name.lower(): type_.name for type_ in types.values()}
        actions = self._all(said, "actions", self._action)
        if not actions:
            raise self.wrong(said["actions"], "a service has at least one action")
        name = self.optional(said, "name", self.text) or prefix
        return Service(prefix, name, source, actions, types, keys)

    def _check_prefix(self, node: Node, prefix: str) -> None:
        written = self.text(node)
        if not _PREFIX.fullmatch(written):
            raise self.wrong(node, f"{written!a} is no prefix of actions; write lower-case letters, digits and hyphens")
        if written != prefix:
            raise self.wrong(node, f"the service is {written}, so the file must be called {written}.yaml")
        if written == "aws":
            raise self.wrong(node, "aws: is the prefix of condition keys that all services have; choose another")

    def _all(self, said: dict[str, Node], member: str, read: Callable[[Scalar, Node], T]) -> dict[str, T]:
        """What a member describes, by name in lower case."""
        if member not in said:
            return {}
        return {
            named.value.lower(): read(named, node) for named, node in self.named(said[member], member, fold_case=True)
        }

    def _condition_key(self, named: Scalar, node: Node) -> ConditionKey:
        said = self.members(node, f"the condition key {named.value}", {"type", "description"})
        if not is_condition_key(_PLACEHOLDER.sub("x", named.value)) or "*" in named.value:
            raise self.wrong(named, f"{named.value!a} is no condition key; write prefix:Name, such as warehouse:Aisle")
        type_ = self._one_of(said["type"], KEY_TYPES, "type of condition keys") if "type" in said else "String"
        return ConditionKey(named.value, type_, self.optional(said, "description", self.text) or "")

    def _resource_type(self, named: Scalar, node: Node) -> ResourceType:
        said = self.members(node, f"the resource type {named.value}", {"arn", "condition_keys"})
        if "arn" not in said:
            raise self.wrong(named, f"the resource type {named.value} has no arn")
        return ResourceType(named.value, (self._arn(said["arn"]),), self._keys(said))

    def _arn(self, node: Node) -> str:
        arn = self.text(node)
        plain = _PLACEHOLDER.sub("*", arn)
        try:
            check_arn(plain, wildcard_service=True)
        except Malformed as malformed:
            raise self.wrong(node, f"{malformed.message}; {malformed.advice}") from None
        if plain.count(":") < 5 or "${" in plain:
            advice = "write arn:${Partition}:service:${Region}:${Account}:type/${Name}"
            raise self.wrong(node, f"{arn!a} is no form of ARNs; {advice}")
        return arn

    def _action(self, named: Scalar, node: Node) -> Action:
        name = named.value
        if not _ACTION.fullmatch(name):
            raise self.wrong(named, f"{name!a} is no name of an action; write letters and digits, without the prefix")
        known = {"access_level", "description", "resource_types", "condition_keys", "dependent_actions"}
        said = self.members(node, f"the action {name}", known)
        if "access_level" not in said:
            raise self.wrong(named, f"the action {name} has no access_level; write {listed(ACCESS_LEVELS)}")
        return Action(
            name,
            self._one_of(said["access_level"], ACCESS_LEVELS, "access level"),
            self.optional(said, "description", self.text) or "",
            tuple(ActionResource(type_) for type_ in self._described(said, "resource_types", self._known_types)),
            self._keys(said),
            tuple(self.optional(said, "dependent_actions", self.texts) or ()),
        )

    def _keys(self, said: dict[str, Node]) -> tuple[str, ...]:
        return self._described(said, "condition_keys", self._known_keys)

    def _described(self, said: dict[str, Node], member: str, known: dict[str, str]) -> tuple[str, ...]:
        """Names that the file describes elsewhere. Condition keys of all services need no description."""
        found = []
        for named in self.optional(said, member, self.scalars) or ():
            name = known.get(named.value.lower())
            if name is None and not named.value.lower().startswith("aws:"):
                advice = did_you_mean(named.value, known.values()) or f"describe it under {member}"
                raise self.wrong(named, f"the file does not describe {named.value!a}; {advice}")
            found.append(name or named.value)
        return tuple(found)

    def _one_of(self, node: Node, words: Collection[T], what: str) -> T:
        written = self.text(node)
        for word in words:
            if word == written:
                return word
        advice = did_you_mean(written, [str(word) for word in words]) or f"write {listed([str(w) for w in words])}"
        raise self.wrong(node, f"{written!a} is no {what}; {advice}")
