"""Every charset, encoding, structure and ending of a letter, read back by three mail readers.

The note is found exactly once in each text alternative, between the letter's own words and what
follows them; the text around it is the original; attachments are the same bytes; `restore` gives
back the message. The readers are no part of the project, see `tests/relay/readers.py`; a letter
that one of them cannot read well is compared as it reads it.
"""

from __future__ import annotations

import codecs
import email
import html
import itertools
import sys
from collections.abc import Iterator

import pytest

from relay.company import Company
from relay.inject import Injected, Mark, NotInjected, Rules, inject
from relay.mimemap import MapError, map_message
from relay.note import load_templates
from relay.undo import restore
from tests.relay.matrix import (
    CASES,
    CHARSETS,
    ENDINGS,
    GROUPS,
    LAST_WORDS,
    SEVEN_BIT,
    STRUCTURES,
    Case,
    build,
    endings,
)
from tests.relay.readers import Readers, Reading, added, digest, readers

TOKEN = "k" + "abcdefghijklmnop" + "q" * 26
LINK = "https://r.example.jp/" + TOKEN
MARK = Mark("abcdefghijklmnop", "m" * 26)
RULES = Rules(base_url="https://r.example.jp/")
COMPANY = Company(
    id="aozora",
    name="株式会社あおぞら",
    domains=("aozora.example.jp",),
    contact="recruit@aozora.example.jp",
)
TEMPLATES = load_templates()

LABELS = ("【PR】", "[PR]")


def injected(case: Case, message: bytes) -> Injected:
    """Return the message with the note."""
    notes = TEMPLATES.notes(COMPANY, case.language, LINK)
    return inject(map_message(message), notes, MARK, RULES)


def how_shown(reader: str, case: Case) -> str:
    """Tell what a reader makes of a letter: its `text`, or only its `escapes` or what is `lost`."""
    if reader == "mail-parser":
        if case.letter == "vendor" and not is_known(case.charset):
            # What has no codec in Python is read as UTF-8.
            return "escapes" if case.codec == "iso2022_jp" else "lost"
        # ASCII that needs no decoding is handed out as it is.
        is_raw = case.codec == "iso2022_jp" and case.encoding in ("7bit", "8bit")
        return "escapes" if is_raw else "text"
    # npm's knows ISO-2022-JP by one name only.
    is_alias = case.codec == "iso2022_jp" and case.charset != "ISO-2022-JP"
    return "escapes" if reader == "mailparser" and is_alias else "text"


def is_known(charset: str | None) -> bool:
    """Tell whether this Python has a codec for a charset: those to come know more of them."""
    try:
        return bool(codecs.lookup(charset or "ascii"))
    except LookupError:
        return False


def squeezed(text: str) -> str:
    """Return a text without its white space: what remains is the same however lines are broken."""
    return "".join(text.split())


def check_place(case: Case, kind: str, after: str) -> None:
    """The note stands once, behind the last words and before the ending."""
    shown = html.unescape(after) if kind == "html" else after
    assert sum(shown.count(label) for label in LABELS) == 1
    own, behind = squeezed(after).split(LINK)
    assert squeezed(LAST_WORDS[case.language]) in own
    for line in itertools.chain.from_iterable(endings(case)):
        assert squeezed(html.escape(line) if kind == "html" else line) in behind
    if kind == "plain":
        lines = after.split("\n")
        # The label opens the second line above the link, and an empty one stands before it.
        assert lines[lines.index(LINK) - 2].startswith(LABELS)
        assert lines[lines.index(LINK) - 3] == ""
    else:
        assert "</body>" in behind
        assert "<blockquote" not in own


def check_reading(reader: str, case: Case, old: Reading, new: Reading) -> int:
    """Compare what a reader finds before and after; return in how many texts the note stands."""
    assert old.files == new.files
    found = sorted(file.digest for file in new.files)
    assert found == sorted(map(digest, STRUCTURES[case.structure]))
    changed = 0
    for kind in ("plain", "html"):
        before, after = old.text(kind), new.text(kind)
        if not before:
            assert not after
            continue
        assert added(before, after).count(LINK) == after.count(LINK) == 1
        shown = "text" if squeezed(LAST_WORDS[case.language]) in squeezed(before) else "lost"
        if "\x1b" in before:
            shown = "escapes"
            after = after.encode("ascii").decode("iso2022_jp", "replace")
        assert shown == how_shown(reader, case)
        if shown != "lost":
            check_place(case, kind, after)
        changed += 1
    return changed


def check_parts(before: bytes, after: bytes) -> None:
    """The parts are the same, each with its header, and Python finds nothing wrong with them."""
    old, new = email.message_from_bytes(before), email.message_from_bytes(after)
    mark, *items = new.items()
    assert mark[0] == "X-Career-Relay"
    assert items == old.items()
    for old_part, new_part in itertools.islice(zip(old.walk(), new.walk(), strict=True), 1, None):
        assert old_part.items() == new_part.items()
    assert [part.defects for part in new.walk() if part.defects] == []


def check_lines(case: Case, message: bytes) -> None:
    """Header and encoded lines are short, 7bit stays 7bit, line ends stay those of the message."""
    line_end = case.line_end.encode()
    assert message.count(b"\n") == message.count(line_end)
    if case.encoding in ("7bit", None):
        assert message.isascii()
    head = message[: message.index(b"From:")].split(line_end)
    limit = 76 if case.encoding in ("quoted-printable", "base64") else 998
    assert max(len(line) for line in head) <= 76
    assert max(len(line) for line in message.split(line_end)) <= limit
    if case.encoding == "quoted-printable" and case.structure.startswith("plain"):
        assert LINK.encode() in message


@pytest.fixture(scope="module")
def three_readers() -> Iterator[Readers]:
    """Run the readers for all the cases."""
    with readers() as running:
        yield running


@pytest.mark.parametrize("group", GROUPS)
def test_note_stands_once_and_comes_out_again(group: str, three_readers: Readers) -> None:
    """The whole promise, for every structure and ending in one charset and encoding."""
    group_cases = GROUPS[group]
    originals = [build(case) for case in group_cases]
    results = [
        injected(case, message) for case, message in zip(group_cases, originals, strict=True)
    ]
    old_readings = three_readers.read(originals)
    new_readings = three_readers.read([result.message for result in results])
    for index, (case, message, result) in enumerate(
        zip(group_cases, originals, results, strict=True)
    ):
        reader = "relay"
        try:
            assert restore(result.message) == message
            check_lines(case, result.message)
            check_parts(message, result.message)
            for reader in three_readers.NAMES:
                old, new = old_readings[reader][index], new_readings[reader][index]
                assert check_reading(reader, case, old, new) == result.parts
        except Exception as error:
            error.add_note(f"{case}, read by {reader}")
            raise


def test_note_stands_apart_behind_a_soft_line_break(three_readers: Readers) -> None:
    """RFC 3676 §4.1: a flowed line takes in the next one, the empty one that we put there too."""
    case = Case("UTF-8", "utf-8", "ja", "8bit", "plain-delsp", "none", "\r\n")
    message = build(case).removesuffix(b"\r\n") + b" \r\n"
    (reading,) = three_readers.read([injected(case, message).message])["mailparser"]
    assert "\n\n【PR】" in reading.plain


def test_the_matrix_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """Every encoding is met with every charset, and with each of them all that follows."""
    with capsys.disabled():
        print(
            f"\n{len(CASES)} combinations, each read by {len(Readers.NAMES)} readers",
            file=sys.stderr,
        )
    assert len(CASES) == len(GROUPS) * len(STRUCTURES) * (len(ENDINGS) + 1)
    encodings = {(case.charset, case.encoding) for case in CASES}
    charsets = {charset for charset, *_ in CHARSETS if charset is not None}
    assert encodings - {(None, None)} == set(itertools.product(charsets, SEVEN_BIT))


def reason_of(message: bytes) -> str:
    """Return the reason for which a message passes."""
    with pytest.raises((NotInjected, MapError)) as refused:
        inject(map_message(message), TEMPLATES.notes(COMPANY, "ja", LINK), MARK, RULES)
    assert isinstance(refused.value, (NotInjected, MapError))
    return refused.value.reason


@pytest.mark.parametrize("label", ["UTF-16", "UTF-16LE", "UTF-16BE"])
def test_utf_16_passes(label: str) -> None:
    """It is no superset of ASCII; not encoded it has NUL, which is allowed nowhere in a letter."""
    codec = "utf-16-be" if label == "UTF-16BE" else "utf-16-le"
    for encoding, reason in (
        ("base64", "charset_unsupported"),
        ("quoted-printable", "charset_unsupported"),
        ("8bit", "nul_bytes"),
        ("binary", "nul_bytes"),
    ):
        for structure, ending in itertools.product(STRUCTURES, ENDINGS):
            case = Case(label, codec, "ja", encoding, structure, ending, "\r\n")
            assert reason_of(build(case)) == reason, case


def test_japanese_letters_get_japanese_words() -> None:
    """The fallback to ASCII is for charsets that lack the letters, and for nothing else."""
    for case in CASES:
        if case.line_end == "\n" or case.structure != "alternative" or case.ending != "none":
            continue
        notes = TEMPLATES.notes(COMPANY, "ja", LINK)
        message = inject(map_message(build(case)), notes, MARK, RULES).message
        plain, rich = (
            part.get_payload(decode=True)
            for part in email.message_from_bytes(message).walk()
            if not part.is_multipart()
        )
        assert isinstance(plain, bytes)
        assert isinstance(rich, bytes)
        label = "【PR】" if case.language == "ja" else "[PR]"
        assert label in plain.decode(case.codec, "replace"), case
        assert "【PR】" in html.unescape(rich.decode(case.codec, "replace")), case
