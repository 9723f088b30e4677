"""Messages of four dozen builds, each of any size: letters, and what is made to take long."""

from __future__ import annotations

import random
from base64 import b64encode, encodebytes
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from quopri import encodestring

from bombs import OPENING

from relay.mimemap import DEPTH_MAX, HEADER_MAX_BYTES, PARTS_MAX_COUNT
from relay.safety import TEXT_MAX_BYTES
from relay.visible import NODES_MAX

KIBIBYTE = 1024
FIRST_BYTES, STEP, LAST_BYTES = 16 * KIBIBYTE, 4, 25 * KIBIBYTE * KIBIBYTE
TAGS_MAX = 2 * NODES_MAX
# Small enough that head and boundaries fit below a limit, too.
ROOM_BYTES = 4 * KIBIBYTE

HEAD = b"From: HR <hr@aozora.example.jp>\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
TEXT = OPENING["ja"].replace("\n", "\r\n").encode()
LETTER = (
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + TEXT
)
LINE = "弊社の求人にご応募いただき、誠にありがとうございました。\r\n".encode()
CHANCE = random.Random(7)  # noqa: S311 (the same octets each time, no secrets)
GARBAGE = CHANCE.randbytes(LAST_BYTES).replace(b"\0", b"\n")
# A row of a letter from an applicant tracking system: tables in tables around a paragraph.
NESTED = (
    "<table width='600'><tr><td style='padding:0 8px'><div><div><table><tr><td><p><span><font>"
    + "この度は弊社の求人にご応募いただき、誠にありがとうございました。" * 16
    + "</font></span></p></td></tr></table></div></div></td></tr></table>\r\n"
).encode()


@dataclass(frozen=True, slots=True)
class Case:
    """Messages of one build: `build` makes one of about a size."""

    name: str
    build: Callable[[int], bytes]
    largest_bytes: int = LAST_BYTES

    def sizes(self, largest_bytes: int) -> list[int]:
        """Return the sizes that are measured, growing in steps."""
        last = min(self.largest_bytes, largest_bytes)
        sizes = [FIRST_BYTES]
        while sizes[-1] * STEP < last:
            sizes.append(sizes[-1] * STEP)
        return [*sizes, last]


def filled(piece: bytes, size: int) -> bytes:
    """Return a piece over and over, up to a size."""
    return piece * max(1, size // len(piece))


def multipart(*parts: bytes, boundary: bytes = b"outer") -> bytes:
    """Return a multipart/mixed with its field."""
    body = b"".join(b"--%b\r\n%b\r\n" % (boundary, part) for part in parts)
    field = b'Content-Type: multipart/mixed; boundary="%b"\r\n\r\n' % boundary
    return field + body + b"--%b--\r\n" % boundary


def attached(body: bytes, encoding: bytes = b"8bit", more: bytes = b"") -> bytes:
    """Return an attachment with this body as it stands."""
    kind = b"Content-Type: application/octet-stream\r\n"
    return more + kind + b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body


def in_base64(data: bytes) -> bytes:
    """Return base64 in lines of 76 characters."""
    return encodebytes(data).replace(b"\n", b"\r\n")


def text(body: bytes, kind: str = "plain", charset: str = "utf-8", encoding: str = "8bit") -> bytes:
    """Return a message of one text."""
    fields = f"Content-Type: text/{kind}; charset={charset}\nContent-Transfer-Encoding: {encoding}"
    return HEAD + fields.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body


def with_attachment(body: bytes, encoding: bytes = b"8bit") -> bytes:
    """Return a letter with an attachment."""
    return HEAD + multipart(LETTER, attached(body, encoding))


def many_parts(size: int) -> bytes:
    """Return a letter in as many parts as are allowed, the message itself among them."""
    count = PARTS_MAX_COUNT - 2
    each = attached(in_base64(GARBAGE[: size * 3 // 4 // count]), b"base64")
    return HEAD + multipart(LETTER, *[each] * count)


def nested_parts(size: int) -> bytes:
    """Return a letter as deep as is allowed, with something attached at each level."""
    each = attached(in_base64(GARBAGE[: size * 3 // 4 // DEPTH_MAX]), b"base64")
    part = LETTER
    for depth in range(DEPTH_MAX):
        part = multipart(part, each, boundary=b"level-%d" % depth)
    return HEAD + part


def headers_of_parts(size: int) -> bytes:
    """Return a letter with attachments that are all header."""
    each = attached(b"", more=b"X-Long: a\r\n" + filled(b" folded again\r\n", size // 150))
    return HEAD + multipart(LETTER, *[each] * 150)


def cases() -> Iterator[Case]:
    """Give what is measured."""
    most = TEXT_MAX_BYTES - ROOM_BYTES
    header = HEADER_MAX_BYTES - ROOM_BYTES
    near = b"--outer"[:-1] + b"x\r\n"
    yield Case(
        "base64 file attached",
        lambda size: with_attachment(in_base64(GARBAGE[: size * 3 // 4]), b"base64"),
    )
    yield Case(f"{PARTS_MAX_COUNT} parts", many_parts)
    yield Case(f"{DEPTH_MAX} levels", nested_parts)
    yield Case("lines like a boundary", lambda size: with_attachment(filled(near, size)))
    yield Case("dashes only", lambda size: with_attachment(filled(b"-", size)))
    yield Case("one long line attached", lambda size: with_attachment(filled(b"a", size)))
    yield Case("line ends only", lambda size: with_attachment(filled(b"\r\n", size)))
    yield Case("octets at random attached", lambda size: with_attachment(GARBAGE[:size]))
    yield Case("octets at random", lambda size: GARBAGE[:size])
    yield Case("headers of 150 parts", headers_of_parts)
    yield Case(
        "header, one long field",
        lambda size: HEAD + b"X-Long: a\r\n" + filled(b" folded\r\n", size) + LETTER,
        header,
    )
    yield Case("header, many fields", lambda size: filled(b"X-A: b\r\n", size) + LETTER, header)
    yield Case("text", lambda size: text(TEXT + filled(LINE, size)), most)
    yield Case("text in one line", lambda size: text(filled(LINE.strip(), size)), most)
    yield Case(
        "text in ISO-2022-JP",
        lambda size: text(
            filled(LINE.decode().encode("iso2022_jp"), size), charset="iso-2022-jp", encoding="7bit"
        ),
        most,
    )
    yield Case("text of random octets", lambda size: text(GARBAGE[:size]), most)
    yield Case(
        "text in base64",
        lambda size: text(in_base64(filled(LINE, size * 3 // 4)), encoding="base64"),
        most - most // 38,  # The line ends.
    )
    yield Case(
        "text in base64, one line",
        lambda size: text(b64encode(filled(LINE, size * 3 // 4)), encoding="base64"),
        most,
    )
    quoted = encodestring(LINE.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    yield Case(
        "text in quoted-printable",
        lambda size: text(filled(quoted, size), encoding="quoted-printable"),
        most,
    )
    yield Case(
        "quoted-printable, soft breaks",
        lambda size: text(filled(b"=\r\n", size) + TEXT, encoding="quoted-printable"),
        most,
    )
    yield Case("HTML, nested tables", lambda size: text(filled(NESTED, size), "html"), most)
    yield from _hostile_text(most)
    yield from _hostile_html(most)


def _hostile_text(most: int) -> Iterator[Case]:
    """Give lines that are nearly what ends a letter's own text."""
    for name, line in {
        "dates": "2026/11/20 10:00",
        "names and dates": "青木 太郎/営業/みどり 2026/11/20 10:00",
        "labels": "宛先: 採用係",
        "dividers without end": "-" * 40 + " Forwarded by Taro Aoki/Tokyo/Midori on",
        "rulers": "*-*-*-*-*-*-*-*-*-*",
        "rulers with words": "━━━━━━━━ あおぞら ━━━━━━━━",
        "banners": "★新卒採用サイトを公開しました！★",
        "links": "https://www.aozora.example.jp/",
    }.items():
        # A name in Notes' form is in doubt where nothing else ends the text.
        piece = f"{line}\r\n".encode()
        yield Case(f"text, {name}", partial(_lines, piece), most)
    yield Case("text in gb2312", partial(_chinese, "很遗憾，您此次未被录用。朱镕基 喆堃\r\n"), most)
    yield Case("text in gb2312 that is none", partial(_chinese, "採用を見送らせて"), most)


def _lines(piece: bytes, size: int) -> bytes:
    return text(TEXT + filled(piece, size))


def _chinese(words: str, size: int) -> bytes:
    codec = "gbk" if words.endswith("\n") else "cp932"
    return text(filled(words.encode(codec), size), charset="gb2312")


def _hostile_html(most: int) -> Iterator[Case]:
    pieces = {
        "words in one line": b"a " * 50 + b"<b>b</b> ",
        "a tag for each word": b"a <b>b</b> ",
        "buttons": b"<p><a class=button>b</a>",
        "breaks": b"<br>",
        "never closed": b"<div>a ",
        "attributes": b"<p title=a class='b' style=\"margin:0\">c</p>",
    }
    for name, piece in pieces.items():
        yield Case(f"HTML, {name}", partial(_html, piece, "utf-8"), min(most, _read_bytes(piece)))
    # Cards in cards, each of a colour; elements whose classes a sheet sets: what is inherited.
    card = b"<table bgcolor=#102030><tr><td style='background:#fff;color:#123456'><p>a</p>"
    for name, start, piece in (
        ("coloured cards", b"", card + b"</td></tr></table>"),
        ("coloured cards in cards", b"", card),
        ("classes of a sheet", _sheet(2_000), b"<p class='c7 c1999 lines'>a\n</p>"),
        ("white space of a sheet", _sheet(1), b"<div class=lines>a\nb\n<b>c</b></div>"),
        ("white space that is kept", b"", b"<p style='white-space:pre-wrap'>a\nb\n</p>"),
    ):
        yield Case(
            f"HTML, {name}",
            partial(_html, piece, "utf-8", start=start),
            min(most, _read_bytes(piece)),
        )
    yield Case("HTML, rules of a sheet", _sheets, most)
    breaks = partial(_html, b"<br>", "iso-2022-jp")
    yield Case("HTML in ISO-2022-JP, breaks", breaks, _read_bytes(b"<br>"))
    for name, start, piece in (
        ("a sheet without rules", b"<style>", b"a,"),
        ("beginnings of sheets", b"", b"<style "),
        ("a comment of brackets", b"<!--[if mso]>", b"<"),
        ("beginnings of comments", b"", b"<![if "),
    ):
        yield Case(f"HTML, {name}", partial(_html, piece, "utf-8", start=start), most)
    yield Case("HTML, more tags than are read", partial(_html, b"<br>", "utf-8"), most)


def _sheet(count: int) -> bytes:
    """Return a sheet with rules for so many classes, and one that keeps line ends."""
    rules = (b".c%d{color:#%06d;background:#fff;display:block}" % (n, n) for n in range(count))
    return b"<style>.lines{white-space:pre-wrap}" + b"\n".join(rules) + b"</style>"


def _sheets(size: int) -> bytes:
    return _html(b"<p class=c1>a</p>", "utf-8", 1_000, start=_sheet(size // 50))


def _read_bytes(piece: bytes) -> int:
    """Return how much of a piece of HTML is read at most."""
    return (TAGS_MAX - 100) // piece.count(b"<") * len(piece)


def _html(piece: bytes, charset: str, size: int, *, start: bytes = b"") -> bytes:
    own = "<p>誠に残念ながら、今回は採用を見送らせていただきます。".encode(charset)
    encoding = "7bit" if own.isascii() else "8bit"
    return text(own + start + filled(piece, size), "html", charset, encoding)
