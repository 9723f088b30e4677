"""Reading bytes as text: true to vendor characters, proof against wrong labels, never raising."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.charset import decode_header, decode_text

WORDS = "選考の結果、今回は見送らせていただきます。お祈り申し上げます。"


@pytest.mark.parametrize(
    ("codec", "label"),
    [
        ("utf-8", "UTF-8"),
        ("iso2022_jp", "ISO-2022-JP"),
        ("cp932", "Shift_JIS"),
        ("cp932", "windows-31j"),
        ("euc_jp", "EUC-JP"),
        ("utf-16-le", "utf-16le"),
        ("utf-16-be", "utf-16"),
        ("utf-16-le", "utf-16"),
        ("cp932", "csShiftJIS"),
        ("utf-7", "utf-7"),
        ("gb18030", "gb2312"),
    ],
)
def test_label_is_followed(codec: str, label: str) -> None:
    """Text in the charset that the label names is read as it was written."""
    assert decode_text(WORDS.encode(codec), label) == WORDS


@pytest.mark.parametrize(
    ("words", "codec", "label"),
    [
        ("很遗憾地通知您，您未被录用。", "gb18030", "gb18030"),
        ("很遗憾地通知您，您未被录用。", "gbk", "gb2312"),
        ("很遺憾地通知您，您未被錄取。", "cp950", "big5"),
        ("안타깝게도 불합격하셨습니다. 똠", "cp949", "euc-kr"),
        ("안타깝게도 불합격하셨습니다.", "cp949", "ks_c_5601-1987"),
        ("안타깝게도 불합격하셨습니다.", "iso2022_kr", "iso-2022-kr"),
        ("Überraschend für Łódź", "cp1250", "windows-1250"),
        ("10 € für André", "iso8859-15", "iso-8859-15"),
    ],
)
def test_labels_of_other_countries_are_followed(words: str, codec: str, label: str) -> None:
    """Chinese, Korean and European letters are read as they are labelled."""
    assert decode_text(words.encode(codec), label) == words


@pytest.mark.parametrize("codec", ["utf-8", "cp932", "euc_jp", "iso2022_jp"])
@pytest.mark.parametrize(
    "label", ["iso-2022-jp", "utf-8", "shift_jis", "us-ascii", "iso-8859-1x", "", None]
)
def test_wrong_label_is_seen_through(codec: str, label: str | None) -> None:
    """Japanese under the label of another Japanese charset, or none, is still read."""
    assert decode_text(WORDS.encode(codec), label) == WORDS


def test_utf_8_called_latin_1_is_utf_8() -> None:
    """Every byte is a Latin-1 letter, so the label alone proves nothing."""
    assert decode_text("Grüße".encode(), "iso-8859-1") == "Grüße"
    assert decode_text("Grüße".encode("latin-1"), "iso-8859-1") == "Grüße"


def test_vendor_characters_in_iso_2022_jp() -> None:
    """NEC row 13, IBM extensions and half-width kana in JIS bodies are read (CP50221)."""
    data = b"\x1b$B-!-j\x1b(B / \x1b(I1\x32\x33\x1b(B / \x1b$B|b\x1b(B"
    assert decode_text(data, "iso-2022-jp") == "①㈱ / ｱｲｳ / 髙"


def test_vendor_characters_in_euc_jp() -> None:
    """NEC row 13 and the IBM extensions are read in EUC-JP, too (CP51932)."""
    data = b"\xad\xa1\xad\xea \x8e\xb1 \xfc\xe2" + WORDS.encode("euc_jp")
    assert decode_text(data, "euc-jp") == "①㈱ ｱ 髙" + WORDS
    assert decode_text(data, "iso-2022-jp") == "①㈱ ｱ 髙" + WORDS


@pytest.mark.parametrize("codec", ["cp932", "euc_jp", "utf-8"])
@pytest.mark.parametrize("label", ["iso-8859-1", "windows-1252", "shift_jis", "euc-jp"])
def test_a_label_that_fits_any_bytes_is_seen_through(codec: str, label: str) -> None:
    """A short sentence in EUC-JP is letters to Latin-1 and half-width kana to Shift_JIS."""
    assert decode_text("青木様 不採用です。".encode(codec), label) == "青木様 不採用です。"


@pytest.mark.parametrize("codec", ["cp932", "euc_jp"])
def test_half_width_kana_alone_are_read(codec: str) -> None:
    """Old systems write nothing else: their octets are no other charset's kanji."""
    words = "ｺﾝｶｲﾊ､ｻｲﾖｳｦﾐｵｸﾗｾﾃｲﾀﾀﾞｷﾏｽ｡"
    assert decode_text(words.encode(codec), "shift_jis" if codec == "cp932" else "euc-jp") == words


@pytest.mark.parametrize("label", ["utf-8", "us-ascii", "", None, "iso-8859-1"])
def test_typographic_quotes_of_windows_are_read(label: str | None) -> None:
    """One octet of Windows-1252 in English under another label is no half of a kanji."""
    words = "We don’t think so. “André” we’re sorry."
    assert decode_text(words.encode("cp1252"), label) == words


@pytest.mark.parametrize("label", ["utf-8", "iso-2022-jp", None, "shift_jis"])
def test_typographic_quotes_of_japan_are_read(label: str | None) -> None:
    """English from a Japanese mail program has its quotes in CP932."""
    words = "We don’t think so. “No” is our answer…"
    assert decode_text(words.encode("cp932"), label) == words


def test_one_damaged_octet_spoils_one_character() -> None:
    """The rest of a Japanese text is read, whatever its charset."""
    for codec, label in (("utf-8", "utf-8"), ("cp932", "shift_jis"), ("euc_jp", "euc-jp")):
        data = WORDS.encode(codec) + b"\xff\n" + WORDS.encode(codec)
        assert decode_text(data, label).count(WORDS) == 2


def test_supplementary_kanji_in_iso_2022_jp() -> None:
    """JIS X 0212 (ISO-2022-JP-1) is read."""
    assert decode_text(b"\x1b$(D0!\x1b(B x", "iso-2022-jp-1") == "丂 x"


def test_wave_dash_forms_are_read() -> None:
    """The dashes that CP932 and JIS map differently come out as characters, not as damage."""
    assert decode_text(b"10\x81\x6012", "shift_jis") == "10～12"
    assert decode_text(b"10\x1b$B!A\x1b(B12", "iso-2022-jp") == "10〜12"


def test_line_ends_the_double_byte_state() -> None:
    """A writer that forgot to return to ASCII garbles one line, not the rest."""
    assert decode_text(b'\x1b$B$"\r\nplain', "iso-2022-jp") == "あ\r\nplain"


def test_byte_order_mark_goes() -> None:
    """A byte order mark says what it is and is not text."""
    for codec in ("utf-8-sig", "utf-16"):
        assert decode_text(WORDS.encode(codec), "us-ascii") == WORDS


def test_damage_becomes_replacement_characters() -> None:
    """What no charset explains is replaced, and the rest is kept."""
    assert "end" in decode_text(b"\xff\xff\xff end", "utf-8")


@given(
    st.binary(max_size=80), st.sampled_from(["utf-8", "iso-2022-jp", "x", "idna", "\0", "utf-7"])
)
def test_any_bytes_are_read(data: bytes, label: str) -> None:
    """No bytes and no label raise."""
    decode_text(data, label)
    decode_text(b"\x1b$B" + data, label)
    decode_header(b"=?" + label.encode() + b"?B?" + data + b"?=" + data)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b" plain words", "plain words"),
        (b" folded\r\n words", "folded words"),
        (b" =?ISO-2022-JP?B?GyRCQSo5TTdrMkwbKEI=?=", "選考結果"),
        (b" =?utf-8?q?a=5Fb_c?= d", "a_b c d"),
        (b" =?utf-8?B?5YG4?=\r\n =?utf-8?B?6ICD?=", "偸考"),
        (b" =?utf-8?B?6YG?=\r\n =?utf-8?B?uA==?= x", "選 x"),
        (b" =?utf-8*ja?B?6YG4?=", "選"),
        (" 選考".encode(), "選考"),
        (" 選考".encode("cp932"), "選考"),
        (b" =?utf-8?B?!!!?=", ""),
        (b" =?broken", "=?broken"),
        # Cut between escape and kanji, and in a word of another spelling of the charset.
        (b" =?ISO-2022-JP?B?GyRCQSo5?=\r\n =?iso-2022-jp?B?TTdrMkwbKEI=?=", "選考結果"),
        (b" =?shift_jis?B?kUmNbIw=?=\r\n\t=?Shift_JIS?B?i4nK?=", "選考結果"),
    ],
)
def test_header_values_are_decoded(value: bytes, text: str) -> None:
    """Folds, encoded words (also cut inside a character) and raw bytes give the text."""
    assert decode_header(value) == text


GBK = "李雷先生：很遗憾，您未被录用。朱镕基、喆、堃。"


@pytest.mark.parametrize(
    "label", ["gb2312", "GBK", "x-gbk", "gb_2312-80", "csGB2312", "cp936", "euc-cn", "chinese"]
)
def test_gb_2312_is_gbk_under_any_of_its_names(label: str) -> None:
    """Chinese programs say GB 2312 and write GBK, with the euro sign of Windows."""
    assert decode_text(GBK.encode("gbk"), label) == GBK
    assert decode_text(GBK.encode("gbk") + b"\x80 5000", label) == f"{GBK}€ 5000"


@pytest.mark.parametrize("codec", ["utf-8", "cp932"])
def test_japanese_called_gb_2312_is_read(codec: str) -> None:
    """Nearly any pair of octets is a Chinese character: hiragana prove which charset it is."""
    assert decode_text(WORDS.encode(codec), "gb2312") == WORDS


@pytest.mark.parametrize("damage", [b"\xff", b"\xb0\r", b"\xa1 "])
def test_a_damaged_octet_leaves_the_rest_of_chinese(damage: bytes) -> None:
    """One octet that is no GBK does not make the letter Japanese."""
    text = decode_text(GBK.encode("gbk") + damage + GBK.encode("gbk"), "gb2312")
    assert text.startswith(GBK)
    assert text.endswith(GBK)
