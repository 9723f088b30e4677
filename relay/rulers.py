"""Lines that are drawn rather than written: rulers, sides of boxes, banners, mottoes with marks.

    ｰｰｰｰｰｰｰｰ   *-*-*-*-*   〜〜〜〜〜   ┏━━━━┓   ･ﾟ･*:.｡☆･ﾟ･*:.｡☆   ----- 連絡先 -----

A ruler is a few signs over and over, of whatever kind: no list has them all. A line of signs that
do not come again ("(^^)/") is none. Pure; each line is looked at a bounded number of times.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# Wider than any window in which a signature is typed.
RULER_MAX_CHARS = 120
RULER_MIN_CHARS = 4
# What stands in a ruler: 署名, 連絡先, the name of a shop.
_WORDS_MAX_CHARS = 12
# A motto fits into a line of a telephone, twice.
MOTTO_MAX_CHARS = 40
MOTTO_LINES_MAX = 2

_LETTERS = r"\-_=*~+#.・･…‥―ー\u2500-\u257f■□◆◇☆★※○●◎▼▲▽△∞☘♪/\\|<>＊＝－＿＋"
_RULER = re.compile(
    # A corner may stand before the line.
    rf"\s{{0,8}}[{_LETTERS}]?([{_LETTERS}]{{1,3}}[\s\-]?)\1{{2,}}\S{{0,4}}\s*$"
)
_MARKS = frozenset(re.findall(f"[{_LETTERS}]", "".join(map(chr, range(0x10000)))))
# Letters to Unicode, and drawn with all the same.
_LIKE_SIGNS = frozenset("ー〆")
_WITH_WORDS = re.compile(r"([^\w\s])\1{3,80}[^\w\s]{0,4}\s?(\w[^\n]{0,40}?)\s?[^\w\s]{2,80}$")
_SIDES = "┃│║|｜ \t\u3000"
# What a letter sets off within itself: its closing word, a list, the result.
_OF_A_LETTER = re.compile(
    r"以上|敬具|草々|敬白|かしこ|謹白|記\Z|結果|選考|応募|返却|書類|内容|求人|日程|ここ(?:から|まで)"
)
_MOTTO_MARKS = "～〜~★☆◆◇■□●○▼▲♪♫―－◎＊*❖✿❀≪≫《》＼／"
_MOTTO = re.compile(
    rf"[{_MOTTO_MARKS}]{{1,6}}\s?[^{_MOTTO_MARKS}].{{1,38}}[{_MOTTO_MARKS}]{{1,6}}"
    r"|[「『“\"≪《].{2,38}[」』”\"≫》]"
)
_BANNER = re.compile(rf"[{_MOTTO_MARKS}].{{2,46}}[{_MOTTO_MARKS}！!♪]|【.{{2,40}}】.{{0,20}}")
# So a letter speaks to somebody, and a motto does not.
_POLITE = re.compile(
    r"ます|です|ません|ました|でした|ませ|ください|下さい|存じ|お願い|まで[。.]?$|以上|敬具|様"
)
_KANA = re.compile(r"[ぁ-ゖ]")
_LAST_WORD = re.compile(r"(?:敬具|草々|早々|かしこ|敬白|謹白)\s?[。.]?$")
_POSTSCRIPT = re.compile(r"追伸|追って|追記|なお|尚|P\.?\s?S|※")
# What a letter says in such a line, and a company does not.
_ASKS = re.compile(
    r"ください|下さい|お願い|いただき|致し|いたし|ません|結果|採用を|不採用|応募を|ご応募|お待ち|お祈り"
    r"|感謝|ありがとう|申し上げ|ございま"
    r"|見送|不合格|履歴書|書類|返却|返送|廃棄|破棄|残念|お体|ご自愛|ご活躍|ご健勝|ご多幸"
)


def is_ruler(line: str) -> bool:
    """Tell whether a line is drawn from one end to the other."""
    first = line[:9].lstrip()[:1]
    if not first:
        return False
    if first in _MARKS and _RULER.match(line):
        return True
    if (first.isalnum() and first not in _LIKE_SIGNS) or len(line) > RULER_MAX_CHARS:
        return False
    signs = "".join(line.split())
    return (
        len(signs) >= RULER_MIN_CHARS
        and 2 * len(set(signs)) <= len(signs)
        and not any(sign.isalnum() and sign not in _LIKE_SIGNS for sign in signs)
    )


def is_ruler_with_words(line: str) -> bool:
    """Tell whether a line is a ruler that names what stands below it."""
    text = line.strip()
    if len(text) > RULER_MAX_CHARS or text[:1].isalnum():
        return False
    met = _WITH_WORDS.match(text)
    return (
        met is not None and len(met[2]) <= _WORDS_MAX_CHARS and _OF_A_LETTER.search(met[2]) is None
    )


def has_no_words(text: str) -> bool:
    """Tell whether nothing of a line can be read: the rest of a box, or of a ruler."""
    return not any(map(str.isalnum, text[:RULER_MAX_CHARS]))


def within_sides(text: str) -> str:
    """Return what stands between the sides of a box."""
    return text.strip().strip(_SIDES).strip()


def _is_motto(text: str) -> bool:
    """Tell whether a line stands in quotes or between marks, or speaks to nobody."""
    if _MOTTO.fullmatch(text):
        return True
    return _KANA.search(text) is not None and _POLITE.search(text) is None


def is_banner(text: str) -> bool:
    """Tell whether a line advertises: it begins with a mark, and ends in one or in a shout."""
    return _BANNER.fullmatch(text) is not None and _ASKS.search(text) is None


def before_motto(lines: Sequence[str], cut: int, earliest: int) -> int:
    """Step back from the ruler of a signature over the motto that stands upon it, if one does."""
    if not (is_ruler(lines[cut]) or is_ruler_with_words(lines[cut])):
        return cut
    top = cut
    while top > earliest and cut - top <= MOTTO_LINES_MAX and lines[top - 1].strip():
        top -= 1
    mottoes = [line.strip() for line in lines[top:cut]]
    is_apart = not lines[top - 1].strip()
    if not is_apart or not 0 < len(mottoes) <= MOTTO_LINES_MAX:
        return cut
    if any(
        len(motto) > MOTTO_MAX_CHARS or _POSTSCRIPT.match(motto) or _ASKS.search(motto)
        for motto in mottoes
    ):
        return cut
    if all(map(_is_motto, mottoes)):
        return top
    # Behind the closing word of a formal letter stands nothing of it but a postscript.
    above = next((text for line in reversed(lines[:top]) if (text := line.strip())), "")
    return top if _LAST_WORD.match(above) else cut
