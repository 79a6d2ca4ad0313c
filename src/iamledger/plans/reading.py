"""Reads a declarative file: YAML, strictly, with the line and column of everything that is wrong.

The schema says what is a text, so `no`, `017` and `2026-11-24` are the names that they look like. Within a document that is
written in YAML, scalars mean what they mean in YAML. Every element may stand once; anchors and aliases are not taken.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

import yaml

from iamledger.iam.refusals import InvalidInput
from iamledger.plans.declared import NO_BOUNDARY, Account, Document, Group, Policy, User

T = TypeVar("T")
LARGEST = 64 << 20
"""Characters of a file."""
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL, _STR = "tag:yaml.org,2002:null", "tag:yaml.org,2002:str"


def read_accounts(text: str, name: str = "-") -> list[Account]:
    """The accounts that a file describes; `name` is the file's, for errors. Raises InvalidInput."""
    return _Reader(name).accounts(text)


class _Reader:
    def __init__(self, name: str) -> None:
        self.name = name
        self._visited: set[int] = set()

    def accounts(self, text: str) -> list[Account]:
        if len(text) > LARGEST:
            raise InvalidInput(f"{self.name}: larger than {LARGEST >> 20} MB. Split it by account.")
        root = self._composed(text)
        if root is None:
            raise InvalidInput(f"{self.name}: empty. Write one with: iamledger export")
        top = self._members(root, "the file", {"accounts"})
        if "accounts" not in top:
            raise self._wrong(root, "there is no accounts:, which holds everything else")
        return [self._account(key, node) for key, node in self._named(top["accounts"], "accounts")]

    def _composed(self, text: str) -> yaml.Node | None:
        loader = None
        try:
            loader = _Loader(text)
            root = loader.get_single_node()
            assert root is None or isinstance(root, yaml.Node)
            return root
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
            raise InvalidInput(f"{self.name}{place}: {error.problem or error.context}") from None
        except (yaml.YAMLError, UnicodeEncodeError) as error:
            raise InvalidInput(f"{self.name}: {str(error).splitlines()[0]}") from None
        except RecursionError:
            raise InvalidInput(f"{self.name}: nested too deeply") from None
        finally:
            if loader is not None:
                loader.dispose()

    def _account(self, key: str, node: yaml.Node) -> Account:
        said = self._members(node, f"account {key}", {"name", "email", "users", "groups", "policies"})
        return Account(
            key,
            self._optional(said, "name", self._text),
            self._optional(said, "email", self._text),
            self._things(said, "policies", self._policy),
            self._things(said, "groups", self._group),
            self._things(said, "users", self._user),
            _line(node),
        )

    def _policy(self, name: str, node: yaml.Node) -> Policy:
        said = self._members(node, f"policy {name}", {"path", "description", "document"})
        if "document" not in said:
            raise self._wrong(node, f"the policy {name} has no document")
        path = self._optional(said, "path", self._text) or "/"
        description = self._optional(said, "description", self._text)
        return Policy(name, self._document(said["document"]), path, description, _line(node))

    def _group(self, name: str, node: yaml.Node) -> Group:
        said = self._members(node, f"group {name}", {"path", "policies", "inline"})
        return Group(
            name,
            self._optional(said, "path", self._text),
            self._optional(said, "policies", self._texts),
            self._optional(said, "inline", self._documents),
            _line(node),
        )

    def _user(self, name: str, node: yaml.Node) -> User:
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
            _line(node),
        )

    def _things(self, said: Mapping[str, yaml.Node], member: str, read: Callable[[str, yaml.Node], T]) -> dict[str, T]:
        if member not in said:
            return {}
        found: dict[str, T] = {}
        for name, node in self._named(said[member], member):
            if name.lower() in found:
                raise self._wrong(node, f"{name} stands twice in {member} (case does not count)")
            found[name.lower()] = read(name, node)
        return found

    def _optional(self, said: Mapping[str, yaml.Node], member: str, read: Callable[[yaml.Node], T]) -> T | None:
        return read(said[member]) if member in said else None

    def _members(self, node: yaml.Node, of: str, known: set[str]) -> dict[str, yaml.Node]:
        """The members of an object, all of which must be known. Nothing at all is an object without members."""
        found = dict(self._named(node, of))
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if key_node.value not in known:
                close = get_close_matches(key_node.value, sorted(known), 1)
                advice = f"did you mean {close[0]}?" if close else f"it may have {', '.join(sorted(known))}"
                raise self._wrong(key_node, f"{of} has no {key_node.value!a}; {advice}")
        return found

    def _named(self, node: yaml.Node, what: str) -> Iterator[tuple[str, yaml.Node]]:
        if _is_null(node):
            return
        self._visit(node)
        if not isinstance(node, yaml.MappingNode):
            raise self._wrong(node, f"{what} must be names with a colon, each with what belongs to it below")
        seen = set()
        for key_node, value in node.value:
            key = self._text(key_node)
            if key in seen:
                raise self._wrong(key_node, f"{key!a} stands twice")
            seen.add(key)
            yield key, value

    def _text(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode) or _is_null(node):
            raise self._wrong(node, "a text must stand here")
        return str(node.value)

    def _texts(self, node: yaml.Node) -> list[str]:
        if _is_null(node):
            return []
        self._visit(node)
        if not isinstance(node, yaml.SequenceNode):
            raise self._wrong(node, "a list must stand here, such as [one, other]")
        return [self._text(element) for element in node.value]

    def _tags(self, node: yaml.Node) -> list[tuple[str, str]]:
        return [(key, self._text(value)) for key, value in self._named(node, "tags")]

    def _boundary(self, node: yaml.Node) -> str:
        return NO_BOUNDARY if _is_null(node) else self._text(node)

    def _documents(self, node: yaml.Node) -> dict[str, Document]:
        return {name: self._document(document) for name, document in self._named(node, "inline")}

    def _document(self, node: yaml.Node) -> Document:
        """A text; or an object, which becomes JSON."""
        if not isinstance(node, yaml.MappingNode):
            return Document(self._text(node))
        content = self._content(node)
        return Document(json.dumps(content, indent=2, ensure_ascii=False), content)

    def _content(self, node: yaml.Node) -> Any:
        match node:
            case yaml.MappingNode():
                return {key: self._content(value) for key, value in self._named(node, "the document")}
            case yaml.SequenceNode():
                self._visit(node)
                return [self._content(element) for element in node.value]
        match node.tag.rpartition(":")[2]:
            case "bool":
                return node.value.lower() in ("true", "yes", "on")
            case "int" if node.value.lstrip("+-").isdecimal():
                return int(node.value)
            case "null":
                return None
        return str(node.value)  # also a date, such as the Version, and a number with a point, which IAM takes as text

    def _visit(self, node: yaml.Node) -> None:
        """Refuse what an alias brings back: a few lines of them could stand for more than there is memory."""
        if not isinstance(node, yaml.ScalarNode):
            if id(node) in self._visited:
                raise self._wrong(node, "an alias refers to this; write it out where it is meant")
            self._visited.add(id(node))

    def _wrong(self, node: yaml.Node, what: str) -> InvalidInput:
        mark = node.start_mark
        return InvalidInput(f"{self.name}, line {mark.line + 1}, column {mark.column + 1}: {what}")


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == _NULL and node.style is None
