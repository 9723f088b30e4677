"""Where the writer's own newest text ends: before signature, quoted history and legal footer.

Reading judges only what stands before that line, and the note is placed there. Closing sentences
and closing words (敬具, 以上) belong to the text. A valediction over a name
("Kind regards," and "Anna") belongs to the signature: a note between the two would tear them apart.
Known are the quoting habits of Outlook, Gmail, Apple Mail and Thunderbird in Japanese, English,
German, French, Spanish, Korean and Chinese, and those of QQ, NetEase and Daum; those of Notes
are in `relay.lotusnotes`.

Works on decoded lines, never raises, looks at each line a bounded number of times. Every letter
comes through here: each pattern stands behind a test of a character that most lines fail, and a
quoted header or an attribution is looked for near a colon only, because it holds or ends in one.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from unicodedata import normalize

from relay.lotusnotes import first_header, is_divider
from relay.signature import (
    MARK_SIZE_MAX_CHARS,
    is_part_of_signature,
    start_of_signature,
    without_trailing_blank,
)

# Gmail and Apple Mail wrap an attribution over at most three lines.
ATTRIBUTION_LINES_MAX = 3
# A mail header quoted by Outlook has From, Sent, To, Cc, Subject: the needed two stand within six,
# between which a program may have put empty lines.
QUOTED_HEADER_LINES_MAX = 6

_DIVIDER_MARKS = frozenset("-_=―─━")
_DIVIDER = re.compile(
    r"[-_=―─━]{2,80}+\s{0,4}+(?:Original Message|Original Appointment|Forwarded message"
    r"|Forwarded by .{1,80}|Original-Nachricht|Ursprüngliche Nachricht|Weitergeleitete Nachricht"
    r"|Message d['’]origine|Message transféré|Mensaje original|Mensaje reenviado"
    r"|(?:元|転送(?:された)?|オリジナル)の?(?:メッセージ|メール)(?:\s?ここから)?|引用(?:元|ここから)"
    r"|.{1,120} wrote:"
    r"|(?:원본|전달된) ?(?:메시지|메일)|(?:回复的|回覆的)?原(?:始)?(?:邮件|郵件|信件)"
    r"|邮件原件|转发邮件信息|(?:轉寄|转发)的?(?:郵件|信件|邮件))\s?[-_=―─━]{2}",
    re.IGNORECASE,
)
_FORWARD_BEGIN = re.compile(
    r"Begin forwarded message:|転送されたメッセージ[:：]"
    r"|Anfang der weitergeleiteten (?:Nachricht|E-Mail):"
    r"|Début du message (?:transféré|réexpédié)\s?:|Inicio del mensaje reenviado:"
    r"|전달된 메시지 시작:|开始转发的?(?:邮件|信息)[:：]|開始轉寄的?(?:郵件|信件|訊息)[:：]",
    re.IGNORECASE,
)
_HEADER_FROM = re.compile(
    r"[*＊>\s]{0,4}(?:From|差出人|[送発]信[者元]|Von|De|보낸 ?사람|발신자?|发件人|[發寄]件[人者])"
    r"\s{0,8}[*＊]?\s?[:：]",
    re.IGNORECASE,
)
_HEADER_OTHER = re.compile(
    r"[*＊>\s]{0,4}(?:Sent|Date|To|Cc|Subject|Reply-To|送信日時|送信日|日時|日付|宛先|受信者|件名|標題"
    r"|Gesendet|Datum|An|Betreff|Envoyé|À|Objet|Enviado(?: el)?|Fecha|Para|Asunto"
    r"|보낸 ?날짜|날짜|발신 ?일시|받는 ?사람|수신자?|참조|제목"
    r"|发送时间|[發傳]送時間|日期|收件[人者]|抄送|副本|主题|寄件日期|主旨|主題)"
    r"\s{0,8}[*＊]?\s?[:：]",
    re.IGNORECASE,
)
# The same header in one line, as some programs make HTML into text.
_HEADER_LINE = re.compile(
    r"[*＊>\s]{0,4}(?:From|差出人)\s?[:：].{1,200}(?:Sent|Date|送信日時|日付|日時)\s?[:：].{1,100}"
    r"(?:To|宛先)\s?[:：]",
    re.IGNORECASE,
)
_ATTRIBUTION = re.compile(
    r"On\b.{4,200}\bwrote\s?[:：]"
    r"|(?:Am|Den)\b.{4,200}\b(?:schrieb|skrev)\b.{0,100}:"
    r"|Le\b.{4,200}\ba écrit\s?:"
    r"|El\b.{4,200}\bescribió\s?:"
    r"|.{0,120}\d{4}.{4,160}(?:写道|寫道)\s?[:：]"
    r"|\d{4}[.년].{4,160}(?:작성|씀)\s?[:：]"
    r"|\d{4}\s?[年/.-]\s?\d{1,2}\s?[月/.-]\s?\d{1,2}.{0,200}"
    r"(?:<[^<>]{3,100}>|メール|さん|様|wrote|書きました)\s?[:：]"
    r"|.{1,100}(?:は|が)(?:書きました|wrote)(?:\s?[(（][^()（）]{4,40}[)）])?\s?[:：]"
    r"|.{1,60}さんが.{4,60}に書きました[。:：]?"
    r"|.{0,60}<[^<>\s]{3,100}@[^<>\s]{3,100}>\s?(?:wrote|の?メール|さんのメール|schrieb)\s?[:：]"
    r"|.{0,120}\bwrote(?: at \d.{0,40}| \(.{4,40}\))?[:：]"
    r"|.{0,40}\d{4}\s?年.{4,60}\bUTC[+-]\d.{0,100}[:：]",
    re.IGNORECASE,
)
_ATTRIBUTION_START = re.compile(
    r"(?:On|Am|Den|Le|El|在|于)\b|.{0,3}\d{4}\s?[年년/.-]", re.IGNORECASE
)
_ATTRIBUTION_INITIALS = frozenset("OoAaDdLlEe在于")
_YEAR_SEARCHED_MAX_CHARS = 7
_DIGIT = re.compile(r"\d")
_ODD_WIDTH = re.compile("[０-９Ａ-Ｚａ-ｚ｡-ﾟ]")
_QUOTED = re.compile(r"\s{0,3}(?:[>＞]|\|(?:\s|$))")
_QUOTE_MARKS = frozenset(">＞|")
_SPACES = frozenset(filter(str.isspace, map(chr, range(0x3001))))
# What begins a line that has to be looked at.
_OPENERS = _QUOTE_MARKS | _DIVIDER_MARKS | _SPACES


def end_of_own_text(lines: Sequence[str]) -> int:
    """Return the number of leading lines up to the end of the writer's own newest text.

    That is the index of the first line of signature, quoted history or footer, with the blank lines
    above it left on the other side, and `len(lines)` where none of these is found. Quoted lines
    that the writer answers below are inside the range; `own_lines` leaves them out.
    """
    # Old systems write half-width kana, and forms full-width letters: the marks are the same.
    lines = [
        normalize("NFKC", line)
        if len(line) <= MARK_SIZE_MAX_CHARS and not line.isascii() and _ODD_WIDTH.search(line)
        else line
        for line in lines
    ]
    end = _start_of_history(lines)
    end = without_trailing_blank(lines, end)
    return start_of_signature(lines, end)


def own_lines(lines: Sequence[str], end: int | None = None) -> list[str]:
    """Return the writer's own newest lines, without anything quoted between them.

    `end` is what `end_of_own_text` returned for these lines, where that is known.
    """
    own: list[str] = []
    end = end_of_own_text(lines) if end is None else end
    if not any(line.lstrip()[:1] in _QUOTE_MARKS for line in lines[:end]):
        return list(lines[:end])
    near_colon = _near_a_colon(lines[:end])
    index = 0
    while index < end:
        length = _attribution_length(lines, index, end) if index in near_colon else 0
        if length and _quote_follows(lines, index + length, end):
            index += length
        elif _is_quoted(lines[index]):
            index += 1
        else:
            own.append(lines[index])
            index += 1
    return own


def _is_quoted(line: str) -> bool:
    if line[:1] == ">":
        return True
    return line[:4].lstrip()[:1] in _QUOTE_MARKS and _QUOTED.match(line) is not None


def _near_a_colon(lines: Sequence[str]) -> set[int]:
    """Return the indexes of the lines where an attribution or a quoted header could begin."""
    near: set[int] = set()
    for index, line in enumerate(lines):
        if ":" in line or "：" in line:
            near.update(range(max(0, index - ATTRIBUTION_LINES_MAX + 1), index + 1))
    return near


def _start_of_history(lines: Sequence[str]) -> int:
    """Return where the writings of others begin with nothing of the writer's own below them."""
    quote_start: int | None = None
    near_colon = _near_a_colon(lines)
    notes_header = first_header(lines) if near_colon else None
    # All else is prose, as most lines are.
    places = sorted(
        near_colon.union(
            (i for i, line in enumerate(lines) if line[:1] in _OPENERS),
            () if notes_header is None else (notes_header,),
        )
    )
    index = 0
    while index < len(lines):
        if quote_start is None:
            at = bisect_left(places, index)
            if at == len(places):
                break
            index = places[at]
        line = lines[index]
        first = line.lstrip()[:1]
        if not first or (first in _QUOTE_MARKS and _is_quoted(line)):
            if first and quote_start is None:
                quote_start = index
            index += 1
            continue
        if index == notes_header or _opens_history(lines, index):
            return index if quote_start is None else quote_start
        length = _attribution_length(lines, index, len(lines)) if index in near_colon else 0
        if length:
            # Without quote marks below, all that follows is history: Outlook on the web does so.
            if not _quote_follows(lines, index + length, len(lines)):
                return index if quote_start is None else quote_start
            quote_start = index if quote_start is None else quote_start
            index += length
            continue
        if quote_start is not None and not is_part_of_signature(lines[index]):
            quote_start = None  # The writer answers below or between the quoted lines.
        index += 1
    return len(lines) if quote_start is None else quote_start


def _opens_history(lines: Sequence[str], index: int) -> bool:
    """Tell whether a divider or a quoted mail header starts here."""
    line = lines[index].strip()
    if len(line) > MARK_SIZE_MAX_CHARS:
        return False
    if line[:1] in _DIVIDER_MARKS and (_DIVIDER.match(line) or is_divider(lines, index)):
        return True
    if ":" not in line and "：" not in line:
        return False
    if _FORWARD_BEGIN.match(line):
        return True
    is_from = _HEADER_FROM.match(line) is not None
    if not is_from and not _HEADER_OTHER.match(line[:40]):
        return False
    if is_from and _HEADER_LINE.match(line):
        return True
    # Thunderbird and Apple Mail begin with the subject.
    below = lines[index + 1 : index + 2 * QUOTED_HEADER_LINES_MAX]
    following = [text[:40] for other in below if (text := other.lstrip())]
    following = following[: QUOTED_HEADER_LINES_MAX - 1]
    others = sum(_HEADER_OTHER.match(other) is not None for other in following)
    return others >= (2 if is_from else 1) and (is_from or any(map(_HEADER_FROM.match, following)))


def _attribution_length(lines: Sequence[str], index: int, end: int) -> int:
    """Return how many lines an attribution ("On … wrote:") takes here, 0 if there is none."""
    first = lines[index].strip()
    if not first or len(first) > MARK_SIZE_MAX_CHARS:
        return 0
    if first[-1] in ":：":
        return 1 if _ATTRIBUTION.fullmatch(first) else 0
    if first.endswith("に書きました。"):  # A sentence like any other, but for what it stands above.
        return int(
            _ATTRIBUTION.fullmatch(first) is not None and _quote_follows(lines, index + 1, end)
        )
    if not (
        (first[0] in _ATTRIBUTION_INITIALS or _DIGIT.search(first[:_YEAR_SEARCHED_MAX_CHARS]))
        and _ATTRIBUTION_START.match(first)
    ):
        return 0
    joined = first
    for length in range(2, ATTRIBUTION_LINES_MAX + 1):
        if index + length > end:
            return 0
        following = lines[index + length - 1].strip()
        if not following or len(joined) + len(following) > MARK_SIZE_MAX_CHARS:
            return 0
        joined += " " + following
        if following[-1] in ":：":
            return length if _ATTRIBUTION.fullmatch(joined) else 0
    return 0


def _quote_follows(lines: Sequence[str], index: int, end: int) -> bool:
    while index < end and not lines[index].strip():
        index += 1
    return index < end and _is_quoted(lines[index])
