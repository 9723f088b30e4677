"""History as Lotus and HCL Notes write it: a name and a date in place of From, and no quote marks.

    Taro Aoki/Tokyo/Aozora            "Aoki" <a@b.example> 2026/11/20 10:00
    2026/11/20 10:00
                                      宛先
    To:  HR/Aozora                    <hr@aozora.example.jp>
    cc:                               cc
    Subject:  Result                  件名
                                      結果について

Labels stand in cells of a table, so that in text the value is behind a tab or on the line below,
and a colon is there or not. Dividers are as long as a line, and wrapped.

Works on decoded lines, never raises, looks at each line a bounded number of times. The date has a
time of day, and so a colon: nothing else is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

# A header with addresses of many people is longer; those begin behind the date.
LINE_MAX_CHARS = 240
# Name, "Sent by", "Please respond to" and its address stand above the date or between it and To.
_ABOVE_MAX_COUNT = 3
# Labels and their values, with the lines between that hold nothing.
_BELOW_MAX_COUNT = 16
_LABELS_SEARCHED_MAX_COUNT = 9
# A wrapped divider: the name may fill a line of its own.
DIVIDER_LINES_MAX = 3

_DAY = (
    r"(?:\d{4}\s?[年년./-]\s?\d{1,2}\s?[月월./-]\s?\d{1,2}\s?[日일.]?"
    r"|\d{1,2}[./-]\d{1,2}[./-]\d{2,4})"
)
_TIME = (
    r"(?:(?:午前|午後|오전|오후|上午|下午)\s?)?\d{1,2}[:.]\d{2}(?::\d{2})?"
    r"(?:\s?[AaPp]\.?[Mm]\.?)?(?:\s?[A-Z]{1,4}\d{0,2})?"
)
_WHEN = rf"{_DAY},?\s{{0,3}}(?:[(（]\S{{1,3}}[)）]\s{{0,3}}|\S{{1,3}}曜日\s{{0,3}})?{_TIME}"
_DATED = re.compile(rf"(?:(.{{0,180}}?\S)\s{{1,40}})??(?:(?:on|am|le|el|om|il)\s)?{_WHEN}\s*")
_TIME_OF_DAY = re.compile(r"\d:\d\d")
_WITH_ADDRESS = re.compile(r"[^:：【】<>]{0,120}<[^<>\s@]{1,100}@[^<>\s@]{1,100}>")
# Taro Aoki/Tokyo/Aozora, with the Domino domain behind it or not; in letters "a/b" is a choice.
_CANONICAL = re.compile(r"[^/、。,:：]{2,60}(?:/[^/、。,:：\s][^/、。,:：]{0,40}){1,5}")
# Engineer (m/w/d), 販売職（正社員/パート）
_IN_BRACKETS = re.compile(r"[(（][^()（）]{0,40}[)）]")
_SENT_BY = re.compile(
    r"(?:Sent by|Please respond to|Gesendet von|Bitte antworten an|Antwort an"
    r"|Envoyé par|Veuillez répondre à|Enviado por)\b"
    r"|(?:送信者|返信先|発信者)\s?[:：]?",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"(?:(?P<to>To|宛先|受信者|An|Pour|A|Para|받는 ?사람|수신|收件人)"
    r"|(?P<cc>cc|bcc|写し|Kopie|참조|抄送|副本)|(?P<subject>Subject|件名|標題|題名|Thema|Betreff|Objet|Asunto"
    r"|제목|主题|主旨|主題))"
    r"(?:\s{0,8}[:：]|\t|\s{2,}|(?<=[^\x00-\x7f])\s|\s*$)",
    re.IGNORECASE,
)
_FORWARDED = re.compile(
    r"Forwarded by|Weitergeleitet von|(?:Réacheminé|Transféré|Réexpédié) par"
    r"|(?:Remitido|Reenviado) por|転送者|転送元|转发人|轉寄者|전달자",
    re.IGNORECASE,
)
_HAS_FORWARDED = re.compile(
    r"によって転送(?:済み|されました)|が転送しました|转发|轉[發寄]|에 의해 전달됨"
)
_WROTE = re.compile(
    r"(?:\bwrote|\bschrieb|\ba écrit|\bescribió|さん(?:は|が)(?:書きました|書いたもの)"
    r"|(?:が|は)書きました|写道|寫道|님이 작성)\s?[:：]$",
    re.IGNORECASE,
)
_WROTE_MAX_CHARS = 20
# In any other language: who and when.
_SLASH = re.compile(r"[^\s\d/]/[^\s\d/]")
_ENDS_IN_A_DATE = re.compile(rf"{_WHEN}$")
_DATE_MAX_CHARS = 50
_RULE = "-=_"
# A list begins with one or two dashes; the closing ones may be what fitted into the line.
_RULE_MIN_CHARS, _CLOSING_MIN_CHARS = 4, 2


def first_header(lines: Sequence[str]) -> int | None:
    """Return the index of the first line that begins a header of Notes without From."""
    for index, name in _dated(lines):
        start = index if name else _above(lines, index)
        # With a label the date is of another program, or of a letter that has its own heading; and
        # Notes says whose the words are.
        if name[-1:] in (":", "：") if name else start == index:
            continue
        if _WITH_ADDRESS.fullmatch(name or lines[start].strip()) or _has_labels(lines, index):
            return start
    return None


def is_doubtful(lines: Sequence[str]) -> bool:
    """Tell whether a name as Notes writes it and a date may begin history, or be the writer's own.

    No label stands below them. Below that nothing can be told of whom the words are. With nothing
    above, it is the letter's own heading.
    """
    for index, name in _dated(lines):
        start = index if name else _above(lines, index)
        author = _IN_BRACKETS.sub("", name or lines[start].strip()[:LINE_MAX_CHARS])
        if (
            _CANONICAL.fullmatch(author)
            and any(line.strip() for line in lines[index + 1 :])
            and any(line.strip() for line in lines[:start])
        ):
            return True
    return False


def _dated(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Give the index of each line that is a date, and the name that stands before it there."""
    for index, line in enumerate(lines):
        if ":" in line and len(line) <= LINE_MAX_CHARS and _TIME_OF_DAY.search(line):
            met = _DATED.fullmatch(line.strip())
            if met is not None:
                yield index, (met[1] or "").strip()


def is_divider(lines: Sequence[str], index: int) -> bool:
    """Tell whether a divider of a forwarded or answered message begins here, wrapped or not."""
    line = lines[index].strip()
    words = line.lstrip(_RULE)
    if not words or len(line) - len(words) < _RULE_MIN_CHARS:
        return False
    for following in lines[index + 1 : index + DIVIDER_LINES_MAX]:
        if line[-1] in _RULE or len(line) > LINE_MAX_CHARS:
            break
        line = f"{line} {following.strip()}".rstrip()
    bare = line.rstrip(_RULE)
    if len(line) > LINE_MAX_CHARS or len(line) - len(bare) < _CLOSING_MIN_CHARS:
        return False
    words = bare.lstrip(_RULE).strip()
    if _FORWARDED.match(words) or _HAS_FORWARDED.search(words):
        return True
    if _WROTE.search(words[-_WROTE_MAX_CHARS:]):
        return True
    return (
        _SLASH.search(words) is not None
        and _ENDS_IN_A_DATE.search(words[-_DATE_MAX_CHARS:]) is not None
    )


def _has_labels(lines: Sequence[str], index: int) -> bool:
    """Tell whether two of To, cc and Subject stand below a date, and one that is not cc."""
    below = [text for line in lines[index + 1 : index + _BELOW_MAX_COUNT] if (text := line.strip())]
    found = {
        met.lastgroup
        for text in below[:_LABELS_SEARCHED_MAX_COUNT]
        if (met := _LABEL.match(text[:40]))
    }
    return len(found) > 1


def _above(lines: Sequence[str], index: int) -> int:
    """Return the index of the name that stands above a date."""
    first, met = index, 0
    while index > 0 and met < _ABOVE_MAX_COUNT:
        index -= 1
        text = lines[index].strip()
        if not text:
            continue
        met += 1
        first = index
        if not _SENT_BY.match(text):
            break
    return first
