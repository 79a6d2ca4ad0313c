"""What all files in YAML have in common when they are read: members that must be known, names, texts and lists.

The schema says what is a text, so `no`, `017` and `2026-11-24` are the names that they look like. Every name may stand once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import TypeVar

from iamledger.iam.refusals import InvalidInput
from iamledger.yaml_files.tree import InvalidYaml, Mapping, Node, Scalar, Sequence, parse

T = TypeVar("T")
LARGEST = 64 << 20
"""Characters of a file."""


class YamlReader:
    """Reads one file. `name` is the file's, for errors: all of its methods raise InvalidInput, with line and column."""

    def __init__(self, name: str) -> None:
        self.name = name

    def root(self, text: str, *, too_large: str, empty: str) -> Node:
        """The tree of the whole file. The texts are the advice if it is larger than is taken, or if there is nothing."""
        if len(text) > LARGEST:
            raise InvalidInput(f"{self.name}: larger than {LARGEST >> 20} MB. {too_large}")
        try:
            root = parse(text)
        except InvalidYaml as error:
            raise InvalidInput(f"{self._at(error.place)}: {error}") from None
        if root is None:
            raise InvalidInput(f"{self.name}: empty. {empty}")
        return root

    def members(self, node: Node, of: str, known: set[str]) -> dict[str, Node]:
        """The members of an object, all of which must be known. Nothing at all is an object without members."""
        found = {}
        for named, value in self.named(node, of):
            key = named.value
            if key not in known:
                close = get_close_matches(key, sorted(known), 1)
                advice = f"did you mean {close[0]}?" if close else f"it may have {', '.join(sorted(known))}"
                raise self.wrong(named, f"{of} can have no {key!a}; {advice}")
            found[key] = value
        return found

    def optional(self, said: dict[str, Node], member: str, read: Callable[[Node], T]) -> T | None:
        """What a member is read as, or None if it is not there."""
        return read(said[member]) if member in said else None

    def named(self, node: Node, what: str, *, fold_case: bool = False) -> Iterator[tuple[Scalar, Node]]:
        """The names in a map, and what belongs to each. With `fold_case`, names do not differ by their case alone."""
        if is_null(node):
            return
        if not isinstance(node, Mapping):
            raise self.wrong(node, f"{what} must be names with a colon, each with what belongs to it below")
        seen = set()
        for key_node, value in node.entries:
            key = self.scalar(key_node).value
            folded = key.lower() if fold_case else key
            if folded in seen:
                case = ", since case does not count" if fold_case else ""
                raise self.wrong(key_node, f"{key!a} stands twice in {what}{case}")
            seen.add(folded)
            yield self.scalar(key_node), value

    def scalar(self, node: Node) -> Scalar:
        """A text, with its place."""
        if not isinstance(node, Scalar) or is_null(node):
            raise self.wrong(node, "a text must stand here")
        return node

    def text(self, node: Node) -> str:
        """A text."""
        return self.scalar(node).value

    def scalars(self, node: Node) -> list[Scalar]:
        """A list of texts, with their places. Nothing at all is an empty one."""
        if is_null(node):
            return []
        if not isinstance(node, Sequence):
            raise self.wrong(node, "a list must stand here, such as [one, other]")
        return [self.scalar(element) for element in node.elements]

    def texts(self, node: Node) -> list[str]:
        """A list of texts. Nothing at all is an empty one."""
        return [scalar.value for scalar in self.scalars(node)]

    def wrong(self, node: Node, what: str) -> InvalidInput:
        """The refusal of what stands somewhere."""
        return InvalidInput(f"{self._at(node.place)}: {what}")

    def _at(self, place: tuple[int, int] | None) -> str:
        return self.name if place is None else f"{self.name}, line {place[0]}, column {place[1]}"


def is_null(node: Node) -> bool:
    """Does nothing stand there?"""
    return isinstance(node, Scalar) and node.is_null
