"""Public messages, good and broken: each is changed reversibly or passes with a known reason.

Three mail readers that are not ours find the same attachments before and after, and the note once
in each text. The messages lie beside the project and are not part of it; without them the test is
skipped.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import pytest

from relay.company import Company
from relay.inject import Injected, Mark, NotInjected, Rules, inject
from relay.mimemap import MapError, map_message
from relay.note import load_templates
from relay.policy import Reason
from relay.undo import restore
from tests.relay.readers import Readers, added, readers

FOLDER = Path(__file__).parents[2].parent / "shared" / "mime"
LINK = "https://r.example.jp/" + "k" * 43
COMPANY = Company(id="a", name="株式会社あおぞら", domains=(), contact="hr@aozora.example.jp")
NOTES = load_templates().notes(COMPANY, "ja", LINK)
MARK = Mark("abcdefghijklmnop", "m" * 26)

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the public messages are not beside the project"
)


@pytest.fixture(scope="module")
def public() -> dict[str, bytes]:
    """Return the messages by the names of their files."""
    return {path.name: path.read_bytes() for path in sorted(FOLDER.rglob("*.eml"))}


@pytest.fixture(scope="module")
def three_readers() -> Iterator[Readers]:
    """Run the readers for all the messages."""
    with readers() as running:
        yield running


def forced(message: bytes) -> Injected | str:
    """Return the message with the note, whatever it is about, or the reason why it passes."""
    try:
        return inject(map_message(message), NOTES, MARK, Rules("https://r.example.jp/"))
    except (MapError, NotInjected) as error:
        return error.reason


def test_public_messages_are_changed_reversibly_or_pass(
    public: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    """No other exception, and no byte that does not come back."""
    counts: Counter[str] = Counter()
    seconds: dict[str, float] = {}
    for name, message in public.items():
        start = perf_counter()
        result = forced(message)
        seconds[name] = perf_counter() - start
        if isinstance(result, Injected):
            assert restore(result.message) == message, name
            counts[Reason.INJECTED.value] += 1
        else:
            counts[result] += 1
    slowest = max(seconds, key=lambda name: seconds[name])
    with capsys.disabled():
        print(f"\n{counts.total()} public messages:", dict(counts.most_common()), file=sys.stderr)
        print(f"the slowest: {seconds[slowest] * 1000:.1f} ms, {slowest}", file=sys.stderr)
    assert set(counts) <= {reason.value for reason in Reason}
    assert counts[Reason.INJECTED.value] > len(public) // 2


def test_every_reader_finds_the_note_and_the_same_attachments(
    public: dict[str, bytes], three_readers: Readers
) -> None:
    """As many as before, by the same names and of the same bytes; and the text around the note."""
    changed = {
        name: result
        for name, message in public.items()
        if isinstance(result := forced(message), Injected)
    }
    old = three_readers.read([public[name] for name in changed])
    new = three_readers.read([result.message for result in changed.values()])
    for reader in three_readers.NAMES:
        for (name, result), before, after in zip(
            changed.items(), old[reader], new[reader], strict=True
        ):
            try:
                assert before.files == after.files
                notes = [added(before.text(kind), after.text(kind)) for kind in ("plain", "html")]
                assert [note.count(LINK) for note in notes if note] == [1] * result.parts
            except Exception as error:
                error.add_note(f"{name}, read by {reader}")
                raise
        assert any(reading.files for reading in new[reader])
