"""Messages of every build, made up from the habits of many mail programs, good and bad.

Odd boundaries, folds, comments, charsets, base64 widths, soft line breaks and broken HTML, in up to
four levels of parts: strategies for hypothesis.
"""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st

DEPTH_MAX = 4
LINE_ENDS = (b"\r\n", b"\n")

CHARSETS = {
    "utf-8": "utf-8",
    "UTF8": "utf-8",
    "iso-2022-jp": "iso2022_jp",
    "Shift_JIS": "cp932",
    "euc-jp": "euc_jp",
    "us-ascii": "ascii",
    "ISO-8859-1": "iso8859-1",
    "": "ascii",
}
OWN = (
    *("山田様", "この度はご応募いただき、誠にありがとうございました。", "敬具", "表示ソ十能"),
    "慎重に検討しましたが、誠に残念ながら今回は採用を見送らせていただくこととなりました。",
    "Dear Ms Doe,",
    "We regret to tell you that we will not take your application further.",
    *("Caf\xe9 = \xfcber", "trailing blanks  \t", "", " ", "\tindented", "From the start", ". dot"),
    *("~ < & > ~", "=3D or =", "-----", "--", "a" * 1100, "x\x0cy", "Kind regards,"),
)
TAILS = (
    *("", "\n-- \nあおぞら 人事部\nTEL 03-0000-0000", "\n--\nAozora Ltd\n"),
    "\n----------\n株式会社あおぞら\n----------",
    "\nOn Thu, 1 Oct 2026 at 09:12, Yui <yui@mail.example.com> wrote:\n> Hello,\n>\n> 応募します",
    "\n> quoted\nanswered below\n",
    "\n-----Original Message-----\nFrom: a\nSent: b\nTo: c\nSubject: d\n\nold",
)
BLOCKS = (
    *("<p>{}</p>", "{}<br>", "<div>{}</div>", "<p>{}", "<span>{}</span><br/>", "<b>{}</b>", "{}"),
    "<table border=0><tr><td width='600'>{}</td></tr></table>",
    "<p class=MsoNormal style='margin:0'><span lang=EN-US>{}<o:p></o:p></span></p>",
    '<font color=#333333 face="ＭＳ ゴシック">{}</font>',
    *("<ul><li>{}<li>{}</ul>", "<center>{}</center>", "<h1>{}</h1>", "<pre>{}\n{}</pre>"),
)
JUNK = (
    *("<!-- a > b -->", "<!--[if mso]><table><tr><td><![endif]-->", "<img src=cid:x>", "&nbsp;"),
    *("</div>", "</p>", "<td>", "<b>", "</table>", "<tr>", "<a href='https://x.example'>x</a>"),
    *("<script>if (a<b) { '</p>' }</script>", "<style>p{margin:0}</style>", "<br/><br>", "\n\n"),
    *("<div style='display:none'>hidden</div>", "<blockquote>old words</blockquote>", "<", "&#x"),
    *("<div class=gmail_quote>On it<br>wrote:</div>", "<div class='gmail_signature'>A B</div>"),
    *("<hr>", "<!-- never closed", "<p title='never closed", "<noscript>x</noscript>", "</td>"),
)
FRAMES = (
    *("{}", "<html><body>{}</body></html>", "<body bgcolor=white>\n{}\n", "<div>{}</div>\n"),
    "<!DOCTYPE html>\n<html><head><title>x</title><style>p {{}}</style></head>\n<body>{}</body>\n",
    "<table><tr><td>{}</td></tr></table>",
)
BOUNDARIES = ("b", "-", "--b", "=_NextPart_000_01D9.ABC", "'()+_,./:=?", "a b", "x" * 60, "0")

FIELD_NAMES = (b"X-Career-Relay:", b"x-career-relay:", b"X-CAREER-RELAY :")
FIELDS = (
    *(b"From: recruit@aozora.example.jp (HR (Tokyo))", b"To: a@b.example,|\tc@d.example"),
    *(b"Subject: =?utf-8?B?6YG46ICD?= |=?utf-8?B?57WQ5p6c?=", b"X-Empty:", b"X-Odd:\xff\xe3\x81"),
    *(b"Received: from a by b;| Mon, 1 Jun 2026 00:00:00 +0900", b"MIME-version:1.0 (a b)"),
    *(b"DKIM-Signature: v=1; a=rsa-sha256;|\tb=AAAA", b"dkim-SIGNATURE:|\tb=BBBB"),
    *(b"X-Career-Relay: v=1; link=a; mac=b;| undo=1:2; sum=aaaaaaaaaaaaa", b"Status: RO"),
    *(b"X-Career-Relay: no mark", b"x_y.z!:a", b"Message-ID:|\t<1@aozora.example.jp>"),
)
ATTACHED = (
    *(
        b"application/pdf",
        b"image/png",
        b"text/csv",
        b"message/rfc822",
        b"application/x-a;name=a b",
    ),
)
TRACE = (
    b"Return-Path: <recruit@aozora.example.jp>\nDelivered-To: yui@mail.example.com\n"
    b"Received: from relay.example ([192.0.2.1])\n\tby mx.example with ESMTP id 1;\n"
    b"\tMon, 1 Jun 2026 00:00:00 +0900 (JST)\nX-Spam-Status: No, score=-1.0\n x-career-relay: y\n"
)


@dataclass
class Writer:
    """A mail program with its habits; `chance` decides what need not shrink."""

    line_end: bytes
    chance: random.Random
    boundaries: list[str] = field(default_factory=list[str])

    def maybe(self, share: float) -> bool:
        """Say yes this often."""
        return self.chance.random() < share

    def cased(self, words: str) -> bytes:
        """Return a name in one of the cases it is met in."""
        return self.chance.choice((words, words, words.lower(), words.upper())).encode()

    def fields(self, *fields: bytes) -> bytes:
        """Return a header block with fields at `|` folded or not, and the empty line behind it."""
        lines = b"".join(each.replace(b"|", self.fold()) + self.line_end for each in fields)
        return lines + self.line_end

    def fold(self) -> bytes:
        """Return a fold, or none."""
        return self.chance.choice((b"", self.line_end + b" ", self.line_end + b"\t "))

    def value(self, name: str, word: str, **parameters: str) -> bytes:
        """Return a field of a word and parameters, with comments and folds."""
        gap = self.chance.choice((b" ", b"", b"\t", self.line_end + b" "))
        parts = [self.cased(name), b":", gap, self.cased(word)]
        for key, value in parameters.items():
            parts.append(self.chance.choice((b";", b"; ", b" ;| ", b";|\t")))
            is_bare = re.fullmatch(r"[\w.-]+", value) is not None and self.maybe(0.5)
            parts += [self.cased(key), b"=", (value if is_bare else f'"{value}"').encode()]
        if self.maybe(0.1):
            parts.append(self.chance.choice((b" (a comment; a=b)", b" (a (nested) comment)")))
        return b"".join(parts).replace(b"|", self.fold())

    def encoded(self, data: bytes, encoding: str) -> bytes:
        """Return a body with LF line ends in a transfer encoding."""
        if encoding == "quoted-printable":
            return self.quoted_printable(data)
        if encoding != "base64":
            return data.replace(b"\n", self.line_end)
        inner = self.chance.choice((b"\n", b"\r\n", self.line_end))
        text = base64.b64encode(data.replace(b"\n", inner))
        width = self.chance.choice((76, 76, 76, 72, 64, 60, 57, 75, 77, 20, 4, 3, 998, 10**6))
        end = self.line_end if self.maybe(0.9) else b" " + self.line_end
        lines = [text[at : at + width] for at in range(0, len(text), width)]
        return end.join(lines) + self.chance.choice((b"", self.line_end, self.line_end * 2))

    def quoted_printable(self, data: bytes) -> bytes:
        """Return quoted-printable with escapes and soft line breaks at odd places."""
        soft = self.chance.choice((0.0, 0.0, 0.01, 0.3))
        escaped = self.chance.choice((0.0, 0.1, 1.0))
        pad = b" " if self.maybe(0.1) else b""
        pattern = self.chance.choice((b"=%02X", b"=%02X", b"=%02x"))
        lines: list[bytes] = []
        for line in data.split(b"\n"):
            pieces: list[bytes] = []
            column = 0
            for index, byte in enumerate(line):
                is_last = index + 1 == len(line)
                is_literal = (33 <= byte <= 126 and byte != 61) or (byte in b" \t" and not is_last)
                if is_literal and not self.maybe(escaped):
                    piece = bytes((byte,))
                else:
                    piece = pattern % byte
                if column + len(piece) > 75 or self.maybe(soft):
                    pieces.append(b"=" + pad + self.line_end)
                    column = 0
                pieces.append(piece)
                column += len(piece)
            lines.append(b"".join(pieces))
        return self.line_end.join(lines) + self.chance.choice((b"", b"", b"=" + self.line_end))

    def multipart(self, subtype: str, parts: Sequence[bytes], *more: bytes) -> bytes:
        """Return a multipart with a boundary that is hardly ever used twice."""
        boundary = self.chance.choice(BOUNDARIES) + ("" if self.maybe(0.1) else str(len(parts)))
        boundary += f"{len(self.boundaries)}" if boundary in self.boundaries else ""
        self.boundaries.append(boundary)
        kind = self.value("Content-Type", f"multipart/{subtype}", boundary=boundary)
        line_end = self.line_end
        padding = self.chance.choice((b"", b"", b"", b" \t"))
        delimiter = line_end + b"--" + boundary.encode()
        preamble = self.chance.choice((b"", b"", b"This is MIME." + line_end, line_end))
        epilogue = self.chance.choice((b"", line_end, line_end * 2 + b"Bye" + line_end))
        body = b"".join(delimiter + padding + line_end + part for part in parts)
        if not preamble:
            body = body.removeprefix(line_end)
        header = self.fields(*self.shuffled(kind, *more))
        return header + preamble + body + delimiter + b"--" + padding + epilogue

    def shuffled(self, *fields: bytes) -> list[bytes]:
        """Return fields in any order."""
        return self.chance.sample(fields, len(fields))


def written_text(draw: st.DrawFn, subtype: str) -> str:
    """Return the text of a letter, for HTML with markup that may be broken."""
    lines = draw(st.lists(st.sampled_from(OWN), max_size=8))
    tail = draw(st.sampled_from(TAILS))
    if subtype == "plain":
        return "\n".join(lines) + tail + draw(st.sampled_from(["", "\n", "\n\n"]))
    lines += tail.split("\n")
    pieces: list[str] = []
    for line in lines:
        words = line.replace("&", "&amp;").replace("<", "&lt;")
        pieces.append(draw(st.sampled_from(BLOCKS)).format(words, words))
    for junk in draw(st.lists(st.sampled_from(JUNK), max_size=3)):
        pieces.insert(draw(st.integers(0, len(pieces))), junk)
    joint = draw(st.sampled_from(["", "\n"]))
    return draw(st.sampled_from(FRAMES)).format(joint.join(pieces))


def text_part(draw: st.DrawFn, writer: Writer, subtype: str, *more: bytes) -> bytes:
    """Return a text part in any charset and transfer encoding."""
    label = draw(st.sampled_from(sorted(CHARSETS)))
    encoding = draw(st.sampled_from(["", "8bit", "quoted-printable", "base64"]))
    data = written_text(draw, subtype).encode(CHARSETS[label], "ignore")
    parameters = {"charset": label} if label else {}
    if writer.maybe(0.1):
        parameters["format"] = "flowed"
    fields = [writer.value("Content-Type", f"text/{subtype}", **parameters), *more]
    if encoding:
        fields.append(writer.value("Content-Transfer-Encoding", encoding))
    if draw(st.integers(0, 9)) == 0 and subtype == "plain" and not more:
        return writer.line_end + data.replace(b"\n", writer.line_end)  # A part without a header.
    return writer.fields(*writer.shuffled(*fields)) + writer.encoded(data, encoding)


def attachment(draw: st.DrawFn, writer: Writer) -> bytes:
    """Return a part that is no text of the letter."""
    kind = draw(st.sampled_from(ATTACHED))
    fields = [b"Content-Type: " + kind, b"Content-Disposition: attachment;| filename=\xe8\xa1\xa8"]
    if kind == b"message/rfc822":
        inner = b"X-Career-Relay: v=1; undo=1:2\nSubject: y\n\nWords.\n--b\n"
        return writer.fields(*fields) + inner.replace(b"\n", writer.line_end)
    data = writer.chance.randbytes(draw(st.sampled_from([0, 1, 100, 1000])))
    coding = writer.value("Content-Transfer-Encoding", "base64")
    return writer.fields(*fields, coding) + writer.encoded(data, "base64")


def tree(draw: st.DrawFn, writer: Writer, depth: int, *more: bytes) -> bytes:
    """Return a part that holds the letter's text, up to so many levels below it."""
    kinds = ["plain", "html"] if depth == 0 else ["mixed", "related", "alternative", "plain"]
    kind = draw(st.sampled_from(kinds))
    if kind in ("plain", "html"):
        return text_part(draw, writer, kind, *more)
    if kind == "alternative":
        rich = text_part(draw, writer, "html")
        if depth > 1 and draw(st.booleans()):
            rich = writer.multipart("related", [rich, attachment(draw, writer)])
        return writer.multipart(kind, [text_part(draw, writer, "plain"), rich], *more)
    others = [attachment(draw, writer) for _ in range(draw(st.integers(0, 2)))]
    return writer.multipart(kind, [tree(draw, writer, depth - 1), *others], *more)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Give messages of every build; most of them can take the note."""
    line_end = draw(st.sampled_from(LINE_ENDS))
    writer = Writer(line_end, random.Random(draw(st.integers(0, 2**32 - 1))))  # noqa: S311
    more = draw(st.lists(st.sampled_from(FIELDS), max_size=5, unique=True))
    front = draw(st.sampled_from([b"", b"", b"", b"From a@b.example Mon Jun  1 00:00:00 2026"]))
    front += line_end if front else b""
    return front + tree(draw, writer, draw(st.integers(0, DEPTH_MAX)), *more)
