"""A letter in other words, lines, widths, charsets, markup and surroundings.

The first half changes how a letter is written, and nothing of what it says; the second half changes
what it says, or who says it, and leaves most of its words. What a function cannot change in a
letter it says by returning `None`, so that a test can count. All names are invented.
"""

from __future__ import annotations

import base64
import html
import quopri
import re
import unicodedata

# --- A message


def build(
    row: dict[str, str],
    body: str,
    *,
    subtype: str = "plain",
    charset: str = "utf-8",
    codec: str = "utf-8",
    encoding: str = "base64",
) -> bytes:
    """Return a mail with the subject and addresses of a row and this body."""
    data = body.replace("\n", "\r\n").encode(codec)
    if encoding == "base64":
        data = base64.encodebytes(data).replace(b"\n", b"\r\n")
    elif encoding == "quoted-printable":
        data = quopri.encodestring(data.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    fields = [
        f"Subject: {_word(row.get('subject') or '')}",
        f"From: {_address(row.get('from') or '', 'recruit@example.com')}",
        f"To: {_address(row.get('to') or '', 'reader@mail.example.com')}",
        "MIME-Version: 1.0",
        f"Content-Type: text/{subtype}; charset={charset}",
        f"Content-Transfer-Encoding: {encoding}",
    ]
    return "\r\n".join(fields).encode("ascii") + b"\r\n\r\n" + data


def _word(text: str) -> str:
    text = " ".join(text.split())
    if text.isascii():
        return text
    return f"=?utf-8?b?{base64.b64encode(text.encode()).decode()}?="


def _address(text: str, fallback: str) -> str:
    name, _, rest = text.partition("<")
    spec = rest.rstrip("> ") if rest else name
    if "@" not in spec or not spec.isascii() or " " in spec.strip():
        spec = fallback
    return f"{_word(name.replace(chr(34), '').strip())} <{spec.strip()}>"


# --- Lines

_JAPANESE = re.compile(r"[぀-ヿ一-鿿]")


# What is quoted or drawn.
_STAYS_WHOLE = re.compile(r">|\W*$")


def is_wide(text: str) -> bool:
    """Tell whether a text is written without spaces between its words."""
    return 4 * len(_JAPANESE.findall(text)) > len(text)


def rewrap(text: str, columns: int) -> str:
    """Return the text with each longer line broken: at a space, in Japanese wherever it falls.

    `columns` are characters of the script's own width. What is quoted stays as it is.
    """
    cut = _cut_wide if is_wide(text) else _cut_latin
    return "\n".join(
        piece
        for line in text.split("\n")
        for piece in ([line] if _STAYS_WHOLE.match(line) else cut(line, columns))
    )


def _cut_wide(line: str, columns: int) -> list[str]:
    # No mail program begins a line with a full stop or a closing bracket, or cuts a number or link.
    pieces: list[str] = []
    while len(line) > columns:
        at = columns
        while at > 1 and line[at - 1].isascii() and line[at].isascii():
            at -= 1
        if at <= columns // 2:
            at = columns
            while at < len(line) and line[at - 1].isascii() and line[at].isascii():
                at += 1
        while at < len(line) and line[at] in "、。」』）)！？ーっゃゅょ":
            at += 1
        pieces.append(line[:at])
        line = line[at:]
    return [*pieces, line] if line or not pieces else pieces


def _cut_latin(line: str, columns: int) -> list[str]:
    pieces: list[str] = []
    while len(line) > columns:
        at = line.rfind(" ", 1, columns + 1)
        if at <= 0:
            break
        pieces.append(line[:at])
        line = line[at + 1 :]
    return [*pieces, line]


def unwrap(text: str) -> str:
    """Return the text with each paragraph of prose in one line, as people type it."""
    paragraphs = text.split("\n\n")
    return "\n\n".join(_unwrapped(paragraph) for paragraph in paragraphs)


def _unwrapped(paragraph: str) -> str:
    lines = paragraph.split("\n")
    ends = (".", "!", "?", "。", "！", "？")
    # A list, a table or a signature has no sentence that goes on to the next line.
    least = 24 if is_wide(paragraph) else 50
    if len(lines) < 2 or not all(
        len(line) > least and not line.rstrip().endswith(ends) for line in lines[:-1]
    ):
        return paragraph
    if not lines[-1].rstrip().endswith(ends) or any(line[:1] in ">-*・■●【" for line in lines):
        return paragraph
    return ("" if is_wide(paragraph) else " ").join(line.strip() for line in lines)


# --- Widths

_HALF_KANA = {
    unicodedata.normalize("NFKC", chr(code)): chr(code)
    for code in range(0xFF61, 0xFFA0)
    if len(unicodedata.normalize("NFKC", chr(code))) == 1
}
_VOICED = {
    unicodedata.normalize("NFKC", kana + mark): half + mark
    for kana, half in _HALF_KANA.items()
    for mark in "ﾞﾟ"
    if len(unicodedata.normalize("NFKC", kana + mark)) == 1
}
_TO_HALF = {ord(wide): half for wide, half in {**_HALF_KANA, **_VOICED}.items()}
_TO_FULL = {code: chr(code + 0xFEE0) for code in (*range(0x30, 0x3A), *range(0x41, 0x5B))} | {
    code: chr(code + 0xFEE0) for code in range(0x61, 0x7B)
}
_TO_ASCII = {ord(full): chr(code) for code, full in _TO_FULL.items()}


def half_kana(text: str) -> str:
    """Return the text with katakana and Japanese punctuation in half width."""
    return text.translate(_TO_HALF)


def full_width(text: str) -> str:
    """Return the text with digits and Latin letters in full width, but for addresses and links."""
    lines = text.split("\n")
    return "\n".join(
        line if "@" in line or "://" in line or line.startswith("On ") else line.translate(_TO_FULL)
        for line in lines
    )


def half_width(text: str) -> str:
    """Return the text with digits and Latin letters in ASCII."""
    return text.translate(_TO_ASCII)


# --- Markup

_WORD_HEAD = (
    "<html xmlns:o='urn:schemas-microsoft-com:office:office'><head><!--[if gte mso 9]><xml>"
    "<o:shapedefaults v:ext='edit'/></xml><![endif]--><style><!-- p.MsoNormal {margin:0mm;} -->"
    "</style></head><body lang=JA><div class=WordSection1>"
)


def as_word(text: str) -> str:
    """Return the letter as Outlook and Word write it: a paragraph a line."""
    lines = (
        f"<p class=MsoNormal>{_escape(line)}<o:p></o:p></p>"
        if line.strip()
        else "<p class=MsoNormal><o:p>&nbsp;</o:p></p>"
        for line in text.split("\n")
    )
    return f"{_WORD_HEAD}{''.join(lines)}</div></body></html>"


def as_gmail(text: str) -> str:
    """Return the letter as Gmail writes it: a division a line."""
    lines = (f"<div>{_escape(line) or '<br>'}</div>" for line in text.split("\n"))
    return f'<div dir="ltr">{"".join(lines)}</div>'


def as_apple(text: str) -> str:
    """Return the letter as Apple Mail writes it: lines in the body itself."""
    body = "<br>".join(_escape(line) for line in text.split("\n"))
    return (
        '<html><head><meta http-equiv="content-type" content="text/html; charset=utf-8"></head>'
        f'<body style="overflow-wrap: break-word; -webkit-nbsp-mode: space;">{body}</body></html>'
    )


def as_ats(text: str) -> str:
    """Return the letter as an ATS sends it: in a cell of nested tables, below a preheader."""
    body = "<br />\n".join(_escape(line) for line in text.split("\n"))
    return (
        "<html><head><style>.pre{display:none}</style><title>Offer</title></head><body>"
        '<span class="pre">Congratulations! 内定のご連絡</span><div style="font-size:1px;color:'
        '#ffffff;max-height:0;overflow:hidden">Congratulations! 内定&zwnj;&nbsp;&zwnj;&nbsp;</div>'
        '<table width="100%" bgcolor="#f4f4f4"><tr><td align="center" style="font-size:0">'
        '<table width="600" style="background:#ffffff"><tr><td style="font-size:14px;padding:'
        f'24px">{body}</td></tr></table></td></tr></table></body></html>'
    )


def _escape(line: str) -> str:
    return html.escape(line, quote=False)


# --- What stands around a letter

SIGNATURES = {
    "ja": (
        "\n\n──────────────\n株式会社しらなみ 人事部 採用担当\n〒100-0000 東京都千代田区1-1-1\n"
        "TEL 03-0000-0000\n──────────────",
        "\n\n-- \n株式会社しらなみ\n人事部 三枝 徹\nE-mail: saigusa@shiranami.example.jp",
        "\n\n※本メールは送信専用です。ご返信いただいてもお答えできません。",
        "\n\n【ご注意】本メールには機密情報が含まれている場合があります。\n"
        "誤って受信された場合は、お手数ですが破棄してください。",
        "\n\niPhoneから送信",
    ),
    "en": (
        "\n\nKind regards,\nMarta Lindqvist\nTalent Partner | Saltmarsh Ltd\n+44 20 0000 0000",
        "\n\n-- \nMarta Lindqvist\nSaltmarsh Ltd, www.saltmarsh.example.com",
        "\n\nThis e-mail and all attachments are confidential and for the addressee only.\n"
        "If you have received it in error, please delete it and tell the sender.",
        "\n\nPlease do not reply to this e-mail. Replies to this address are not monitored.",
        "\n\nSent from my iPhone",
    ),
}


def salutations(text: str) -> tuple[str, ...]:
    """Return lines that address somebody, one of which may stand before the letter."""
    if is_wide(text):
        return ("五十嵐 奈緒子 様\n\n", "砂川さん\n\nお世話になっております。\n\n")
    return ("Dear Ms Okonkwo-Reyes,\n\n", "Hi Thaddeus,\n\nI hope this finds you well.\n\n")


def quotes(text: str) -> dict[str, tuple[str, str]]:
    """Return a cover note and the letter under it, in six styles of replies and forwards."""
    wide = is_wide(text)
    cover = (
        "三枝さん\n\nお疲れさまです。先ほどの件、下記のとおり先方に送ってあります。\nご確認ください。"
        if wide
        else "Hi Marta,\n\nthis is what went out this morning. Let me know if anything is missing."
    )
    marked = "\n".join(f"> {line}".rstrip() for line in text.split("\n"))
    header = (
        "差出人: 三枝 徹 <saigusa@example.jp>\n送信日時: 2025年11月3日 10:12\n宛先: 砂川 様\n"
        "件名: ご連絡\n\n"
        if wide
        else "From: Marta <marta@example.com>\nSent: Monday, November 3, 2025 10:12\nTo: Ann\n"
        "Subject: Your message\n\n"
    )
    gmail = (
        "2025年11月3日(月) 10:12 三枝 徹 <saigusa@example.jp>:"
        if wide
        else "On Mon, Nov 3, 2025 at 10:12 AM Marta <marta@example.com> wrote:"
    )
    apple = (
        "2025/11/03 10:12、三枝 徹 <saigusa@example.jp>のメール:"
        if wide
        else "On 3 Nov 2025, at 10:12, Marta <marta@example.com> wrote:"
    )
    original = "-----元のメッセージ-----" if wide else "-----Original Message-----"
    forwarded = (
        "---------- 転送されたメッセージ ----------"
        if wide
        else "---------- Forwarded message ---------"
    )
    return {
        "gmail": (cover, f"{gmail}\n\n{marked}"),
        "outlook": (cover, f"________________________________\n{header}{text}"),
        "outlook-divider": (cover, f"{original}\n{header}{text}"),
        "apple": (cover, f"{apple}\n\n{marked}"),
        "gmail-forward": (cover, f"{forwarded}\n{header}{text}"),
        "unmarked": (cover, f"{gmail}\n\n{text}"),
    }
