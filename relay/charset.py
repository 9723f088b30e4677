"""Bytes to text as a person would read them, whatever the label says.

Real Japanese mail carries vendor characters its codecs do not know (① ㈱, half-width kana in
ISO-2022-JP), and bodies whose label is wrong (Shift_JIS or UTF-8 called ISO-2022-JP). Reading
never raises: what cannot be decoded becomes U+FFFD. This is for reading only; nothing decoded here
is ever encoded again into a letter.

Implements RFC 1468 and its extensions in the field (CP50220/50221), GBK under any of its names, RFC
2047 encoded words.
"""

from __future__ import annotations

import binascii
import codecs
import re

# Above this a text is not looked through for what Python's codec knows: it would take much memory.
CLEAN_SIZE_MAX_BYTES = 1024 * 1024

# In mail GB 2312 is GBK, whatever the label says (WHATWG Encoding §4.2 takes most of these for it);
# in Windows an octet of its own is the euro sign. GB 18030 reads all of it.
GBK_LABELS: frozenset[str] = frozenset(
    "gb2312 gbk x-gbk gb_2312 gb_2312-80 gb2312-80 csgb2312 csiso58gb231280 chinese iso-ir-58 cp936"
    " ms936 windows-936 euc-cn euc_cn euccn x-euc-cn".split()
)
# Labels seen in mail, and the superset codec that the sending software really used.
_CODECS = {
    "": "",
    "ascii": "utf-8",
    "us-ascii": "utf-8",
    "ansi_x3.4-1968": "utf-8",
    "utf8": "utf-8",
    "utf-8": "utf-8",
    "unicode-1-1-utf-8": "utf-8",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "x-sjis": "cp932",
    "csshiftjis": "cp932",
    "x-mac-japanese": "cp932",
    "ms_kanji": "cp932",
    "windows-31j": "cp932",
    "cp932": "cp932",
    "ms932": "cp932",
    "euc-jp": "euc_jp",
    "euc_jp": "euc_jp",
    "eucjp": "euc_jp",
    "x-euc-jp": "euc_jp",
    "eucjp-ms": "euc_jp",
    "cseucpkdfmtjapanese": "euc_jp",
    "cp51932": "euc_jp",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "windows-1252": "cp1252",
    **dict.fromkeys(GBK_LABELS, "gb18030"),
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "utf-16": "utf-16",
}
_ISO_2022_JP = frozenset(
    {"iso-2022-jp", "iso-2022-jp-1", "iso-2022-jp-2", "iso-2022-jp-3", "iso-2022-jp-ext"}
    | {"iso-2022-jp-2004", "iso-2022-jp-ms", "csiso2022jp", "cp50220", "cp50221", "cp50222", "jis"}
)
# Every octet is a letter in the first, half-width kana make many in the next two, nearly any two
# octets are one in the last: that a text can be read as such proves nothing, hiragana in it do.
_OFTEN_WRONG = frozenset({"cp1252", "cp932", "euc_jp", "gb18030"})
_SEVEN_BIT = {"utf-7": "utf-7", "hz-gb-2312": "hz", "hz": "hz", "iso-2022-kr": "iso2022_kr"}
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Other labels are asked of Python, but never its non-character codecs (idna, unicode_escape …).
_PLAUSIBLE_LABEL = re.compile(
    r"(?:utf|iso|windows|cp|koi8|mac|gb|big5|hz|johab|tis)[a-z0-9_-]{0,20}\Z"
)

_ESCAPE = re.compile(rb"\x1b(\$[@B]|\$\([@BDOPQ]|\([BJHI]|&@\x1b\$B)|([\x0e\x0f])|([\r\n]+)")
_DOUBLE = frozenset({b"$@", b"$B", b"$(@", b"$(B", b"$(O", b"$(P", b"$(Q", b"&@\x1b$B"})
# JIS X 0208 only, back to ASCII on the same line.
_CLEAN_RUN = re.compile(rb"\x1b\$B[^\x1b\x0e\x0f\r\n]*+\x1b\(B")
_SHIFTS = re.compile(rb"[\x1b\x0e\x0f]")
_HIGH_BIT = bytes(byte | 0x80 if 0x21 <= byte <= 0x7E else byte for byte in range(256))
_SEVEN_BITS = bytes(byte & 0x7F for byte in range(256))
# EUC-JP of any vendor: pairs, half-width kana, supplementary kanji, or one octet of anything else.
_EUC_JP_RUN = re.compile(
    rb"((?:[\xa1-\xfe]{2})+)|(?:\x8e[\xa1-\xdf]|\x8f[\xa1-\xfe]{2}|[\x00-\x7f])+|."
)
_EUC_JP = re.compile(rb"(?:[\x00-\x7f]|[\xa1-\xfe]{2}|\x8e[\xa1-\xdf]|\x8f[\xa1-\xfe]{2})*+\Z")
# GB 18030: two or four octets, the euro sign of Windows, or one octet of anything else.
_GBK_RUN = re.compile(
    rb"((?:[\x00-\x7f]|[\x81-\xfe](?:[\x40-\x7e\x80-\xfe]|[0-9][\x81-\xfe][0-9]))+)|(\x80+)|."
)
_HAS_ESCAPE = re.compile(rb"\x1b[$(]")
_HIRAGANA = re.compile("[\u3041-\u3093]+")
_UTF8_THREE_BYTES = re.compile(rb"[\xe1-\xef][\x80-\xbf]{2}")
_UTF8_SEQUENCE = re.compile(rb"[\xc3-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}")
_EIGHT_BIT = bytes(range(0x80, 0x100))
# In Japanese of a charset without escapes nearly every octet is of a kanji or kana; in a letter in
# Latin script with accents and typographic quotes it is one in ten.
JAPANESE_EIGHT_BIT_MIN_SHARE = 0.3
# The least of a short sentence ("青木様 不採用です。"); half-width kana read as EUC-JP give less.
HIRAGANA_MIN_SHARE = 0.15

_UNFOLD = re.compile(rb"\r?\n(?=[ \t])|[\r\n]+\Z")
_ENCODED_WORD = re.compile(rb"=\?([^?\s*]+)(?:\*[^?\s]*)?\?([bBqQ])\?([^?\r\n]*)\?=")


def decode_text(data: bytes, label: str | None) -> str:
    """Return the text of some bytes; the label is a hint, the bytes decide. Never raises."""
    if not label and data.isascii():
        return _decode_ascii(data)
    name = (label or "").strip("\"' \t").lower()
    for mark, codec in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(codec, "replace")
    if name.startswith("utf-16"):
        return _decode_utf_16(data, name)
    if not data.isascii():
        return _decode_eight_bit(data, name)
    if name in _SEVEN_BIT:
        return data.decode(_SEVEN_BIT[name], "replace")
    return _decode_ascii(data)


def decode_header(value: bytes) -> str:
    """Return a header value as text: unfolded, encoded words and raw bytes read. Never raises."""
    line = value.strip(b" \t")
    if b"\n" in line or b"\r" in line:
        line = _UNFOLD.sub(b"", value).strip(b" \t")
    if b"=?" not in line:
        return decode_text(line, None)
    words: list[tuple[str, bytes]] = []
    text: list[str] = []
    position = 0

    def flush() -> None:
        # Japanese mailers cut characters in two between words: join the bytes, then decode.
        for label, data in words:
            text.append(decode_text(data, label))
        words.clear()

    for met in _ENCODED_WORD.finditer(line):
        between = line[position : met.start()]
        position = met.end()
        # RFC 2047 §6.2: white space between two encoded words is not part of the text.
        if between.strip(b" \t") or not words:
            flush()
            if between:
                text.append(decode_text(between, None))
        label = met[1].decode("latin-1").lower()
        data = _decode_word(met[2], met[3])
        if words and words[-1][0] == label:
            words[-1] = (label, words[-1][1] + data)
        else:
            words.append((label, data))
    flush()
    if position < len(line):
        text.append(decode_text(line[position:], None))
    return "".join(text)


def _decode_ascii(data: bytes) -> str:
    return _decode_iso_2022_jp(data) if _HAS_ESCAPE.search(data) else data.decode("ascii")


def _decode_word(encoding: bytes, payload: bytes) -> bytes:
    if encoding in b"bB":
        alphabet_only = payload.rstrip(b"=")
        try:
            return binascii.a2b_base64(alphabet_only + b"=" * (-len(alphabet_only) % 4))
        except binascii.Error:
            return payload
    return binascii.a2b_qp(payload, header=True)


def _decode_utf_16(data: bytes, name: str) -> str:
    if name in ("utf-16le", "utf-16-le"):
        return data.decode("utf-16-le", "replace")
    # RFC 2781 §4.3: without a byte order mark it is big-endian, though Windows writes little.
    # What is common has a high octet of 0 (Latin) or 0x30 (kana).
    little, big = (sum(map(data[at::2].count, (0x00, 0x30))) for at in (1, 0))
    return data.decode("utf-16-le" if little > big else "utf-16-be", "replace")


def _decode_eight_bit(data: bytes, name: str) -> str:
    codec = "" if name in _ISO_2022_JP else _codec_for(name)
    claimed = _strictly(data, codec)
    if codec == "utf-8" and claimed is not None:
        return claimed
    as_utf_8 = _strictly(data, "utf-8")
    # Every byte is a letter of Latin-1, and two-byte UTF-8 can be two kana of Shift_JIS; but
    # three-byte sequences throughout are UTF-8 whatever the label says.
    if as_utf_8 is not None and (
        claimed is None or codec == "cp1252" or _UTF8_THREE_BYTES.search(data)
    ):
        return as_utf_8
    if claimed is not None and (codec not in _OFTEN_WRONG or _kana_count(claimed)):
        return claimed
    if name in _ISO_2022_JP and _HAS_ESCAPE.search(data):
        return _decode_iso_2022_jp(data)
    # Hiragana are the same octets in GB 2312 and EUC-JP, and prove neither.
    likely = ("cp932",) if codec == "gb18030" else ("cp932", "euc_jp")
    guesses = [text for guess in likely if (text := _strictly(data, guess))]
    best = max(guesses, key=_kana_count, default="")
    is_guess = claimed is None and codec != "gb18030" and _is_dense(data)
    if _has_hiragana(best) or (best and is_guess):
        return best
    if claimed is not None:
        return claimed
    if codec in ("", "utf-8") and not _is_dense(data) and not _UTF8_SEQUENCE.search(data):
        # English with a quote of Windows, or of CP932: the latter's first octet is no letter there.
        return _strictly(data, "cp1252") or best or data.decode("cp1252", "replace")
    if codec == "gb18030":
        return decode_gbk(data)
    return _decode_euc_jp(data) if codec == "euc_jp" else data.decode(codec or "utf-8", "replace")


def _is_dense(data: bytes) -> bool:
    """Tell whether so many octets have the eighth bit that the text can hardly be in Latin."""
    plain = len(data.translate(None, _EIGHT_BIT))
    return len(data) - plain >= JAPANESE_EIGHT_BIT_MIN_SHARE * len(data)


def _codec_for(name: str) -> str:
    """Return the codec for a label, `""` where there is none we would trust."""
    if name in _CODECS:
        return _CODECS[name]
    if not _PLAUSIBLE_LABEL.match(name):
        return ""
    try:
        return codecs.lookup(name).name
    except LookupError:
        return ""


def _strictly(data: bytes, codec: str) -> str | None:
    if not codec:
        return None
    try:
        return data.decode(codec)
    except (UnicodeError, LookupError):
        if codec not in ("euc_jp", "gb18030"):
            return None
    if codec == "euc_jp" and not _EUC_JP.match(data):
        return None  # Octet by octet it would take long to find that out.
    text = _decode_euc_jp(data) if codec == "euc_jp" else decode_gbk(data)
    return None if "\ufffd" in text else text


def _decode_euc_jp(data: bytes) -> str:
    """Return EUC-JP with the characters of NEC and IBM that Python's codec lacks (CP51932)."""
    return "".join(
        _decode_jis_x_0208(run[1].translate(_SEVEN_BITS))
        if run[1]
        else run[0].decode("euc_jp", "replace")
        for run in _EUC_JP_RUN.finditer(data)
    )


def decode_gbk(data: bytes) -> str:
    """Return GBK or GB 18030 with the euro sign of Windows, which Python's codecs lack (CP936)."""
    try:
        return data.decode("gb18030")
    except UnicodeDecodeError:
        pass
    return "".join(
        run[1].decode("gb18030", "replace") if run[1] else "€" * len(run[2] or b"") or "\ufffd"
        for run in _GBK_RUN.finditer(data)
    )


def _has_hiragana(text: str) -> bool:
    """Tell whether a text has as many hiragana as only Japanese that was read right has."""
    others = len(text) - len(text.encode("ascii", "ignore"))
    return others > 0 and HIRAGANA_MIN_SHARE * others <= _kana_count(text)


def _kana_count(text: str) -> int:
    """Count hiragana: the wrong one of two Japanese codecs hardly ever yields any."""
    return sum(map(len, _HIRAGANA.findall(text))) - text.count("\ufffd")


def _decode_iso_2022_jp(data: bytes) -> str:
    if len(data) <= CLEAN_SIZE_MAX_BYTES and not _SHIFTS.search(_CLEAN_RUN.sub(b"", data)):
        # Python's codec knows all of these; elsewhere it differs from the mail programs.
        text = _strictly(data, "iso2022_jp")
        if text is not None:
            return text
    return _decode_vendor_iso_2022_jp(data)


def _decode_vendor_iso_2022_jp(data: bytes) -> str:
    text: list[str] = []
    state = b"(B"
    shifted = False
    position = 0
    for met in _ESCAPE.finditer(data):
        text.append(_decode_run(data[position : met.start()], state, shifted))
        position = met.end()
        if met[1]:
            state = met[1]
        elif met[2]:
            shifted = met[2] == b"\x0e"
        else:
            # RFC 1468: a line ends in ASCII; a writer that forgot starts the next one so.
            text.append(met[3].decode("ascii"))
            state, shifted = b"(B", False
    text.append(_decode_run(data[position:], state, shifted))
    return "".join(text)


def _decode_run(run: bytes, state: bytes, shifted: bool) -> str:
    if not run:
        return ""
    if state in _DOUBLE:
        return _decode_jis_x_0208(run)
    if state == b"$(D":
        pairs = run.translate(_HIGH_BIT)
        supplement = b"".join(b"\x8f" + pairs[at : at + 2] for at in range(0, len(pairs) - 1, 2))
        return supplement.decode("euc_jp", "replace")
    if state == b"(I" or shifted:
        return run.translate(_HIGH_BIT).decode("cp932", "replace")
    return _strictly(run, "utf-8") or run.decode("cp932", "replace")


def _decode_jis_x_0208(run: bytes) -> str:
    try:
        return run.translate(_HIGH_BIT).decode("euc_jp")
    except UnicodeDecodeError:
        pass
    # NEC row 13 and the IBM extensions are known to CP932 only: move each pair over to it.
    moved = bytearray()
    at = 0
    while at < len(run):
        first, second = run[at], run[at + 1] if at + 1 < len(run) else 0
        if not (0x21 <= first <= 0x7E and 0x21 <= second <= 0x7E):
            moved.append(first)
            at += 1
            continue
        lead = ((first - 0x21) >> 1) + 0x81
        odd_row = first & 1
        moved.append(lead if lead <= 0x9F else lead + 0x40)
        moved.append(second + (0x1F if second <= 0x5F else 0x20) if odd_row else second + 0x7E)
        at += 2
    return moved.decode("cp932", "replace")
