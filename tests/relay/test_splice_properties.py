"""Properties of the splice over messages of every build: what is changed comes back, or passes.

The messages are made up from the habits of many mail programs, good and bad: odd boundaries, folds,
comments, charsets, base64 widths, soft line breaks and broken HTML, in up to four levels of parts.
Each must either pass with a reason that is on the list or carry the note once in each alternative,
with every other part as it was, by our own map and by the parser of the standard library.
"""

from __future__ import annotations

import base64
import email
import email.policy
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.charset import decode_text
from relay.compare import compare
from relay.inject import Injected, Mark, NotInjected, Rules, inject
from relay.mimemap import MapError, body_of, header_start, map_message
from relay.note import load_templates
from relay.policy import Company, Reason
from relay.undo import NotOurs, restore
from tests.fuzz import mutate

LINK = "https://r.example.jp/" + "k" * 43
RULES = Rules("https://r.example.jp/", is_own_mark=lambda _mark: False, may_set_aside=True)
MARK = Mark("abcdefghijklmnop", "m" * 26)
COMPANY = Company(id="a", name="株式会社あおぞら", domains=(), contact="hr@aozora.example.jp")
NOTES = load_templates().notes(COMPANY, "ja", LINK)
PROPERTY = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
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
MARK_FIELD = re.compile(rb"X-Career-Relay:([^\n]*(?:\n[ \t][^\n]*)*)\n")
SET_ASIDE = b"X-Career-Relay-"
SIGNATURE = re.compile(rb"^dkim-signature:", re.IGNORECASE | re.MULTILINE)
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


def outcome(message: bytes) -> Injected | str:
    """Return what becomes of a message: changed, or the reason why it is not."""
    try:
        result = inject(map_message(message), NOTES, MARK, RULES)
    except (MapError, NotInjected) as error:
        return Reason(error.reason).value  # A `ValueError` for a reason that is not on the list.
    assert restore(result.message) == message
    return result


def restored(message: bytes) -> bytes | None:
    """Return the message as it was before the change, `None` where it is not ours."""
    try:
        return restore(message)
    except NotOurs:
        return None


def with_line_end(message: bytes, line_end: bytes) -> bytes:
    """Return a message as a program with these line ends saves it."""
    return message.replace(b"\r\n", b"\n").replace(b"\n", line_end)


def check_others_are_as_they_were(message: bytes, result: Injected) -> None:
    """The note stands once in each target, all else is byte for byte as it was."""
    before, after = list(map_message(message).leaves()), list(map_message(result.message).leaves())
    grown = 0
    for old, new in zip(before, after, strict=True):
        header = result.message[new.start : new.body_start].replace(SET_ASIDE, b"")
        assert header.endswith(message[max(old.start, header_start(message)) : old.body_start])
        if message[old.body_start : old.body_end] == result.message[new.body_start : new.body_end]:
            continue
        grown += 1
        was, text = body_of(map_message(message), old), body_of(map_message(result.message), new)
        at = next((i for i, byte in enumerate(was) if text[i] != byte), len(was))
        assert text.endswith(was[at:])
        assert (was.count(LINK.encode()), text.count(LINK.encode())) == (0, 1)
        label = new.parameters.get("charset")
        assert decode_text(text, label).count("PR") == decode_text(was, label).count("PR") + 1
    assert grown == result.parts


def payloads(message: bytes) -> list[object]:
    """Return what the standard library reads: the decoded body of each part that holds no other."""
    found: list[object] = []
    for part in email.message_from_bytes(message, policy=email.policy.default).walk():
        if not part.is_multipart():
            # Its decoder does not know comments, its field does.
            encoding = getattr(part["content-transfer-encoding"], "cte", "7bit")
            del part["content-transfer-encoding"]
            part["content-transfer-encoding"] = encoding
            found.append(part.get_payload(decode=True))
    return found


def check_another_parser_agrees(message: bytes, result: Injected) -> None:
    """A parser of its own sees the same parts, and the link in as many as we say."""
    pairs = list(zip(payloads(message), payloads(result.message), strict=True))
    changed = [text for old, text in pairs if old != text]
    links = [isinstance(text, bytes) and text.count(LINK.encode()) for text in changed]
    assert links == [1] * result.parts


def check_what_relays_do(message: bytes, changed: bytes, line_end: bytes, seed: int) -> None:
    """New fields, new folds and other line ends do not stand in the way back."""
    start = header_start(message)
    front, original = message[:start], message[start:]
    met = MARK_FIELD.match(changed, start)
    assert met is not None
    rest = changed[met.end() :]
    header = message[start : map_message(message).root.body_start]
    assert rest.replace(SET_ASIDE, b"").startswith(header)
    assert rest.count(SET_ASIDE) == len(SIGNATURE.findall(header))
    trace = with_line_end(TRACE, line_end)
    assert restore(front + trace + changed[start:]) == front + trace + original
    assert restore(front + met[0] + trace + rest) == front + trace + original
    chance = random.Random(seed)  # noqa: S311 (folds, no secrets)
    folds = (b" ", b"", line_end + b" ", line_end + b"\t", b" " + line_end + b"   ")
    items = re.findall(rb"[^\s,;]+[,;]?", met[1])
    folded = chance.choice(FIELD_NAMES) + b"".join(chance.choice(folds) + each for each in items)
    assert restore(front + trace + folded + line_end + rest) == front + trace + original
    for other in LINE_ENDS:
        as_file = with_line_end(changed, other)
        assert restore(as_file) == with_line_end(message, other)
        assert restore(with_line_end(as_file, line_end)) == message


def test_every_message_passes_or_comes_back() -> None:
    """Many messages take the note, of all builds; each comes back from what relays do to it."""
    counts = Counter[str]()

    @PROPERTY
    @given(messages(), st.integers(0, 2**32 - 1))
    def check(message: bytes, seed: int) -> None:
        result = outcome(message)
        if isinstance(result, str):
            counts[result] += 1
            return
        counts[f"{result.parts} changed"] += 1
        line_end = b"\r\n" if b"\r\n" in message else b"\n"
        check_others_are_as_they_were(message, result)
        check_another_parser_agrees(message, result)
        check_what_relays_do(message, result.message, line_end, seed)

    check()
    assert counts["1 changed"] + counts["2 changed"] > counts.total() / 3, counts
    assert counts["2 changed"] > counts.total() / 50, counts
    # Blanks behind lines of base64: what else there is can be had back.
    assert counts["not_reversible"] < counts.total() / 25, counts


@PROPERTY
@given(messages(), st.integers(0, 2**32 - 1))
def test_damaged_messages_raise_nothing_else(message: bytes, seed: int) -> None:
    """Cut, doubled, mixed up: only the named errors come out, and the original or nothing."""
    chance = random.Random(seed)  # noqa: S311 (repeatable wounds, no secrets)
    damaged = mutate(chance, message, message)
    outcome(damaged)
    assert compare(damaged, message).same_bytes <= min(len(message), len(damaged))
    result = outcome(message)
    if isinstance(result, str):
        return
    for odd in (mutate(chance, result.message, message), result.message[: chance.randrange(4000)]):
        back = restored(odd)
        body = with_line_end(message[map_message(message).root.body_start :], b"\n")
        assert back is None or with_line_end(back, b"\n").endswith(body)
        assert compare(result.message, odd).after == odd
        outcome(odd)


HEADS = (
    *(
        b"",
        b"\r\n",
        b"X-Career-Relay: v=1; undo=",
        b"Content-Type: multipart/mixed; boundary=-\n\n",
    ),
    b"Content-Type: text/html; charset=shift_jis\nContent-Transfer-Encoding: ",
    b"Content-Transfer-Encoding: base64\r\n\r\n",
    b"Content-Type: text/html; charset=iso-2022-jp\n\n<p>Words of ours",
    b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n",
)


@PROPERTY
@given(st.sampled_from(HEADS), st.binary(max_size=400))
def test_any_bytes_raise_nothing_else(head: bytes, data: bytes) -> None:
    """Bytes that are no message, and bodies and fields of any bytes, pass with a reason."""
    message = head + data
    result = outcome(message)
    changed = message if isinstance(result, str) else result.message
    back = restored(changed)
    assert back in (None, message) or isinstance(result, str)
    shown = compare(data, changed)
    assert shown.same_bytes == len(data) - shown.removed_bytes
    assert compare(None, data).identical is False


HTML = b"Content-Type: text/html; charset=%b\r\n\r\n<p>We regret to tell you that we decline."


def test_one_line_of_iso_2022_jp_with_many_tags() -> None:
    """Whether the text is in ASCII at each of 7,000 gaps is told at once: it once took seconds."""
    assert isinstance(outcome(HTML % b"iso-2022-jp" + b"<br>" * 7_000), Injected)


def test_one_line_of_many_words_in_tags() -> None:
    """A line of 6,000 pieces is not copied for each of them, and is read whole."""
    result = outcome(HTML % b"us-ascii" + b"a " * 150 + b"<b>b</b> " * 6_000 + b"<p>-- <p>Name")
    assert isinstance(result, Injected)
    before, link, behind = result.message.partition(LINK.encode())
    assert (before.count(b"<b>"), bool(link), behind.count(b"<b>")) == (6_000, True, 0)
    assert behind.endswith(b"<p>-- <p>Name")


@pytest.mark.parametrize(("count", "result"), [(10, "injected"), (11, "no_text_part")])
def test_more_buttons_than_a_letter_has(count: int, result: str) -> None:
    """Below each button the end of the letter is looked for again: not for a thousand of them."""
    buttons = b"<p><a class=btn href=x>To our page</a>" * count
    became = outcome(HTML % b"us-ascii" + buttons)
    assert (became if isinstance(became, str) else "injected") == result
