"""The Merkle tree of RFC 6962, section 2.1, over a ledger's leaf hashes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

CHUNK = 1024
"""Leaves that are hashed together, level by level; a power of two."""


class MerkleTree:
    """Computes the root of a growing tree; keeps a chunk of leaves, and one hash for each full subtree (at most 64)."""

    def __init__(self, leaf_hashes: Iterable[bytes] = ()) -> None:
        self._leaves: list[bytes] = []
        self._subtrees: list[tuple[int, bytes]] = []  # size and root of full subtrees, larger ones first
        for leaf_hash in leaf_hashes:
            self.append(leaf_hash)

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return sum(size for size, _ in self._subtrees) + len(self._leaves)

    def append(self, leaf_hash: bytes) -> None:
        """Add a leaf by its hash, SHA-256(0x00 || entry)."""
        self._leaves.append(leaf_hash)
        if len(self._leaves) == CHUNK:
            self._add(CHUNK, _root(self._leaves))
            self._leaves = []

    def extend(self, leaf_hashes: Sequence[bytes]) -> None:
        """Add many leaves."""
        self._leaves += leaf_hashes
        whole = len(self._leaves) - len(self._leaves) % CHUNK
        for begin in range(0, whole, CHUNK):
            self._add(CHUNK, _root(self._leaves[begin : begin + CHUNK]))
        del self._leaves[:whole]

    def join(self, tree: MerkleTree) -> bool:
        """Add all leaves of another tree, by its subtrees. Returns False, and does nothing, if they do not fit there."""
        size = self.size
        for subtree, _ in tree._subtrees:
            if size % subtree:
                return False
            size += subtree
        if self._leaves and tree.size:
            return False
        for subtree, root in tree._subtrees:
            self._add(subtree, root)
        self._leaves = [*self._leaves, *tree._leaves]
        return True

    def root(self) -> bytes:
        """The tree's root; SHA-256 of nothing for the empty tree."""
        roots = [root for _, root in self._subtrees]
        if self._leaves:
            roots.append(_root(self._leaves))
        if not roots:
            return sha256(b"").digest()
        node = roots.pop()
        while roots:
            node = sha256(b"\1" + roots.pop() + node).digest()
        return node

    def _add(self, size: int, root: bytes) -> None:
        while self._subtrees and self._subtrees[-1][0] == size:
            root = sha256(b"\1" + self._subtrees.pop()[1] + root).digest()
            size *= 2
        self._subtrees.append((size, root))


def _root(hashes: list[bytes]) -> bytes:
    """The root over a few hashes: pairs are joined level by level, and one that is left over moves up as it is.

    That gives the tree that RFC 6962 defines by splitting at the largest power of two.
    """
    while len(hashes) > 1:
        level = [sha256(b"\1" + left + right).digest() for left, right in zip(hashes[::2], hashes[1::2], strict=False)]
        hashes = level if len(hashes) % 2 == 0 else [*level, hashes[-1]]
    return hashes[0]
