"""The tree over a log: RFC 6962 §2.1 hashes, roots, inclusion and consistency proofs.

A log of `size` entries is a Merkle tree of which we keep the *complete* nodes: node (level, index)
covers the entries from `index << level` up to, not including, `(index + 1) << level`, and exists
once all of them do. A complete node never changes, so appending only ever adds, and every root and
every proof, of the newest size and of all earlier ones, is put together from complete nodes.

`NodeReader` answers (level, index) with the hash of a complete node; level 0 are the leaves.
Pure: SHA-256 and integers, no I/O of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

HASH_SIZE_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()

_sha256: Final = hashlib.sha256


NodeReader = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Node:
    """A complete node of the tree."""

    level: int
    index: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Run:
    """Complete nodes of one level, side by side, from index `first` on."""

    level: int
    first: int
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Frontier:
    """What appending needs of a tree: its size and the roots of its perfect subtrees, left first.

    There is one subtree per one bit of the size, the highest bit first.
    """

    size: int
    hashes: tuple[bytes, ...]


EMPTY: Final = Frontier(0, ())


def leaf_hash(body: bytes) -> bytes:
    """Return the hash of an entry, apart from every inner node's by its prefix."""
    return hashlib.sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def append(frontier: Frontier, leaf: bytes) -> tuple[Frontier, list[Node]]:
    """Return the frontier with one more leaf, and the nodes above level 0 that it completes."""
    after, runs = extend(frontier, [leaf])
    return after, [Node(run.level, run.first, run.hashes[0]) for run in runs]


def extend(frontier: Frontier, leaves: Sequence[bytes]) -> tuple[Frontier, list[Run]]:
    """Return the frontier with more leaves, and the runs above level 0 that they complete.

    Level by level: a million leaves take a second that way, where one by one they take five.
    """
    size = frontier.size + len(leaves)
    levels = [level for level, _ in _subtrees(0, frontier.size)]
    waiting = dict(zip(levels, frontier.hashes, strict=True))
    runs: list[Run] = []
    level, hashes = 0, list(leaves)
    while hashes:
        first = frontier.size >> level
        if level in waiting:
            hashes.insert(0, waiting.pop(level))
            first -= 1
        if len(hashes) & 1:
            waiting[level] = hashes.pop()
        pairs = zip(hashes[::2], hashes[1::2], strict=True)
        hashes = [_sha256(b"\x01" + left + right).digest() for left, right in pairs]
        level += 1
        if hashes:
            runs.append(Run(level, first >> 1, tuple(hashes)))
    return Frontier(size, tuple(waiting[level] for level in sorted(waiting, reverse=True))), runs


def frontier_of(size: int, read: NodeReader) -> Frontier:
    """Return the frontier of the tree over the first `size` entries."""
    return Frontier(size, tuple(read(level, index) for level, index in _subtrees(0, size)))


def root(frontier: Frontier) -> bytes:
    """Return the root hash (MTH of RFC 6962 §2.1)."""
    return _fold(frontier.hashes) if frontier.hashes else EMPTY_ROOT


def inclusion_proof(index: int, size: int, read: NodeReader) -> list[bytes]:
    """Return the audit path of an entry in the tree of this size (RFC 6962 §2.1.1)."""
    if not 0 <= index < size:
        raise ValueError(f"no entry {index} in a tree of {size}")
    path: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(_range_hash(middle, high, read))
            high = middle
        else:
            path.append(_range_hash(low, middle, read))
            low = middle
    return path[::-1]


def consistency_proof(old: int, new: int, read: NodeReader) -> list[bytes]:
    """Return the proof that the tree of size `new` only appends to that of `old` (§2.1.2)."""
    if not 0 < old <= new:
        raise ValueError(f"no proof from {old} to {new}")
    path: list[bytes] = []
    low, high = 0, new
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            path.append(_range_hash(middle, high, read))
            high = middle
        else:
            path.append(_range_hash(low, middle, read))
            low = middle
    # The old tree's own rightmost subtree; left out when it is the whole old tree, whose root
    # the verifier has.
    if low:
        path.append(_range_hash(low, high, read))
    return path[::-1]


def verify_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], expected_root: bytes
) -> bool:
    """Tell whether the path proves the leaf at this index under the root (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        return False
    first, second, current = index, size - 1, leaf
    for sibling in path:
        if second == 0:
            return False
        if first & 1 or first == second:
            current = node_hash(sibling, current)
            while not first & 1 and first:
                first, second = first >> 1, second >> 1
        else:
            current = node_hash(current, sibling)
        first, second = first >> 1, second >> 1
    return second == 0 and current == expected_root


def verify_consistency(
    old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes
) -> bool:
    """Tell whether the path proves that new only appends to old (RFC 9162 §2.1.4.2)."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    # When the old tree is perfect its root is the first node of the path, and is not sent.
    nodes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not nodes:
        return False
    first, second = old - 1, new - 1
    while first & 1:
        first, second = first >> 1, second >> 1
    old_hash = new_hash = nodes[0]
    for sibling in nodes[1:]:
        if second == 0:
            return False
        if first & 1 or first == second:
            old_hash = node_hash(sibling, old_hash)
            new_hash = node_hash(sibling, new_hash)
            while not first & 1 and first:
                first, second = first >> 1, second >> 1
        else:
            new_hash = node_hash(new_hash, sibling)
        first, second = first >> 1, second >> 1
    return second == 0 and old_hash == old_root and new_hash == new_root


def _split(size: int) -> int:
    """Return the largest power of two smaller than `size` (k of RFC 6962 §2.1)."""
    return 1 << ((size - 1).bit_length() - 1)


def _subtrees(low: int, high: int) -> list[tuple[int, int]]:
    """Return (level, index) of the perfect subtrees of a range, left first.

    `low` must be a multiple of the largest of them, as it is for every range that occurs in a tree.
    """
    found: list[tuple[int, int]] = []
    for level in range((high - low).bit_length() - 1, -1, -1):
        if (high - low) >> level & 1:
            found.append((level, low >> level))
            low += 1 << level
    return found


def _range_hash(low: int, high: int, read: NodeReader) -> bytes:
    return _fold([read(level, index) for level, index in _subtrees(low, high)])


def _fold(hashes: Sequence[bytes]) -> bytes:
    """Join subtrees, left first, to the hash over all of them: the right ones first."""
    current = hashes[-1]
    for left in reversed(hashes[:-1]):
        current = node_hash(left, current)
    return current
