"""Which decisions the sentences of a letter may state: most often none, and that is told cheaply.

Every letter comes through here, and hardly one turns anybody down. Words are looked for before
patterns, in the whole text before its sentences, whatever language each of these may be in. A
decision is left out only where it is certain that none of its patterns matches in any sentence, so
that nothing found here or not found changes a verdict.

Pure: values in, values out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from relay.lexicons import Entry, Lexicon, Lexicons, Section
from relay.sentences import SENTENCE_SIZE_MAX_CHARS, cut, is_of_script

# A quotation longer than this is somebody else's wording, a shorter one an emphasised word.
_QUOTATION = re.compile(
    r"(?:「[^「」]{9,400}」|『[^『』]{9,400}』)(?!と(?:なり|させ|いう(?:もの|結果|ご?連絡|ご?判断|結論)))"
    r"|\"[^\"]{16,400}\""
)
_EMPHASIS = re.compile(r"[「」『』\"]")
# Brackets and the white space beside them vanish from a sentence: here letters become one word.
_BRACKET_IN_WORD = re.compile(r"[A-Za-z'][\s\"「」『』]*[「」『』][\s\"「」『』]*[A-Za-z']")
_LETTERS = re.compile(r"[^\W\d_ぁ-ヿ一-鿿가-힣]{2}")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A decision that may be in a letter, and for each pattern the needed words that are."""

    entry: Entry
    needs: tuple[tuple[tuple[str, ...], ...], ...]

    def may_match(self, plain: str) -> bool:
        """Tell whether a cue and the words of a pattern are in a sentence."""
        if not has_cue(self.entry, plain):
            return False
        holds = plain.__contains__
        return not self.needs or any(
            all(any(map(holds, words)) for words in groups) for groups in self.needs
        )

    def where(self, holding: Callable[[str], set[int]]) -> set[int]:
        """Return the sentences that hold the words of a pattern; `holding` gives those of one."""
        found: set[int] = set()
        for groups in self.needs:
            here: set[int] | None = None
            for words in groups:
                with_words = set[int]().union(*map(holding, words))
                here = with_words if here is None else here & with_words
                if not here:
                    break
            found |= here or set()
        return found


Candidates = Mapping[str, tuple[Candidate, ...]]


def find_candidates(subject: str, text: str, lexicons: Lexicons) -> Candidates:
    """Return per language the decisions that sentences of the letter may state, most often none.

    This is what most mail costs. Words are looked for first, in all of the text and without cutting
    it; what is left over goes through the sentences, whatever language each may turn out to be in.
    Only a decision whose pattern matches in none is left out, so that no verdict changes.
    """
    whole = f"{subject}\n{text}"
    found: dict[str, tuple[Candidate, ...]] = {}
    pieces: list[str] | None = None
    for lexicon in lexicons.values():
        if lexicon.folds_case:
            candidates = _by_words(subject, text, lexicon)
        else:
            candidates = () if whole.isascii() else _with_cues(_all_of(lexicon), whole, lexicon)
        if not candidates:
            continue
        if pieces is None:
            pieces = list(map(without_emphasis, cut(subject, without_quotations(text))))
        if _is_stated(candidates, pieces, lexicon):
            found[lexicon.language] = _with_cues(candidates, whole, lexicon)
    return {language: candidates for language, candidates in found.items() if candidates}


def _all_of(lexicon: Lexicon) -> tuple[Candidate, ...]:
    return tuple(Candidate(entry, ()) for entry in lexicon.of(Section.DECISION))


def _with_cues(
    candidates: tuple[Candidate, ...], whole: str, lexicon: Lexicon
) -> tuple[Candidate, ...]:
    """Return those of which a cue stands in the text as it is wrapped."""
    cues = lexicon.cues_in(lexicon.plain(whole))
    return tuple(
        candidate
        for candidate in candidates
        if not candidate.entry.cues or not cues.isdisjoint(candidate.entry.cues)
    )


def _by_words(subject: str, text: str, lexicon: Lexicon) -> tuple[Candidate, ...]:
    """Return the decisions whose words stand in the text, in a language written in words."""
    if not _LETTERS.search(subject) and not _LETTERS.search(text):
        return ()  # A script with case writes words of several letters.
    words = _words_of(subject, text, lexicon)
    narrowed = (_narrowed(entry, words) for entry in lexicon.of(Section.DECISION))
    return tuple(candidate for candidate in narrowed if candidate is not None)


def _words_of(subject: str, text: str, lexicon: Lexicon) -> frozenset[str] | None:
    """Return the words that sentences of the letter can hold; `None` where that is not known."""
    text = f"{subject}\n{without_quotations(text)}"
    if any(len(block) > SENTENCE_SIZE_MAX_CHARS for block in text.split("\n\n")):
        return None  # A sentence may be cut off in the middle of a word.
    if ("「" in text or "『" in text or "」" in text or "』" in text) and _BRACKET_IN_WORD.search(
        text
    ):
        return None
    # A spelling variant with a space may run over a line end, a word does not.
    return lexicon.words(without_emphasis(text).replace("\n", " "))


def _narrowed(entry: Entry, words: frozenset[str] | None) -> Candidate | None:
    """Return the entry with the words present of those that its patterns need, if enough are."""
    if words is None or not entry.needs:
        return Candidate(entry, ())
    needs: list[tuple[tuple[str, ...], ...]] = []
    for groups in entry.needs:
        if not any(map(words.isdisjoint, groups)):
            needs.append(tuple(tuple(words & group) for group in groups))
    return Candidate(entry, tuple(needs)) if needs else None


def _is_stated(candidates: tuple[Candidate, ...], pieces: list[str], lexicon: Lexicon) -> bool:
    """Tell whether a pattern matches in a sentence that may be in this language."""
    plains = lexicon.plain_lines(
        [piece for piece in pieces if is_of_script(piece, lexicon.language)]
    )
    holders: dict[str, set[int]] = {}

    def holding(word: str) -> set[int]:
        if word not in holders:
            holders[word] = {index for index, plain in enumerate(plains) if word in plain}
        return holders[word]

    for candidate in candidates:
        entry = candidate.entry
        for index in candidate.where(holding) if candidate.needs else range(len(plains)):
            if has_cue(entry, plains[index]) and entry.pattern.search(plains[index]):
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
