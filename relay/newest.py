"""Where the writer's own newest text ends: before signature, quoted history and legal footer.

Reading judges only what stands before that line, and the note is placed there. Closing sentences
and closing words (敬具, 以上) belong to the text. A valediction over a name
("Kind regards," and "Anna") belongs to the signature: a note between the two would tear them apart.
Known are the quoting habits of Outlook, Gmail, Apple Mail and Thunderbird in Japanese and English,
and the headers of their German, French, Spanish, Korean and Chinese editions.

Works on decoded lines, never raises, looks at each line a bounded number of times. Every letter
comes through here: each pattern stands behind a test of a character that most lines fail.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# A header, attribution, ruler or name is short; a longer line is prose and is not looked at closer,
# which also bounds the work on hostile input.
MARK_SIZE_MAX_CHARS = 240
# Gmail and Apple Mail wrap an attribution over at most three lines.
ATTRIBUTION_LINES_MAX = 3
# A mail header quoted by Outlook has From, Sent, To, Cc, Subject: the needed two stand within six.
QUOTED_HEADER_LINES_MAX = 6
# The longest signatures seen (company, two addresses, phones, slogan, certificates) have 25 lines.
SIGNATURE_LINES_MAX = 30
# A name, a department or a title fits this; a line of prose seldom does without a full stop.
NAME_SIZE_MAX_CHARS = 48
# A signature may hold a line or two of advertising; more prose means the letter goes on.
SLOGAN_LINES_MAX = 2

_DIVIDER_MARKS = frozenset("-_=―─━")
_DIVIDER = re.compile(
    r"[-_=―─━]{2,20}\s?(?:Original Message|Original Appointment|Forwarded message"
    r"|Forwarded by .{1,80}|Original-Nachricht|Ursprüngliche Nachricht|Weitergeleitete Nachricht"
    r"|Message d'origine|Message transféré|Mensaje original|Mensaje reenviado"
    r"|(?:元|転送|オリジナル)の?(?:メッセージ|メール)(?:\s?ここから)?|원본 메시지|전달된 메시지"
    r"|原始邮件|邮件原件|转发邮件信息|原始郵件|轉寄郵件)\s?[-_=―─━]{2}",
    re.IGNORECASE,
)
_FORWARD_BEGIN = re.compile(
    r"Begin forwarded message:|転送されたメッセージ[:：]"
    r"|Anfang der weitergeleiteten (?:Nachricht|E-Mail):"
    r"|Début du message (?:transféré|réexpédié)\s?:|Inicio del mensaje reenviado:",
    re.IGNORECASE,
)
_HEADER_FROM = re.compile(
    r"[*＊>\s]{0,4}(?:From|差出人|送信者|Von|De|보낸 ?사람|发件人|寄件者)\s?[*＊]?\s?[:：]",
    re.IGNORECASE,
)
_HEADER_OTHER = re.compile(
    r"[*＊>\s]{0,4}(?:Sent|Date|To|Cc|Subject|Reply-To|送信日時|送信日|日時|日付|宛先|件名"
    r"|Gesendet|Datum|An|Betreff|Envoyé|À|Objet|Enviado(?: el)?|Fecha|Para|Asunto"
    r"|보낸 ?날짜|날짜|받는 ?사람|제목|发送时间|日期|收件人|主题|寄件日期|收件者|主旨)"
    r"\s?[*＊]?\s?[:：]",
    re.IGNORECASE,
)
_ATTRIBUTION = re.compile(
    r"On\b.{4,200}\bwrote\s?[:：]"
    r"|(?:Am|Den)\b.{4,200}\b(?:schrieb|skrev)\b.{0,100}:"
    r"|Le\b.{4,200}\ba écrit\s?:"
    r"|El\b.{4,200}\bescribió\s?:"
    r"|.{0,20}\d{4}.{4,160}(?:写道|寫道)\s?[:：]"
    r"|\d{4}[.년].{4,160}(?:작성|씀)\s?[:：]"
    r"|\d{4}\s?[年/.-]\s?\d{1,2}\s?[月/.-]\s?\d{1,2}.{0,200}"
    r"(?:<[^<>]{3,100}>|メール|さん|様|wrote|書きました)\s?[:：]"
    r"|.{1,100}(?:は|が)(?:書きました|wrote)\s?[:：]"
    r"|.{0,60}<[^<>\s]{3,100}@[^<>\s]{3,100}>\s?(?:wrote|の?メール|さんのメール|schrieb)\s?[:：]"
    r"|.{0,120}\bwrote[:：]",
    re.IGNORECASE,
)
_ATTRIBUTION_START = re.compile(
    r"(?:On|Am|Den|Le|El|在|于)\b|.{0,3}\d{4}\s?[年년/.-]", re.IGNORECASE
)
_ATTRIBUTION_INITIALS = frozenset("OoAaDdLlEe在于")
_YEAR_SEARCHED_MAX_CHARS = 7
_QUOTED = re.compile(r"\s{0,3}(?:[>＞]|\|(?:\s|$))")

_SIGNATURE_MARK = re.compile(r"-- ?$")
_RULER = re.compile(
    r"\s{0,8}([-_=*~+#.・･…―ー─━═■□◆◇☆★※○●◎▼▲▽△∞☘♪/\\|<>＊＝－＿]{1,3}[\s\-]?)\1{2,}\S{0,4}\s*$"
)
_RULER_MARKS = frozenset("-_=*~+#.・･…―ー─━═■□◆◇☆★※○●◎▼▲▽△∞☘♪/\\|<>＊＝－＿")
# Plain words, looked for as substrings: a third of the time of one pattern.
_CONTACT_WORDS = (
    "TEL Tel tel FAX Fax 電話 携帯 ＴＥＬ ℡ Phone phone Mobile mobile Cell: mail: mail："
    " メール: メール： 〒 http:// https:// www. 株式会社 有限会社 合同会社 団法人 医療法人"
    " 学校法人 人事部 採用担当 Ltd Inc. LLC GmbH"
).split()
_DIGIT_OR_AT = re.compile(r"[\d@]")
_CONTACT_NUMBER = re.compile(
    r"\d{2,4}[-()\s]{1,2}\d{2,4}[-()\s]{1,2}\d{3,4}|\w@[\w-]{1,63}\.|[都道府県市区町村]\S{1,30}\d"
)
_SENT_FROM = re.compile(
    r"Sent from (?:my|Outlook|Mail|Yahoo|Proton)|Get Outlook for"
    r"|(?:iPhone|iPad|Android|スマートフォン|携帯電話?)から送信"
    r"|Von meinem \S{3,20} gesendet|Envoyé de(?:puis)? mon|Enviado desde mi",
    re.IGNORECASE,
)
_SENT_FROM_INITIALS = frozenset("SsGgIiAaＡaスス携VvEe")
_FOOTER_INITIALS = frozenset("※*＊この本当誤お送配TtCcDdLlIiPpYyUu© \xa0\t\u3000")
_FOOTER = re.compile(
    r"[※*＊\s]{0,4}(?:この|本|当)(?:電子)?(?:メール|メッセージ)(?:は|に|の|及び|および)"
    r"(?!.{0,60}(?:応募|選考の?結果|採用の?結果))"
    r"|[※*＊\s]{0,4}(?:誤って|お心当たり|送信専用|配信停止)"
    r"|[*\s]{0,4}(?:This (?:e-?mail|message|communication|transmission)\b.{0,80}"
    r"(?:confidential|intended|privileged|automated|automatically|sent (?:to|from|by)|may contain)"
    r"|The (?:information|contents?) (?:contained )?(?:in|of) this (?:e-?mail|message)"
    r"|CONFIDENTIAL|DISCLAIMER|LEGAL NOTICE|IMPORTANT NOTICE|PRIVACY NOTICE"
    r"|You(?:'re| are) receiving this|If you (?:no longer )?wish to (?:unsubscribe|stop receiving)"
    r"|To unsubscribe|Unsubscribe\b|Please consider the environment|©|Copyright \(c\)"
    r"|(?:Please )?(?:do not|don't) (?:reply|respond) (?:directly )?to this)",
    re.IGNORECASE,
)
_VALEDICTION = re.compile(
    r"\s{0,4}(?:(?:with|my|our|many|very|kind(?:est)?|best|warm(?:est|ly)?|all the|sincere(?:ly)?"
    r"|yours?|thanks?|cordially|respectfully|faithfully|truly|regards|wishes|cheers|love|take care"
    r"|again|and|you|gratefully|in advance|so much|thank|kindly|speak soon|on behalf of|mit"
    r"|freundlichen?|grüßen|gruß|herzliche|viele|beste|liebe|cordialement|bien|sincères"
    r"|salutations|saludos|cordiales|atentamente|un saludo|bonne continuation|hochachtungsvoll"
    r"|vriendelijke|groet(?:en)?|vänliga|hälsningar|med)[\s,!.]{1,3}){1,6}$",
    re.IGNORECASE,
)
_JAPANESE = re.compile(r"[぀-ヿ一-鿿]")
_PROSE_END = re.compile(
    r"[。．！？!?…♪,、;；)）」』.:：]$"
    r"|(?:ます|ました|ません|です|でした|ください|下さい|ませ|たい|った|ない|ので|から|こと|もの|場合"
    r"|ように|ところ|願い|敬具|以上|草々|かしこ|敬白|謹白)$"
)
# No ending of a sentence above is longer.
_PROSE_END_MAX_CHARS = 4
_CLOSING_WORD = re.compile(r"(?:敬具|以上|草々|早々|かしこ|敬白|謹白|拝)\s?[。.]?$")
_ITEM = re.compile(r"(?:[-*•・●○■◆◎▼①-⑳]|\(?\d{1,2}[.)．])\s{0,3}\S")
_ABBREVIATION_END = re.compile(r"\b(?:Jr|Sr|Ph\.?D|M\.?D|Inc|Ltd|Co|Corp|Dept|[A-Z])\.$")
_LATIN_WORD = re.compile(r"[^\W\d_][\w'’.-]*")
_SMALL_WORDS = frozenset(
    "a an and at by de del der di du for in la le of on the to van von xx x".split()
)


def end_of_own_text(lines: Sequence[str]) -> int:
    """Return the number of leading lines up to the end of the writer's own newest text.

    That is the index of the first line of signature, quoted history or footer, with the blank lines
    above it left on the other side, and `len(lines)` where none of these is found. Quoted lines
    that the writer answers below are inside the range; `own_lines` leaves them out.
    """
    end = _start_of_history(lines)
    end = _without_trailing_blank(lines, end)
    return _start_of_signature(lines, end)


def own_lines(lines: Sequence[str], end: int | None = None) -> list[str]:
    """Return the writer's own newest lines, without anything quoted between them.

    `end` is what `end_of_own_text` returned for these lines, where that is known.
    """
    own: list[str] = []
    end = end_of_own_text(lines) if end is None else end
    index = 0
    while index < end:
        length = _attribution_length(lines, index, end)
        if length and _quote_follows(lines, index + length, end):
            index += length
        elif _is_quoted(lines[index]):
            index += 1
        else:
            own.append(lines[index])
            index += 1
    return own


def _is_quoted(line: str) -> bool:
    return line[:4].lstrip()[:1] in {">", "＞", "|"} and _QUOTED.match(line) is not None


def _start_of_history(lines: Sequence[str]) -> int:
    """Return where the writings of others begin with nothing of the writer's own below them."""
    quote_start: int | None = None
    index = 0
    while index < len(lines):
        line = lines[index]
        if _is_quoted(line):
            quote_start = index if quote_start is None else quote_start
            index += 1
            continue
        if not line.strip():
            index += 1
            continue
        if _opens_history(lines, index):
            return index if quote_start is None else quote_start
        length = _attribution_length(lines, index, len(lines))
        if length:
            # Without quote marks below, all that follows is history: Outlook on the web does so.
            if not _quote_follows(lines, index + length, len(lines)):
                return index if quote_start is None else quote_start
            quote_start = index if quote_start is None else quote_start
            index += length
            continue
        if quote_start is not None and not _is_afterthought(lines, index):
            quote_start = None  # The writer answers below or between the quoted lines.
        index += 1
    return len(lines) if quote_start is None else quote_start


def _opens_history(lines: Sequence[str], index: int) -> bool:
    """Tell whether a divider or a quoted mail header starts here."""
    line = lines[index].strip()
    if len(line) > MARK_SIZE_MAX_CHARS:
        return False
    if line[:1] in _DIVIDER_MARKS and _DIVIDER.match(line):
        return True
    if ":" not in line and "：" not in line:
        return False
    if _FORWARD_BEGIN.match(line):
        return True
    if not _HEADER_FROM.match(line):
        return False
    following = lines[index + 1 : index + QUOTED_HEADER_LINES_MAX]
    return sum(_HEADER_OTHER.match(other[:40]) is not None for other in following) >= 2


def _attribution_length(lines: Sequence[str], index: int, end: int) -> int:
    """Return how many lines an attribution ("On … wrote:") takes here, 0 if there is none."""
    first = lines[index].strip()
    if not first or len(first) > MARK_SIZE_MAX_CHARS:
        return 0
    if first[-1] in ":：":
        return 1 if _ATTRIBUTION.fullmatch(first) else 0
    if not (
        (first[0] in _ATTRIBUTION_INITIALS or _DIGIT_OR_AT.search(first[:_YEAR_SEARCHED_MAX_CHARS]))
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


def _is_afterthought(lines: Sequence[str], index: int) -> bool:
    """Tell whether a line under a quote is signature or footer, not an answer."""
    line = lines[index].strip()
    return (
        _SIGNATURE_MARK.match(line) is not None
        or _is_ruler(line)
        or _is_sent_from(line)
        or _is_footer(line[:MARK_SIZE_MAX_CHARS])
        or _is_name_line(line, has_contact=_has_contact(line))
    )


def _without_trailing_blank(lines: Sequence[str], end: int) -> int:
    while end > 0 and (not lines[end - 1].strip() or _is_bare_underscores(lines[end - 1])):
        end -= 1
    return end


def _is_bare_underscores(line: str) -> bool:
    """Outlook draws a line of underscores above the header it quotes."""
    return len(line) >= 10 and not line.strip().strip("_")


def _start_of_signature(lines: Sequence[str], end: int) -> int:
    """Return the index of the first line of signature or footer: at most `end`, never 0."""
    first_prose = next((i for i in range(end) if lines[i].strip()), end)
    earliest = max(first_prose + 1, end - SIGNATURE_LINES_MAX)
    cut = next((i for i in range(earliest, end) if _opens_signature(lines, i, end)), end)
    cut = _before_name_block(lines, _without_trailing_blank(lines, cut), earliest)
    return _without_trailing_blank(lines, cut) or end


def _opens_signature(lines: Sequence[str], index: int, end: int) -> bool:
    """Tell whether signature or footer begin here, by the line and by what stands below it."""
    line = lines[index]
    mark = line[:MARK_SIZE_MAX_CHARS]
    if line == "-- " or _is_sent_from(mark.strip()):  # RFC 3676 §4.3: the signature separator.
        return True
    if _is_footer(mark):
        return _count_below(lines, index, end)[0] == 0
    if len(line) > MARK_SIZE_MAX_CHARS:
        return False
    if _SIGNATURE_MARK.match(line):
        return _count_below(lines, index, end)[0] <= SLOGAN_LINES_MAX
    if _is_ruler(line):
        prose, contacts = _count_below(lines, index, end)
        return contacts > 2 * prose and prose <= SLOGAN_LINES_MAX
    return _is_valediction(line) and _count_below(lines, index, end)[0] == 0


def _count_below(lines: Sequence[str], index: int, end: int) -> tuple[int, int]:
    """Return how many of the lines below one are prose, and how many hold contacts.

    Asked for the few lines that look like the beginning of a signature, of the last thirty.
    """
    prose = contacts = 0
    for line in lines[index + 1 : end]:
        text = line.strip()
        if text:
            has_contact = _has_contact(text)
            prose += _is_prose(text, has_contact=has_contact)
            contacts += has_contact
    return prose, contacts


def _before_name_block(lines: Sequence[str], end: int, earliest: int) -> int:
    """Step back over the names, departments and addresses that close a letter without a ruler."""
    index = end
    while index > earliest:
        line = lines[index - 1].strip()
        if line and not (_is_name_line(line, has_contact=_has_contact(line)) or _is_ruler(line)):
            break
        index -= 1
    while index < end and not lines[index].strip():
        index += 1
    return index


def _is_prose(text: str, *, has_contact: bool) -> bool:
    """Tell whether a line is part of a sentence to the reader rather than of an address block."""
    if has_contact or text[0] in "※*＊" or _is_footer(text[:MARK_SIZE_MAX_CHARS]):
        return False
    return not _is_name_line(text, has_contact=has_contact)


def _is_footer(line: str) -> bool:
    return line[:1] in _FOOTER_INITIALS and _FOOTER.match(line) is not None


def _is_ruler(line: str) -> bool:
    return line[:9].lstrip()[:1] in _RULER_MARKS and _RULER.match(line) is not None


def _is_sent_from(line: str) -> bool:
    return line[:1] in _SENT_FROM_INITIALS and _SENT_FROM.match(line) is not None


def _is_name_line(text: str, *, has_contact: bool) -> bool:
    """Tell whether a line is a name, department, title or address: short, and no sentence."""
    if len(text) > NAME_SIZE_MAX_CHARS:
        return has_contact and len(text) < 2 * NAME_SIZE_MAX_CHARS and _is_address_line(text)
    if _CLOSING_WORD.match(text):
        return False
    if _is_valediction(text):
        return True
    if _ends_prose(text) and not _ABBREVIATION_END.search(text):
        # 「(担当：山田)」 closes with a bracket and is a name all the same.
        return text[-1] in ")）" and has_contact
    if has_contact:
        return True
    if _ITEM.match(text):
        return False
    if _JAPANESE.search(text):
        return _is_japanese_name(text)
    words = _LATIN_WORD.findall(text)
    return 0 < len(words) <= 8 and all(w[0].isupper() or w.lower() in _SMALL_WORDS for w in words)


def _has_contact(line: str) -> bool:
    """Tell whether a line holds a company, a number, an address or a link."""
    line = line[:MARK_SIZE_MAX_CHARS]
    if any(word in line for word in _CONTACT_WORDS):
        return True
    return _DIGIT_OR_AT.search(line) is not None and _CONTACT_NUMBER.search(line) is not None


def _is_address_line(text: str) -> bool:
    """Tell whether a longer line that holds contact data holds little else."""
    if _ends_prose(text):
        return False
    words = [w for w in text.split() if w[0].islower() and "@" not in w and "/" not in w]
    return len(words) <= 3 and sum(text.count(p) for p in "をにはがでと") <= 2


def _ends_prose(text: str) -> bool:
    return _PROSE_END.search(text[-_PROSE_END_MAX_CHARS:]) is not None


def _is_valediction(line: str) -> bool:
    # The pattern wants white space after each word, so that it cannot backtrack inside one.
    return len(line) <= NAME_SIZE_MAX_CHARS and _VALEDICTION.match(line.strip() + " ") is not None


def _is_japanese_name(text: str) -> bool:
    """Names, departments and shops carry few kana of grammar; a wrapped sentence carries many."""
    particles = sum(text.count(p) for p in ("を", "に", "は", "が", "で", "と", "も", "て", "へ"))
    return particles == 0 or (particles <= 1 and len(text) <= 16)
