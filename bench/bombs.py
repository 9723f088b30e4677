"""Letters made to take long: each is small enough to be sent, and means nothing but work.

Two sorts. Those by hand aim at what scans, parses and decodes: headers, parts, HTML, charsets,
quotes, signatures. The others are made of the lexicons themselves: for each pattern, text that it
matches all but the end of, over and over, in as many sentences of full length as are read.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import product
from string import ascii_lowercase, digits
from typing import Any

from relay.entries import Lexicon, Lexicons
from relay.letter import READ_SIZE_MAX_BYTES
from relay.sentences import SENTENCE_SIZE_MAX_CHARS, TEXT_SIZE_MAX_CHARS

LARGE_BYTES = 10 * 1024 * 1024
# A letter that begins so is not dismissed for want of a word of work, and is looked at in full.
OPENING = {
    "ja": (
        "この度は弊社の求人にご応募いただき、誠にありがとうございました。書類選考の結果、誠に残念ながら"
        "今回は採用を見送らせていただくこととなりました。\n\n"
    ),
    "en": (
        "Thank you for applying for the position. Unfortunately, after careful consideration, we"
        " have decided not to move forward with your application for this role.\n\n"
    ),
}
# A decision, as short as there is one, and what makes it none: each is asked what voids it.
VOIDED = {
    "ja": (("採用見送り", "不採用"), ("の場合は", "場合", "かどうか", "とのこと", "もし")),
    "en": (("not selected", "position filled"), ("if ", "whether ", "he said ", "when ")),
}
VOCABULARY_TIMES = 5
_PARSER: Any = import_module("re._parser")


@dataclass(frozen=True, slots=True)
class Bomb:
    """A letter made to take long."""

    name: str
    message: bytes


def mail(
    body: bytes,
    kind: str = "text/plain; charset=utf-8",
    *,
    subject: bytes = b"Your application",
    more: bytes = b"",
) -> bytes:
    """Return a mail with this body as it stands."""
    return (
        b"From: HR <hr@aozora.example.jp>\r\nTo: Yui <yui@mail.example.com>\r\nSubject: "
        + subject
        + b"\r\nMIME-Version: 1.0\r\n"
        + more
        + b"Content-Type: "
        + kind.encode()
        + b"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        + body
    )


def filled(piece: str, size: int = READ_SIZE_MAX_BYTES) -> str:
    """Return a piece repeated up to a size in octets."""
    return piece * (size // max(1, len(piece.encode())))


def html(piece: str, *, before: str = "", after: str = "") -> bytes:
    """Return a mail of as much HTML as is read, a piece of it over and over."""
    text = f"<html><body><p>{OPENING['en']}</p>{before}{filled(piece)}{after}"
    return mail(text.encode(), "text/html; charset=utf-8")


def by_hand() -> Iterator[Bomb]:
    """Give the letters that are made by hand."""
    yield from _of_parts()
    yield from _of_many()
    yield from _of_html()
    yield from _of_octets()
    yield from _of_text()


def _of_parts() -> Iterator[Bomb]:
    yield Bomb("10 MiB of one line", mail(b"a" * LARGE_BYTES))
    yield Bomb("10 MiB of line ends", mail(b"\r\n" * (LARGE_BYTES // 2)))
    yield Bomb("header of 250 KiB, folded", mail(b"x", more=b"X-A: a\r\n" + b" a\r\n" * 62_000))
    yield Bomb("60,000 header fields", mail(b"x", more=b"A:\r\n" * 60_000))
    words = b"=?iso-2022-jp?B?GyRCJCIbKEI=?=\r\n " * 6_000
    yield Bomb("subject of 6,000 encoded words", mail(b"x", subject=words + b"x"))
    mixed = b"=?utf-8?Q?=E3?= =?sjis?Q?=82?=\r\n " * 6_000
    yield Bomb("subject of 12,000 words in turns", mail(b"x", subject=mixed + b"x"))
    yield Bomb(
        "To of 10,000 addresses", mail(b"x", more=b"Cc: " + b"a <a@b.example>, " * 10_000 + b"\r\n")
    )
    options = "; ".join(f"a{n}={n}" for n in range(20_000))
    yield Bomb("20,000 parameters", mail(b"x", f"text/plain; {options}"))
    pieces = "; ".join(f"name*{n}*=''%20" for n in range(10_000))
    yield Bomb("a name in 10,000 pieces", mail(b"x", f"text/plain; {pieces}"))
    yield Bomb("comments nested in a field", mail(b"x", "text/plain " + "(" * 60_000))
    yield Bomb("quotes and backslashes in a field", mail(b"x", 'text/plain; a="' + "\\" * 100_001))
    part = b"--b\r\n\r\n" + filled("> a\r\n", 1_300).encode() + b"\r\n"
    yield Bomb("200 parts", mail(part * 199 + b"--b--", "multipart/mixed; boundary=b"))
    near = b"--" + b"-" * 60 + b"x\r\n"
    yield Bomb(
        "lines like a boundary", mail(near * 150_000, "multipart/mixed; boundary=" + "-" * 60)
    )


def _of_many() -> Iterator[Bomb]:
    """Give mails whose limits hold for each part and not for all of them together."""
    type_line = b"Content-Type: text/plain; charset=euc-jp\r\n\r\n"
    part = type_line + b"\x82\xa0\x82\xa2\x81" * 40_000 + b"\r\n"
    body = (b"--b\r\n" + part) * 8 + b"--b--\r\n"
    yield Bomb("8 parts, each of odd octets", mail(body, "multipart/mixed; boundary=b"))
    inner = b"--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    many = inner + (b"--b\r\n" + part) * 20 + b"--b--\r\n--a--\r\n"
    yield Bomb("20 parts in an alternative", mail(many, "multipart/alternative; boundary=a"))


def _of_html() -> Iterator[Bomb]:
    yield Bomb("10 MiB of HTML", mail(filled("<p>a</p>", LARGE_BYTES).encode(), "text/html"))
    yield Bomb("HTML: 10,000 nested", html("", before="<div>" * 10_000))
    yield Bomb("HTML: 990 nested, many times", html("<b>" * 990 + "a" + "</b>" * 990))
    yield Bomb("HTML: <p> in tables", html("<table><p>"))
    yield Bomb("HTML: 900 tables in tables", html("", before="<table><tr><td>" * 900 + "a"))
    yield Bomb("HTML: misnested", html("<b><i></b></i><a><p></a>"))
    yield Bomb("HTML: formatting never closed", html("<p>", before="<b><i><u><s><font>" * 100))
    yield Bomb("HTML: comments opened", html("<!--"))
    yield Bomb("HTML: comments half closed", html("<!-- --!"))
    yield Bomb("HTML: attribute never closed", html("a ", before='<a href="'))
    yield Bomb("HTML: attributes never closed", html('<p style="'))
    yield Bomb("HTML: one tag, many attributes", html(" a=b", before="<p"))
    names = " ".join(map("".join, product(ascii_lowercase + digits, repeat=3)))
    yield Bomb("HTML: 46,656 names in one tag", html("", before=f"<p {names}>"))
    yield Bomb("HTML: tag never closed", html("<"))
    yield Bomb("HTML: styles", html('<p style="color:#fff;font-size:1px;margin:0">a'))
    yield Bomb("HTML: one long style", html("color:#fff;", before='<p style="', after='">a'))
    yield Bomb("HTML: style of brackets", html("rgb(", before='<p style="color:', after='">a'))
    yield Bomb("HTML: sheet of rules", html(".a{display:none}", before="<style>", after="</style>"))
    yield Bomb("HTML: sheet of @media", html("@media{", before="<style>", after="</style>"))
    yield Bomb(
        "HTML: sheet, @media closed late", html("@media{}", before="<style>", after="</style>")
    )
    yield Bomb("HTML: sheet of comments", html("/*", before="<style>", after="</style>"))
    yield Bomb("HTML: sheets", html("<style>.a{}</style>"))
    sheet = "<style>" + "".join(f".a{n}{{display:none}}" for n in range(2_000)) + "</style>"
    yield Bomb("HTML: classes, long", html(f'<p class="{"a " * 300}">a', before=sheet))
    yield Bomb("HTML: quotes in quotes", html('<div class="gmail_quote">a<br>'))
    yield Bomb("HTML: entities", html("&amp;&#12354;&notit;"))
    yield Bomb("HTML: entities never closed", html("&CounterClockwiseContourIntegra"))
    yield Bomb("HTML: breaks", html("<br>a"))
    yield Bomb("HTML: spaces", html("&nbsp; \t\r\n"))
    yield Bomb("HTML: wide spaces", html("あ \n \n \n"))


def _of_octets() -> Iterator[Bomb]:
    jis = b'\x1b$B$"\x1b(B'
    yield Bomb(
        "ISO-2022-JP: an escape for each", mail(jis * 30_000, "text/plain; charset=iso-2022-jp")
    )
    vendor = b"\x1b$B-!\x1b(I1\x1b(Ba"
    yield Bomb(
        "ISO-2022-JP: vendor characters", mail(vendor * 25_000, "text/plain; charset=iso-2022-jp")
    )
    broken = b"\x1b$B-" + b"-!!" * 85_000
    yield Bomb("ISO-2022-JP: odd octets", mail(broken, "text/plain; charset=iso-2022-jp"))
    for name, octets in (
        ("EUC-JP in turns", b"\xa4\xa2\x8e\xb1\xad\xa1a"),
        ("Shift_JIS called EUC-JP", b"\x82\xa0\x82\xa2\x81"),
        ("odd octets called EUC-JP", b"\xa4a\x8e\xff"),
    ):
        yield Bomb(name, mail(octets * 40_000, "text/plain; charset=euc-jp"))
    accents = "\u0301\u0323"
    marked = "Ａ" + filled(accents)
    yield Bomb("a line of accents behind a full-width letter", mail(marked.encode()))
    subject = "é" + accents * (TEXT_SIZE_MAX_CHARS // 2)
    yield Bomb("a subject of accents", mail(b"x", subject=subject.encode()))
    yield Bomb("odd octets, no label", mail(b"\x82\xa0\xff\xe3" * 65_000, "text/plain"))
    flowed = "text/plain; charset=utf-8; format=flowed"
    yield Bomb("flowed: one paragraph", mail(filled("a \r\n").encode(), flowed))
    yield Bomb(
        "flowed, delsp: one paragraph", mail(filled("あ \r\n").encode(), f"{flowed}; delsp=yes")
    )
    escaped = mail(b"=E3=81=82=  \r\n" * 20_000).replace(b": 8bit", b": quoted-printable")
    yield Bomb("quoted-printable: padded breaks", escaped)
    padded = mail(b"=" + b" " * 500_000).replace(b": 8bit", b": quoted-printable")
    yield Bomb("quoted-printable: one long padding", padded)
    many = mail((b"=" + b" " * 2_000 + b"a") * 500).replace(b": 8bit", b": quoted-printable")
    yield Bomb("quoted-printable: paddings that end in text", many)
    coded = mail(b"YWFh\r\n" * (LARGE_BYTES // 6)).replace(b": 8bit", b": base64")
    yield Bomb("10 MiB of base64, short lines", coded)


def _of_text() -> Iterator[Bomb]:
    lines = {
        "quoted lines": "> a\n",
        "quoted lines and answers": "> a\nb\n",
        "attributions": "On Thu, 1 Oct 2026 at 09:12, Yui wrote:\n",
        "attributions and quotes": "On Thu, 1 Oct 2026, Yui wrote:\n> a\nb\n",
        "attributions never ended": "On Thu, 1 Oct 2026 at 09:12, Yui Kinoshita of\n",
        "attributions, colons elsewhere": "On 2026年1月1日 " + "a" * 60 + ":\n" * 2,
        "Japanese attributions": "2026年10月1日(木) 9:12 " + "木" * 150 + " :\n",
        "half a quoted header": "From: a\nb\n",
        "half a quoted header, long": "From: " + "Sent " * 40 + ":\n",
        "dividers": "----- " + "a" * 110 + "\n",
        "rulers": "-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=x y\n",
        "footers": "This e-mail " + "a" * 100 + "\n",
        "valedictions": "thank you and thanks again and you\n",
        "half a footer": "この メール は " + "応" * 60 + "\n",
        "names": "Sakura Mizuno Aozora Ltd Sales Tokyo\n",
        "numbers": "03-0000-0000 03 0000 000 a@b\n",
        "lines of a colon": ":\n",
        "empty lines": "\n",
        "blanks": " \t\u3000\n",
        "one letter a line": "a\n",
        "one kanji a line": "あ\n",
        "items": "・a:\n",
        "full-width": "：ａ\n",
    }
    for name, line in lines.items():
        yield Bomb(f"text: {name}", mail(filled(line).encode()))
        opened = OPENING["en"] + filled(line, TEXT_SIZE_MAX_CHARS)
        yield Bomb(f"text: {name}, behind an opening", mail(opened.encode()))
    for language, opening in OPENING.items():
        runs = {
            "decisions": opening.strip() + " ",
            "decisions, a paragraph each": opening,
            "decisions, one sentence": re.sub("[.。]", ",", opening.strip()) + " ",
            "quote marks": '"' + "a" * 15,
            "brackets": "「" + "あ" * 8,
            "brackets in words": "a「",
            "full stops": ". ",
            "Japanese full stops": "。」",
            "abbreviations": "e.g. ",
            "ordinals": "1. Jan 2. ",
            "NFKC: one character is eighteen": "\ufdfa",
            "NFKC: three full stops": "…",
            "NFKC: numbers in brackets": "⑴",
            "NFKC: words in a square": "㍿㌫",
            "NFKC: katakana, half width": "ｶﾞ",
            "NFKC: accents": "e\u0301\u0323\u0328",
            "NFKC: a thousand accents": "\u0301\u0323",
            "apostrophes": "'",
            "spelling variants": "won't can't n't ",
            "Japanese variants": "頂き戴致し御",
            "spaces": " ",
            "words of all languages": "der le el you 的 は 은 ",
            "katakana": "ノゾミマセン",
        }
        for name, run in runs.items():
            text = opening + run * (TEXT_SIZE_MAX_CHARS // len(run))
            yield Bomb(f"{language}: {name}", mail(text.encode()))


def of_patterns(lexicons: Lexicons, languages: Iterable[str]) -> Iterator[Bomb]:
    """Give letters that the patterns of lexicons match all but the end of, for each pattern."""
    for language in languages:
        lexicon = lexicons[language]
        for section, entries in lexicon.entries.items():
            for entry in entries:
                for number, pattern in enumerate(entry.alternatives):
                    for how, text in _pattern_texts(pattern, lexicon):
                        name = f"{language}: {section}.{entry.name} {number}, {how}"
                        yield Bomb(name, mail(text.encode("utf-8", "replace")))


def of_voided(lexicons: Lexicons) -> Iterator[Bomb]:
    """Give letters full of decisions that are none, each of which has to be looked at."""
    for language, (decisions, voids) in VOIDED.items():
        for decision in decisions:
            for void in voids:
                for piece in (void + decision, decision + void, f"{decision}, "):
                    text = _sentences(piece + " ", lexicons[language], void)
                    yield Bomb(f"{language}: {void.strip()}: {piece.strip()}", mail(text.encode()))


def of_vocabulary(lexicons: Lexicons, languages: Iterable[str]) -> Iterator[Bomb]:
    """Give letters of all that a lexicon knows, in any order: they want every pattern tried."""
    chance = random.Random(0)  # noqa: S311 (an order, no secret)
    for language in languages:
        lexicon = lexicons[language]
        known = [
            _texts_of(pattern)
            for entries in lexicon.entries.values()
            for entry in entries
            for pattern in entry.alternatives
        ]
        glue = " " if lexicon.folds_case else ""
        for how, pieces in (
            ("whole", ["".join(parts) for parts in known]),
            ("but the end", ["".join(parts[:-1]) for parts in known]),
            ("words", [part for parts in known for part in parts]),
        ):
            for number in range(VOCABULARY_TIMES):
                chance.shuffle(pieces)
                text = glue.join(filter(str.strip, pieces))
                text = (text + glue) * (TEXT_SIZE_MAX_CHARS // len(text) + 1)
                cut = SENTENCE_SIZE_MAX_CHARS - 2
                end = ".\n\n" if lexicon.folds_case else "。\n\n"
                # What ends a sentence would keep it short.
                text = re.sub(r"[.!?。\n]", "", text)
                body = end.join(text[at : at + cut] for at in range(0, len(text), cut))
                name = f"{language}: all its patterns, {how}, {number}"
                yield Bomb(name, mail((OPENING[language] + body).encode("utf-8", "replace")))


def _pattern_texts(pattern: str, lexicon: Lexicon) -> Iterator[tuple[str, str]]:
    parts = _texts_of(pattern)
    glue = " " if lexicon.folds_case else ""
    whole = "".join(parts)
    begun = next((part for part in parts if part.strip()), "")
    yield "matched", _sentences(whole + glue, lexicon)
    if whole != begun:
        yield "begun", _sentences(begun + glue, lexicon)
        yield "all but the end", _sentences("".join(parts[:-1]) + glue, lexicon)


def _texts_of(pattern: str) -> list[str]:
    """Return what the parts of a pattern match, one text for each."""
    items = list(_PARSER.parse(pattern))
    if len(items) == 1 and str(items[0][0]) == "BRANCH":
        # The longest of several is the most work.
        items = list(max(items[0][1][1], key=len))
    return [_written(item) for item in items]


def _sentences(piece: str, lexicon: Lexicon, first: str = "") -> str:
    """Return an opening and sentences of full length, a piece over and over in each."""
    opening = OPENING[lexicon.language]
    end = ".\n\n" if lexicon.folds_case else "。\n\n"
    one = (first + piece * (SENTENCE_SIZE_MAX_CHARS // max(1, len(piece))))[
        : SENTENCE_SIZE_MAX_CHARS - 1
    ]
    if not one.strip():
        return opening
    count = (TEXT_SIZE_MAX_CHARS - len(opening)) // (len(one) + len(end))
    return opening + (one + end) * count


def _written(item: Any) -> str:
    """Return text that a part of a pattern matches: the longest choice, one of a repetition."""
    operation, argument = str(item[0]), item[1]
    if operation == "LITERAL":
        return chr(argument)
    if operation == "IN":
        return _of_set(argument)
    if operation in ("ANY", "NOT_LITERAL"):
        return "a"
    if operation == "BRANCH":
        return max(("".join(_written(one) for one in branch) for branch in argument[1]), key=len)
    if operation.endswith("REPEAT"):
        least, _, body = argument
        return "".join(_written(one) for one in body) * max(least, 1)
    if operation in ("SUBPATTERN", "ATOMIC_GROUP"):
        body = argument if operation == "ATOMIC_GROUP" else argument[-1]
        return "".join(_written(one) for one in body)
    return ""


def _of_set(members: Any) -> str:
    """Return a character of a set, and a letter for one that leaves some out."""
    kind, argument = str(members[0][0]), members[0][1]
    if kind == "LITERAL":
        return chr(argument)
    if kind == "RANGE":
        return chr(argument[0])
    if kind == "CATEGORY":
        return " " if "SPACE" in str(argument) else "1" if "DIGIT" in str(argument) else "a"
    return "a"
