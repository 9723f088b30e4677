"""The tree of RFC 6962, against known answers and a naive reading of the RFC."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.log import (
    EMPTY,
    EMPTY_ROOT,
    Frontier,
    NodeReader,
    append,
    consistency_proof,
    frontier_of,
    inclusion_proof,
    leaf_hash,
    root,
    verify_consistency,
    verify_inclusion,
)

# The entries and roots that implementations of Certificate Transparency test themselves with.
ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def split(entries: Sequence[bytes]) -> int:
    """k of §2.1: the largest power of two smaller than n."""
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return k


def naive_root(entries: Sequence[bytes]) -> bytes:
    """MTH(D[n]) as §2.1 writes it."""
    if not entries:
        return hashlib.sha256().digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = split(entries)
    joined = naive_root(entries[:k]) + naive_root(entries[k:])
    return hashlib.sha256(b"\x01" + joined).digest()


def naive_path(m: int, entries: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n]) as §2.1.1 writes it."""
    if len(entries) == 1:
        return []
    k = split(entries)
    if m < k:
        return [*naive_path(m, entries[:k]), naive_root(entries[k:])]
    return [*naive_path(m - k, entries[k:]), naive_root(entries[:k])]


def naive_subproof(m: int, entries: Sequence[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b) as §2.1.2 writes it."""
    if m == len(entries):
        return [] if whole else [naive_root(entries)]
    k = split(entries)
    if m <= k:
        return [*naive_subproof(m, entries[:k], whole), naive_root(entries[k:])]
    return [*naive_subproof(m - k, entries[k:], False), naive_root(entries[:k])]


def grow(entries: Sequence[bytes]) -> tuple[Frontier, NodeReader]:
    """Return the tree grown entry by entry, and its complete nodes."""
    frontier, nodes = EMPTY, dict[tuple[int, int], bytes]()
    for index, body in enumerate(entries):
        nodes[0, index] = leaf_hash(body)
        frontier, completed = append(frontier, nodes[0, index])
        for node in completed:
            assert (node.level, node.index) not in nodes
            nodes[node.level, node.index] = node.hash
    return frontier, lambda level, index: nodes[level, index]


bodies = st.lists(st.binary(max_size=8), min_size=1, max_size=70)


def test_known_answers() -> None:
    """Roots of zero to eight entries are the published ones."""
    assert root(EMPTY) == EMPTY_ROOT == hashlib.sha256(b"").digest()
    for size, expected in enumerate(ROOTS):
        frontier, _ = grow(ENTRIES[:size])
        assert root(frontier).hex() == expected == naive_root(ENTRIES[:size]).hex()


@given(bodies)
def test_roots_of_all_sizes(entries: list[bytes]) -> None:
    """The newest root and every earlier one come out of the stored nodes."""
    frontier, read = grow(entries)
    assert root(frontier) == naive_root(entries)
    for size in range(1, len(entries) + 1):
        assert root(frontier_of(size, read)) == naive_root(entries[:size])


@given(bodies, st.data())
def test_inclusion(entries: list[bytes], data: st.DataObject) -> None:
    """A path is the RFC's, proves its entry, and proves nothing else."""
    _, read = grow(entries)
    size = data.draw(st.integers(1, len(entries)))
    index = data.draw(st.integers(0, size - 1))
    path, top = inclusion_proof(index, size, read), naive_root(entries[:size])
    assert path == naive_path(index, entries[:size])
    leaf = leaf_hash(entries[index])
    assert verify_inclusion(leaf, index, size, path, top)
    assert not verify_inclusion(leaf_hash(entries[index] + b"x"), index, size, path, top)
    assert not verify_inclusion(leaf, index, size, [*path, leaf], top)
    assert not verify_inclusion(leaf, size, size, path, top)
    if path:
        assert not verify_inclusion(leaf, index, size, path[1:], top)


@given(bodies, st.data())
def test_consistency(entries: list[bytes], data: st.DataObject) -> None:
    """A proof is the RFC's, proves that the log only grew, and nothing else."""
    _, read = grow(entries)
    new = data.draw(st.integers(1, len(entries)))
    old = data.draw(st.integers(1, new))
    before, after = naive_root(entries[:old]), naive_root(entries[:new])
    path = consistency_proof(old, new, read)
    assert path == naive_subproof(old, entries[:new], True)
    assert verify_consistency(old, new, path, before, after)
    wrong = leaf_hash(b"another log")
    assert not verify_consistency(old, new, path, wrong, after)
    assert not verify_consistency(old, new, path, before, wrong)
    assert not verify_consistency(old, new, [*path, wrong], before, after)
    assert not verify_consistency(new + 1, new, path, before, after)
    if path:
        assert not verify_consistency(old, new, path[:-1], before, after)


def test_there_is_no_proof_of_what_is_not_there() -> None:
    """Places and sizes outside of the tree are refused."""
    _, read = grow(ENTRIES)
    for index, size in ((-1, 8), (8, 8)):
        with pytest.raises(ValueError, match="no entry"):
            inclusion_proof(index, size, read)
    for old, new in ((0, 8), (8, 7)):
        with pytest.raises(ValueError, match="no proof"):
            consistency_proof(old, new, read)


def test_proofs_of_the_wrong_length_prove_nothing() -> None:
    """Too long, too short, or about the same tree twice."""
    _, read = grow(ENTRIES)
    one, two, eight = (naive_root(ENTRIES[:size]) for size in (1, 2, 8))
    path = consistency_proof(3, 8, read)
    assert not verify_inclusion(one, 0, 1, [one], one)
    assert verify_consistency(8, 8, [], eight, eight)
    assert not verify_consistency(8, 8, [one], eight, eight)
    assert not verify_consistency(3, 8, [], two, eight)
    assert not verify_consistency(3, 8, [*path, one, one, one], naive_root(ENTRIES[:3]), eight)
