"""Public messages, good and broken: each is changed reversibly or passes with a known reason.

The messages lie beside the project and are not part of it; without them the test is skipped.
"""

from __future__ import annotations

import email
import hashlib
from collections import Counter
from email.message import Message
from pathlib import Path

import pytest

from relay.inject import Mark, NotInjected, Rules, inject
from relay.mimemap import MapError, map_message
from relay.note import load_templates
from relay.policy import Company, Reason
from relay.undo import restore

FOLDER = Path(__file__).parents[2].parent / "shared" / "mime"
LINK = "https://r.example.jp/" + "k" * 43
COMPANY = Company(id="a", name="株式会社あおぞら", domains=(), contact="hr@aozora.example.jp")
NOTES = load_templates().notes(COMPANY, "ja", LINK)
MARK = Mark("abcdefghijklmnop", "m" * 26)


def other_parts(message: bytes) -> list[str]:
    """Return digests of every leaf that is no text, as Python's email package reads it."""
    leaves = [part for part in email.message_from_bytes(message).walk() if not part.is_multipart()]
    return [_digest(leaf) for leaf in leaves if leaf.get_content_maintype() != "text"]


def _digest(leaf: Message) -> str:
    payload = leaf.get_payload(decode=True)
    return hashlib.sha256(payload if isinstance(payload, bytes) else b"").hexdigest()


def outcome(message: bytes) -> str:
    """Force the splice; return `injected` or the reason, after checking what must hold."""
    try:
        message_map = map_message(message)
        result = inject(message_map, NOTES, MARK, Rules("https://r.example.jp/")).message
    except (MapError, NotInjected) as error:
        return error.reason
    assert restore(result) == message
    assert other_parts(result) == other_parts(message)
    return Reason.INJECTED.value


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the public messages are not beside the project")
def test_public_messages_are_changed_reversibly_or_pass(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No other exception, no lost attachment, no byte that does not come back."""
    files = sorted(path for path in FOLDER.rglob("*") if path.is_file())
    counts = Counter(outcome(path.read_bytes()) for path in files)
    with capsys.disabled():
        print(f"\n{len(files)} public messages:", dict(counts.most_common()))
    known = {reason.value for reason in Reason}
    assert set(counts) - known <= {"body_digest_header", "structure_unsupported"}
    assert counts[Reason.INJECTED.value] > len(files) // 2
