"""Two recognisers without a memory: a list of keywords, and a phrase that decides beside an object.

Both are what one writes first. The list holds the words that are frequent in rejections which were
really received, in the order of how many hold them; one of them is enough. The other takes the
patterns of our own lexicon for what decides and for what an application is, anywhere in the letter,
and leaves out all that asks who says it to whom, in which mood, and what else the letter says.
"""

from __future__ import annotations

from collections.abc import Callable

from relay.entries import Lexicons, Section
from relay.lines import prepare
from relay.sentences import language_of, split

Finds = Callable[[str], bool]

KEYWORDS = {
    "ja": (
        *("残念ながら", "お祈り", "祈念", "見送", "見合わせ", "ご期待に沿", "ご期待に添"),
        *("ご希望に沿", "ご希望に添", "貴意に", "不採用", "不合格", "ご縁が", "採用に至"),
        *("採用いたしかね", "他の候補者", "他の方に決", "今後のご活躍"),
    ),
    "en": (
        *("unfortunately", "regret", "sorry to", "other candidates", "other applicants"),
        *("another candidate", "not selected", "not been selected", "not successful"),
        *("unsuccessful", "not be moving forward", "not to move forward", "not to proceed"),
        *("not be proceeding", "not be progressing", "unable to offer", "has been filled"),
        *("no longer under consideration", "not a match", "decided not to"),
    ),
}


def keyword_finder(language: str) -> Finds:
    """Return what tells whether a text holds one of the keywords."""
    words = KEYWORDS[language]
    if language == "ja":
        return lambda text: any(map("".join(text.split()).__contains__, words))
    return lambda text: any(map(" ".join(text.lower().split()).__contains__, words))


def phrase_finder(lexicons: Lexicons) -> Finds:
    """Return what tells whether a text holds words of a decision and words of an application."""

    def find(text: str) -> bool:
        lines = prepare(split("", text, language_of(text)), lexicons)
        return any(line.found(Section.OBJECT) for line in lines) and any(
            entry.pattern.search(line.plain)
            for line in lines
            for entry in line.lexicon.of(Section.DECISION)
        )

    return find
