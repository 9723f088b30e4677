"""The map: true offsets, one reading only, limits, and never another error than its own."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.mimemap import (
    DEPTH_MAX,
    HEADER_MAX_BYTES,
    PARTS_MAX_COUNT,
    MapError,
    MapReason,
    MessageMap,
    Part,
    body_of,
    header_start,
    map_message,
)
from relay.policy import Reason

MIXED = (
    b"From: a@example.jp\r\n"
    b'Content-Type: multipart/mixed; boundary="outer"\r\n'
    b"\r\n"
    b"preamble\r\n"
    b"--outer\r\n"
    b"Content-Type: multipart/alternative; boundary=inner\r\n"
    b"\r\n"
    b"--inner\r\n"
    b"\r\n"
    b"plain words\r\n"
    b"--inner\r\n"
    b"Content-Type: TEXT/HTML; charset=UTF-8\r\n"
    b"Content-Transfer-Encoding: Base64\r\n"
    b"\r\n"
    b"PGI+eDwvYj4=\r\n"
    b"--inner--\r\n"
    b"--outer  \r\n"
    b'Content-Type: application/pdf; name="cv.pdf"\r\n'
    b"Content-Disposition: attachment\r\n"
    b"\r\n"
    b"%PDF\r\n"
    b"--outer--\r\n"
    b"epilogue\r\n"
)


def raw(message_map: MessageMap, part: Part) -> bytes:
    """Return the raw body of a part."""
    return message_map.message[part.body_start : part.body_end]


def reason_of(message: bytes) -> str:
    """Return why a message has no map."""
    with pytest.raises(MapError) as caught:
        map_message(message)
    return caught.value.reason


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_offsets_are_those_of_the_bytes(line_end: bytes) -> None:
    """Each leaf's body is found between its empty line and the line end before the boundary."""
    message_map = map_message(MIXED.replace(b"\r\n", line_end))
    bodies = [raw(message_map, leaf) for leaf in message_map.leaves()]
    assert bodies == [b"plain words", b"PGI+eDwvYj4=", b"%PDF"]


def test_fields_of_a_part_are_read() -> None:
    """Type, charset, encoding, disposition and file name come in their plain forms."""
    plain, html, pdf = map_message(MIXED).leaves()
    assert (plain.content_type, plain.transfer_encoding) == ("text/plain", "7bit")
    assert (html.content_type, html.transfer_encoding) == ("text/html", "base64")
    assert html.parameters == {"charset": "UTF-8"}
    assert (pdf.disposition, pdf.filename) == ("attachment", "cv.pdf")


def test_header_values_are_raw() -> None:
    """A folded value stays folded, with the space behind the colon."""
    message_map = map_message(b"Subject: one\r\n two\r\nX: 1\r\nx: 2\r\n\r\nbody\r\n")
    assert message_map.header("subject") == b" one\r\n two"
    assert message_map.headers("x") == [b" 1", b" 2"]
    assert message_map.header("missing") is None


@pytest.mark.parametrize(
    ("message", "body"),
    [(b"", b""), (b"\r\n", b""), (b"\r\nwords", b"words"), (b"A: b", b""), (b"A: b\n\n", b"")],
)
def test_short_messages_have_a_map(message: bytes, body: bytes) -> None:
    """No header, no body or neither is still a message of text."""
    message_map = map_message(message)
    assert raw(message_map, message_map.root) == body


def test_mbox_line_is_skipped() -> None:
    """A file from an mbox begins with a line that is no header field."""
    message = b"From a@example.jp Thu Aug 22 12:36:23 2002\nSubject: x\n\nbody\n"
    assert map_message(message).header("subject") == b" x"
    assert header_start(message) == 43


def test_file_names_are_decoded() -> None:
    """RFC 2231 sections, encoded words and raw bytes all give the name a person sees."""
    fields = {
        b"filename*0*=utf-8''%E5%B1%A5; filename*1*=%E6%AD%B4.pdf": "履歴.pdf",
        b'filename="=?utf-8?B?5bGl5q20?=.pdf"': "履歴.pdf",
        b'filename="' + "履歴.pdf".encode("cp932") + b'"': "履歴.pdf",
        b'filename="a\\"b.pdf"; filename*=utf-8\'\'c.pdf': "c.pdf",
    }
    for field, name in fields.items():
        message = b"Content-Disposition: attachment; " + field + b"\r\n\r\nx"
        assert map_message(message).root.filename == name


def test_comments_in_fields_do_not_count() -> None:
    """RFC 2045 §5.1 allows comments in the MIME fields."""
    root = map_message(b"Content-Type: text/plain (words); charset=utf-8 (x)\r\n\r\nx").root
    assert (root.content_type, root.parameters) == ("text/plain", {"charset": "utf-8"})
    nested = b"Content-Transfer-Encoding: base64 (a (b) c)\r\n\r\neA=="
    assert map_message(nested).root.transfer_encoding == "base64"


def test_missing_and_empty_types_are_text() -> None:
    """RFC 2045 §5.2: without a type a part is plain text; in a digest it is a message."""
    assert map_message(b"Content-Type: \r\n\r\nx").root.content_type == "text/plain"
    digest = multipart(b"--b", b"", b"A: b", b"--b--").replace(b"mixed", b"digest")
    assert [leaf.content_type for leaf in map_message(digest).leaves()] == ["message/rfc822"]


def test_attachment_with_odd_parameters_is_read_as_far_as_possible() -> None:
    """An unquoted file name is common and decides nothing that we would change."""
    root = map_message(b"Content-Type: application/pdf; name=my cv.pdf\r\n\r\nx").root
    assert (root.content_type, root.filename) == ("application/pdf", "my")


def multipart(*lines: bytes, boundary: bytes = b"b") -> bytes:
    """Return a multipart message with these body lines."""
    head = b"Content-Type: multipart/mixed; boundary=" + boundary + b"\r\n\r\n"
    return head + b"\r\n".join(lines) + b"\r\n"


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("nul_bytes", b"Subject: x\r\n\r\na\0b"),
        ("broken_header", b"Subject: x\r\nno colon here\r\n\r\nx"),
        ("broken_header", b" folded\r\nSubject: x\r\n\r\nx"),
        ("broken_header", b"Subject: x\r\n \r\nX: y\r\n\r\nx"),
        ("broken_header", b"Subject: x\rX: y\r\n\r\nx"),
        ("broken_header", b"Subj\xe9ct: x\r\n\r\nx"),
        ("ambiguous_mime", b"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\nx"),
        ("ambiguous_mime", b"Content-Type : text/plain\r\n\r\nx"),
        (
            "ambiguous_mime",
            b"Content-Transfer-Encoding: 7bit\r\ncontent-transfer-encoding: base64\r\n\r\nx",
        ),
        ("ambiguous_mime", b"Content-Type: text/plain; charset=a; charset=b\r\n\r\nx"),
        ("ambiguous_mime", b"Content-Type: text/plain; charset=a b c\r\n\r\nx"),
        ("ambiguous_mime", b'Content-Type: text/plain; charset="a\r\n\r\nx'),
        ("ambiguous_mime", b"Content-Type: text/plain; charset**=a\r\n\r\nx"),
        ("ambiguous_mime", b"Content-Type: text/plain; charset*0=a; charset*1=b\r\n\r\nx"),
        ("ambiguous_mime", b"Content-Type: multipart/mixed\r\n\r\nx"),
        ("ambiguous_mime", b'Content-Type: multipart/mixed; boundary="b "\r\n\r\nx'),
        ("ambiguous_mime", multipart(b"--b", b"", b"x", b"--b--", b"--b", b"", b"y", b"--b--")),
        ("ambiguous_mime", multipart(b"--b", b"--b", b"", b"x", b"--b--")),
        ("ambiguous_mime", multipart(b"--b", b"", b"x", b"--bb", b"", b"y", b"--b--")),
        ("ambiguous_mime", multipart(b"--b--")),
        (
            "ambiguous_mime",
            b"Content-Transfer-Encoding: base64\r\n" + multipart(b"--b", b"", b"x", b"--b--"),
        ),
        (
            "ambiguous_mime",
            multipart(b"--b", b"Content-Type: multipart/mixed; boundary=b", b"", b"x", b"--b--"),
        ),
        ("unclosed_multipart", multipart(b"--b", b"", b"x")),
        ("unclosed_multipart", multipart(b"words only")),
        ("header_too_large", b"Subject: " + b"x" * HEADER_MAX_BYTES + b"\r\n\r\nx"),
        ("too_many_parts", multipart(*[b"--b\r\n\r\nx"] * (PARTS_MAX_COUNT + 2), b"--b--")),
    ],
)
def test_what_has_two_readings_has_no_map(reason: str, message: bytes) -> None:
    """Each ambiguity is refused under its name."""
    assert reason_of(message) == reason


def test_depth_has_a_limit() -> None:
    """Nesting deeper than any letter is refused."""

    def nested(depth: int) -> bytes:
        if depth == 0:
            return b"\r\nx"
        name = b"b%03d" % depth
        inner = nested(depth - 1)
        head = b"Content-Type: multipart/mixed; boundary=" + name + b"\r\n\r\n"
        return head + b"--" + name + b"\r\n" + inner + b"\r\n--" + name + b"--"

    assert len(list(map_message(nested(DEPTH_MAX)).leaves())) == 1
    assert reason_of(nested(DEPTH_MAX + 1)) == "too_deep"


def test_attached_message_is_a_leaf() -> None:
    """Nothing inside an attached message is mapped."""
    message = multipart(b"--b", b"Content-Type: message/rfc822", b"", b"Broken", b"--b--")
    (leaf,) = map_message(message).leaves()
    assert leaf.content_type == "message/rfc822"


@pytest.mark.parametrize(
    ("encoding", "body", "decoded"),
    [
        (b"7bit", b"a=b", b"a=b"),
        (b"BINARY", b"\xe3", b"\xe3"),
        (b"quoted-printable", b"a=3D=\r\nb=20\r\nc=", b"a=b \r\nc"),
        (b"quoted-printable", b"a= \r\nb", b"ab"),
        (b"base64", b"YWI=\r\n", b"ab"),
        (b"base64", b" YW\r\n Jj", b"abc"),
    ],
)
def test_body_is_decoded(encoding: bytes, body: bytes, decoded: bytes) -> None:
    """The transfer encoding is undone."""
    message_map = map_message(b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body)
    assert body_of(message_map, message_map.root) == decoded


@pytest.mark.parametrize(
    ("encoding", "body", "reason"),
    [
        (b"quoted-printable", b"a=b=zz", "broken_encoding"),
        (b"base64", b"YWI=YWI=", "broken_encoding"),
        (b"base64", b"YW*I", "broken_encoding"),
        (b"base64", b"YWI", "broken_encoding"),
        (b"x-uuencode", b"begin", "unknown_encoding"),
    ],
)
def test_broken_encodings_are_refused(encoding: bytes, body: bytes, reason: str) -> None:
    """A body that decoders would repair differently has no decoded form."""
    message_map = map_message(b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body)
    with pytest.raises(MapError) as caught:
        body_of(message_map, message_map.root)
    assert caught.value.reason == reason


def test_reasons_are_known_to_policy() -> None:
    """Every reason here is one that a decision may name."""
    assert {reason.value for reason in MapReason} <= {reason.value for reason in Reason}


FRAGMENTS = st.sampled_from(
    [
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b"Content-Type: text/plain; charset=utf-8\r\n",
        b"Content-Type: text/html; charset*0=a; charset*1*=''%41\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n",
        b"Content-Disposition: attachment; filename*=utf-8''%ff%zz\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"--b\r\n",
        b"--b--\r\n",
        b"From x\n",
        b'"',
        b"(",
        b"\\",
        b";",
        b"=",
        b"=\n",
    ]
)


LINE_PIECES = (
    *(b"A: b", b"To", b":", b" ", b"\t", b"\r\n", b"\n", b"\n ", b"\r\n\t"),
    *(b"x", b"\r", b"\xe3", b"\x0b"),
)


def headers_of(message: bytes) -> tuple[tuple[str, bytes], ...] | str:
    """Return the fields of a message, or why it has no map."""
    try:
        return map_message(message).root.headers
    except MapError as error:
        return error.reason


@given(st.lists(st.sampled_from(LINE_PIECES), max_size=14))
@settings(max_examples=500, deadline=None)
def test_an_odd_field_changes_nothing_in_the_reading_of_the_others(pieces: list[bytes]) -> None:
    """A block that is read at once has the fields that reading it line by line finds."""
    message = b"First: 1\r\n" + b"".join(pieces) + b"\r\n\r\ntext"
    fields = headers_of(message)
    with_odd = headers_of(b"Odd : 1\r\n" + message)
    assert with_odd == (fields if isinstance(fields, str) else (("odd", b" 1"), *fields))


@settings(max_examples=400)
@given(st.lists(FRAGMENTS | st.binary(max_size=12), max_size=30).map(b"".join))
def test_any_bytes_give_a_map_or_its_error(message: bytes) -> None:
    """Nothing but `MapError` comes out, and every offset lies inside the message."""
    try:
        message_map = map_message(message)
    except MapError:
        return
    for leaf in message_map.leaves():
        assert 0 <= leaf.start <= leaf.body_start <= leaf.body_end <= len(message)
        with suppress(MapError):
            body_of(message_map, leaf)


@pytest.mark.parametrize(
    "unit", [b"(", b'"\\', b"a=b;", b";", b"\\", b'="', b"x*0*=''%;", b"\r\n ", b"=?a?b?"]
)
def test_hostile_fields_take_linear_time(unit: bytes) -> None:
    """A field as large as allowed, made of any one piece, is read at once."""
    filler = unit * (HEADER_MAX_BYTES // len(unit) // 4)
    message = b"Content-Type: text/plain; name=x" + filler + b"\r\n\r\nx"
    with suppress(MapError):
        map_message(message)


@pytest.mark.parametrize("unit", [b"x", b" ", b":", b"x:\n ", b"\n \t", b"x:\n"])
def test_hostile_header_blocks_take_linear_time(unit: bytes) -> None:
    """A header block as large as allowed, made of any one piece, is read at once."""
    filler = unit * (HEADER_MAX_BYTES // len(unit) - 1)
    for start in (b"", b"A: b\n"):
        with suppress(MapError):
            map_message(start + filler + b"\n\nx")
