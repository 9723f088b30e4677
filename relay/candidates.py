"""Which decisions the sentences of a letter may state: most often none, and that is told cheaply.

Every letter comes through here, and hardly one turns anybody down. Words are looked for before
patterns, in the whole text before its sentences, whatever language each of these may be in. A
decision is left out only where it is certain that none of its patterns matches in any sentence, so
that nothing found here or not found changes a verdict.

Pure: values in, values out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from operator import attrgetter

from relay.entries import Alternative, Entry, Lexicon, Lexicons, Section
from relay.fragments import Groups, fragments_needed
from relay.needles import PARAGRAPH_END
from relay.sentences import SENTENCE_SIZE_MAX_CHARS, cut, is_of_script, languages_in
from relay.timebox import TimeBox

# A quotation longer than this is somebody else's wording, a shorter one an emphasised word.
_QUOTATION = re.compile(
    r"(?:「[^「」]{9,400}」|『[^『』]{9,400}』)(?!と(?:なり|させ|いう(?:もの|結果|ご?連絡|ご?判断|結論)))"
    r"|\"[^\"]{16,400}\"|\"(?=[^\"]{0,15}[一-鿿가-힣])[^\"ぁ-ヿ]{9,15}\""
)
_BRACKETS = "「」『』"
_EMPHASIS = re.compile(r"[「」『』\"]")
# Brackets and the white space beside them vanish from a sentence: here letters become one word.
_BRACKET_IN_WORD = re.compile(r"[A-Za-z'][\s\"「」『』]*[「」『』][\s\"「」『』]*[A-Za-z']")
_LETTERS = re.compile(r"[^\W\d_ぁ-ヿ一-鿿가-힣]{2}")
# Small letters and the ends of blocks stay, all else is white space.
_ONLY_WORDS = bytes(code if chr(code).islower() or not code else 0x20 for code in range(256))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A decision that may be in a letter, and what each of its patterns needs a text to hold."""

    entry: Entry
    needs: tuple[Groups, ...]

    def may_match(self, plain: str) -> bool:
        """Tell whether a cue and the words of a pattern are in a sentence."""
        return self.has_words(plain) and has_cue(self.entry, plain)

    def has_words(self, plain: str) -> bool:
        """Tell whether the words of a pattern are there."""
        return not self.needs or any(_holds_all(plain, groups) for groups in self.needs)


Candidates = Mapping[str, tuple[Candidate, ...]]
# Decisions that may be stated, and the paragraphs in which they may be.
_Near = tuple[tuple[Candidate, ...], str]
_NOTHING: _Near = ((), "")


def find_candidates(
    subject: str, text: str, lexicons: Lexicons, box: TimeBox | None = None
) -> Candidates:
    """Return per language the decisions that sentences of the letter may state, most often none.

    This is what most mail costs. What patterns need is looked for first, in whole paragraphs and
    without cutting them; what is left over goes through the sentences, whatever language each may
    turn out to be in. Only a decision whose pattern matches in none is left out, so that no verdict
    changes.
    """
    own = without_quotations(text)
    whole = f"{subject}\n{text}"
    found: dict[str, tuple[Candidate, ...]] = {}
    languages = languages_in(whole)
    for lexicon in lexicons.values():
        if lexicon.language not in languages:
            continue
        look = _by_words if lexicon.folds_case else _by_fragments
        candidates, paragraphs = look(subject, own, whole, lexicon)
        if candidates and _is_stated(
            candidates, cut(subject, paragraphs), lexicon, box or TimeBox()
        ):
            found[lexicon.language] = candidates
    return found


def _by_words(subject: str, text: str, whole: str, lexicon: Lexicon) -> _Near:
    """Return what is near in a text, for a language that is written in words."""
    if not _LETTERS.search(whole):
        return _NOTHING  # A script with case writes words of several letters.
    divided = f"{subject}\n\n{text}"
    # Quote marks go behind the split: without one between them two line ends are no empty line.
    marked = without_emphasis(divided.replace("\n\n", PARAGRAPH_END))
    # A spelling variant with a space may run over a line end, a word does not.
    plain = lexicon.plain(marked.replace("\n", " "))
    has_brackets = any(map(divided.__contains__, _BRACKETS))
    if (
        plain.count(PARAGRAPH_END) != text.count("\n\n") + 1
        or _may_be_cut_off(text)
        or (has_brackets and _BRACKET_IN_WORD.search(divided))
    ):
        return tuple(Candidate(entry, ()) for entry in lexicon.of(Section.DECISION)), text
    # With brackets there may be something else between two words than there is in the sentences.
    is_sure = not has_brackets and not lexicon.hides_phrases
    squeezed = " ".join(plain.split())
    if is_sure:
        # What is in the words of other scripts is not looked for.
        places = lexicon.needles.find(squeezed.encode("ascii", "ignore").decode("ascii"))
    else:
        places = _everywhere(lexicon, squeezed)
    if not places:
        return _NOTHING
    texts = squeezed.split(PARAGRAPH_END)
    letters = plain.encode("ascii", "replace").translate(_ONLY_WORDS).decode("ascii")
    paragraphs = letters.split(PARAGRAPH_END)

    @cache
    def words_in(place: int) -> frozenset[str]:
        return lexicon.needed_words.intersection(paragraphs[place].split())

    def may_hold(place: int, one: Alternative) -> bool:
        if is_sure and not _holds_all(texts[place], one.strings):
            return False
        return not any(map(words_in(place).isdisjoint, one.words))

    return _near(subject, text, lexicon, places, may_hold)


def _everywhere(lexicon: Lexicon, text: str) -> dict[int, Sequence[int]]:
    return dict.fromkeys(range(len(lexicon.alternatives)), range(text.count(PARAGRAPH_END) + 1))


def _by_fragments(subject: str, text: str, whole: str, lexicon: Lexicon) -> _Near:
    """Return what is near in a text, for a language without spaces, wherever lines are wrapped."""
    bare = _bare(f"{subject}\n\n{text}".replace("\n\n", PARAGRAPH_END), lexicon)
    if bare is None or bare.count(PARAGRAPH_END) != text.count("\n\n") + 1 or _may_be_cut_off(text):
        every = tuple(
            Candidate(entry, fragments_needed(entry.alternatives))
            for entry in lexicon.of(Section.DECISION)
        )
        return every, text
    places = lexicon.needles.find(bare)
    if not places:
        return _NOTHING
    bares = bare.split(PARAGRAPH_END)

    def may_hold(place: int, one: Alternative) -> bool:
        return _has_bare_cue(one.entry, bares[place]) and _holds_all(bares[place], one.strings)

    return _near(subject, text, lexicon, places, may_hold)


def _near(
    subject: str,
    text: str,
    lexicon: Lexicon,
    places: Mapping[int, Sequence[int]],
    may_hold: Callable[[int, Alternative], bool],
) -> _Near:
    """Return what is near: the alternatives that a paragraph may hold, of those in `places`."""
    near: list[Alternative] = []
    kept: set[int] = set()
    for index, likely in places.items():
        one = lexicon.alternatives[index]
        found = [place for place in likely if may_hold(place, one)]
        if found:
            near.append(one)
            kept.update(found)
    if not near:
        return _NOTHING
    candidates = tuple(
        Candidate(entry, tuple(one.strings for one in alternatives))
        for entry, alternatives in groupby(near, attrgetter("entry"))
    )
    paragraphs = [subject, *text.split("\n\n")]  # No sentence runs over an empty line.
    # The subject is looked at in any case.
    return candidates, "\n\n".join(paragraphs[place] for place in sorted(kept - {0}))


def _holds_all(text: str, groups: Groups) -> bool:
    """Tell whether one string of each group is in a text."""
    holds = text.__contains__
    return all(any(map(holds, group)) for group in groups)


def _has_bare_cue(entry: Entry, bare: str) -> bool:
    """Tell whether a text may hold a sentence with a cue."""
    return has_cue(entry, bare) or not "".join(entry.cues).isalpha()


def _bare(text: str, lexicon: Lexicon) -> str | None:
    """Return the text made plain, without white space and quote marks.

    So is every sentence in there, without its own. `None` where a spelling variant would be made or
    taken apart by what is left out, of which sentences may keep some.
    """
    bare = "".join(without_emphasis(text).split())
    for mark, variant, form in lexicon.spellings:
        if mark in bare and variant in bare:
            # All letters, and none twice: it runs over no end of a sentence and not into itself.
            if not (variant.isalpha() and form.isalpha() and len(set(variant)) == len(variant)):
                return None
            if bare.count(variant) != text.count(variant):
                return None
            text, bare = text.replace(variant, form), bare.replace(variant, form)
    return bare


def _may_be_cut_off(text: str) -> bool:
    """Tell whether a sentence may be so long that it ends in the middle of a word."""
    return len(text) > SENTENCE_SIZE_MAX_CHARS and any(
        len(block) > SENTENCE_SIZE_MAX_CHARS for block in text.split("\n\n")
    )


def _is_stated(
    candidates: tuple[Candidate, ...], pieces: list[str], lexicon: Lexicon, box: TimeBox
) -> bool:
    """Tell whether a pattern matches in a sentence that may be in this language."""
    plains = lexicon.plain_lines(
        [without_emphasis(piece) for piece in pieces if is_of_script(piece, lexicon.language)]
    )
    for candidate in candidates:
        box.check()
        for plain in plains:
            if candidate.may_match(plain) and candidate.entry.pattern.search(plain):
                return True
    return False


def without_quotations(text: str) -> str:
    """Return the text without the longer quotations in it."""
    return _QUOTATION.sub("", text) if _holds_quote_marks(text) else text


def without_emphasis(text: str) -> str:
    """Return the text without quote marks: what is left of them emphasises a word."""
    return _EMPHASIS.sub("", text) if _holds_quote_marks(text) else text


def _holds_quote_marks(text: str) -> bool:
    return '"' in text or "「" in text or "」" in text or "『" in text or "』" in text


def has_cue(entry: Entry, plain: str) -> bool:
    """Tell whether the entry has no cues, or one of them is in a sentence."""
    return not entry.cues or any(map(plain.__contains__, entry.cues))
