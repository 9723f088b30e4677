"""Where signature, closing names and footer of a letter begin, told line by line.

Closing sentences and closing words (敬具, 以上) belong to the text. A valediction over a name
("Kind regards," and "Anna") belongs to the signature: a note between the two would tear them apart.

Works on decoded lines, never raises, looks at each line a bounded number of times. Every letter
comes through here: each pattern stands behind a test of a character that most lines fail.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from relay.footers import (
    FOOTER_GOES_ON,
    FOOTER_INITIALS,
    FOOTER_LINES_MAX,
    LATIN_BEGINNINGS,
    SENT_FROM_INITIALS,
    is_footer,
    is_sent_from,
)
from relay.rulers import (
    before_motto,
    has_no_words,
    is_banner,
    is_ruler,
    is_ruler_with_words,
    within_sides,
)

# A header, attribution, ruler or name is short; a longer line is prose and is not looked at closer,
# which also bounds the work on hostile input.
MARK_SIZE_MAX_CHARS = 240
# The longest signatures seen (offices, phones, slogan, privacy, certificates) have 25 lines, and an
# empty one behind each.
SIGNATURE_LINES_MAX = 60
# A name, a department or a title fits this; a line of prose seldom does without a full stop.
NAME_SIZE_MAX_CHARS = 48
# A line that is shorter than this was ended by its writer, not by a mail program.
WRAPPED_MIN_CHARS = 40
WRAPPED_MIN_CHARS_WIDE = 24
# A signature may hold a line or two of advertising; more prose means the letter goes on.
SLOGAN_LINES_MAX = 2
# One that has all offices also tells of itself and of privacy: as many lines as it has contacts.
ADVERTISING_LINES_MAX = 8
CONTACTS_OF_OFFICES_MIN = 5

_SIGNATURE_MARK = re.compile(r"-- ?$")
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
_VALEDICTION = re.compile(
    r"\s{0,4}(?:(?:with|my|our|many|very|kind(?:est)?|best|warm(?:est|ly)?|all the|sincere(?:ly)?"
    r"|yours?|thanks?|cordially|respectfully|faithfully|truly|regards|wishes|cheers|love|take care"
    r"|again|and|you|gratefully|in advance|so much|thank|kindly|speak soon|on behalf of|mit"
    r"|freundlichen?|grüßen?|gruß|herzliche|viele|beste|liebe|cordialement|bien|sincères"
    r"|salutations|saludos|cordiales|atentamente|un saludo|bonne continuation|hochachtungsvoll"
    r"|freundliche[mr]?|grüsse|gruss|schöne|sonnige|besten?|lieben?|herzlichen?|mfg|lg|vg|bg"
    r"|aus\s\w{3,20}|meilleures|distinguées|amicalement|respectueusement|sincèrement|à|vous|toi"
    r"|au|plaisir|nos|mes|un|cordial|saludo|abrazo|recibe|reciba|atte|muy|respetuosamente"
    r"|vriendelijke|groet(?:en)?|vänliga|hälsningar|med)[\s,!.]{1,3}){1,6}$",
    re.IGNORECASE,
)
# Asked of the engine itself, which takes a few letters more for equal than `lower` does (ſ, ı).
_VALEDICTION_INITIALS = frozenset(
    re.findall("[abcfghiklmorstuvwy]", "".join(map(chr, range(0x2200))), re.IGNORECASE)
)
_OPENING_INITIALS = SENT_FROM_INITIALS | FOOTER_INITIALS | frozenset("ー〆")
_JAPANESE = re.compile(r"[぀-ヿ一-鿿]")
# What is said to somebody in Chinese, where a line seldom ends in a full stop.
_CHINESE_PROSE = re.compile(
    r"[您你妳们們很吗嗎]|未[能被获獲录錄通予达達]|感[谢謝]|[谢謝]{2}|遗憾|遺憾|抱歉|[请請]"
)
_HANGUL = re.compile(r"[가-힣]")
_KOREAN_NAME = re.compile(
    r"[가-힣]{2,4}|.{1,40}(?:드림|올림|배상|일동)"
    r"|.{0,30}(?:[팀부과실처국장]|담당자?|센터|회사|공단|연구소|학원|재단|병원|위원회|대학교|본부)"
    r"(?:\s[가-힣]{2,4})?"
)
# A part of a company as people write it under a letter, in small letters or not.
_UNIT = re.compile(
    r"(?:l['’]|le |la |das |die |ihr |dein |euer |el |los |the |your |votre |notre )?"
    r"(?:équipe|service|direction|cabinet|secrétariat|team|equipo|departamento|dirección|secretaría"
    r"|abteilung|personal(?:abteilung|wesen|büro)|chargée?|responsable|human resources)\b",
    re.IGNORECASE,
)
UNIT_WORDS_MAX = 5
_PROSE_END = re.compile(
    r"[。．！？!?…♪,、;；)）」』.:：]$"
    r"|(?:니다|세요|[아어에예네지]요|까요|시오|죠|해요)$"
    r"|(?:ます|ました|ません|です|でした|ください|下さい|ませ|たい|った|ない|ので|から|こと|もの|場合"
    r"|ように|ところ|願い|敬具|以上|草々|かしこ|敬白|謹白)$"
)
# No ending of a sentence above is longer.
_PROSE_END_MAX_CHARS = 4
_CLOSING_WORD = re.compile(r"(?:敬具|以上|草々|早々|かしこ|敬白|謹白|拝)\s?[。.]?$")
# A department, a reading or opening hours in brackets behind a name.
_NAME_IN_BRACKETS = re.compile(
    r"[^。、をにはがでともて()（）]{2,30}[(（][^。、をはがでも()（）]{1,12}[)）]"
)
# What a letter says to its reader, and a company does not of itself.
_IS_SAID = re.compile(
    r"ください|下さい|お願い|申し上げ|存じ|ございま|ご応募|ご縁|お祈り|残念|見送|不採用|結果"
    r"|\b(?:thank|sorry|regret|unfortunately|please|wish|decided)",
    re.IGNORECASE,
)
_LEADS_ON = re.compile(
    r"(?:下記|以下|こちら|次の).{0,40}(?:ます|ください|下さい|ませ|です)[。.]?$|\b(?:here|below):?$"
)
_ITEM = re.compile(r"(?:[-*•・●○■◆◎▼①-⑳]|\(?\d{1,2}[.)．])\s{0,3}\S")
_ABBREVIATION_END = re.compile(r"\b(?:Jr|Sr|Ph\.?D|M\.?D|Inc|Ltd|Co|Corp|Dept|[A-Z])\.$")
_LATIN_WORD = re.compile(r"[^\W\d_][\w'’.-]*")
_SMALL_WORDS = frozenset(
    "a an and at by de del der di du for i in la le of on p the to van von xx x y".split()
)


def is_part_of_signature(line: str) -> bool:
    """Tell whether a line under a quote is signature or footer, not an answer."""
    line = line.strip()
    return (
        _SIGNATURE_MARK.match(line) is not None
        or is_ruler(line)
        or is_sent_from(line)
        or is_footer(line[:MARK_SIZE_MAX_CHARS])
        or _is_name_line(line, has_contact=_has_contact(line))
    )


def without_trailing_blank(lines: Sequence[str], end: int) -> int:
    """Return `end` without the blank lines and rulers of underscores above it."""
    while end > 0 and (not lines[end - 1].strip() or _is_bare_underscores(lines[end - 1])):
        end -= 1
    return end


def _is_bare_underscores(line: str) -> bool:
    """Outlook draws a line of underscores above the header it quotes."""
    return len(line) >= 10 and not line.strip().strip("_")


def start_of_signature(lines: Sequence[str], end: int) -> int:
    """Return the index of the first line of signature or footer: at most `end`, never 0."""
    first_prose = next((i for i in range(end) if lines[i].strip()), end)
    earliest = max(first_prose + 1, end - SIGNATURE_LINES_MAX)
    likely = (i for i in range(earliest, end) if _may_open_signature(lines[i]))
    cut = next((i for i in likely if _opens_signature(lines, i, end)), end)
    cut = before_motto(lines, cut, earliest) if cut < end else cut
    cut = _before_name_block(lines, without_trailing_blank(lines, cut), earliest)
    return without_trailing_blank(lines, cut) or end


def _opens_signature(lines: Sequence[str], index: int, end: int) -> bool:
    """Tell whether signature or footer begin here, by the line and by what stands below it."""
    line = lines[index]
    mark = line[:MARK_SIZE_MAX_CHARS]
    if line == "-- " or is_sent_from(mark.strip()):  # RFC 3676 §4.3: the signature separator.
        return True
    if is_footer(mark):
        return _count_below(lines, _end_of_footer(lines, index, end), end)[0] == 0
    if len(line) > MARK_SIZE_MAX_CHARS:
        return False
    if _SIGNATURE_MARK.match(line):
        return _count_below(lines, index, end)[0] <= SLOGAN_LINES_MAX
    if is_ruler(line) or is_ruler_with_words(line):
        return _ruler_opens(lines, index, end)
    return (
        _is_valediction(line)
        and not _is_wrapped(lines, index)
        and all(map(_may_be_name, lines[index + 1 : end]))
    )


def _ruler_opens(lines: Sequence[str], index: int, end: int) -> bool:
    """Tell whether a signature stands below a ruler: names and contacts, and hardly a sentence."""
    prose, contacts = _count_below(lines, index, end)
    if not prose:
        return True
    if _prose_above_contacts(lines, index, end) > 1:
        return False  # A boxed paragraph of the letter, above its signature.
    if prose <= SLOGAN_LINES_MAX:
        last = next(line for line in reversed(lines[:end]) if line.strip())
        is_drawn = is_ruler(last) or is_ruler_with_words(last)
        return contacts > (prose if is_drawn else 2 * prose)
    return (
        prose <= ADVERTISING_LINES_MAX
        and contacts >= max(CONTACTS_OF_OFFICES_MIN, prose)
        and not any(_IS_SAID.search(line[:MARK_SIZE_MAX_CHARS]) for line in lines[index + 1 : end])
    )


def _prose_above_contacts(lines: Sequence[str], index: int, end: int) -> int:
    """Return how many lines of prose stand between a ruler and the first contact below it."""
    prose = 0
    for line in lines[index + 1 : end]:
        text = within_sides(line)
        if text:
            if _has_contact(text):
                break
            prose += _is_prose(text, has_contact=False)
    return prose


def _end_of_footer(lines: Sequence[str], index: int, end: int) -> int:
    """Return the index of the last line of a footer that is wrapped or says more of the same."""
    last = min(index + FOOTER_LINES_MAX, end - 1)
    while index < last and (
        FOOTER_GOES_ON.search(lines[index + 1][:MARK_SIZE_MAX_CHARS])
        or _is_wrapped(lines, index + 1)
    ):
        index += 1
    return index


def _is_wrapped(lines: Sequence[str], index: int) -> bool:
    """Tell whether a line is the rest of the sentence above it, which did not fit."""
    above = lines[index - 1].strip()
    if len(above) < (WRAPPED_MIN_CHARS_WIDE if _JAPANESE.search(above) else WRAPPED_MIN_CHARS):
        return False
    if above[-1] in ",、":
        return True
    return not (
        _ends_prose(above)
        or is_ruler(above)
        or _is_name_line(above, has_contact=_has_contact(above))
    )


def _is_promised(lines: Sequence[str], index: int, text: str) -> bool:
    """Tell whether a link is what the sentence above it says that follows."""
    if not text.startswith("http"):
        return False
    near = lines[max(index - 2, 0) : index]
    above = next((text for line in reversed(near) if (text := line.strip())), "")
    return _LEADS_ON.search(above[-NAME_SIZE_MAX_CHARS:]) is not None


def _may_be_name(line: str) -> bool:
    """Tell whether a line below a valediction is no sentence: names may be in small letters."""
    text = line.strip()
    if not text or not _is_prose(text, has_contact=_has_contact(text)):
        return True
    return (
        len(text) <= NAME_SIZE_MAX_CHARS
        and len(text.split()) <= UNIT_WORDS_MAX
        and not _ends_prose(text)
        and not _CHINESE_PROSE.search(text)
    )


def _may_open_signature(line: str) -> bool:
    """Tell by its first characters what most lines are not."""
    if not line:
        return False
    first = line[0]
    if "a" <= first <= "z" or "A" <= first <= "Z":
        return line[:2] in LATIN_BEGINNINGS or _is_valediction(line)
    # No list has all the signs that rulers are made of.
    return not first.isalnum() or first in _OPENING_INITIALS or first in _VALEDICTION_INITIALS


def _count_below(lines: Sequence[str], index: int, end: int) -> tuple[int, int]:
    """Return how many of the lines below one are prose, and how many hold contacts.

    Asked for the few lines that look like the beginning of a signature, of the last thirty.
    """
    prose = contacts = 0
    for line in lines[index + 1 : end]:
        text = within_sides(line)
        if text:
            has_contact = _has_contact(text)
            prose += _is_prose(text, has_contact=has_contact)
            contacts += has_contact
    return prose, contacts


def _before_name_block(lines: Sequence[str], end: int, earliest: int) -> int:
    """Step back over the names, departments and addresses that close a letter without a ruler."""
    index, contacts = end, 0
    # Banners are of the signature if it has an address or a number above them.
    below_banners: int | None = None
    while index > earliest:
        line = within_sides(lines[index - 1])
        has_contact = bool(line) and _has_contact(line)
        if line and not (_is_name_line(line, has_contact=has_contact) or is_ruler(line)):
            if not (is_banner(line) or has_no_words(line)):
                break
            below_banners = index if below_banners is None else below_banners
        if line and (_is_wrapped(lines, index - 1) or _is_promised(lines, index - 1, line)):
            break
        contacts += has_contact and below_banners is not None
        index -= 1
    if below_banners is not None and not contacts:
        index = below_banners
    while index < end and not lines[index].strip():
        index += 1
    return index


def _is_prose(text: str, *, has_contact: bool) -> bool:
    """Tell whether a line is part of a sentence to the reader rather than of an address block."""
    if has_contact or text[0] in "※*＊" or is_footer(text[:MARK_SIZE_MAX_CHARS]):
        return False
    if has_no_words(text) or is_ruler(text) or is_ruler_with_words(text):
        return False
    return not (is_banner(text) or _is_name_line(text, has_contact=has_contact))


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
        return text[-1] in ")）" and (has_contact or _NAME_IN_BRACKETS.fullmatch(text) is not None)
    if has_contact:
        return True
    if _ITEM.match(text):
        return False
    if _HANGUL.search(text):
        return _KOREAN_NAME.fullmatch(text) is not None
    if _JAPANESE.search(text):
        return not _CHINESE_PROSE.search(text) and _is_japanese_name(text)
    if len(text.split()) <= UNIT_WORDS_MAX and _UNIT.match(text):
        return True
    words = _LATIN_WORD.findall(text)
    return 0 < len(words) <= 8 and all(w[0].isupper() or w.lower() in _SMALL_WORDS for w in words)


def _has_contact(line: str) -> bool:
    """Tell whether a line holds a company, a number, an address or a link."""
    line = line[:MARK_SIZE_MAX_CHARS]
    if any(map(line.__contains__, _CONTACT_WORDS)):
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
    if len(line) > NAME_SIZE_MAX_CHARS or line.lstrip()[:1] not in _VALEDICTION_INITIALS:
        return False
    # The pattern wants white space after each word, so that it cannot backtrack inside one.
    return _VALEDICTION.match(line.strip() + " ") is not None


def _is_japanese_name(text: str) -> bool:
    """Names, departments and shops carry few kana of grammar; a wrapped sentence carries many."""
    particles = sum(text.count(p) for p in ("を", "に", "は", "が", "で", "と", "も", "て", "へ"))
    return particles == 0 or (particles <= 1 and len(text) <= 16)
