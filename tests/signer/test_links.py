"""Links and marks follow from the letter: a retry is the same letter, anything else is not."""

from __future__ import annotations

from datetime import UTC, datetime

from signer.keyring import KeyRing
from signer.links import derive_link_id
from signer.marks import check_mark, make_mark

RING = KeyRing.generate(datetime(2026, 1, 5, tzinfo=UTC))
DIGEST = b"d" * 32
LATER = datetime(2026, 2, 1, tzinfo=UTC)


def link(sender: str = "a@x.example", to: tuple[str, ...] = ("b@y.example",)) -> str:
    """Return the link id of a letter with this envelope."""
    return derive_link_id(RING, "aozora", sender, to, DIGEST)


def test_retry_gets_the_same_link() -> None:
    """The same letter in the same envelope has one link, whatever the order of its recipients."""
    assert link() == link()
    assert link(to=("b@y.example", "c@y.example")) == link(to=("c@y.example", "b@y.example"))
    assert link(to=("b@Y.Example", "b@y.example")) == link(to=("b@y.example",))


def test_other_letters_get_other_links() -> None:
    """Company, envelope and message all count, and fields cannot run into each other."""
    others = {
        link(),
        link(sender="b@x.example"),
        link(to=("c@y.example",)),
        link(to=("B@y.example",)),
        link(to=("b@y.example", "c@y.example")),
        link(sender="a@x.exampleb", to=("@y.example",)),
        derive_link_id(RING, "hokuto", "a@x.example", ("b@y.example",), DIGEST),
        derive_link_id(RING, "aozora", "a@x.example", ("b@y.example",), b"e" * 32),
    }
    assert len(others) == 8


def test_mark_is_recognised_and_cannot_be_forged() -> None:
    """A mark holds for its message, link and company alone, also after the key was rotated."""
    mac = make_mark(RING, "aozora", b" <1@x.example>", "abcdefghijklmnop")
    rotated = RING.with_new_key(LATER).with_activated("b", LATER)
    companies = ["hokuto", "aozora"]
    for ring in (RING, rotated):
        seen = check_mark(ring, companies, b"<1@x.example>\r\n", "abcdefghijklmnop", mac)
        assert seen == "aozora"
    assert check_mark(RING, companies, b"<2@x.example>", "abcdefghijklmnop", mac) is None
    assert check_mark(RING, companies, b"<1@x.example>", "bbcdefghijklmnop", mac) is None
    assert check_mark(RING, ["hokuto"], b"<1@x.example>", "abcdefghijklmnop", mac) is None
    assert check_mark(RING, companies, b"<1@x.example>", "abcdefghijklmnop", "é") is None
    revoked = rotated.with_revoked("a", LATER)
    assert check_mark(revoked, companies, b"<1@x.example>", "abcdefghijklmnop", mac) is None


def test_addresses_that_are_no_utf8_get_links() -> None:
    """Octets that some mail system takes for an address make a link like any other."""
    others = {
        link(to=(name.decode("utf-8", "surrogateescape"),)) for name in (b"\xe9@y", b"\xff@y")
    }
    assert len(others | {link()}) == 3
