"""Which of many prefixes a text begins with, at a cost that hardly grows with their number.

The prefixes are sorted, and each knows the longest other one that it begins with itself. All that a text begins with are on
one such chain, which starts at, or before, the last prefix that is not greater than the text.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Generic, TypeVar

Held = TypeVar("Held")


class Node(Generic[Held]):
    """A prefix, what is held under it, and the next shorter prefix that it begins with."""

    __slots__ = ("depth", "held", "leap", "prefix", "shorter")

    def __init__(self, prefix: str, held: Held | None, shorter: Node[Held] | None) -> None:
        self.prefix, self.held, self.shorter = prefix, held, shorter
        self.depth: int = shorter.depth + 1 if shorter else 0
        # Leaps get longer as digits carry, so that any node of a long chain is found in logarithmically many steps.
        self.leap: Node[Held] = self
        if shorter:
            far = shorter.leap
            even = shorter.depth - far.depth == far.depth - far.leap.depth
            self.leap = far.leap if even else shorter


class Prefixes(Generic[Held]):
    """What is held under prefixes."""

    __slots__ = ("nodes", "sorted")

    def __init__(self, held: Mapping[str, Held]) -> None:
        self.sorted = sorted({"", *held})
        self.nodes: list[Node[Held]] = []
        for prefix in self.sorted:
            shorter = self.nodes[-1] if self.nodes else None
            while shorter and not prefix.startswith(shorter.prefix):
                shorter = shorter.shorter
            self.nodes.append(Node(prefix, held.get(prefix), shorter))

    def longest(self, text: str) -> Node[Held]:
        """The node of the longest prefix that a text begins with; the empty one is always there."""
        node = self.nodes[bisect_right(self.sorted, text) - 1]
        while not text.startswith(node.prefix):
            node = node.shorter if text.startswith(node.leap.prefix) else node.leap  # type: ignore[assignment]
        return node

    def under(self, text: str) -> list[Held]:
        """All that is held under prefixes of a text."""
        found: list[Held] = []
        node: Node[Held] | None = self.longest(text)
        while node:
            if node.held is not None:
                found.append(node.held)
            node = node.shorter
        return found
