"""Proofs from a log: that an entry is in it, and that it only grew, for whoever does not ask us.

An inclusion proof is a C2SP tlog-proof (https://c2sp.org/tlog-proof@v1): one file that holds the
entry (in the line `extra`), its index, the path and the signed checkpoint the path leads to. A
consistency proof has the form of a request to a C2SP tlog-witness, the one text form there is for
it. Both are made from the log's complete nodes and a checkpoint that was signed and is stored, and
handed out only if they hold: a damaged log is said to be damaged.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Final

from ledger import store_log
from ledger.log import (
    consistency_proof,
    frontier_of,
    inclusion_proof,
    leaf_hash,
    root,
    verify_consistency,
    verify_inclusion,
)
from ledger.store import LedgerError, Transaction

PROOF_HEAD: Final = "c2sp.org/tlog-proof@v1"


class ProofError(LedgerError):
    """There is nothing to prove: no such entry or checkpoint, or not signed for yet."""


def encode_inclusion(index: int, path: Sequence[bytes], body: bytes, note: bytes) -> bytes:
    """Return the .tlog-proof file of an entry."""
    lines = [PROOF_HEAD, f"extra {_text(body)}", f"index {index}", *map(_text, path), "", ""]
    return "\n".join(lines).encode() + note


def encode_consistency(old: int, path: Sequence[bytes], note: bytes) -> bytes:
    """Return the proof that the log of this note only appends to that of size `old`."""
    return "\n".join([f"old {old}", *map(_text, path), "", ""]).encode() + note


def prove_inclusion(transaction: Transaction, log: str, index: int) -> bytes:
    """Return the .tlog-proof of an entry under the newest checkpoint.

    Raises `ProofError` where there is none, `DamagedLog` where the log no longer gives it.
    """
    signed = _newest(transaction, log)
    if not 0 <= index < signed.size:
        raise ProofError(
            f"log {log}: no entry {index} is signed for: they end at {signed.size - 1}"
        )
    asked: list[tuple[int, int]] = []

    def note(level: int, place: int) -> bytes:
        asked.append((level, place))
        return b""

    inclusion_proof(index, signed.size, note)  # Which nodes it takes follows from the sizes alone.
    read, bodies = store_log.nodes_at(transaction, log, asked, [index])
    path = inclusion_proof(index, signed.size, read)
    body = bodies.get(index)
    if body is None:
        raise store_log.DamagedLog(f"log {log}: entry {index} is missing")
    if not verify_inclusion(leaf_hash(body), index, signed.size, path, signed.root):
        raise store_log.DamagedLog(f"log {log}: entry {index} is not the one that was signed for")
    return encode_inclusion(index, path, body, signed.note)


def prove_consistency(
    transaction: Transaction, log: str, old: int, new: int | None = None
) -> bytes:
    """Return the proof from size `old` to the checkpoint of size `new`, or to the newest one."""
    signed = _newest(transaction, log)
    if new is not None:
        stored = [each for each in store_log.checkpoints(transaction, log) if each.size == new]
        if not stored:
            raise ProofError(f"log {log}: no checkpoint of size {new}")
        signed = stored[0]
    if not 0 < old <= signed.size:
        raise ProofError(f"log {log}: the old size must be from 1 to {signed.size}")
    read = store_log.node_reader(transaction, log)
    path = consistency_proof(old, signed.size, read)
    if not verify_consistency(old, signed.size, path, root(frontier_of(old, read)), signed.root):
        raise store_log.DamagedLog(f"log {log}: does not continue its first {old} entries")
    return encode_consistency(old, path, signed.note)


def _newest(transaction: Transaction, log: str) -> store_log.CheckpointRow:
    signed = store_log.newest_checkpoint(transaction, log)
    if signed is None:
        raise ProofError(f"log {log}: no checkpoint was signed yet")
    return signed


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
