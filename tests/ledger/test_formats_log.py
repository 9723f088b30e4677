"""The test vectors of docs/formats.md for proofs, tiles and addresses."""

from __future__ import annotations

import hmac
import json
from base64 import b32encode
from pathlib import Path

from ledger import verifier
from ledger.events import parse
from ledger.log import consistency_proof, inclusion_proof
from ledger.proofs import encode_consistency, encode_inclusion
from ledger.tiles import Tile, log_address, parse_tile, read_tile
from tests.ledger.parts import record, store_in
from tests.ledger.test_formats import DOCUMENT, ENTRIES, NOTE
from tests.ledger.test_log import grow
from tests.ledger.test_verifier import TRUSTED, VKEY

BODIES = [entry.encode() for entry in ENTRIES[0::2]]
PROOF, GROWTH = (
    block.partition("```")[0]
    for block in DOCUMENT.partition("\n## Proofs")[2].split("```text\n")[1:3]
)


def test_proofs() -> None:
    """The documented files are what is made of the documented log, and they hold."""
    _, read = grow(BODIES)
    note = NOTE.encode()
    made = encode_inclusion(1, inclusion_proof(1, 3, read), BODIES[1], note)
    assert made.decode() == PROOF
    assert verifier.check_proof(made, TRUSTED)[1:] == (1, BODIES[1])
    made = encode_consistency(1, consistency_proof(1, 3, read), note)
    assert made.decode() == GROWTH
    old = verifier.Checkpoint("r.example.jp/aozora", 1, verifier.leaf_hash(BODIES[0]))
    verifier.check_consistency(old, verifier.open_checkpoint(note, TRUSTED), made)
    assert f"`{VKEY}`" in DOCUMENT


def test_addresses() -> None:
    """The documented addresses are made as documented."""
    seed = bytes(range(32))
    key = hmac.digest(seed, b"careerrelay log address\n", "sha256")
    for log in ("aozora", "_installation"):
        expected = b32encode(hmac.digest(key, log.encode(), "sha256")).decode().lower()[:26]
        assert log_address(seed, log) == expected
        assert f"| `{log}` | `{expected}` |" in DOCUMENT


def test_tiles(tmp_path: Path) -> None:
    """The documented tiles come out of a store with the documented log."""
    store = store_in(tmp_path)
    record(store, tmp_path, [parse(body) for body in BODIES[:2]])
    with store.read() as transaction:
        leaves = read_tile(transaction, "aozora", Tile(0, 0, 3))
        entries = read_tile(transaction, "aozora", Tile(None, 0, 3))
    store.close()
    assert leaves == b"".join(bytes.fromhex(leaf) for leaf in ENTRIES[1::2])
    assert entries is not None
    assert f"`{entries[:2].hex(' ')}`" in DOCUMENT
    assert json.loads(entries[2 : 2 + int.from_bytes(entries[:2], "big")])["company"] == "aozora"
    assert parse_tile("0/x001/x234/067") == Tile(0, 1234067, 256)
    assert "1234067 is `x001/x234/067`" in DOCUMENT
