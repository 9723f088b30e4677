"""The test vectors of docs/formats.md."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b32encode
from pathlib import Path

from ledger import store_subject
from ledger.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint, verifier_key
from ledger.credits import Book
from ledger.events import encode, parse
from ledger.log import EMPTY, append, leaf_hash, root
from tests.ledger.parts import KEY, POLICIES, SUBJECT_KEY, issue, signup, store_in

DOCUMENT = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
ENTRIES = DOCUMENT.partition("```text\n")[2].partition("```")[0].splitlines()
NOTE = DOCUMENT.split("```text\n")[2].partition("```")[0]
ORIGIN = "r.example.jp/aozora"


def test_entries() -> None:
    """The documented bytes are what a letter and its signup come to, with these leaf hashes."""
    book = Book("aozora", POLICIES)
    events = [each for one in (issue(7), signup(7)) for each in (one, *book.apply(one).derived)]
    assert [encode(event).decode() for event in events] == ENTRIES[0::2]
    for body, leaf in zip(ENTRIES[0::2], ENTRIES[1::2], strict=True):
        assert hashlib.sha256(b"\x00" + body.encode()).hexdigest() == leaf
        assert encode(parse(body.encode())).decode() == body


def test_checkpoint() -> None:
    """The documented note is what the documented key signs for these entries."""
    frontier = EMPTY
    for body in ENTRIES[0::2]:
        frontier, _ = append(frontier, leaf_hash(body.encode()))
    checkpoint = Checkpoint(ORIGIN, 3, root(frontier))
    assert f"`{root(frontier).hex()}`" in DOCUMENT
    assert sign_checkpoint(checkpoint, KEY).decode() == NOTE
    assert open_checkpoint(NOTE.encode(), ORIGIN, KEY.public) == checkpoint
    assert f"`{verifier_key(ORIGIN, KEY.public)}`" in DOCUMENT


def test_reference(tmp_path: Path) -> None:
    """The documented reference is made as documented, here with the standard library alone."""
    own = hmac.digest(SUBJECT_KEY, b"careerrelay salt\n" + bytes(32), "sha256")
    text = b"careerrelay reference\naozora\nhanako@example.jp"
    expected = "h:" + b32encode(hmac.digest(own, text, "sha256")).decode().lower()[:26]
    assert f"`{expected}`" in DOCUMENT
    store = store_in(tmp_path)
    with store.write() as transaction:
        found = store_subject.reference(
            transaction, SUBJECT_KEY, "aozora", "hanako@example.jp", bytes(32)
        )
    assert found == expected
    store.close()
