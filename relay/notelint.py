"""What a note must have and must not say, checked on its words as a candidate would see them.

The label 【PR】 and the statement of interest answer Japan's rule on hidden advertising (景品表示法
§5 (3), in force since 2023-10-01); gift and reward words are refused because placement services may
not give money to applicants for registering (職業安定法 guidelines, お祝い金の禁止). The rest keeps
the note short and its link whole. Each problem says what to do.
"""

from __future__ import annotations

import html
import re
import unicodedata

# A candidate on a bad day reads three short sentences, not four.
TEXT_MAX_CHARS = 400
# UTF-8 gives a Japanese letter three bytes, and RFC 5322 §2.1.1 a line 998.
LINE_MAX_CHARS = 120
# The same limit where every letter is a numeric reference of eight bytes, with room for tags.
SOURCE_LINE_MAX_BYTES = 900

# All other characters without a shape steer the text, or break its lines.
_WHITE = "\n\xa0\u3000"
_LABEL = re.compile(r"(?:【PR】|\[PR\])")
_LINK = re.compile(r"https?://\S+")
_MAIL_ADDRESS = re.compile(r"[^\s@<>:：（）()]+@[^\s@<>（）()]+\.[^\s@<>（）()]+")
# In Japanese, what stands before an address without a space is no part of it.
_ASCII_ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w.-]+", re.ASCII)
_SERVICE = re.compile(r"有料.{0,10}職業紹介|人材紹介|placement service", re.IGNORECASE)
_INTEREST = re.compile(
    r"(?:弊社|当社|当院|当校|法人|会社).{0,40}(?:優遇|利益|対価|軽減|採用枠)"
    r"|(?:company|we)\b.{0,60}(?:benefit|profit|compensat)",
    re.IGNORECASE,
)
_WANTED = (
    (
        _SERVICE,
        "the statement of interest is missing: say that it is a placement service (有料職業紹介)",
    ),
    (
        _INTEREST,
        "the statement of interest is missing: say that your company profits from it "
        "(弊社は…優遇を受けます, our company … benefit)",
    ),
    (_MAIL_ADDRESS, "the company's contact is missing: write {{ contact }}"),
)
_GIFT = re.compile(
    r"祝い?金|プレゼント|進呈|贈呈|ギフト|商品券|特典|キャッシュバック|ポイント|謝礼|謝金|報奨|報酬"
    r"|賞金|賞品|景品|抽選|懸賞|キャンペーン|もれなく|当たる"
    r"|\bgifts?\b|\brewards?\b|\bbonus(?:es)?\b|\bcash|\bprizes?\b|\bvouchers?\b|\bcoupons?\b"
    r"|\bgiveaway|\bwin\b|\bpresents?\b|\bincentives?\b|\bsweepstakes?\b|\blottery\b",
    re.IGNORECASE,
)
# On a coloured card the blue of a link is hard to read, and a letter may take its line away.
_ANCHOR = re.compile(
    r'<a href="([^"]*)"'
    r'(?: style="color:inherit!important;text-decoration:underline!important")?>[^<]*</a>'
)
_LINE_BREAK_TAG = re.compile(r"<br ?/?>|</?(?:p|div)\b[^>]*>")
_TAG = re.compile(r"<[^>]*>")
_FOREIGN_MARKUP = re.compile(
    r"<(?!/?(?:a|br|span|b|strong|em|i|small)\b)|display\s*:|visibility\s*:|opacity|font-size\s*:\s*0"
    r"|\son\w+\s*=|\sclass\s*=|\sid\s*=|url\(",
    re.IGNORECASE,
)


def lint(note_text: str) -> list[str]:
    """Return what is wrong with the text of a note; nothing if it may be used."""
    problems: list[str] = []
    lines = note_text.splitlines()
    if not lines or not _LABEL.match(lines[0]):
        problems.append("the label 【PR】 does not open the note: begin it with 【PR】 or [PR]")
    links = _LINK.findall(note_text)
    if len(links) != 1:
        problems.append(f"one link is wanted, {len(links)} found: write {{{{ link }}}} once")
    elif links[0] not in lines:
        problems.append("the link is not alone on its line: put line breaks around it")
    words = _LINK.sub("", note_text)
    # A line may end amid a Japanese word.
    readings = words.replace("\n", " "), words.replace("\n", "")
    for has, what in _WANTED:
        if not any(map(has.search, readings)):
            problems.append(what)
    for reading in readings:
        if found := _GIFT.search(_without_addresses(reading)):
            problems.append(f"gift word: {found[0]}: nobody may be rewarded for registering")
            break
    if len(note_text) > TEXT_MAX_CHARS:
        problems.append(
            f"{len(note_text)} characters, at most {TEXT_MAX_CHARS} are allowed: say it in fewer"
        )
    return problems + _problems_of_lines(note_text, lines)


def _without_addresses(words: str) -> str:
    """Return the words in plain letters; an address of a company called Gift is no promise."""
    return _ASCII_ADDRESS.sub("", unicodedata.normalize("NFKC", words))


def _problems_of_lines(note_text: str, lines: list[str]) -> list[str]:
    """Return what a mail program would show otherwise than it is written."""
    problems: list[str] = []
    # RFC 3676 §4.2: such lines mean something else in format=flowed; "-- " opens a signature.
    if any(line != line.rstrip() or line.startswith((" ", ">", "From ", "--")) for line in lines):
        problems.append(
            "a line begins or ends with white space, or begins like a quote or a signature"
        )
    if any(not line for line in lines):
        problems.append("the note has an empty line: take it out")
    if any(len(line) > LINE_MAX_CHARS for line in lines):
        problems.append(f"a line is longer than {LINE_MAX_CHARS} characters: break it")
    hidden = (char for char in note_text if not char.isprintable() and char not in _WHITE)
    if found := next(hidden, None):
        problems.append(f"a character that nobody sees: U+{ord(found):04X}: take it out")
    return problems


def lint_html(note_html: str) -> list[str]:
    """Return what is wrong with the HTML of a note: its visible words, and its markup."""
    problems = lint(visible_words(note_html))
    if found := _FOREIGN_MARKUP.search(note_html):
        problems.append(f"only plain inline markup is allowed, not {found[0]!r}")
    if note_html.count("<a ") != 1 or not _ANCHOR.search(note_html):
        problems.append('the link is not one <a href="…">words</a>')
    if any(
        len(line.encode("ascii", "xmlcharrefreplace")) > SOURCE_LINE_MAX_BYTES
        for line in note_html.split("\n")
    ):
        problems.append("a line of source is too long: break it behind a <br>")
    return problems


def visible_words(note_html: str) -> str:
    """Return the lines a candidate sees, with the link's address in the place of its words."""
    flat = " ".join(note_html.split())
    flat = _ANCHOR.sub(lambda met: met[1], flat)
    lines = _TAG.sub("", _LINE_BREAK_TAG.sub("\n", flat)).split("\n")
    return html.unescape("\n".join(line.strip() for line in lines))
