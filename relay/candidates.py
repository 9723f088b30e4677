"""Which decisions the sentences of a letter may state: most often none, and that is told cheaply.

Every letter comes through here, and hardly one turns anybody down. Words are looked for before
patterns, in the whole text before its sentences, whatever language each of these may be in. A
decision is left out only where it is certain that none of its patterns matches in any sentence, so
that nothing found here or not found changes a verdict.

Pure: values in, values out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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
_BLOCK_END = "\0"
_LETTERS = re.compile(r"[^\W\d_ぁ-ヿ一-鿿가-힣]{2}")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A decision that may be in a letter, and for each pattern the needed words that are."""

    entry: Entry
    needs: tuple[tuple[tuple[str, ...], ...], ...]

    def may_match(self, plain: str) -> bool:
        """Tell whether a cue and the words of a pattern are in a sentence."""
        return self.has_words(plain) and has_cue(self.entry, plain)

    def has_words(self, plain: str) -> bool:
        """Tell whether the words of a pattern are there."""
        if not self.needs:
            return True
        holds = plain.__contains__
        for groups in self.needs:
            for words in groups:
                if not any(map(holds, words)):
                    break
            else:
                return True
        return False


Candidates = Mapping[str, tuple[Candidate, ...]]


def find_candidates(subject: str, text: str, lexicons: Lexicons) -> Candidates:
    """Return per language the decisions that sentences of the letter may state, most often none.

    This is what most mail costs. Words are looked for first, in all of the text and without cutting
    it; what is left over goes through the sentences, whatever language each may turn out to be in.
    Only a decision whose pattern matches in none is left out, so that no verdict changes.
    """
    own = without_quotations(text)
    whole = f"{subject}\n{text}"
    found: dict[str, tuple[Candidate, ...]] = {}
    for lexicon in lexicons.values():
        if lexicon.folds_case:
            candidates, worth_cutting = _by_words(subject, own, lexicon)
        else:
            candidates = () if whole.isascii() else _with_cues(_all_of(lexicon), whole, lexicon)
            worth_cutting = own
        if candidates and _is_stated(candidates, cut(subject, worth_cutting), lexicon):
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


def _by_words(subject: str, text: str, lexicon: Lexicon) -> tuple[tuple[Candidate, ...], str]:
    """Return the decisions whose words stand in the text, and the paragraphs that hold them.

    For a language written in words.
    """
    if not _LETTERS.search(subject) and not _LETTERS.search(text):
        return (), ""  # A script with case writes words of several letters.
    entries = lexicon.of(Section.DECISION)
    blocks = text.split("\n\n")  # No sentence runs over an empty line.
    plain = _plain_blocks(subject, text, lexicon)
    if len(plain) != 1 + len(blocks):
        return _all_of(lexicon), text
    words = lexicon.needed_words_in(" ".join(plain))
    narrowed = (_narrowed(entry, words) for entry in entries)
    candidates = tuple(candidate for candidate in narrowed if candidate is not None)
    kept = [
        block
        for block, words_of_block in zip(blocks, plain[1:], strict=True)
        if any(candidate.has_words(words_of_block) for candidate in candidates)
    ]
    return candidates, "\n\n".join(kept)


def _plain_blocks(subject: str, text: str, lexicon: Lexicon) -> list[str]:
    """Return subject and blocks, each on one line and plain; none where words are not certain."""
    whole = f"{subject}\n\n{text}"
    if any(len(block) > SENTENCE_SIZE_MAX_CHARS for block in text.split("\n\n")):
        return []  # A sentence may be cut off in the middle of a word.
    if any(mark in whole for mark in "「」『』") and _BRACKET_IN_WORD.search(whole):
        return []
    # Quote marks go behind the split: without one between them two line ends are no empty line.
    marked = without_emphasis(whole.replace("\n\n", _BLOCK_END))
    # A spelling variant with a space may run over a line end, a word does not.
    return lexicon.plain(marked.replace("\n", " ")).split(_BLOCK_END)


def _narrowed(entry: Entry, words: frozenset[str]) -> Candidate | None:
    """Return the entry with the words present of those that its patterns need, if enough are."""
    if not entry.needs:
        return Candidate(entry, ())
    needs: list[tuple[tuple[str, ...], ...]] = []
    for groups in entry.needs:
        if not any(map(words.isdisjoint, groups)):
            needs.append(tuple(tuple(words & group) for group in groups))
    return Candidate(entry, tuple(needs)) if needs else None


def _is_stated(candidates: tuple[Candidate, ...], pieces: list[str], lexicon: Lexicon) -> bool:
    """Tell whether a pattern matches in a sentence that may be in this language."""
    plains = lexicon.plain_lines(
        [without_emphasis(piece) for piece in pieces if is_of_script(piece, lexicon.language)]
    )
    for candidate in candidates:
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
