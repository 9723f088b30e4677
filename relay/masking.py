"""Sentences of a letter with all that differs from one letter of a template to the next masked.

Names, dates, times, numbers, addresses, links, companies and positions become one sign; what is
left is the wording. `mask` leaves the rest of a sentence as it is, `outline` its grammar alone:
two letters to two people differ in neither, and a negation or a condition shows in both.

What is masked is part of the format of the file of approved letters: another mask gives another
hash, and the admin has to approve the letter again.

Pure: values in, values out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

# What stands for all that is masked: nothing else in a masked sentence is a digit.
MASK = "0"
# Between two sentences: in no name, and no pattern runs over it.
SENTENCE_END = "\x00"
# A name of one character is too short to be looked for: it may be part of any word.
NAME_SIZE_MIN_CHARS = 2
# A letter to an applicant is from one person to one.
NAMES_MAX = 20

# Words that carry grammar, mood and polarity. They are never masked, in whatever case.
_GRAMMAR = frozenset(
    """a an the this that these those i you he she it we they me him her us them my your his its our
    their mine yours ours theirs myself yourself yourselves ourselves who whom whose which what when
    where why how and or but nor so yet if unless until while although though because since as than
    whether however therefore instead otherwise not no never none nothing neither nobody cannot can
    could will would shall should may might must ought do does did done doing have has had having am
    is are was were be been being of in on at by for with without from to into onto upon about after
    before between among against during through over under again further once here there then now
    all any both each few more most other others another some such only own same too very also just
    still already ever even please let ll ve re isn't aren't wasn't weren't don't doesn't didn't
    won't wouldn't can't couldn't shouldn't haven't hasn't hadn't unable able unfortunately sorry
    regret""".split()
)
# These may stand inside the name of a position.
_IN_TITLES = frozenset({"of", "and", "in"})

_LINK = re.compile(
    r"(?:https?://|www\.)[^\s\x00<>「」『』()、。]+"
    r"|(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
)
_DAY_NAMES = (
    "mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:r(?:s(?:day)?)?)?|fri(?:day)?"
    "|sat(?:urday)?|sun(?:day)?"
)
_MONTH_NAMES = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may(?=\\s\\d)|(?<=\\d\\s)may|june?|july?"
    "|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
)
_TIME = re.compile(
    rf"\b(?:{_DAY_NAMES}|{_MONTH_NAMES})\b\.?"
    r"|\d(?:[\d,.:/~-]*\d)?(?:\s?(?:[ap]m\b|[ap]\.m\.)|(?:st|nd|rd|th)\b)?|[(（][月火水木金土日](?:曜日?)?(?:[・/]?祝)?[)）]"
    r"|[月火水木金土日]曜日?|午[前後]|[一二三四五六七八九十]{1,3}(?=[年月日時分])|(?:令和|平成|西暦)",
    re.IGNORECASE,
)
# A date or a company in several pieces is one thing.
_MASKED_RUN = re.compile(
    rf"{MASK}(?:(?:[\s,/.:~()年月日時分・-]|\bat\b)*{MASK})*(?:[年月日時分]+(?![一-鿿]))?"
)

_WIDE = r"[一-鿿々〆ヶァ-ヴー・A-Za-z&0]"
_READER = re.compile(rf"{_WIDE}{{1,30}}(?:様|さま|殿|さん|氏)(?![一-鿿々])")
_COMPANY = re.compile(
    rf"(?:株式会社|有限会社|合同会社|(?:社会福祉|医療|学校)法人|\(株\)|\(有\)){_WIDE}{{1,30}}"
    rf"|{_WIDE}{{1,30}}?(?:株式会社|有限会社|合同会社|\(株\)|\(有\))"
    r"|\b(?:[A-Z][\w&'-]{0,40},?\s){1,5}(?:Inc|Ltd|LLC|LLP|GmbH|Corp|Limited|plc|PLC|K\.K)\b\.?"
)
_OCCUPATION = re.compile(rf"({_WIDE}{{1,30}}?)(?:職|スタッフ|コース)(?![一-鿿々])")
_OPENING = re.compile(
    rf"({_WIDE}{{1,30}}?|「[^「」\x00]{{1,40}}」|『[^『』\x00]{{1,40}}』)(の?(?:募集|求人|ポジション|職種)"
    r"|につきまして|について|への(?=ご?応募))"
)
# Of these a decision is made, so they are no part of the name of a position.
_DECIDED = re.compile("採用|合格|内定|不可|見送|落選|辞退|選考|面接|結果")

_NOT_GRAMMAR = rf"(?!(?:{'|'.join(sorted(_GRAMMAR - _IN_TITLES))})\b)"
_TITLE = rf"(?:{_NOT_GRAMMAR}[\w&/().'-]+\s+){{1,6}}?"
_POST = "positions?|roles?|jobs?|posts?|vacanc(?:y|ies)|openings?|internships?|apprenticeships?"
_POSITION = re.compile(rf"\b(the|our|a|an|this|of)\s+{_TITLE}({_POST})\b", re.IGNORECASE)
_POSITION_OF = re.compile(
    rf"\b({_POST})\s+(of|as)\s+(?:an?\s+)?{_NOT_GRAMMAR}[\w&/'-]+"
    rf"(?:\s+(?:of\s+)?{_NOT_GRAMMAR}(?!in\b|and\b)[\w&/'-]+){{0,4}}",
    re.IGNORECASE,
)
# Capitals behind these begin a name; behind a verb or a colon they may be what was decided.
_NAMED = re.compile(
    r"(?<![\w'])(for|of|at|with|from|by|in|the|our|an?|mr\.?|ms\.?|mrs\.?|dr\.?|,)"
    r"((?:\s+[A-Z][\w&/'-]*)+)"
)
_LATIN_WORD = re.compile(r"[A-Za-z]{2}")
_WORD = re.compile(r"[\w']+")
_NO_HIRAGANA = re.compile(r"[^ぁ-ゖ]+")
_KANA = re.compile(r"[ぁ-ゖァ-ヺ]")
_NO_WORD = re.compile(r"[\W_]+")
_HONORIFIC = re.compile(r"\s*(?:様|さま|殿|さん|氏)$")


def mask(sentences: Sequence[str], names: Iterable[str]) -> list[str]:
    """Return normalised sentences with their names, dates, numbers and positions masked."""
    text = _LINK.sub(" ", SENTENCE_END.join(s.replace(SENTENCE_END, "") for s in sentences))
    for name in _forms(names):
        if name in text:
            text = re.sub(rf"(?<![A-Za-z]){re.escape(name)}(?![A-Za-z])", MASK, text)
    text = _TIME.sub(MASK, text)
    text = _COMPANY.sub(MASK, text)
    if not text.isascii():
        text = _READER.sub(MASK, text)
        text = _OCCUPATION.sub(_without_position, text)
        text = _OPENING.sub(_without_position, text)
    if _LATIN_WORD.search(text):
        text = _POSITION.sub(rf"\1 {MASK} \2", text)
        text = _POSITION_OF.sub(rf"\1 \2 {MASK}", text)
        text = _NAMED.sub(_without_capitals, text)
    return _MASKED_RUN.sub(MASK, text).split(SENTENCE_END)


def outline(text: str) -> str:
    """Return the grammar of a masked sentence in Japanese or English; all other words are one."""
    if _KANA.search(text):
        return _NO_HIRAGANA.sub(MASK, text)
    words = [w if w in _GRAMMAR else MASK for w in _WORD.findall(text.lower())]
    return " ".join(w for i, w in enumerate(words) if w != MASK or words[i - 1 : i] != [MASK])


def bare(text: str) -> str:
    """Return the letters of a text: no punctuation, bullets or white space, and no case."""
    return _NO_WORD.sub("", text.casefold())


def _forms(names: Iterable[str]) -> list[str]:
    """Return how display names may stand in a text, the longest first."""
    found: set[str] = set()
    for name in names:
        whole = _HONORIFIC.sub("", name.strip().strip("\"'"))
        found.update((whole, whole.replace(" ", "")))
        found.update(word for word in whole.split() if word.lower() not in _GRAMMAR)
    return sorted((n for n in found if len(n) >= NAME_SIZE_MIN_CHARS), key=len, reverse=True)[
        :NAMES_MAX
    ]


def _without_position(found: re.Match[str]) -> str:
    if _DECIDED.search(found[1]):
        return found[0]
    return MASK + (found[2] if found.re is _OPENING else "")


def _without_capitals(found: re.Match[str]) -> str:
    words = found[2].split()
    if any(word.lower() in _GRAMMAR for word in words):
        return found[0]
    return f"{found[1]} {MASK}"
