"""Reads a declarative file: YAML, strictly, with the line and column of everything that is wrong.

The schema says what is a text, so `no`, `017` and `2026-11-24` are the names that they look like. Within a policy document
that is written in YAML, whole numbers, true, false and null are what they are in JSON. Every name may stand once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any, TypeVar

from iamledger.iam.refusals import InvalidInput
from iamledger.plans.declared import NO_BOUNDARY, Account, Document, Group, Policy, User
from iamledger.plans.yaml_tree import InvalidYaml, Mapping, Node, Scalar, Sequence, parse

T = TypeVar("T")
LARGEST = 64 << 20
"""Characters of a file."""


def read_accounts(text: str, name: str = "-") -> list[Account]:
    """The accounts that a file describes; `name` is the file's, for errors. Raises InvalidInput."""
    return _Reader(name).accounts(text)


class _Reader:
    def __init__(self, name: str) -> None:
        self.name = name

    def accounts(self, text: str) -> list[Account]:
        if len(text) > LARGEST:
            raise InvalidInput(f"{self.name}: larger than {LARGEST >> 20} MB. Split it by account.")
        root = self._parsed(text)
        if root is None:
            raise InvalidInput(f"{self.name}: empty. Write one with: iamledger export")
        top = self._members(root, "the file", {"accounts"})
        if "accounts" not in top:
            raise self._wrong(root, "there is no accounts:, which holds everything else")
        return [self._account(key, node) for key, node in self._named(top["accounts"], "accounts")]

    def _parsed(self, text: str) -> Node | None:
        try:
            return parse(text)
        except InvalidYaml as error:
            raise InvalidInput(f"{self._at(error.place)}: {error}") from None

    def _account(self, named: Scalar, node: Node) -> Account:
        key = named.value
        said = self._members(node, f"account {key}", {"name", "email", "users", "groups", "policies"})
        return Account(
            key,
            self._optional(said, "name", self._text),
            self._optional(said, "email", self._text),
            self._things(said, "policies", self._policy),
            self._things(said, "groups", self._group),
            self._things(said, "users", self._user),
            named.place[0],
        )

    def _policy(self, named: Scalar, node: Node) -> Policy:
        name = named.value
        said = self._members(node, f"policy {name}", {"path", "description", "document"})
        if "document" not in said:
            raise self._wrong(named, f"the policy {name} has no document")
        path = self._optional(said, "path", self._text) or "/"
        description = self._optional(said, "description", self._text)
        return Policy(name, self._document(said["document"]), path, description, named.place[0])

    def _group(self, named: Scalar, node: Node) -> Group:
        name = named.value
        said = self._members(node, f"group {name}", {"path", "policies", "inline"})
        return Group(
            name,
            self._optional(said, "path", self._text),
            self._optional(said, "policies", self._texts),
            self._optional(said, "inline", self._documents),
            named.place[0],
        )

    def _user(self, named: Scalar, node: Node) -> User:
        name = named.value
        members = {"path", "tags", "groups", "policies", "inline", "boundary"}
        said = self._members(node, f"user {name}", members)
        return User(
            name,
            self._optional(said, "path", self._text),
            self._optional(said, "tags", self._tags),
            self._optional(said, "groups", self._texts),
            self._optional(said, "policies", self._texts),
            self._optional(said, "inline", self._documents),
            self._optional(said, "boundary", self._boundary),
            named.place[0],
        )

    def _things(self, said: dict[str, Node], member: str, read: Callable[[Scalar, Node], T]) -> dict[str, T]:
        """What a member holds, by name in lower case. Each is read with its name and what stands there."""
        if member not in said:
            return {}
        entries = self._named(said[member], member, fold_case=True)
        return {named.value.lower(): read(named, node) for named, node in entries}

    def _optional(self, said: dict[str, Node], member: str, read: Callable[[Node], T]) -> T | None:
        return read(said[member]) if member in said else None

    def _members(self, node: Node, of: str, known: set[str]) -> dict[str, Node]:
        """The members of an object, all of which must be known. Nothing at all is an object without members."""
        found = {}
        for named, value in self._named(node, of):
            key = named.value
            if key not in known:
                close = get_close_matches(key, sorted(known), 1)
                advice = f"did you mean {close[0]}?" if close else f"it may have {', '.join(sorted(known))}"
                raise self._wrong(named, f"{of} has no {key!a}; {advice}")
            found[key] = value
        return found

    def _named(self, node: Node, what: str, *, fold_case: bool = False) -> Iterator[tuple[Scalar, Node]]:
        """The names in a map, and what belongs to each. With `fold_case`, names do not differ by their case alone."""
        if _null(node):
            return
        if not isinstance(node, Mapping):
            raise self._wrong(node, f"{what} must be names with a colon, each with what belongs to it below")
        seen = set()
        for key_node, value in node.entries:
            key = self._scalar(key_node).value
            folded = key.lower() if fold_case else key
            if folded in seen:
                case = ", since case does not count" if fold_case else ""
                raise self._wrong(key_node, f"{key!a} stands twice in {what}{case}")
            seen.add(folded)
            yield self._scalar(key_node), value

    def _scalar(self, node: Node) -> Scalar:
        if not isinstance(node, Scalar) or _null(node):
            raise self._wrong(node, "a text must stand here")
        return node

    def _text(self, node: Node) -> str:
        return self._scalar(node).value

    def _texts(self, node: Node) -> list[str]:
        if _null(node):
            return []
        if not isinstance(node, Sequence):
            raise self._wrong(node, "a list must stand here, such as [one, other]")
        return [self._text(element) for element in node.elements]

    def _tags(self, node: Node) -> list[tuple[str, str]]:
        return [(key.value, self._text(value)) for key, value in self._named(node, "tags", fold_case=True)]

    def _boundary(self, node: Node) -> str:
        return NO_BOUNDARY if _null(node) else self._text(node)

    def _documents(self, node: Node) -> dict[str, Document]:
        return {name.value: self._document(document) for name, document in self._named(node, "inline")}

    def _document(self, node: Node) -> Document:
        """A text; or an object, which becomes JSON."""
        if not isinstance(node, Mapping):
            return Document(self._text(node))
        content = self._content(node)
        return Document(json.dumps(content, indent=2, ensure_ascii=False), content)

    def _content(self, node: Node) -> Any:
        match node:
            case Mapping():
                return {key.value: self._content(value) for key, value in self._named(node, "the document")}
            case Sequence():
                return [self._content(element) for element in node.elements]
        if node.is_null:
            return None
        if node.plain and node.value.lower() in ("true", "false"):
            return node.value.lower() == "true"
        if node.plain and re.fullmatch("-?(0|[1-9][0-9]{0,17})", node.value, re.ASCII):  # a longer one is taken as text
            return int(node.value)
        return node.value  # also a date, such as the Version, and a number with a point, which IAM takes as text

    def _wrong(self, node: Node, what: str) -> InvalidInput:
        return InvalidInput(f"{self._at(node.place)}: {what}")

    def _at(self, place: tuple[int, int] | None) -> str:
        return self.name if place is None else f"{self.name}, line {place[0]}, column {place[1]}"


def _null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.is_null
