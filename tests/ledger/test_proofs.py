"""Proofs from a real store, checked by the auditor's verifier."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from ledger import store_log, verifier
from ledger.proofs import ProofError, prove_consistency, prove_inclusion
from ledger.store import Store
from tests.ledger.parts import letters_and_signups, record, store_in
from tests.ledger.test_verifier import TRUSTED


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with a log of 21 entries, signed at 6 and at 21."""
    made = store_in(tmp_path)
    record(made, tmp_path, letters_and_signups(2))
    record(made, tmp_path, letters_and_signups(5, start=2))
    yield made
    made.close()


def test_every_entry_is_proved(store: Store) -> None:
    """Each proof brings the stored bytes and holds under the newest checkpoint."""
    with store.read() as transaction:
        rows = [row for rows in store_log.entries(transaction, "aozora") for row in rows]
        assert len(rows) == 21
        for row in rows:
            proof = prove_inclusion(transaction, "aozora", row.seq)
            checkpoint, index, entry = verifier.check_proof(proof, TRUSTED)
            assert (checkpoint.size, index, entry) == (21, row.seq, row.body)


def test_growth_is_proved(store: Store) -> None:
    """From every size to the newest checkpoint, and to an earlier one by its size."""
    with store.read() as transaction:
        notes = {each.size: each.note for each in store_log.checkpoints(transaction, "aozora")}
        old, new = (verifier.open_checkpoint(notes[size], TRUSTED) for size in (6, 21))
        verifier.check_consistency(old, new, prove_consistency(transaction, "aozora", 6))
        verifier.check_consistency(old, old, prove_consistency(transaction, "aozora", 6, 6))
        first = prove_consistency(transaction, "aozora", 1, 6)
        assert first.startswith(b"old 1\n")
        assert first.endswith(b"\n\n" + notes[6])


def test_what_cannot_be_proved(store: Store) -> None:
    """No such entry, size, checkpoint or log."""
    with store.read() as transaction:
        for index in (-1, 21):
            with pytest.raises(ProofError, match="they end at 20"):
                prove_inclusion(transaction, "aozora", index)
        for old in (0, 22):
            with pytest.raises(ProofError, match="from 1 to 21"):
                prove_consistency(transaction, "aozora", old)
        with pytest.raises(ProofError, match="no checkpoint of size 7"):
            prove_consistency(transaction, "aozora", 1, 7)
        with pytest.raises(ProofError, match="no checkpoint was signed"):
            prove_inclusion(transaction, "midori", 0)


def test_entries_beyond_the_checkpoint_wait(store: Store) -> None:
    """What is not signed for has no proof."""
    with store.write() as transaction:
        transaction.execute(text("DELETE FROM checkpoint WHERE size = 21"))
    with store.read() as transaction, pytest.raises(ProofError, match="no entry 6 is signed for"):
        prove_inclusion(transaction, "aozora", 6)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE entry SET body = 'x' WHERE seq = 3", "entry 3 is not the one"),
        ("DELETE FROM entry WHERE seq = 3", "entry 3 is missing"),
        ("UPDATE node SET hash = zeroblob(32) WHERE level = 1 AND idx = 0", "entry 3 is not"),
        ("DELETE FROM node WHERE level = 1 AND idx = 0", "no node at level 1"),
    ],
)
def test_a_damaged_log_gives_no_proof(store: Store, damage: str, said: str) -> None:
    """A proof that would not hold is not made."""
    with store.write() as transaction:
        transaction.execute(text(damage))
    with store.read() as transaction, pytest.raises(store_log.DamagedLog, match=said):
        prove_inclusion(transaction, "aozora", 3)


def test_a_rewritten_log_proves_no_growth(store: Store) -> None:
    """Where the nodes no longer give the signed root, there is no consistency proof."""
    with store.write() as transaction:
        transaction.execute(text("UPDATE node SET hash = zeroblob(32) WHERE level = 2 AND idx = 0"))
    with (
        store.read() as transaction,
        pytest.raises(store_log.DamagedLog, match="does not continue"),
    ):
        prove_consistency(transaction, "aozora", 6)
