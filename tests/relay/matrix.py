"""Letters of every charset, encoding, structure and ending, for `test_inject_matrix`."""

from __future__ import annotations

import base64
import html
import itertools
import quopri
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

PDF = b"%PDF-1.4\n\x80\x81\xff rejected=\r\n" * 20
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
NOTES = b"What is sent with a letter is no text of it.\r\n-- \r\nAozora Inc.\r\n"

ENDINGS = ("none", "signature", "quote", "footer", "signature+quote")
# Structure, and the files in it. "flowed" and "delsp" are those of RFC 3676.
STRUCTURES: dict[str, tuple[bytes, ...]] = {
    "plain": (),
    "plain-flowed": (),
    "plain-delsp": (),
    "html": (),
    "alternative": (),
    "alternative-flowed": (),
    "alternative-delsp": (),
    "mixed-plain": (PDF,),
    "mixed-alternative": (PDF,),
    "mixed-inline-image": (PNG,),
    "mixed-mixed": (PDF, NOTES),
    "pdf-first-plain": (PDF,),
    "pdf-first-html": (PDF,),
    "pdf-first-alternative": (PDF,),
    "related": (PNG,),
    "alternative-related": (PNG,),
    "mixed-related-alternative": (PNG, PDF),
}
EIGHT_BIT = ("8bit", "binary", "quoted-printable", "base64")
SEVEN_BIT = ("7bit", *EIGHT_BIT)
# Label, codec, letter, encodings: what can occur. Eight-bit text has no 7bit.
CHARSETS = (
    ("UTF-8", "utf-8", "ja", EIGHT_BIT),
    ("UTF-8", "utf-8", "en", ("7bit",)),
    ("US-ASCII", "ascii", "en", SEVEN_BIT),
    (None, "ascii", "en", (None,)),
    ("ISO-2022-JP", "iso2022_jp", "ja", SEVEN_BIT),
    ("csISO2022JP", "iso2022_jp", "ja", SEVEN_BIT),
    ("CP50221", "iso2022_jp", "vendor", SEVEN_BIT),
    ("Shift_JIS", "cp932", "ja", EIGHT_BIT),
    ("Shift_JIS", "cp932", "en", ("7bit",)),
    ("Windows-31J", "cp932", "vendor", EIGHT_BIT),
    ("Windows-31J", "cp932", "en", ("7bit",)),
    ("EUC-JP", "euc_jp", "ja", EIGHT_BIT),
    ("EUC-JP", "euc_jp", "en", ("7bit",)),
    ("ISO-8859-1", "iso8859-1", "accent", EIGHT_BIT),
    ("ISO-8859-1", "iso8859-1", "en", ("7bit",)),
    ("ISO-8859-15", "iso8859-15", "euro", EIGHT_BIT),
    ("ISO-8859-15", "iso8859-15", "en", ("7bit",)),
)
# NEC row 13, which no codec of Python has as ISO-2022-JP.
VENDOR = ("㈱", b"\x1b$B\x2d\x6a\x1b(B")

LAST_WORDS = {
    "ja": "末筆ながら、今後のご活躍をお祈り申し上げます。",
    "en": "We wish you every success with your search.",
}
OPENING = {
    "ja": ("山田様", "書類選考の結果、誠に残念ながら今回は採用を見送らせていただきます。" * 2),
    "vendor": ("山田様", "㈱あおぞらです。書類選考の結果、今回は採用を見送らせていただきます。"),
    "en": (
        "Dear Ms Hill,",
        "We regret to tell you that we will not take your application further.",
    ),
    "accent": ("Dear Ms Hill,", "We regret to tell you that your résumé is not what we look for."),
    "euro": ("Dear Ms Hill,", "We regret to decline. You will get the 20 € of your fare back."),
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
    letter: str
    encoding: str | None
    structure: str
    ending: str
    line_end: str

    @property
    def language(self) -> str:
        """The language of the letter, and so of the note."""
        return "ja" if self.letter in ("ja", "vendor") else "en"

    def __str__(self) -> str:
        line_end = "crlf" if self.line_end == "\r\n" else "lf"
        return f"{self.charset}-{self.encoding}-{self.structure}-{self.ending}-{line_end}"


def cases() -> Iterator[Case]:
    """Give every combination as it comes over the wire, and one ending as it lies in a file."""
    endings = [(ending, "\r\n") for ending in ENDINGS] + [(ENDINGS[-1], "\n")]
    for charset, codec, letter, encodings in CHARSETS:
        for encoding, structure, (ending, line_end) in itertools.product(
            encodings, STRUCTURES, endings
        ):
            yield Case(charset, codec, letter, encoding, structure, ending, line_end)


CASES = list(cases())
GROUPS = {
    f"{charset}-{encoding}": list(group)
    for (charset, encoding), group in itertools.groupby(
        CASES, key=lambda case: (case.charset, case.encoding)
    )
}


def endings(case: Case) -> list[tuple[str, ...]]:
    """Return what follows the letter's own words."""
    known = {"signature": SIGNATURE, "quote": QUOTE, "footer": FOOTER}
    return [known[name][case.language] for name in case.ending.split("+") if name in known]


def flowed(paragraph: str) -> str:
    """Return a paragraph with the soft line breaks of RFC 3676."""
    return " \n".join(textwrap.wrap(paragraph, 20))


def plain_text(case: Case) -> str:
    """Return the letter as text."""
    blocks = [*OPENING[case.letter], LAST_WORDS[case.language]]
    if flow(case):
        blocks = [flowed(block) for block in blocks]
    blocks += ["\n".join(lines) for lines in endings(case)]
    return "\n\n".join(blocks).replace("\n", case.line_end) + case.line_end


def flow(case: Case) -> str:
    """Return the parameters of RFC 3676 that a case's text has."""
    if case.structure.endswith("-flowed"):
        return "; format=flowed"
    return "; format=flowed; delsp=yes" if case.structure.endswith("-delsp") else ""


def html_text(case: Case) -> str:
    """Return the letter as HTML, the tail marked up as mail programs do."""
    blocks = [f"<p>{words}</p>" for words in (*OPENING[case.letter], LAST_WORDS[case.language])]
    if PNG in STRUCTURES[case.structure]:
        blocks.insert(0, '<p><img src="cid:logo" alt="Aozora"></p>')
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


def encoded_text(case: Case, text: str) -> bytes:
    """Return a text in the charset of the case."""
    if case.codec != "iso2022_jp":
        return text.encode(case.codec)
    letter, data = VENDOR
    return data.join(piece.encode(case.codec) for piece in text.split(letter))


def base64_lines(case: Case, data: bytes) -> str:
    """Return some bytes in base64 of the usual width, without a line end behind it."""
    encoded = base64.b64encode(data).decode()
    return case.line_end.join(encoded[at : at + 76] for at in range(0, len(encoded), 76))


def text_part(case: Case, kind: str) -> bytes:
    """Return header and body of one text part."""
    data = encoded_text(case, plain_text(case) if kind == "plain" else html_text(case))
    head = f"Content-Type: text/{kind}"
    if case.charset is not None:
        head += f'; charset="{case.charset}"'
    if kind == "plain":
        head += flow(case)
    head += case.line_end
    if case.encoding is not None:
        head += f"Content-Transfer-Encoding: {case.encoding}{case.line_end}"
    if case.encoding == "base64":
        data = (base64_lines(case, data) + case.line_end).encode()
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


def attachment(case: Case, kind: str, data: bytes, *fields: str) -> bytes:
    """Return header and body of an attachment in base64."""
    head = [f"Content-Type: {kind}", "Content-Transfer-Encoding: base64", *fields, ""]
    return case.line_end.join([*head, base64_lines(case, data)]).encode()


def pdf_part(case: Case) -> bytes:
    """Return a PDF as it is attached."""
    return attachment(
        case, "application/pdf", PDF, 'Content-Disposition: attachment; filename="a.pdf"'
    )


def message_of(case: Case, entity: bytes) -> bytes:
    """Return a message that is this entity."""
    head = ["From: recruit@aozora.example.jp", "Message-ID: <1@aozora.example.jp>", ""]
    return case.line_end.join(head).encode() + entity


def build(case: Case) -> bytes:
    """Return the message of a case."""
    pdf = pdf_part(case)
    notes = attachment(
        case, "text/plain", NOTES, 'Content-Disposition: attachment; filename="a.txt"'
    )
    png = attachment(case, "image/png", PNG, "Content-ID: <logo>")
    inline = attachment(
        case, "image/png; name=a.png", PNG, "Content-ID: <logo>", "Content-Disposition: inline"
    )
    plain, rich = text_part(case, "plain"), text_part(case, "html")
    both = multipart(case, "alternative", "=_alt", plain, rich)
    related = multipart(case, "related", "=_rel", rich, png)
    inner = multipart(case, "mixed", "=_in", plain, pdf)
    entity = {
        "plain": plain,
        "html": rich,
        "alternative": both,
        "mixed-plain": multipart(case, "mixed", "=_mix", plain, pdf),
        "mixed-alternative": multipart(case, "mixed", "=_mix", both, pdf),
        "mixed-inline-image": multipart(case, "mixed", "=_mix", both, inline),
        "mixed-mixed": multipart(case, "mixed", "=_mix", inner, notes),
        "pdf-first-plain": multipart(case, "mixed", "=_mix", pdf, plain),
        "pdf-first-html": multipart(case, "mixed", "=_mix", pdf, rich),
        "pdf-first-alternative": multipart(case, "mixed", "=_mix", pdf, both),
        "related": related,
        "alternative-related": multipart(case, "alternative", "=_alt", plain, related),
        "mixed-related-alternative": multipart(
            case, "mixed", "=_mix", multipart(case, "related", "=_rel", both, png), pdf
        ),
    }[case.structure.removesuffix("-flowed").removesuffix("-delsp")]
    return message_of(case, entity)
