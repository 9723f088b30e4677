"""How a part is written: by its bytes, in its charset, with ASCII where nothing else may stand."""

from __future__ import annotations

import pytest

from relay.mimemap import Part, map_message
from relay.partcharset import CharsetRefused, PartCharset, charset_of

WORDS = "選考の結果、お祈り申し上げます。"


def part(charset: str | None, encoding: str | None = "8bit") -> Part:
    """Return the root part of a message with these two labels."""
    head = f"Content-Type: text/plain; charset={charset}\r\n" if charset else ""
    head += f"Content-Transfer-Encoding: {encoding}\r\n" if encoding else ""
    return map_message(f"{head}\r\n".encode()).root


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("UTF-8", "utf-8"),
        ("ISO-2022-JP", "iso2022_jp"),
        ("Shift_JIS", "cp932"),
        ("windows-31J", "cp932"),
        ("EUC-JP", "euc_jp"),
    ],
)
def test_label_that_fits_names_the_codec(label: str, codec: str) -> None:
    """A part in the charset it claims keeps it for the note."""
    charset = charset_of(part(label), WORDS.encode(codec), html=False)
    assert charset == PartCharset(codec, codec)


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("EUC-KR", "불합격"),
        ("ks_c_5601-1987", "불합격"),
        ("gb2312", "录用"),
        ("big5", "錄用"),
        ("iso-8859-1", "Grüße"),
        ("iso-8859-15", "Grüße €"),
        ("windows-1252", "Grüße €"),
        ("windows-1251", "привет"),
    ],
)
def test_other_languages_keep_their_charset(label: str, words: str) -> None:
    """Korean, Chinese and European letters are read and written in their own charset."""
    charset = charset_of(part(label), words.encode(label), html=False)
    assert charset.decode(words.encode(label)) == words
    assert b"".join(charset.units(words) or []) == words.encode(label)


@pytest.mark.parametrize("label", ["iso-2022-jp", "us-ascii", None, "euc-jp"])
@pytest.mark.parametrize("codec", ["utf-8", "cp932"])
def test_bytes_decide_over_a_wrong_label(label: str | None, codec: str) -> None:
    """The note is written as the letter's words are, whatever the label says."""
    charset = charset_of(part(label), WORDS.encode(codec), html=False)
    assert charset == PartCharset(codec, codec)


def test_iso_2022_jp_under_an_ascii_label_is_seen() -> None:
    """Old mailers send JIS without saying so."""
    charset = charset_of(part("us-ascii", "7bit"), WORDS.encode("iso2022_jp"), html=False)
    assert charset == PartCharset("iso2022_jp", "iso2022_jp")


@pytest.mark.parametrize(
    ("label", "body"),
    [
        ("utf-16", b"abc"),
        ("x-unknown", b"abc"),
        ("utf-7", b"abc"),
        ("us-ascii", b"\xff\xff\xff\xfe"),
        ("iso-2022-jp", b'\x1b$B$"\r\nplain'),
        ("iso-2022-jp", b"\x1b broken"),
        ("iso-2022-jp", b'\x1b$B$"'),
    ],
)
def test_what_cannot_be_written_is_refused(label: str, body: bytes) -> None:
    """An unknown charset, or bytes of none, get no note."""
    with pytest.raises(CharsetRefused):
        charset_of(part(label), body, html=False)


def test_vendor_characters_are_no_damage() -> None:
    """Python's codecs lack NEC row 13; that does not make a letter broken."""
    assert charset_of(part("iso-2022-jp"), b"\x1b$B-!\x1b(B", html=False).codec == "iso2022_jp"
    assert charset_of(part("euc-jp"), b"\xad\xa1", html=False).codec == "euc_jp"
    assert charset_of(part("shift_jis"), b"\xf0\x40", html=False).codec == "cp932"


@pytest.mark.parametrize(
    ("encoding", "body", "html", "note_codec"),
    [
        ("7bit", b"abc", False, "ascii"),
        ("7bit", "あ".encode(), False, "ascii"),
        (None, b"abc", False, "ascii"),
        (None, "あ".encode(), False, "utf-8"),
        ("8bit", b"abc", False, "utf-8"),
        ("base64", b"abc", False, "utf-8"),
        ("7bit", b"abc", True, "ascii"),
    ],
)
def test_seven_bit_gets_ascii(
    encoding: str | None, body: bytes, html: bool, note_codec: str
) -> None:
    """No 8-bit byte of ours goes where 7bit is declared, or where none was before."""
    assert charset_of(part("utf-8", encoding), body, html=html).note_codec == note_codec


def test_html_without_label_gets_ascii() -> None:
    """A `<meta>` may say anything; ASCII with references is right in all of them."""
    assert charset_of(part(None), "あ".encode(), html=True) == PartCharset("utf-8", "ascii")


def test_units_are_whole_characters() -> None:
    """One unit is one character with its escapes, one link or one line end."""
    jis = PartCharset("iso2022_jp", "iso2022_jp")
    units = jis.units("日a\r\nhttps://a.example/x\n")
    assert units is not None
    assert b"".join(units) == "日a\r\nhttps://a.example/x\n".encode("iso2022_jp")
    assert units[-3:] == [b"\r\n", b"https://a.example/x", b"\n"]


def test_missing_characters_become_references_or_nothing() -> None:
    """HTML can name a character that the charset lacks; text cannot."""
    ascii_only = PartCharset("utf-8", "ascii")
    assert ascii_only.units("【PR】") is None
    assert b"".join(ascii_only.units("【", references=True) or []) == b"&#12304;"
    jis = PartCharset("iso2022_jp", "iso2022_jp")
    assert jis.units("あ€") is None
    assert b"".join(jis.units("あ€い", references=True) or []).decode("iso2022_jp") == "あ&#8364;い"


def test_signs_of_windows_are_written_as_jis_does() -> None:
    """An admin types the wave dash of Windows, which JIS calls another character."""
    jis = PartCharset("iso2022_jp", "iso2022_jp")
    assert b"".join(jis.units("10時～12時－") or []).decode("iso2022_jp") == "10時〜12時−"


def test_utf_8_called_latin_1_is_utf_8() -> None:
    """Any bytes are Latin-1, and PHP's mailers call everything so."""
    for label in ("iso-8859-1", "windows-1252"):
        part = map_message(
            f"Content-Type: text/plain; charset={label}\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\n".encode()
            + "残念ながら".encode()
        ).root
        assert charset_of(part, "残念ながら".encode(), html=False).note_codec == "utf-8"
        assert charset_of(part, "café".encode("latin-1"), html=False).codec != "utf-8"


def test_mask_keeps_length_and_hides_characters() -> None:
    """Offsets found in masked bytes are true; a kanji's bytes are no markup."""
    for codec in ("iso2022_jp", "cp932", "utf-8"):
        data = "<p>斜重ソ表</p>".encode(codec)
        masked = PartCharset(codec, codec).mask(data)
        assert len(masked) == len(data)
        assert masked.count(b"<") == 2
        assert masked.endswith(b"</p>")


def test_ascii_state_is_told() -> None:
    """Inside a run of kanji there is no place."""
    data = "a日\r\nb".encode("iso2022_jp")
    jis = PartCharset("iso2022_jp", "iso2022_jp")
    states = [jis.is_ascii_state(data, at) for at in (0, 1, 4, 6, len(data))]
    assert states == [True, True, False, False, True]
    assert PartCharset("utf-8", "utf-8").is_ascii_state(data, 4)


GBK = "李雷先生：很遗憾，您未被录用。朱镕基、喆、堃。"


@pytest.mark.parametrize("label", ["gb2312", "GBK", "x-gbk", "gb_2312-80", "cp936", "euc-cn"])
@pytest.mark.parametrize("body", [GBK.encode("gbk"), GBK.encode("gbk") + b"\x80 5000", b"Hi"])
def test_gb_2312_is_written_as_gbk(label: str, body: bytes) -> None:
    """What readers of the label know, and no character of four octets."""
    charset = charset_of(part(label), body, html=False)
    assert charset == PartCharset("gb18030", "gbk")
    assert b"".join(charset.units("無職、応募") or []) == "無職、応募".encode("gbk")
    assert charset.units("ﾒｰﾙ") is None
    assert charset.units("ﾒ", references=True) == [b"&#65426;"]


def test_gb_18030_is_written_as_it_says() -> None:
    """Its readers know characters of four octets."""
    charset = charset_of(part("gb18030"), GBK.encode("gbk"), html=False)
    assert b"".join(charset.units("ﾒ") or []) == "ﾒ".encode("gb18030")


@pytest.mark.parametrize("codec", ["utf-8", "cp932"])
def test_japanese_called_gb_2312_is_written_as_it_is(codec: str) -> None:
    """The note is written as the letter's words are, not as the label says."""
    assert charset_of(part("gb2312"), WORDS.encode(codec), html=False).note_codec == codec


@pytest.mark.parametrize(
    "body",
    [
        GBK.encode("gbk") + b"\xff",
        b"\x81" + GBK.encode("gbk"),
        "很遺憾，您未被錄取。感謝您的應徵。".encode("big5"),
    ],
    ids=["damaged", "shifted", "big5"],
)
def test_what_is_no_gbk_is_refused(body: bytes) -> None:
    """Damage, and another charset that GBK has pairs for but hardly characters."""
    with pytest.raises(CharsetRefused):
        charset_of(part("gb2312"), body, html=False)
