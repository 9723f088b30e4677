"""Single facts about the splice that the matrix does not show."""

from __future__ import annotations

import base64
import email
import quopri

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.company import Company
from relay.inject import Mark, NotInjected, Rules, inject
from relay.mimemap import body_of, map_message
from relay.note import Note, Notes, load_templates
from relay.undo import restore

LINK = "https://r.example.jp/" + "k" * 43
MARK = Mark("abcdefghijklmnop", "m" * 26)
COMPANY = Company(id="a", name="株式会社あおぞら", domains=(), contact="hr@aozora.example.jp")
TEMPLATES = load_templates()
NOTES = TEMPLATES.notes(COMPANY, "ja", LINK)
LETTER = (
    "山田様\r\n\r\n誠に残念ながら、今回は採用を見送らせていただきます。\r\n\r\n-- \r\nあおぞら\r\n"
)


def changed(message: bytes) -> bytes:
    """Return the changed message, after the way back was walked."""
    result = inject(map_message(message), NOTES, MARK, Rules("https://r.example.jp/")).message
    assert restore(result) == message
    return result


def refused(message: bytes) -> str:
    """Return why a message passes."""
    with pytest.raises(NotInjected) as caught:
        inject(map_message(message), NOTES, MARK)
    return caught.value.reason


def test_every_other_byte_stays() -> None:
    """Odd spacing, folding, case and line lengths in header and body are not tidied."""
    head = (
        b"FROM:a@b.example\r\nSubject:  =?utf-8?q?x?=\r\n\t y\r\nX-Empty:\r\n"
        b'content-TYPE:text/plain;charset="UTF-8"\r\nContent-Transfer-Encoding:8BIT\r\n\r\n'
    )
    message = head + LETTER.encode() + b"x" * 1200 + b"\ttab \r\n\x0c\r\n"
    result = changed(message)
    mark_end = result.index(b"FROM:")
    assert result[mark_end:].startswith(head)
    assert len(result) > len(message)


def test_one_note_without_wordings_will_do() -> None:
    """A single note is a choice of one."""
    note = Note("[PR] x\n" + LINK, "x", LINK)
    assert LINK.encode() in inject(map_message(b"\r\nWords of ours.\r\n"), note, MARK).message


def test_part_labelled_7bit_gets_ascii_words() -> None:
    """An ASCII letter from a Japanese company gets the plain wording; nothing becomes 8-bit."""
    result = changed(
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
        b"We will not take your application further.\r\n"
    )
    assert result.isascii()
    assert b"[PR] " in result


def test_mislabelled_letter_gets_the_note_as_its_own_words() -> None:
    """UTF-8 called ISO-2022-JP: who can read the letter can read the note."""
    result = changed(b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n" + LETTER.encode())
    assert "【PR】".encode() in result


def test_words_the_charset_lacks_pass_the_letter() -> None:
    """Where no wording can be written, the letter stays as it is."""
    notes = Notes((Note("【PR】€", "", LINK),))
    message = b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\nWords.\r\n"
    with pytest.raises(NotInjected, match="charset_unsupported"):
        inject(map_message(message), notes, MARK)


def test_html_in_a_small_charset_gets_references() -> None:
    """HTML says the full Japanese words in any charset."""
    message = (
        b"Content-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        b"<p>We will not take your application further.</p>\r\n"
    )
    assert b"&#12304;PR&#12305;" in changed(message)


def test_both_alternatives_or_neither() -> None:
    """An HTML part without a place keeps the text part unchanged, too."""
    message = (
        b"Content-Type: multipart/alternative; boundary=b\r\n\r\n"
        b"--b\r\n\r\nWe will not take your application further.\r\n"
        b"--b\r\nContent-Type: text/html\r\n\r\n<img src=x>\r\n--b--\r\n"
    )
    assert refused(message) == "no_text_part"


def test_note_that_would_not_be_seen_passes_the_letter() -> None:
    """Where browsers read broken markup otherwise than we do, the HTML parser says so."""
    message = (
        b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>Our own words to you.</p>"
        b"<noscript><p>More of our words</noscript>"
    )
    assert refused(message) == "no_text_part"


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("no_text_part", b"Content-Type: text/plain\r\n\r\n"),
        ("no_text_part", b"\r\n> only quoted\r\n"),
        ("charset_unsupported", b"Content-Type: text/plain; charset=utf-16\r\n\r\nWords."),
        ("charset_unsupported", b"Content-Type: text/plain; charset=utf-8\r\n\r\n\xff\xfe\xfd"),
        ("broken_encoding", b"Content-Transfer-Encoding: base64\r\n\r\nYWJ\r\n"),
        # An empty line inside base64 would not come back.
        (
            "not_reversible",
            b"Content-Transfer-Encoding: base64\r\n\r\nT3VyIHdvcmRzLgot\r\n\r\nLSAKQQo=\r\n",
        ),
        # The rest of the line would stand at a line start, and be a boundary there.
        (
            "not_reversible",
            b"Content-Type: multipart/mixed; boundary=-\r\n\r\n---\r\nContent-Type: text/html\r\n"
            b"\r\n<p>We are sorry to tell you.</p>---<br>Aozora Inc.\r\n-----\r\n",
        ),
    ],
)
def test_what_cannot_be_changed_safely_passes(reason: str, message: bytes) -> None:
    """Each obstacle of the splice itself has its reason."""
    assert refused(message) == reason


def test_flowed_lines_stay_whole() -> None:
    """RFC 3676: no line of the note flows into another or looks quoted."""
    head = b"Content-Type: text/plain; charset=utf-8; format=flowed; delsp=yes\r\n"
    head += b"Content-Transfer-Encoding: 8bit\r\n\r\n"
    before = (head + LETTER.encode()).split(b"\r\n")
    added = [line for line in changed(head + LETTER.encode()).split(b"\r\n") if line not in before]
    assert all(not line.endswith(b" ") for line in added)
    assert all(not line.startswith((b">", b"From ")) for line in added)


def test_quoted_printable_link_stands_on_one_line() -> None:
    """The link is readable in the source; no soft line break cuts it."""
    body = quopri.encodestring(LETTER.replace("\r\n", "\n").encode()).replace(b"\n", b"\r\n")
    head = b"Content-Type: text/plain; charset=utf-8\r\n"
    head += b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    assert LINK.encode() in changed(head + body).split(b"\r\n")


def test_base64_text_with_lf_inside_keeps_lf() -> None:
    """The note's line ends are those of the text it stands in."""
    data = base64.encodebytes(LETTER.replace("\r\n", "\n").encode()).replace(b"\n", b"\r\n")
    head = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    message_map = map_message(changed(head + data))
    text = body_of(message_map, message_map.root)
    assert b"\r" not in text
    assert LINK.encode() in text.split(b"\n")


CODECS = {"utf-8": "utf-8", "iso-2022-jp": "iso2022_jp", "shift_jis": "cp932", "us-ascii": "ascii"}
ALPHABET = st.sampled_from("abc あいう漢字。、=<>&-_\n\n\t~\\表ソ")


@st.composite
def letters(draw: st.DrawFn) -> bytes:
    """Give letters of any text in every form."""
    charset = draw(st.sampled_from(sorted(CODECS)))
    line_end = draw(st.sampled_from([b"\r\n", b"\n"]))
    text = draw(st.text(ALPHABET, max_size=160))
    kind = draw(st.sampled_from(["plain", "html"]))
    if kind == "html":
        text = draw(st.sampled_from(["<p>{}</p>", "{}<br>", "<div><p>{}</div>"])).format(text)
    data = text.encode(CODECS[charset], "ignore").replace(b"\n", line_end)
    encoding = draw(st.sampled_from(["8bit", "quoted-printable", "base64"]))
    if encoding == "base64":
        data = base64.encodebytes(data).replace(b"\n", line_end)
    elif encoding == "quoted-printable":
        data = quopri.encodestring(data.replace(b"\r\n", b"\n")).replace(b"\n", line_end)
    head = (
        f"Content-Type: text/{kind}; charset={charset}\nContent-Transfer-Encoding: {encoding}\n\n"
    )
    part = head.encode().replace(b"\n", line_end) + data
    if draw(st.booleans()):
        start = b"Content-Type: multipart/mixed; boundary=xyz" + line_end * 2 + b"--xyz" + line_end
        part = start + part + line_end + b"--xyz--" + line_end
    return b"Subject: x" + line_end + part


@settings(max_examples=300)
@given(letters())
def test_any_letter_passes_or_comes_back(message: bytes) -> None:
    """A changed letter holds the link once for Python's reader, and restores to the original."""
    try:
        result = inject(map_message(message), NOTES, MARK, Rules("https://r.example.jp/")).message
    except NotInjected as error:
        reason = error.reason
    else:
        assert restore(result) == message
        reason = "injected"
        parsed = email.message_from_bytes(result)
        texts = [part.get_payload(decode=True) for part in parsed.walk() if not part.is_multipart()]
        assert [isinstance(text, bytes) and text.count(LINK.encode()) for text in texts] == [1]
    assert reason in {"injected", "no_text_part", "charset_unsupported", "not_reversible"}
