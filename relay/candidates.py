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

from relay.fragments import Groups, fragments_needed, phrases_needed
from relay.lexicons import Entry, Lexicon, Lexicons, Section
from relay.sentences import SENTENCE_SIZE_MAX_CHARS, cut, is_of_script

# A quotation longer than this is somebody else's wording, a shorter one an emphasised word.
_QUOTATION = re.compile(
    r"(?:「[^「」]{9,400}」|『[^『』]{9,400}』)(?!と(?:なり|させ|いう(?:もの|結果|ご?連絡|ご?判断|結論)))"
    r"|\"[^\"]{16,400}\""
)
_BRACKETS = "「」『』"
_EMPHASIS = re.compile(r"[「」『』\"]")
# Brackets and the white space beside them vanish from a sentence: here letters become one word.
_BRACKET_IN_WORD = re.compile(r"[A-Za-z'][\s\"「」『』]*[「」『』][\s\"「」『』]*[A-Za-z']")
_BLOCK_END = "\0"
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
            candidates, likely, worth_cutting = _by_words(subject, own, lexicon)
        else:
            candidates = _by_cues(whole, lexicon)
            likely, worth_cutting = _by_fragments(candidates, subject, own, lexicon)
        if likely and _is_stated(likely, cut(subject, worth_cutting), lexicon):
            found[lexicon.language] = _with_cues(candidates, whole, lexicon)
    return {language: candidates for language, candidates in found.items() if candidates}


def _by_words(
    subject: str, text: str, lexicon: Lexicon
) -> tuple[tuple[Candidate, ...], tuple[Candidate, ...], str]:
    """Return the decisions whose words stand in the text, and which of them stand in a paragraph.

    The last is these paragraphs. For a language written in words.
    """
    if not _LETTERS.search(subject) and not _LETTERS.search(text):
        return (), (), ""  # A script with case writes words of several letters.
    entries = lexicon.of(Section.DECISION)
    whole = f"{subject}\n\n{text}"
    # Quote marks go behind the split: without one between them two line ends are no empty line.
    marked = without_emphasis(whole.replace("\n\n", _BLOCK_END))
    # A spelling variant with a space may run over a line end, a word does not.
    plain = lexicon.plain(marked.replace("\n", " "))
    blocks = [subject, *text.split("\n\n")]  # No sentence runs over an empty line.
    has_brackets = any(map(whole.__contains__, _BRACKETS))
    if (
        plain.count(_BLOCK_END) != len(blocks) - 1
        or _may_be_cut_off(text)
        or (has_brackets and _BRACKET_IN_WORD.search(whole))
    ):
        every = tuple(Candidate(entry, ()) for entry in entries)
        return every, every, text
    letters = plain.encode("ascii", "replace").translate(_ONLY_WORDS).decode("ascii")
    needed_in = lexicon.needed_words.intersection
    words = [needed_in(block.split()) for block in letters.split(_BLOCK_END)]
    is_sure = not has_brackets and not any(map(_hides_phrases, lexicon.spellings))
    return _in_words(entries, blocks, words, plain.split(_BLOCK_END) if is_sure else None)


def _hides_phrases(spelling: tuple[str, str, str]) -> bool:
    """Tell whether a variant may be met over the end of a sentence and change more than signs."""
    _, variant, _ = spelling
    return " " in variant and not variant.isspace() and not variant.startswith("'")


def _in_words(
    entries: tuple[Entry, ...],
    blocks: list[str],
    words_of_blocks: list[frozenset[str]],
    plain: list[str] | None,
) -> tuple[tuple[Candidate, ...], tuple[Candidate, ...], str]:
    """Return the result of `_by_words`, given the needed words of each block.

    With the blocks made plain, phrases are looked for as well.
    """
    candidates: list[Candidate] = []
    likely: list[Candidate] = []
    places: set[int] = set()
    words = frozenset[str]().union(*words_of_blocks)
    is_disjoint = words.isdisjoint
    for entry in entries:
        needs: list[Groups] = []
        found: set[int] = set()
        for index, groups in enumerate(entry.needs):
            for group in groups:
                if is_disjoint(group):
                    break
            else:
                phrases = phrases_needed(entry.alternatives)[index]
                needs.append((*phrases, *(tuple(words & group) for group in groups)))
                for place, words_of_block in enumerate(words_of_blocks):
                    if not any(map(words_of_block.isdisjoint, groups)) and (
                        plain is None or _holds_all(" ".join(plain[place].split()), phrases)
                    ):
                        found.add(place)
        if needs or not entry.needs:
            candidates.append(Candidate(entry, tuple(needs)))
        if found or not entry.needs:
            likely.append(candidates[-1])
            places |= found or set(range(len(blocks)))
    # The subject is the first block, and is looked at in any case.
    kept = [blocks[place] for place in sorted(places - {0})]
    return tuple(candidates), tuple(likely), "\n\n".join(kept)


def _holds_all(text: str, groups: Groups) -> bool:
    """Tell whether one string of each group is in a text."""
    holds = text.__contains__
    return all(any(map(holds, group)) for group in groups)


def _by_cues(whole: str, lexicon: Lexicon) -> tuple[Candidate, ...]:
    """Return the decisions of which a cue stands in the text as it is wrapped."""
    if whole.isascii() or (lexicon.language == "ja" and not is_of_script(whole, "ja")):
        return ()
    plain = lexicon.plain(whole)
    cues = {cue for cue, mark in lexicon.decision_cues if mark in plain and cue in plain}
    return tuple(
        Candidate(entry, fragments_needed(entry.alternatives))
        for entry in lexicon.of(Section.DECISION)
        if not entry.cues or not cues.isdisjoint(entry.cues)
    )


def _by_fragments(
    candidates: tuple[Candidate, ...], subject: str, text: str, lexicon: Lexicon
) -> tuple[tuple[Candidate, ...], str]:
    """Return which decisions may stand in one paragraph, wherever it is wrapped, and which that is.

    For a language written without spaces.
    """
    if not candidates:
        return (), ""
    blocks = [subject, *text.split("\n\n")]  # No sentence runs over an empty line.
    bare = _bare(f"{subject}\n\n{text}".replace("\n\n", _BLOCK_END), lexicon)
    if bare is None or bare.count(_BLOCK_END) != len(blocks) - 1 or _may_be_cut_off(text):
        return candidates, text
    plain = bare.split(_BLOCK_END)
    likely: list[Candidate] = []
    places: set[int] = set()
    for candidate in candidates:
        with_cue = [n for n, text in enumerate(plain) if _has_bare_cue(candidate.entry, text)]
        # All of them first: hardly ever is there what a pattern needs.
        near = _BLOCK_END.join(plain[place] for place in with_cue)
        needs = tuple(groups for groups in candidate.needs if _holds_all(near, groups))
        found = {n for n in with_cue if any(_holds_all(plain[n], groups) for groups in needs)}
        if found:
            likely.append(candidate)
            places |= found
    kept = [blocks[place] for place in sorted(places - {0})]
    return tuple(likely), "\n\n".join(kept)


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
