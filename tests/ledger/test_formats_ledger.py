"""The test vectors of docs/formats.md that are about decisions and statements."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ledger.credits import Book, Decision
from ledger.events import encode, parse
from ledger.log import EMPTY, append, leaf_hash, root
from ledger.operations import change_confirmed, change_proposed
from ledger.statement import Month, compile_statement, digest_of, encode_json, statement_issued
from ledger.states import Action
from tests.ledger.parts import NOW, POLICIES, issue, signup

DOCUMENT = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
SECTION = DOCUMENT.partition("\n## The ledger\n")[2]
BLOCKS = [part.partition("```")[0] for part in SECTION.split("```json\n")[1:]]


def test_a_proposal_and_its_confirmation() -> None:
    """The documented bytes are what the constructors make, with these leaf hashes, and count."""
    book = Book("aozora", POLICIES)
    book.apply(signup(7))
    proposal = change_proposed(
        "aozora",
        Action.RELEASE,
        signup(7).id,
        NOW,
        by="sato",
        why="The letter was sent by hand.",
        request="r1",
    )
    assert book.apply(proposal).decision is Decision.RECORDED
    kept = book.holdings.proposals[proposal.id]
    confirmation = change_confirmed("aozora", kept, NOW, by="suzuki", why="Seen in the archive.")
    assert book.apply(confirmation).decision is Decision.RECORDED
    lines = BLOCKS[0].splitlines()
    assert [encode(proposal).decode(), encode(confirmation).decode()] == lines[0::2]
    for body, leaf in zip(lines[0::2], lines[1::2], strict=True):
        assert hashlib.sha256(b"\x00" + body.encode()).hexdigest() == leaf
        assert encode(parse(body.encode())).decode() == body


def test_a_statement() -> None:
    """The documented statement is that of the documented entries, and has this digest."""
    book, frontier = Book("aozora", POLICIES), EMPTY
    events = [each for one in (issue(7), signup(7)) for each in (one, *book.apply(one).derived)]
    for event in events:
        frontier, _ = append(frontier, leaf_hash(event.body))
    made = compile_statement(
        "aozora",
        Month(2026, 4),
        [(event.id, event.body) for event in events],
        POLICIES,
        first=0,
        size=3,
        root=root(frontier),
        is_issued=True,
    )
    content = encode_json(made)
    assert content.decode() == BLOCKS[1]
    assert f"`{digest_of(content)}`" in SECTION
    assert statement_issued(made, NOW).data["digest"] == digest_of(content)
