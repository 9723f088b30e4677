"""Fingerprints: whether a letter is the one that was approved, told without keeping its words.

The letter is read as one stream of sentences, whatever lines it has, and of each the masked wording
(`relay.masking`) is hashed. What is kept are these hashes and which of the sentences carry what was
decided, or what speaks against it, as the evidence says. A letter is the approved one if

- it has the same sentences in the same order, none more and none less, by their outline;
- each sentence that decides, in either of the two, agrees word for word after masking;
- and where the words find nothing decided in the approved letter, every sentence does, with the
  subject.

So a position or a department that the masks do not know is tolerated where nothing is decided, and
an offer, an invitation or a condition is not, wherever it stands.

Pure: values in, values out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from relay.masking import bare, mask, outline
from relay.sentences import language_of, normalise
from relay.verdict import Verdict

# 64 bits: no two sentences meet by accident, and nothing is gained by making them meet.
HASH_SIZE_CHARS = 16
# Short enough to be typed; a company has some tens of letters.
SHAPE_SIZE_CHARS = 12

# Evidence of a job application, and what stands around a rejection, does not decide.
_DECIDING = ("decision.", "assertion.", "counter.", "foreign.", "support.subject-")
_OUTLINED_LANGUAGES = ("ja", "en")

# At the top of a letter only: anywhere else a sentence may be wrapped behind a name.
SALUTATION_LINES_MAX = 8
_SALUTATION = re.compile(
    r"\s*(?:(?:dear|hi|hello|hey|good (?:morning|afternoon|evening))\b[^.!?:,]{0,40}?"
    r"(?:(?<=\bmr)\.|(?<=\bms)\.|(?<=\bmrs)\.|(?<=\bdr)\.)?[^.!?:,]{0,40}?(?:[,:!.]|\s[-–—]\s|$)"
    r"|[^。、,.!?]{0,40}(?:様|さま|殿|さん|御中|各位)(?:へ)?[、,]?\s*$)",
    re.IGNORECASE,
)
_END = re.compile(
    r"[。!?！？]+[」』)）]?|(?<!\bMr)(?<!\bMs)(?<!\bMrs)(?<!\bDr)(?<!\bProf)(?<!\b[A-Z])\.(?=\s|$)"
)
# Between wide characters a space says nothing, and where a line ends there is one.
_WIDE_SPACE = re.compile(r"(?<=[⺀-\uffff]) | (?=[⺀-\uffff])")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is kept of a letter's wording: hashes, and which of them decide."""

    shape: str
    """A short id, the same for all letters that may be taken for one another."""
    outline: str
    sentences: tuple[str, ...]
    deciding: frozenset[int]
    subject: str
    is_subject_deciding: bool

    def matches(self, approved: Fingerprint) -> bool:
        """Say whether this letter is the approved one."""
        if self.outline != approved.outline or len(self.sentences) != len(approved.sentences):
            return False
        decided = approved.deciding or approved.is_subject_deciding
        exact = self.deciding | approved.deciding if decided else range(len(self.sentences))
        if not decided or self.is_subject_deciding or approved.is_subject_deciding:
            if self.subject != approved.subject:
                return False
        return all(self.sentences[index] == approved.sentences[index] for index in exact)


def shape_of(subject: str, text: str, verdict: Verdict, names: Iterable[str] = ()) -> str:
    """Return the id under which letters of this wording are counted."""
    return fingerprint_of(subject, text, verdict, names).shape


def fingerprint_of(
    subject: str, text: str, verdict: Verdict, names: Iterable[str] = ()
) -> Fingerprint:
    """Return the fingerprint of a letter's subject and own text. `names` are masked in addition."""
    known = tuple(map(normalise, names))
    subject, text = normalise(subject), normalise(text)
    sentences = _sentences(text)
    first, *wordings = mask((subject, *sentences), known)
    said = bare(first)
    has_outline = language_of(f"{subject}\n{text}") in _OUTLINED_LANGUAGES
    outlines = [bare(outline(wording)) if has_outline else bare(wording) for wording in wordings]
    wordings = [bare(wording) for wording in wordings]
    deciding, is_subject_deciding = _deciding(subject, sentences, verdict)
    parts = [
        exact if index in deciding or not deciding else outlined
        for index, (exact, outlined) in enumerate(zip(wordings, outlines, strict=True))
    ]
    if is_subject_deciding or not deciding:
        parts.append(said)
    return Fingerprint(
        shape=_hash("shape", *parts)[:SHAPE_SIZE_CHARS],
        outline=_hash("outline", *outlines),
        sentences=tuple(_hash("sentence", wording) for wording in wordings),
        deciding=deciding,
        subject=_hash("subject", said),
        is_subject_deciding=is_subject_deciding,
    )


def _sentences(text: str) -> list[str]:
    """Return the sentences of a normalised text without its salutation, wherever lines end."""
    stream = _WIDE_SPACE.sub("", " ".join(_without_salutation(text).split()))
    sentences: list[str] = []
    start = 0
    for end in _END.finditer(stream):
        sentences.append(stream[start : end.end()])
        start = end.end()
    sentences.append(stream[start:])
    return [sentence.strip() for sentence in sentences if bare(sentence)]


def _without_salutation(text: str) -> str:
    lines = text.split("\n")
    for index, line in enumerate(lines[:SALUTATION_LINES_MAX]):
        found = _SALUTATION.match(line)
        if found:
            lines[index] = line[found.end() :]
        if "。" in lines[index] or _END.search(lines[index]):
            break
    return "\n".join(lines)


def _deciding(subject: str, sentences: list[str], verdict: Verdict) -> tuple[frozenset[int], bool]:
    """Return which sentences hold the words of deciding evidence, and whether the subject does."""
    plain = [bare(sentence) for sentence in sentences]
    ends: list[int] = []
    for sentence in plain:
        ends.append((ends[-1] if ends else 0) + len(sentence))
    stream, said = "".join(plain), bare(subject)
    deciding: set[int] = set()
    is_subject_deciding = False
    for item in verdict.evidence:
        words = bare(item.text)
        if not words or not item.name.startswith(_DECIDING):
            continue
        if words not in stream and words not in said:
            # Spelled as the lexicon does, or from an address: it may belong to any sentence.
            return frozenset(range(len(sentences))), True
        is_subject_deciding = is_subject_deciding or words in said
        start = stream.find(words)
        while start >= 0:
            stop = start + len(words)
            deciding.update(
                index
                for index, end in enumerate(ends)
                if start < end and stop > end - len(plain[index])
            )
            start = stream.find(words, stop)
    return frozenset(deciding), is_subject_deciding


def _hash(*parts: str) -> str:
    digest = hashlib.sha256(b"careerrelay letter\n")
    for part in parts:
        octets = part.encode("utf-8", "replace")
        digest.update(len(octets).to_bytes(4, "big") + octets)
    return digest.hexdigest()[:HASH_SIZE_CHARS]
