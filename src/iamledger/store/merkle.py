"""The Merkle tree of RFC 6962, section 2.1, over a ledger's leaf hashes."""

from __future__ import annotations

from hashlib import sha256


class MerkleTree:
    """Computes the root of a growing tree; keeps one hash for each full subtree (at most 64)."""

    def __init__(self) -> None:
        self.size = 0
        self._subtrees: list[bytes] = []  # roots of full subtrees, larger ones first

    def append(self, leaf_hash: bytes) -> None:
        """Add a leaf by its hash, SHA-256(0x00 || entry)."""
        self.size += 1
        node, subtrees, size = leaf_hash, self._subtrees, self.size
        while not size & 1:
            node = sha256(b"\1" + subtrees.pop() + node).digest()
            size >>= 1
        subtrees.append(node)

    def root(self) -> bytes:
        """The tree's root; SHA-256 of nothing for the empty tree."""
        if not self._subtrees:
            return sha256(b"").digest()
        node = self._subtrees[-1]
        for subtree in reversed(self._subtrees[:-1]):
            node = sha256(b"\1" + subtree + node).digest()
        return node
