"""Tags and phrases that a company has chosen, and whether a text holds one of them.

People type the same words in full or half width, in capitals or not, and mail programs wrap lines:
in Japanese amid a word. All of that is made alike on both sides, in the phrase and in the text, and
nothing else is: a phrase is what it says, and not a pattern. It is found inside a longer word, too.

Pure: values in, values out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from relay.unseen import as_seen

# Scripts whose lines are wrapped amid a word: kana, kanji and their marks.
_UNSPACED = re.compile(r"[\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


def fold(text: str) -> str:
    """Return a text as it is compared: NFKC, without case and without what no reader sees."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", as_seen(text)).casefold()
    return unicodedata.normalize("NFKC", folded)


def find_phrase(phrases: Iterable[str], texts: Iterable[str]) -> str | None:
    """Return the first of the phrases that one of the texts holds, as the company has written it.

    White space does not count in a phrase with Japanese or Chinese characters; in any other one
    stretch of it is like another.
    """
    folded = [fold(text) for text in texts]
    for phrase in phrases:
        words = fold(phrase).split()
        glue = "" if _UNSPACED.search(phrase) else " "
        if any(glue.join(words) in glue.join(text.split()) for text in folded):
            return phrase
    return None
