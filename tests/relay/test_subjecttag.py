"""The tag goes out of every kind of subject, nothing else changes, and in doubt it stays."""

from __future__ import annotations

import base64
import email.header
import quopri
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.charset import decode_header
from relay.subjecttag import Kept, find_tag, find_tag_in, take_out

TAGS = ("[no-relay]", "【案内不要】")
FRONT = b"Received: from a by b\r\nFrom: =?utf-8?B?5o6h55So?= <a@aozora.example.jp>\r\n"
BEHIND = b"\r\nTo: b@mail.example.com\r\nX-Note: [no-relay] stays\r\n\r\n[no-relay] here, too\r\n"


def b_word(text: str, charset: str = "utf-8") -> bytes:
    """Return an encoded word in base64."""
    payload = base64.b64encode(text.encode(charset))
    return b"=?" + charset.encode() + b"?B?" + payload + b"?="


def q_word(text: str, charset: str = "utf-8") -> bytes:
    """Return an encoded word in the encoding of RFC 2047 that resembles quoted-printable."""
    payload = quopri.encodestring(text.encode(charset), quotetabs=True, header=True)
    payload = payload.replace(b"=\n", b"").replace(b"?", b"=3F")
    return b"=?" + charset.encode() + b"?Q?" + payload + b"?="


def message(value: bytes) -> bytes:
    """Return a letter whose Subject field has this value."""
    return FRONT + b"Subject:" + value + BEHIND


def untagged(value: bytes) -> bytes:
    """Return the value without the tag; everything outside of the field has to be the same."""
    result = take_out(message(value), TAGS)
    assert result.kept is None
    assert result.message.startswith(FRONT + b"Subject:")
    assert result.message.endswith(BEHIND)
    return result.message[len(FRONT) + 8 : -len(BEHIND)]


def standard_reading(value: bytes) -> str:
    """Return what Python's own decoder of headers reads."""
    unfolded = re.sub(rb"\r?\n(?=[ \t])", b"", value).decode("utf-8")
    return str(email.header.make_header(email.header.decode_header(unfolded))).strip()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b" [no-relay] Your application", b" Your application"),
        (b" Your application [no-relay]", b" Your application"),
        (b" Your [no-relay] application", b" Your application"),
        (b" Re:[NO-Relay] Your application", b" Re: Your application"),
        (b" Your application[no-relay]", b" Your application"),
        (b" Your[no-relay]application", b" Yourapplication"),
        (b" Your  [no-relay]  application", b" Your   application"),
        (b"[no-relay]Your application", b"Your application"),
        (b" [no-relay]", b" "),
        (b" [no-relay] [no-relay] Twice", b" Twice"),
        (b" [no-[no-relay]relay] Nested", b" Nested"),
        (b" [no-relay]\r\n Your application", b" Your application"),
        (b" Your\r\n [no-relay] application", b" Your\r\n application"),
        (b" Your [no-relay]\r\n application", b" Your\r\n application"),
        (b" Your\r\n\t[no-relay]\r\n\tapplication", b" Your\r\n\tapplication"),
        (b" Your application\r\n [no-relay]", b" Your application"),
        (" 選考結果［ＮＯ－ＲＥＬＡＹ］".encode(), " 選考結果".encode()),
        (" 【案内不要】　選考結果".encode(), " 選考結果".encode()),
        (b" [no-relay] " + b_word("選考結果"), b" " + b_word("選考結果")),
        (b" [no-relay]\r\n " + b_word("選考結果"), b" " + b_word("選考結果")),
        (b" " + b_word("選考結果") + b" [no-relay]", b" " + b_word("選考結果")),
        (b" " + b_word("[no-relay] 選考結果"), b" " + b_word("選考結果")),
        (b" " + b_word("選考[no-relay]結果"), b" " + b_word("選考結果")),
        (b" " + q_word("Absage für [no-relay] Sie"), b" " + q_word("Absage für Sie")),
        (
            b" " + q_word("Absage für [no-relay] Sie", "iso-8859-1"),
            b" " + q_word("Absage für Sie", "iso-8859-1"),
        ),
        (b" " + b_word("[no-relay]") + b" " + b_word("結果"), b" " + b_word("結果")),
        (b" " + b_word("[no-relay] ") + b"\r\n " + b_word("結果"), b" " + b_word("結果")),
        (b" " + b_word("結果") + b"\r\n " + b_word("[no-relay]"), b" " + b_word("結果")),
        (
            b" " + b_word("結果") + b"\r\n " + b_word("[no-relay]") + b"\r\n " + b_word("通知"),
            b" " + b_word("結果") + b"\r\n " + b_word("通知"),
        ),
        (b" Re: " + b_word("[no-relay]") + b" " + b_word("結果"), b" Re: " + b_word("結果")),
        (b" " + b_word("結果 [no-relay]") + b" Tokyo", b" " + b_word("結果") + b" Tokyo"),
        (
            b" " + b_word("結果 [no-") + b" " + b_word("relay] 通知"),
            b" " + b_word("結果 ") + b" " + b_word("通知"),
        ),
        (
            b" " + b_word("結果") + b" [no-relay] " + b_word("通知"),
            b" " + b_word("結果") + b"\r\n =?utf-8?Q?_?=\r\n " + b_word("通知"),
        ),
        (
            b" " + b_word("選考結果のご連絡 [no-relay] です", "iso-2022-jp"),
            b" " + b_word("選考結果のご連絡 です", "iso-2022-jp"),
        ),
        (
            b" " + b_word("選考[no-relay]結果", "iso-2022-jp"),
            b" =?iso-2022-jp?B?" + base64.b64encode(b"\x1b$BA*9M\x1b$B7k2L\x1b(B") + b"?=",
        ),
        (
            b" " + b_word("選考結果のお知らせ【案内不要】", "iso-2022-jp"),
            b" " + b_word("選考結果のお知らせ", "iso-2022-jp"),
        ),
        (
            b" " + b_word("[no-relay] 選考結果のお知らせ", "shift_jis"),
            b" " + b_word("選考結果のお知らせ", "shift_jis"),
        ),
        (
            b" " + q_word("選考結果のお知らせ [no-relay]", "euc-jp"),
            b" " + q_word("選考結果のお知らせ", "euc-jp"),
        ),
    ],
)
def test_tag_goes_out(value: bytes, expected: bytes) -> None:
    """The field has the expected octets, or reads as expected, and others read the same."""
    changed = untagged(value)
    if expected.isascii() or not value.isascii():
        assert changed == expected
    assert decode_header(changed) == decode_header(expected)
    assert standard_reading(changed) == standard_reading(expected)


def test_character_cut_in_two_by_its_mailer() -> None:
    """Words that share a character keep their halves of it."""
    data = "結果の通知[no-relay]です".encode()
    first, second = (base64.b64encode(part) for part in (data[:4], data[4:]))
    value = b" =?UTF-8?B?" + first + b"?=\r\n =?UTF-8?B?" + second + b"?="
    changed = untagged(value)
    assert decode_header(changed) == "結果の通知です"
    assert changed.startswith(b" =?UTF-8?B?" + first + b"?=\r\n ")


@pytest.mark.parametrize(
    ("subject", "tags", "found"),
    [
        ("ｎｏ－ｒｅｌａｙ", ("no-relay",), "no-relay"),
        ("選考結果 − no−relay", ("NO-RELAY",), "NO-RELAY"),
        ("ｱﾝﾅｲ ﾅｼ", ("アンナイ ナシ",), "アンナイ ナシ"),
        ("[no relay]", TAGS, None),
        ("anything", (), None),
    ],
)
def test_tag_is_found(subject: str, tags: tuple[str, ...], found: str | None) -> None:
    """Width, case and the kind of dash do not count; other words do."""
    assert find_tag(subject, tags) == found


def test_half_width_kana_with_their_marks_go_together() -> None:
    """A voicing mark behind a half-width letter is part of the tag."""
    result = take_out("Subject: ｶﾞｲﾄﾞﾅｼ 結果\r\n\r\n".encode(), ("ガイドナシ",))
    assert result.message == "Subject: 結果\r\n\r\n".encode()


SIGNATURE = b"DKIM-Signature: v=1; a=rsa-sha256; d=example.jp;\r\n h=From:To: %s;\r\n b=AAAA\r\n"


@pytest.mark.parametrize(
    ("letter", "kept"),
    [
        (b"Subject: [no-relay] a\r\nSubject: b\r\n\r\n", Kept.TWO_SUBJECTS),
        (b"Subject: a\r\nSubject: [no-relay] b\r\n\r\n", Kept.TWO_SUBJECTS),
        (SIGNATURE % b"subject" + b"Subject: [no-relay] a\r\n\r\n", Kept.DKIM_SIGNED),
        (b"dkim-signature: b=AAAA\r\nSubject: [no-relay] a\r\n\r\n", Kept.DKIM_SIGNED),
        (
            b"ARC-Message-Signature: i=1; h=SUBJECT : from; b=A\r\nSubject: [no-relay] a\r\n\r\n",
            Kept.DKIM_SIGNED,
        ),
        (SIGNATURE % b"Date" + b"Subject: [no-relay] a\r\n\r\n", None),
        (b"Subject: [no-relay] \xff\xfe\xfd\r\n\r\n", Kept.NOT_SAFE),
        (b"Subject: [no-relay] " + b"a" * 9000 + b"\r\n\r\n", Kept.NOT_SAFE),
        (b"Subject: " + b"[no-relay]" * 20 + b"\r\n\r\n", Kept.NOT_SAFE),
        (b"Subject: =?utf-8?B?W25vLXJlbGF5XSBhYmM?=\r\n\r\n", Kept.NOT_SAFE),
        (b"Subject: [no-relay] \x1b$BA*9M\x1b(B\r\n\r\n", Kept.NOT_SAFE),
        (b"Subject: \xe3\x88\xb1\r\n\r\n", None),
    ],
)
def test_in_doubt_it_stays(letter: bytes, kept: Kept | None) -> None:
    """What cannot be changed safely is not changed at all, and the result says why."""
    result = take_out(letter, TAGS)
    assert result.kept == kept
    if kept:
        assert result.message == letter
        assert find_tag_in(letter, TAGS)


def test_part_of_a_character_cannot_go() -> None:
    """A sign that stands for several letters is not taken apart."""
    assert take_out("Subject: a㈱b\r\n\r\n".encode(), ("(株",)).kept is Kept.NOT_SAFE


def test_files_have_other_line_ends() -> None:
    """A letter saved with LF keeps them, also in what is added."""
    value = b" " + b_word("結果") + b" [no-relay] " + b_word("通知")
    result = take_out(b"Subject:" + value + b"\n\nText\n", TAGS)
    assert result.kept is None
    assert b"\r" not in result.message


@pytest.mark.parametrize("front", [b"", b"\r\n", b"\n", b"From a@b Mon\n"])
def test_body_is_no_header(front: bytes) -> None:
    """What looks like a field in the body is none."""
    letter = front + b"From: a@b.example\r\n\r\nSubject: [no-relay] a\r\n"
    assert take_out(letter, TAGS).message == letter


CHARSETS = ("utf-8", "iso-2022-jp", "shift_jis", "euc-jp")
TEXT = st.text(
    st.sampled_from("採用選考結果のお知らせですご連絡（株）ＡＢ１ abc-[]:12"), max_size=12
)


@st.composite
def values(draw: st.DrawFn) -> bytes:
    """Return a value whose pieces are written in every way that mail programs know."""
    tag = draw(st.sampled_from(["[no-relay]", "[NO-RELAY]", "［ｎｏ-ｒｅｌａｙ］", "【案内不要】"]))
    space = st.sampled_from(["", " ", "  "])
    text = draw(TEXT) + draw(space) + tag + draw(space) + draw(TEXT)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True) if a < b]
    gaps = st.sampled_from([b" ", b"\r\n ", b"\r\n\t", b"  "])
    value = draw(st.sampled_from([b" ", b"", b"\r\n "]))
    for index, piece in enumerate(pieces):
        style = draw(st.sampled_from(["plain", "B", "Q"]))
        charset = draw(st.sampled_from(CHARSETS))
        word = b_word(piece, charset) if style == "B" else q_word(piece, charset)
        value += (draw(gaps) if index else b"") + (piece.encode() if style == "plain" else word)
    return value


def without_space(text: str) -> str:
    """Return a text without white space, which alone may go with a tag."""
    return "".join(text.split())


@given(values())
def test_reads_as_before_without_the_tag(value: bytes) -> None:
    """What is left reads the same, for us and for others; or the letter is as it was."""
    letter = message(value)
    result = take_out(letter, TAGS)
    if result.kept:
        assert result.message == letter
        return
    changed = result.message[len(FRONT) + 8 : -len(BEHIND)]
    assert message(changed) == result.message
    before, after = decode_header(value), decode_header(changed)
    assert find_tag(after, TAGS) is None
    expected = before
    for tag in re.findall(r"(?i)[\[［](?:no|ｎｏ)-(?:relay|ｒｅｌａｙ)[\]］]|【案内不要】", before):
        expected = expected.replace(tag, "")
    assert without_space(after) == without_space(expected)
    assert len(expected.strip()) - len(after.strip()) in (0, 1)
    assert take_out(result.message, TAGS) == result
    if value.isascii() and without_space(standard_reading(value)) == without_space(before):
        assert without_space(standard_reading(changed)) == without_space(after)


FRONTS = st.sampled_from([b"", b"Subject: ", b"Subject: [no-relay] =?utf-8?"])


@given(st.binary(max_size=300), FRONTS)
def test_any_octets(octets: bytes, front: bytes) -> None:
    """Nothing is raised on any octets, and doing it twice changes nothing more."""
    result = take_out(front + octets, TAGS)
    assert take_out(result.message, TAGS).message == result.message
    find_tag_in(front + octets, TAGS)


PARTS = st.sampled_from(
    [
        *(
            b"[no-relay]",
            b"=?utf-8?B?W25vLXJlbGF5XQ==?=",
            b"=?utf-8?Q?[no-?=",
            b"=?utf-8?Q?relay]?=",
        ),
        *"=?|?=|\x1b$B|\x1b(B|a| |\t|\n|\r\n|\r\n |選考".encode().split(b"|"),
        *(b"=?iso-2022-jp?B?GyRCQSo5TRsoQg==?=", b"=?shift_jis?Q?=91I=8Dl?=", b"\xe3\x81", b"\x82"),
    ]
)


@given(st.lists(PARTS, max_size=12).map(b"".join))
def test_any_mixture(value: bytes) -> None:
    """Whatever a subject is made of, the rest of the message stays, and twice is once."""
    letter = message(b" [no-relay] " + value)
    result = take_out(letter, TAGS)
    assert result.message.startswith(FRONT + b"Subject:")
    assert result.message.endswith(BEHIND)
    assert take_out(result.message, TAGS).message == result.message
    assert result.kept or result.message != letter
