"""What a note must have and must not say, checked on its words as a candidate would see them.

The label 【PR】 and the statement of interest answer Japan's rule on hidden advertising (景品表示法
§5 (3), in force since 2023-10-01); gift and reward words are refused because placement services may
not give money to applicants for registering (職業安定法 guidelines, お祝い金の禁止). The rest keeps
the note short and its link whole.
"""

from __future__ import annotations

import html
import re

# A candidate on a bad day reads three short sentences, not four.
TEXT_MAX_CHARS = 400
# UTF-8 gives a Japanese letter three bytes, and RFC 5322 §2.1.1 a line 998.
LINE_MAX_CHARS = 120
# The same limit where every letter is a numeric reference of eight bytes, with room for tags.
SOURCE_LINE_MAX_BYTES = 900

_LABEL = re.compile(r"(?:【PR】|\[PR\])")
_LINK = re.compile(r"https?://\S+")
_MAIL_ADDRESS = re.compile(r"[^\s@<>:：（）()]+@[^\s@<>（）()]+\.[^\s@<>（）()]+")
_SERVICE = re.compile(r"有料.{0,10}職業紹介|人材紹介|placement service", re.IGNORECASE)
_INTEREST = re.compile(
    r"(?:弊社|当社|当院|当校|当法人|会社).{0,40}(?:優遇|利益|対価|軽減|採用枠)"
    r"|(?:company|we)\b.{0,60}(?:benefit|profit|compensat)",
    re.IGNORECASE | re.DOTALL,
)
_GIFT = re.compile(
    r"祝い?金|プレゼント|進呈|贈呈|ギフト|商品券|特典|キャッシュバック|ポイント|謝礼|謝金|報奨|報酬"
    r"|賞金|賞品|景品|抽選|懸賞|キャンペーン|もれなく|当たる"
    r"|\bgifts?\b|\brewards?\b|\bbonus(?:es)?\b|\bcash|\bprizes?\b|\bvouchers?\b|\bcoupons?\b"
    r"|\bgiveaway|\bwin\b|\bpresents?\b|\bincentives?\b|\bsweepstakes?\b|\blottery\b",
    re.IGNORECASE,
)
_ANCHOR = re.compile(r'<a href="([^"]*)">[^<]*</a>')
_LINE_BREAK_TAG = re.compile(r"<br>|</?(?:p|div)\b[^>]*>")
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
        problems.append("the label 【PR】 does not open the note")
    links = _LINK.findall(note_text)
    if len(links) != 1:
        problems.append(f"one link is wanted, {len(links)} found")
    elif links[0] not in lines:
        problems.append("the link is not alone on its line")
    words = _LINK.sub("", note_text)
    if not (_SERVICE.search(words) and _INTEREST.search(words)):
        problems.append("the statement of interest (placement service, company profits) is missing")
    if not _MAIL_ADDRESS.search(words):
        problems.append("the company's contact is missing")
    if found := _GIFT.search(words):
        problems.append(f"gift word: {found[0]}")
    if len(note_text) > TEXT_MAX_CHARS:
        problems.append(f"{len(note_text)} characters, at most {TEXT_MAX_CHARS} are allowed")
    # RFC 3676 §4.2: such lines mean something else in format=flowed; "-- " opens a signature.
    if any(line != line.rstrip() or line.startswith((" ", ">", "From ", "--")) for line in lines):
        problems.append("a line begins or ends with white space, or begins like a quote")
    if any(not line for line in lines):
        problems.append("the note has an empty line")
    if any(len(line) > LINE_MAX_CHARS for line in lines):
        problems.append(f"a line is longer than {LINE_MAX_CHARS} characters")
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
