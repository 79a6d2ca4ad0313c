"""Reads a declarative file: YAML, strictly, with the line and column of everything that is wrong.

The schema says what is a text, so `no`, `017` and `2026-11-24` are the names that they look like. Within a policy document
that is written in YAML, whole numbers, true, false and null are what they are in JSON. Every name may stand once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

from iamledger.plans.declared import NO_BOUNDARY, Account, Document, Group, Policy, User
from iamledger.yaml_files.reading import YamlReader, is_null
from iamledger.yaml_files.tree import Mapping, Node, Scalar, Sequence

T = TypeVar("T")


def read_accounts(text: str, name: str = "-") -> list[Account]:
    """The accounts that a file describes; `name` is the file's, for errors. Raises InvalidInput."""
    return _Reader(name).accounts(text)


class _Reader(YamlReader):
    def accounts(self, text: str) -> list[Account]:
        root = self.root(text, too_large="Split it by account.", empty="Write one with: iamledger export")
        top = self.members(root, "the file", {"accounts"})
        if "accounts" not in top:
            raise self.wrong(root, "there is no accounts:, which holds everything else")
        return [self._account(key, node) for key, node in self.named(top["accounts"], "accounts")]

    def _account(self, named: Scalar, node: Node) -> Account:
        key = named.value
        said = self.members(node, f"account {key}", {"name", "email", "users", "groups", "policies"})
        return Account(
            key,
            self.optional(said, "name", self.text),
            self.optional(said, "email", self.text),
            self._things(said, "policies", self._policy),
            self._things(said, "groups", self._group),
            self._things(said, "users", self._user),
            named.place[0],
        )

    def _policy(self, named: Scalar, node: Node) -> Policy:
        name = named.value
        said = self.members(node, f"policy {name}", {"path", "description", "document"})
        if "document" not in said:
            raise self.wrong(named, f"the policy {name} has no document")
        path = self.optional(said, "path", self.text) or "/"
        description = self.optional(said, "description", self.text)
        return Policy(name, self._document(said["document"]), path, description, named.place[0])

    def _group(self, named: Scalar, node: Node) -> Group:
        name = named.value
        said = self.members(node, f"group {name}", {"path", "policies", "inline"})
        return Group(
            name,
            self.optional(said, "path", self.text),
            self.optional(said, "policies", self.texts),
            self.optional(said, "inline", self._documents),
            named.place[0],
        )

    def _user(self, named: Scalar, node: Node) -> User:
        name = named.value
        members = {"path", "tags", "groups", "policies", "inline", "boundary"}
        said = self.members(node, f"user {name}", members)
        return User(
            name,
            self.optional(said, "path", self.text),
            self.optional(said, "tags", self._tags),
            self.optional(said, "groups", self.texts),
            self.optional(said, "policies", self.texts),
            self.optional(said, "inline", self._documents),
            self.optional(said, "boundary", self._boundary),
            named.place[0],
        )

    def _things(self, said: dict[str, Node], member: str, read: Callable[[Scalar, Node], T]) -> dict[str, T]:
        """What a member holds, by name in lower case. Each is read with its name and what stands there."""
        if member not in said:
            return {}
        entries = self.named(said[member], member, fold_case=True)
        return {named.value.lower(): read(named, node) for named, node in entries}

    def _tags(self, node: Node) -> list[tuple[str, str]]:
        return [(key.value, self.text(value)) for key, value in self.named(node, "tags", fold_case=True)]

    def _boundary(self, node: Node) -> str:
        return NO_BOUNDARY if is_null(node) else self.text(node)

    def _documents(self, node: Node) -> dict[str, Document]:
        return {name.value: self._document(document) for name, document in self.named(node, "inline")}

    def _document(self, node: Node) -> Document:
        """A text; or an object, which becomes JSON."""
        if not isinstance(node, Mapping):
            return Document(self.text(node))
        content = self._content(node)
        return Document(json.dumps(content, indent=2, ensure_ascii=False), content)

    def _content(self, node: Node) -> Any:
        match node:
            case Mapping():
                return {key.value: self._content(value) for key, value in self.named(node, "the document")}
            case Sequence():
                return [self._content(element) for element in node.elements]
        if node.is_null:
            return None
        if node.plain and node.value.lower() in ("true", "false"):
            return node.value.lower() == "true"
        if node.plain and re.fullmatch("-?(0|[1-9][0-9]{0,17})", node.value, re.ASCII):  # a longer one is taken as text
            return int(node.value)
        return node.value  # also a date, such as the Version, and a number with a point, which IAM takes as text
