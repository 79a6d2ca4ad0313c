"""An index of statements: the cost of a question grows with what could match, not with how many there are.

The key is the literal with which a pattern of resources begins: patterns whose key the resource does not begin with are
never looked at. `*`, NotResource and their like have the empty key. Buckets divide entries with the same key.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence

from iamledger.policy.buckets import Bucket, bucket
from iamledger.policy.entries import Entry, Placed, entries
from iamledger.policy.prefixes import Node, Prefixes
from iamledger.policy.requests import Request, learn
from iamledger.policy.sources import Source
from iamledger.policy.substitution import Facts


class Index:
    """Statements, by what they are about. `possible`: what could match for some facts counts as matching."""

    __slots__ = ("_by_prefix", "_nodes", "_sorted", "placed")

    def __init__(self, sources: Iterable[Source], *, possible: bool = False) -> None:
        self.placed = tuple((source, tuple(entries(source, possible=possible))) for source in sources)
        by_prefix: dict[str, list[Placed]] = defaultdict(list)
        for _, placed in self.placed:
            for pattern, entry in placed:
                by_prefix[pattern.prefix if pattern else ""].append((pattern, entry))
        self._by_prefix: Prefixes[Bucket] = Prefixes({prefix: bucket(some) for prefix, some in by_prefix.items()})
        self._sorted, self._nodes = self._by_prefix.sorted, self._by_prefix.nodes

    def any(self, action: str, resource: str, request: Request, known: list[Facts]) -> bool:
        """Whether a statement matches. `action` is the request's in lower case, `known` the facts if they are (`learn`)."""
        node = self._nodes[bisect_right(self._sorted, resource) - 1]  # as in Prefixes.longest, without the calls
        if not resource.startswith(node.prefix):
            node = self._by_prefix.longest(resource)
        while True:
            held = node.held
            if held is not None:
                for on_action, on_resource, on_both, on_facts, _ in (
                    held if type(held) is tuple else held.select(action, resource)  # type: ignore[union-attr]
                ):
                    if (on_action is None or on_action(action)) and (on_resource is None or on_resource(resource)):
                        if on_both is None and on_facts is None:
                            return True
                        facts = known[0] if known else learn(request, known)
                        if (on_both is None or on_both(resource, facts)) and (on_facts is None or on_facts(facts)):
                            return True
            if node.shorter is None:
                return False
            node = node.shorter

    def all(self, action: str, resource: str, request: Request, known: list[Facts]) -> list[Source]:
        """The statements that match, each once."""
        found: list[Source] = []
        for on_action, on_resource, on_both, on_facts, source in self.candidates(action, resource):
            if (on_action is None or on_action(action)) and (on_resource is None or on_resource(resource)):
                if on_both is not None or on_facts is not None:
                    facts = known[0] if known else learn(request, known)
                    if on_both is not None and not on_both(resource, facts):
                        continue
                    if on_facts is not None and not on_facts(facts):
                        continue
                found.append(source)
        return found if len(found) < 2 else list(dict.fromkeys(found))

    def candidates(self, action: str, resource: str) -> Sequence[Entry]:
        """The entries that are looked at for an action and a resource."""
        found: Sequence[Entry] = ()
        node: Node[Bucket] | None = self._by_prefix.longest(resource)
        while node is not None:
            if (held := node.held) is not None:
                some = held if isinstance(held, tuple) else held.select(action, resource)
                found = (*found, *some) if found else some
            node = node.shorter
        return found
