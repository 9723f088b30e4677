"""Every charset, encoding, structure and ending of a letter, read back by Python's email package.

The note is found exactly once in each text alternative, between the letter's own words and what
follows them; the text around it is the original; attachments are the same bytes; `restore` gives
back the message.
"""

from __future__ import annotations

import base64
import email
import html
import itertools
import quopri
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message

import pytest

from relay.inject import Mark, Rules, inject
from relay.mimemap import map_message
from relay.note import load_templates
from relay.policy import Company
from relay.undo import restore

TOKEN = "k" + "abcdefghijklmnop" + "q" * 26
LINK = "https://r.example.jp/" + TOKEN
MARK = Mark("abcdefghijklmnop", "m" * 26)
RULES = Rules(base_url="https://r.example.jp/")
COMPANY = Company(
    id="aozora",
    name="株式会社あおぞら",
    domains=("aozora.example.jp",),
    contact="recruit@aozora.example.jp",
)
TEMPLATES = load_templates()

PDF = b"%PDF-1.4\n\x80\x81\xff rejected=\r\n" * 20
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))

ENDINGS = ("none", "signature", "quote", "footer", "signature+quote")
STRUCTURES = (
    "plain",
    "html",
    "alternative",
    "mixed-plain",
    "mixed-alternative",
    "related",
    "alternative-related",
    "mixed-related-alternative",
)
# Charset, codec, language, encodings.
CHARSETS = (
    ("utf-8", "utf-8", "ja", ("8bit", "binary", "quoted-printable", "base64")),
    ("ISO-2022-JP", "iso2022_jp", "ja", ("7bit", "quoted-printable", "base64")),
    ("Shift_JIS", "cp932", "ja", ("8bit", "quoted-printable", "base64")),
    ("EUC-JP", "euc_jp", "ja", ("8bit", "base64")),
    ("us-ascii", "ascii", "en", ("7bit", "quoted-printable", "base64")),
    ("iso-8859-1", "latin-1", "en", ("8bit", "quoted-printable")),
    (None, "ascii", "en", (None,)),
)
LAST_WORDS = {
    "ja": "末筆ながら、今後のご活躍をお祈り申し上げます。",
    "en": "We wish you every success with your search.",
}
OPENING = {
    "ja": ("山田様", "書類選考の結果、誠に残念ながら今回は採用を見送らせていただきます。" * 2),
    "en": (
        "Dear Ms Hill,",
        "We regret to tell you that we will not take your application further.",
    ),
}
SIGNATURE: dict[str, tuple[str, ...]] = {
    "ja": ("-- ", "株式会社あおぞら 人事部", "TEL 03-0000-0000"),
    "en": ("-- ", "Aozora Inc.", "Tel +81 3 0000 0000"),
}
QUOTE: dict[str, tuple[str, ...]] = {
    "ja": ("2026年6月1日(月) 10:00 山田 <yamada@example.com>:", "> 選考結果はいつ頃でしょうか。"),
    "en": ("On Mon, 1 Jun 2026 at 10:00, A. Hill <hill@example.com> wrote:", "> Any news for me?"),
}
FOOTER: dict[str, tuple[str, ...]] = {
    "ja": ("このメールは送信専用アドレスから自動送信しています。",),
    "en": ("This e-mail is confidential and intended solely for the addressee.",),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One letter of the matrix."""

    charset: str | None
    codec: str
    language: str
    encoding: str | None
    structure: str
    ending: str
    line_end: str

    def __str__(self) -> str:
        line_end = "crlf" if self.line_end == "\r\n" else "lf"
        return f"{self.charset}-{self.encoding}-{self.structure}-{self.ending}-{line_end}"


def cases() -> Iterator[Case]:
    """Give every combination that can be written down."""
    for charset, codec, language, encodings in CHARSETS:
        for encoding, structure, ending, line_end in itertools.product(
            encodings, STRUCTURES, ENDINGS, ("\r\n", "\n")
        ):
            yield Case(charset, codec, language, encoding, structure, ending, line_end)


CASES = list(cases())


def endings(case: Case) -> list[tuple[str, ...]]:
    """Return what follows the letter's own words."""
    known = {"signature": SIGNATURE, "quote": QUOTE, "footer": FOOTER}
    return [known[name][case.language] for name in case.ending.split("+") if name in known]


def plain_text(case: Case) -> str:
    """Return the letter as text."""
    blocks = [*OPENING[case.language], LAST_WORDS[case.language]]
    blocks += ["\n".join(lines) for lines in endings(case)]
    return "\n\n".join(blocks).replace("\n", case.line_end) + case.line_end


def html_text(case: Case) -> str:
    """Return the letter as HTML, the tail marked up as mail programs do."""
    blocks = [f"<p>{words}</p>" for words in (*OPENING[case.language], LAST_WORDS[case.language])]
    for lines in endings(case):
        inner = "<br>".join(html.escape(line) for line in lines)
        if lines is SIGNATURE[case.language]:
            blocks.append(f'<div class="gmail_signature">{inner}</div>')
        elif lines is QUOTE[case.language]:
            blocks.append(f'<div class="gmail_quote"><blockquote>{inner}</blockquote></div>')
        else:
            blocks.append(f"<p>{inner}</p>")
    body = case.line_end.join(blocks)
    return f"<html><head><title>x</title></head><body>{body}</body></html>{case.line_end}"


def text_part(case: Case, kind: str) -> bytes:
    """Return header and body of one text part."""
    text = plain_text(case) if kind == "plain" else html_text(case)
    data = text.encode(case.codec)
    head = f"Content-Type: text/{kind}"
    if case.charset is not None:
        head += f'; charset="{case.charset}"'
    head += case.line_end
    if case.encoding is not None:
        head += f"Content-Transfer-Encoding: {case.encoding}{case.line_end}"
    if case.encoding == "base64":
        encoded = base64.b64encode(data).decode()
        lines = [encoded[at : at + 76] for at in range(0, len(encoded), 76)]
        data = case.line_end.join([*lines, ""]).encode()
    elif case.encoding == "quoted-printable":
        data = quopri.encodestring(data.replace(b"\r\n", b"\n"))
        data = data.replace(b"\n", case.line_end.encode())
    return head.encode() + case.line_end.encode() + data


def multipart(case: Case, kind: str, boundary: str, *parts: bytes) -> bytes:
    """Return header and body of a multipart."""
    line_end = case.line_end.encode()
    head = f'Content-Type: multipart/{kind}; boundary="{boundary}"{case.line_end}'.encode()
    mark = f"--{boundary}".encode()
    body = b"".join(mark + line_end + part + line_end for part in parts)
    return head + line_end + body + mark + b"--" + line_end


def attachment(case: Case, kind: str, data: bytes, field: str) -> bytes:
    """Return header and body of an attachment in base64."""
    encoded = base64.b64encode(data).decode()
    lines = [encoded[at : at + 76] for at in range(0, len(encoded), 76)]
    head = [f"Content-Type: {kind}", "Content-Transfer-Encoding: base64", field, ""]
    return case.line_end.join([*head, *lines]).encode()


def build(case: Case) -> bytes:
    """Return the message of a case."""
    pdf = attachment(
        case, "application/pdf", PDF, 'Content-Disposition: attachment; filename="a.pdf"'
    )
    png = attachment(case, "image/png", PNG, "Content-ID: <logo>")
    plain, rich = text_part(case, "plain"), text_part(case, "html")
    both = multipart(case, "alternative", "=_alt", plain, rich)
    related = multipart(case, "related", "=_rel", rich, png)
    entity = {
        "plain": plain,
        "html": rich,
        "alternative": both,
        "mixed-plain": multipart(case, "mixed", "=_mix", plain, pdf),
        "mixed-alternative": multipart(case, "mixed", "=_mix", both, pdf),
        "related": related,
        "alternative-related": multipart(case, "alternative", "=_alt", plain, related),
        "mixed-related-alternative": multipart(
            case, "mixed", "=_mix", multipart(case, "related", "=_rel", both, png), pdf
        ),
    }[case.structure]
    head = ["From: recruit@aozora.example.jp", "Message-ID: <1@aozora.example.jp>", ""]
    return case.line_end.join(head).encode() + entity


def decoded_text(part: Message) -> str:
    """Return the text of a part as Python's email package reads it."""
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode(part.get_content_charset() or "ascii")


def check_text(case: Case, before: str, after: str, kind: str) -> None:
    """The note stands once, behind the last words and before the ending, and nothing else moved."""
    assert after.count(LINK) == 1
    start = next((i for i, letter in enumerate(before) if letter != after[i]), len(before))
    grown = len(after) - len(before)
    assert after[:start] + after[start + grown :] == before
    position = after.index(LINK)
    assert after.index(LAST_WORDS[case.language]) < position
    for lines in endings(case):
        first = html.escape(lines[0]) if kind == "html" else lines[0]
        assert position < after.rindex(first)
    if kind == "plain":
        texts = after.split(case.line_end)
        assert LINK in texts
        # The label opens the second line above the link, and an empty one stands before it.
        assert texts[texts.index(LINK) - 2].startswith(("【PR】", "[PR]"))
        assert texts[texts.index(LINK) - 3] == ""
    else:
        assert position < after.index("</body>")
        assert "<blockquote" not in after or position < after.index("<blockquote")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_note_stands_once_and_comes_out_again(case: Case) -> None:
    """The whole promise, for one combination."""
    message = build(case)
    notes = TEMPLATES.notes(COMPANY, case.language, LINK)
    injected = inject(map_message(message), notes, MARK, RULES)
    assert restore(injected.message) == message

    before, after = email.message_from_bytes(message), email.message_from_bytes(injected.message)
    pairs = list(zip(before.walk(), after.walk(), strict=True))
    changed = 0
    for old, new in pairs:
        assert old.get_content_type() == new.get_content_type()
        assert new.defects == []
        if old.get_content_maintype() == "text":
            check_text(case, decoded_text(old), decoded_text(new), old.get_content_subtype())
            changed += 1
        elif not old.is_multipart():
            assert old.get_payload(decode=True) == new.get_payload(decode=True)
            assert old.as_bytes() == new.as_bytes()
    assert changed == injected.parts
    check_lines(case, injected.message)


def check_lines(case: Case, message: bytes) -> None:
    """Header and encoded lines are short, 7bit stays 7bit, line ends stay those of the message."""
    line_end = case.line_end.encode()
    assert message.count(b"\n") == message.count(line_end)
    if case.encoding in ("7bit", None):
        assert message.isascii()
    head = message[: message.index(b"From:")].split(line_end)
    limit = 76 if case.encoding in ("quoted-printable", "base64") else 998
    assert max(len(line) for line in head) <= 76
    assert max(len(line) for line in message.split(line_end)) <= limit
    if case.encoding == "quoted-printable" and "html" not in case.structure:
        assert LINK.encode() in message


def test_japanese_letters_get_japanese_words() -> None:
    """The fallback to ASCII is for charsets that lack the letters, and for nothing else."""
    for case in CASES:
        if case.line_end == "\n" or case.structure != "alternative" or case.ending != "none":
            continue
        notes = TEMPLATES.notes(COMPANY, "ja", LINK)
        message = email.message_from_bytes(
            inject(map_message(build(case)), notes, MARK, RULES).message
        )
        texts = [decoded_text(part) for part in message.walk() if not part.is_multipart()]
        label = "【PR】" if case.language == "ja" else "[PR]"
        assert label in texts[0]
        assert "【PR】" in html.unescape(texts[1])
