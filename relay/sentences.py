"""A letter's own text cut into the sentences a reader would see.

Mail wraps where the column ends, in Japanese in the middle of a word: lines are joined before
anything is looked for. Korean has spaces between words, but people set them as they like: they are
left out as in Japanese and Chinese. List items, labels ("選考結果：不採用") and blank lines begin a
sentence of their own. Text is NFKC, so that full-width, half-width and vendor characters read
alike.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Set
from dataclasses import dataclass
from itertools import repeat

# A rejection is short. What stands behind this much own text is not weighed: it bounds the work on
# hostile mail, and a letter that says more first is better passed.
TEXT_SIZE_MAX_CHARS = 32 * 1024
# A "sentence" above this is a table, a log or hostile; looking closer is not worth the time.
SENTENCE_SIZE_MAX_CHARS = 1200
# What a text is written in shows in its first paragraphs, and in their small words sooner.
LANGUAGE_SIZE_MAX_CHARS = 4_000
SMALL_WORDS_SIZE_MAX_CHARS = 1_000
# With one in so many characters a common hiragana, a text is Japanese: in prose it is one in six.
COMMON_HIRAGANA_RATIO = 8
# Some words of katakana are in every letter; this many without hiragana are a way of writing.
KATAKANA_ONLY_MIN_CHARS = 20
# In Japanese, kana are at least as many as kanji: with less than one in so many it is Chinese.
KANA_IN_CHINESE_RATIO = 10
# By so many small words a sentence has to differ from the language of its letter.
SAME_LANGUAGE_BONUS = 2
# A line shorter than this was ended by its writer, not by a mail program's wrapping.
WRAPPED_SIZE_MIN_CHARS_LATIN = 45
WRAPPED_SIZE_MIN_CHARS_JAPANESE = 14
# Mail programs take a full stop into the line or leave a number whole for the next one.
WRAPPED_SLACK_CHARS = 4

_ITEM = re.compile(
    r"[-*・●○■□◆◇◎▼▽▲△★☆※→>【〔〈《①-⑳]|\(?\d{1,2}[.)、:]|[一二三四五六七八九十][、.]"
    r"|\[[ xX]?\]|[^\s:]{1,14}:\s?\S|[A-Za-z][\w /]{1,24}:\s"
)
_ITEM_MARKS = frozenset("-*・●○■□◆◇◎▼▽▲△★☆※→>【〔〈《①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳([一二三四五六七八九十")
# A label of the pattern and its colon.
ITEM_LABEL_MAX_CHARS = 26
# Looked at where a mark ends only: that is the whole pattern's first condition.
_JAPANESE_END_MARK = re.compile(r"[。!?！？♪☺☕」』).]")
_JAPANESE_END = re.compile(
    r"(?:(?<=[。!?！？♪☺☕])(?![」』)])|(?<=[」』)])(?=ま[ずた]、)|(?<=[a-z][.!?])(?=\s?[ぁ-ヿ一-鿿])|(?<=[。])(?=\s?[A-Z]))"
)
# Dots that lead from one column to the next end nothing.
_LATIN_END = re.compile(r"(?:(?<!\.\.\.)\.|[!?])[\"')\]]*\s+")
_ABBREVIATION = re.compile(
    r"\b(?:mr|mrs|ms|dr|prof|no|st|vs|e\.g|i\.e|etc|inc|co|ltd|corp|approx|dept|ref"
    r"|bzw|ggf|evtl|inkl|nr|sr|sra|dra|ud|uds|lic|mme|mlle|[a-z])\.$",
    re.IGNORECASE,
)
# Its longer ones as they end: the pattern is tried where one may be, or a single letter.
_ABBREVIATED = tuple(
    "mr. mrs. ms. dr. prof. no. st. vs. e.g. i.e. etc. inc. co. ltd. corp. approx. dept."
    " ref. bzw. ggf. evtl. inkl. nr. sr. sra. dra. ud. uds. lic. mme. mlle.".split()
)
# "Ihre Bewerbung vom 3. September": the full stop makes an ordinal number.
_ORDINAL = re.compile(r"\d\.\s+(?:Jan|Feb|Mär|Mae|Apr|Mai|Jun|Jul|Aug|Sep|Okt|Nov|Dez|[a-zäöü])")
_KOREAN_END = re.compile(r"(?<=[가-힣A-Za-z)\]\"'])[.!?~]{1,4}[\"')\]]{0,2}(?=[가-힣A-Z\"'(\[<])")
# What a line ends in that reads on, besides a comma: particles and endings of verbs.
_JAPANESE_GOES_ON = "、がでにをはともの"
_KOREAN_GOES_ON = "을를이가은는과와의로고며여서만면도에나"
_HIRAGANA = re.compile(r"[ぁ-ゖ]+")
_KATAKANA = re.compile(r"[ァ-ヶ]+")
_KATAKANA_TO_HIRAGANA = {code: code - 0x60 for code in range(ord("ァ"), ord("ヶ") + 1)}
_KANA = re.compile(r"[ぁ-ゖァ-ヺ]+")
_HAN = re.compile(r"[一-鿿]+")
_HANGUL = re.compile(r"[가-힣]+")
_WIDE_SCRIPT = re.compile(r"[ぁ-ゖァ-ヺ一-鿿가-힣]")
_WIDE_LANGUAGES = frozenset({"ja", "zh", "ko"})
_ONLY_ENGLISH = frozenset({"en"})
_LATIN_LANGUAGES = frozenset({"de", "fr", "es", "en"})
_LATIN = re.compile(r"[A-Za-z]+")
# Beside wide characters and symbols; letters with accents stand between spaces like any other.
_JAPANESE_SPACE = re.compile(r"(?<=[\u2010-\U0010ffff])[ \t]+|[ \t]+(?=[\u2010-\U0010ffff])")
_COMMON_HIRAGANA = "のいにしたはをまでと"
_LATIN_WORDS = {
    "de": "der die das dem den und nicht wir ihr ihre ihren ihrer ihnen sie uns für mit zu ist"
    " sind haben hat ein eine einen leider dass auf von bei als wurde im in",
    "fr": "le la les nous vous votre vos notre pas ne un une des est et pour avec avons sur dans"
    " du au de ce cette que qui je",
    "es": "el la los las usted que un una para por hemos su sus tu te le lo del con gracias de"
    " se en y al ha",
    "en": "the you your we and to of for not that with is are have our in this it be has been"
    " but at from",
}
# All languages are counted in one number, each in bits of its own.
_SHIFTS = {code: 16 * place for place, code in enumerate(_LATIN_WORDS)}
_WORD_COUNTS: Counter[str] = Counter()
for _code, _words in _LATIN_WORDS.items():
    _WORD_COUNTS.update(dict.fromkeys(_words.split(), 1 << _SHIFTS[_code]))


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence, as read, with the language whose lexicon applies to it."""

    text: str
    language: str
    is_subject: bool = False


_MARKS = re.compile(
    "(?<=[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u3099\u309a\ufe20-\ufe2f]{4})"
    "[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u3099\u309a\ufe20-\ufe2f]+"
)


def normalise(text: str) -> str:
    """Return `text` in NFKC with one kind of line ending and quote mark."""
    if text.isascii():
        return text[:TEXT_SIZE_MAX_CHARS].replace("\r\n", "\n").replace("\r", "\n")
    # Marks that combine are put in order: of thousands in a row that takes seconds (UAX #15 §13).
    text = _MARKS.sub("", text[:TEXT_SIZE_MAX_CHARS])
    text = unicodedata.normalize("NFKC", text)[:TEXT_SIZE_MAX_CHARS]
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u200b", "")
    text = text.translate(_KATAKANA_TO_HIRAGANA) if _is_all_katakana(text) else text
    text = text.replace("’", "'").replace("‘", "'").replace("“", '"').replace("”", '"')
    return text.replace("„", '"').replace("«", '"').replace("»", '"')


def _is_all_katakana(text: str) -> bool:
    """Tell whether a text is written in katakana where others write hiragana, as old systems do."""
    # The commonest hiragana alone settle it for most texts, in a hundredth of the time.
    if 10 * sum(map(text.count, _COMMON_HIRAGANA)) >= len(text):
        return False
    katakana = _count(_KATAKANA, text)
    # A line above or below may be from another hand.
    return katakana > KATAKANA_ONLY_MIN_CHARS and 5 * _count(_HIRAGANA, text) < katakana


def _count(script: re.Pattern[str], text: str) -> int:
    """Return how many characters of a script a text holds; the pattern finds runs of them."""
    return sum(map(len, script.findall(text)))


def language_of(text: str) -> str:
    """Return the language a text is mostly written in: ja, en, ko, zh, de, fr, es or `""`."""
    text = text[:LANGUAGE_SIZE_MAX_CHARS]
    if text.isascii() or not _WIDE_SCRIPT.search(text):
        return _latin_language(text)
    if COMMON_HIRAGANA_RATIO * sum(map(text.count, _COMMON_HIRAGANA)) >= len(text):
        return "ja"
    kana, han, hangul, latin = (_count(script, text) for script in (_KANA, _HAN, _HANGUL, _LATIN))
    if hangul > kana and 3 * hangul > latin:
        return "ko"
    if kana and 4 * (kana + han) > latin:
        return "zh" if _is_chinese(text, kana, han) else "ja"
    if 3 * han > latin:
        return "zh"
    return _latin_language(text)


def _is_chinese(text: str, kana: int, han: int) -> bool:
    """Tell whether the few kana of a text are in a name or a sign of a Chinese letter."""
    return KANA_IN_CHINESE_RATIO * kana < han and any(map(text.__contains__, "您们們"))


def split(subject: str, text: str, whole: str) -> tuple[Sentence, ...]:
    """Return the sentences of subject and text (both normalised), in order, subject first.

    `whole` is the language of both together: a sentence alone does not always tell.
    """
    sentences: list[Sentence] = []
    if subject:
        sentences.append(Sentence(_squeeze(subject), _sentence_language(subject, whole), True))
    for kept in cut("", text):
        sentences.append(Sentence(kept, _sentence_language(kept, whole)))
    return tuple(sentences)


def cut(subject: str, text: str) -> list[str]:
    """Return the sentences of `split` as bare texts: their language is not asked."""
    sentences = [_squeeze(subject)] if subject else []
    for block in _blocks(text):
        for piece in _pieces(block):
            kept = piece.strip()[:SENTENCE_SIZE_MAX_CHARS]
            if kept:
                sentences.append(kept)
    return sentences


def is_of_script(text: str, language: str) -> bool:
    """Tell whether `split` may take a sentence for one in this language, whatever it follows."""
    if text.isascii() or not _WIDE_SCRIPT.search(text):
        return language != "ja"  # Latin words in a Chinese letter count as Chinese.
    return language in _WIDE_LANGUAGES


def languages_in(text: str) -> Set[str]:
    """Return the languages in which `split` may find sentences that hold their own script.

    Most mail is in Japanese or in English, and words of the others are not looked for in it.
    """
    whole = language_of(text)
    latin = _ONLY_ENGLISH if whole in {"ja", "en", ""} else _LATIN_LANGUAGES
    if text.isascii() or not _WIDE_SCRIPT.search(text):
        return latin
    if whole == "ja":
        return latin | ({"ja", "ko"} if _HANGUL.search(text) else {"ja"})
    return latin | _WIDE_LANGUAGES


def _latin_language(text: str, whole: str = "") -> str:
    """Return the language with most of the small words, or `""`; a tie goes to English.

    A sentence of a letter is taken for one in the language of the `whole` unless the words are
    clearly of another: la, de, en, que and un are in several.
    """
    words = text[:SMALL_WORDS_SIZE_MAX_CHARS].lower().split()
    total = sum(map(_WORD_COUNTS.get, words, repeat(0)))
    counts = {code: total >> shift & 0xFFFF for code, shift in _SHIFTS.items()}
    if whole in counts:
        counts[whole] += SAME_LANGUAGE_BONUS
    best = max(counts, key=lambda code: (counts[code], code == "en"))
    return best if counts[best] else ""


def _sentence_language(text: str, whole: str) -> str:
    """Han characters alone may be Japanese or Chinese: the letter around them decides."""
    if text.isascii():
        return "en" if whole in {"ja", "en", ""} else _latin_language(text, whole) or whole
    if _KANA.search(text):
        few = whole == "zh" and KANA_IN_CHINESE_RATIO * _count(_KANA, text) < _count(_HAN, text)
        return "zh" if few else "ja"
    if _HANGUL.search(text):
        return "ko"
    if _HAN.search(text):
        return "ja" if whole == "ja" else "zh"
    if whole in {"ja", "en", ""}:
        return "en"
    return _latin_language(text, whole) or whole


def _squeeze(line: str) -> str:
    """Return a line without the white space that Japanese does not have between words."""
    if line.isascii() or (" " not in line and "\t" not in line):
        return line.strip()
    return _JAPANESE_SPACE.sub("", line.strip())


def _blocks(text: str) -> list[str]:
    """Return runs of lines that read on, each joined into one string."""
    blocks: list[str] = []
    current = ""
    previous = ""
    typed_size = 0
    lines = [_squeeze(raw) for raw in text.split("\n")]
    columns = max(map(len, lines))
    for line in lines:
        if not line:
            if current:
                blocks.append(current)
            current = previous = ""
            typed_size = 0
            continue
        wrapped = bool(previous) and _is_wrapped(previous, line, columns)
        if current and _reads_on(previous, line, typed_size, is_wrapped=wrapped):
            glue = "" if _is_wide(previous[-1]) or _is_wide(line[0]) else " "
            current += glue + line
        else:
            if current:
                blocks.append(current)
            current = line
        # What a mail program broke counts as the line that its writer typed.
        typed_size = (typed_size if wrapped else 0) + len(line)
        previous = line
    if current:
        blocks.append(current)
    return blocks


def _is_wrapped(previous: str, line: str, columns: int) -> bool:
    """Tell whether a line was broken because what follows did not fit."""
    if _ends_wide(previous):
        return len(previous) + WRAPPED_SLACK_CHARS >= columns
    return len(previous) + 1 + len(line.partition(" ")[0]) > columns


def _reads_on(previous: str, line: str, typed_size: int, *, is_wrapped: bool) -> bool:
    """Tell whether `line` continues the sentence of `previous`."""
    item = _ITEM.match(line) if _may_be_item(line) else None
    # Behind a wrapped line "scenario: you …" is no label, and "14." no item.
    if item and not (is_wrapped and (line[0].islower() or item.end() == len(line))):
        return False
    if _ends_wide(previous):
        if previous[-1] in "。!?":
            return False
        return (
            typed_size >= WRAPPED_SIZE_MIN_CHARS_JAPANESE
            or previous[-1] in _JAPANESE_GOES_ON
            or previous[-1] in _KOREAN_GOES_ON
        )
    if previous[-1] == "," and _is_wide(previous[-2:-1]):
        return True
    if previous[-1] in ".!?:;" and typed_size < WRAPPED_SIZE_MIN_CHARS_LATIN:
        return False
    return typed_size >= WRAPPED_SIZE_MIN_CHARS_LATIN or line[0].islower()


def _ends_wide(line: str) -> bool:
    """Tell whether a line ends in Japanese, be it in a number or a bracket of it."""
    last = line[-1]
    return _is_wide(last) or ((last.isalnum() or last == ")") and any(map(_is_wide, line[-8:])))


def _may_be_item(line: str) -> bool:
    """Tell what most lines are not, by their first character and by a colon near it."""
    return line[0] in _ITEM_MARKS or line[0].isdigit() or ":" in line[:ITEM_LABEL_MAX_CHARS]


def _is_wide(character: str) -> bool:
    return character > "⺀" or character in {"…", "―"}


def _is_abbreviation(tail: str) -> bool:
    """Tell whether the last characters before a space are a shortened word and its full stop."""
    if tail.isascii() and tail[-3:-2].isalnum() and not tail.lower().endswith(_ABBREVIATED):
        return False
    return _ABBREVIATION.search(tail) is not None


def _pieces(block: str) -> list[str]:
    if not block.isascii():
        if _KANA.search(block):
            return _japanese_pieces(block)
        if _HANGUL.search(block):
            return _korean_pieces(block)
        if _HAN.search(block):
            return _japanese_pieces(block)
    pieces: list[str] = []
    start = 0
    for end in _LATIN_END.finditer(block):
        stop = end.start() + 1
        if block[stop - 2 : stop - 1].isdigit() and _ORDINAL.match(block, stop - 2):
            continue
        if not _is_abbreviation(block[max(start, stop - 8) : stop]):
            pieces.append(block[start : end.end()])
            start = end.end()
    pieces.append(block[start:])
    return pieces


def _japanese_pieces(block: str) -> list[str]:
    pieces: list[str] = []
    start = 0
    for mark in _JAPANESE_END_MARK.finditer(block):
        if _JAPANESE_END.match(block, mark.end()):
            pieces.append(block[start : mark.end()])
            start = mark.end()
    pieces.append(block[start:])
    return pieces


def _korean_pieces(block: str) -> list[str]:
    pieces: list[str] = []
    start = 0
    for end in _KOREAN_END.finditer(block):
        pieces.append(block[start : end.end()])
        start = end.end()
    pieces.append(block[start:])
    return pieces
