"""What the sentences of a letter say: named observations with the words they rest on.

Who says what about which object in which mood is read sentence by sentence. A sentence that
turns the reader down counts as a decision only when it is asserted (not conditional,
reported, quoted, denied or about somebody else) and when its object is not something other
than a job application. Everything else is gathered only for letters that hold such a
sentence: ordinary mail holds none and costs little.

Pure: values in, values out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from relay.candidates import (
    Candidate,
    Candidates,
    find_candidates,
    has_cue,
    without_quotations,
)
from relay.entries import Entry, Lexicons, Scope, Section
from relay.letter import Letter
from relay.lines import Line, Match, matching, prepare
from relay.sentences import (
    language_of,
    normalise,
    split,
)
from relay.timebox import TimeBox

# The words shown with an observation: enough to recognise the place, never the letter.
SHOWN_SIZE_MAX_CHARS = 80
# Behind a decision, a condition or report ("… とのことです") stands within this distance.
AFTER_SIZE_MAX_CHARS = 24
# The salutation and who writes stand in the first sentences.
OPENING_SENTENCES_MAX = 6
# What a decision weighs against it when the letter does not otherwise speak of an application.
OBJECT_MISSING_WEIGHT = -3.0

# What it weighs that all this may be about a grant or a school: no job is named anywhere.
JOB_UNNAMED_WEIGHT = -2.0
# What it weighs that nothing is said to the reader: colleagues write about applicants so.
READER_MISSING_WEIGHT = -2.0
NOBODY_ADDRESSED = "counter.reader-not-addressed"
# Words of applications of any kind, in every lexicon.
GENERAL_OBJECTS = frozenset(
    {"object.application", "object.thanks-for-applying", "object.applicant", "object.candidate"}
)

# A decision in the subject confirms one in the text; alone it weighs this.
SUBJECT_PREFIX = "support.subject-"
SUBJECT_DECISION_WEIGHT = 3.0
# A decision with a word of applications in the same sentence needs no more of them elsewhere.
OBJECT_BESIDE_MIN = 0.7
# What it weighs against a letter that one of its sentences refuses something that is no job.
REFUSAL_ELSEWHERE_WEIGHT = -4.0
# A foreign thing that is mentioned beside the application counts this much of its weight.
ASIDE_FACTOR = 0.3
# What the subject names, or what was applied for, decides more than one aside.
APPLIED_FOR_FACTOR = 1.7
# A foreign thing of this weight is no aside in the opening.
SETTLING_WEIGHT = -5.0
# A counter-cue of this weight forbids the verdict and is never explained away.
FORBIDDING_WEIGHT = -10.0

# What a letter holds besides decisions, in the order in which it is told.
_CONTEXT_SECTIONS = (Section.OBJECT, Section.FOREIGN, Section.SUPPORT, Section.COUNTER)
# What patterns are looked for in besides the single sentences.
_JOINED_SCOPES = (Scope.OPENING, Scope.TEXT, Scope.SUBJECT)

_REPLY = re.compile(
    r"(?i)\s*(?:re|fw|fwd|aw|wg|sv|tr|rv|返信|転送|回复|回覆|答复|转发|轉寄|회신|답장|전달)\s?[:：]"
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One observation: `section.name`, its weight (negative: against a rejection), its words."""

    name: str
    weight: float
    text: str


_OBJECT_BESIDE = Evidence("support.application-beside", 0.6, "in the sentence of the decision")


def weigh(letter: Letter, lexicons: Lexicons) -> tuple[Evidence, ...]:
    """Return the evidence in a letter's own text; empty when nothing in it turns anybody down."""
    subject, text = normalise(letter.subject), normalise(letter.text)
    candidates = find_candidates(subject, text, lexicons)
    language = language_of(f"{subject}\n{text}")
    return weigh_texts(letter, subject, text, language, candidates, lexicons)


def weigh_texts(
    letter: Letter,
    subject: str,
    text: str,
    language: str,
    candidates: Candidates,
    lexicons: Lexicons,
    box: TimeBox | None = None,
) -> tuple[Evidence, ...]:
    """Return what `weigh` does, given subject and text as normalised, and what is known of them."""
    lines = prepare(split(subject, without_quotations(text), language), lexicons)
    decisions: list[Evidence] = []
    needed = math.inf
    is_job_named = False
    deciding: set[int] = set()
    beside: set[int] = set()
    box = box or TimeBox()
    for index, line in enumerate(lines):
        box.check()
        for entry, evidence in _decisions(line, candidates.get(line.lexicon.language, ())):
            decisions.append(evidence)
            if evidence.name.startswith("decision."):
                deciding.add(index)
                is_job_named = is_job_named or not entry.needs_job
                if index in beside or line.found(Section.OBJECT):
                    beside.add(index)
                    needed = min(needed, OBJECT_BESIDE_MIN)
                needed = min(needed, entry.object_min)
    context = _context(lines, deciding, box)
    context.extend(_address_evidence(letter, lines))
    if letter.is_auto_reply:
        context.append(Evidence("counter.automatic-reply", FORBIDDING_WEIGHT, "Auto-Submitted"))
    if not decisions:
        return (*context, *_missing_reader(lines, deciding))
    if not any(_is_said_in_text(item) for item in decisions):
        decisions = [_promoted(item) for item in decisions]
    if beside:
        context.append(_OBJECT_BESIDE)
    missing = _missing_object(decisions, context, needed)
    unnamed = () if is_job_named else _unnamed_job(context)
    return (*decisions, *context, *missing, *unnamed, *_missing_reader(lines, deciding))


def _is_said_in_text(item: Evidence) -> bool:
    return not item.name.startswith(SUBJECT_PREFIX)


def _promoted(item: Evidence) -> Evidence:
    """Return a decision that only the subject states ("Not selected", text: "See above")."""
    name = item.name.removeprefix(SUBJECT_PREFIX)
    return Evidence(f"decision.{name}", SUBJECT_DECISION_WEIGHT, item.text)


def _decisions(line: Line, candidates: tuple[Candidate, ...]) -> Iterable[tuple[Entry, Evidence]]:
    """Yield the decisions of a sentence, each as decision or as the reason why it is none."""
    for candidate in candidates:
        entry = candidate.entry
        if entry.signs.isdisjoint(line.signs) or not has_cue(entry, line.plain):
            continue
        for match in entry.pattern.finditer(line.plain):
            void = _voiding(line, match) or _foreign_object(line)
            if void is not None:
                yield entry, _void_evidence(void, line)
            elif line.is_subject and _REPLY.match(line.plain):
                continue  # The subject of a reply is the other person's.
            elif line.is_subject:
                yield entry, Evidence(SUBJECT_PREFIX + entry.name, 1.0, _shown(line.text))
            else:
                yield entry, Evidence(f"decision.{entry.name}", entry.weight, _shown(line.text))
                break


def _void_evidence(void: Entry, line: Line) -> Evidence:
    """Return why a decision is none; a refusal of something else speaks against the letter."""
    if void.section is Section.FOREIGN:
        name, weight = "counter.refuses-something-else", REFUSAL_ELSEWHERE_WEIGHT
    else:
        name, weight = f"assertion.{void.name}", void.weight
    return Evidence(name, weight, _shown(line.text))


def _voiding(line: Line, match: re.Match[str]) -> Entry | None:
    """Return what makes the words of a decision not a decision about the reader, if anything."""
    before = line.plain[: match.start()]
    after = line.plain[match.end() : match.end() + AFTER_SIZE_MAX_CHARS]
    # The pieces may have other signs than the sentence, and asking for these costs more.
    for entry in line.lexicon.of(Section.ASSERTION):
        if entry.scope is Scope.BEFORE:
            found = entry.pattern.search(before)
        elif entry.scope is Scope.AFTER:
            found = entry.pattern.match(after)
        elif entry.scope is Scope.WITHIN:
            found = entry.pattern.search(line.plain) if entry.may_match(line.signs) else None
        else:
            continue
        if found:
            return entry
    return None


def _foreign_object(line: Line) -> Entry | None:
    """Return the strongest foreign object of a sentence that outweighs its own job words."""
    foreign = [entry for entry, _ in line.found(Section.FOREIGN)]
    if not foreign:
        return None
    own = sum(entry.weight for entry, _ in line.found(Section.OBJECT))
    if own + sum(entry.weight for entry in foreign) < 0:
        return min(foreign, key=lambda entry: entry.weight)
    return None


def _context(lines: list[Line], deciding: set[int], box: TimeBox) -> list[Evidence]:
    """Return what else the letter holds, each entry once, with the words it was first seen in."""
    seen: dict[str, Evidence] = {}
    joined = [(scope, _joined(lines, scope)) for scope in _JOINED_SCOPES]
    for section in _CONTEXT_SECTIONS:
        for index, line in enumerate(lines):
            box.check()
            for entry, match in _held(line, section, is_deciding=index in deciding):
                weight = _weight_in(line, entry, is_opening=index < OPENING_SENTENCES_MAX)
                name = f"{section}.{entry.name}"
                if weight and (name not in seen or weight < seen[name].weight):
                    seen[name] = Evidence(name, weight, _around(line.plain, match))
        for scope, groups in joined:
            for group in groups:
                entries = _likely_in(group, section, scope)
                if entries:
                    plain = "\n".join(line.plain for line in group)
                    for entry, match in matching(plain, entries):
                        name = f"{section}.{entry.name}"
                        seen.setdefault(name, Evidence(name, entry.weight, _around(plain, match)))
    return list(seen.values())


def _held(line: Line, section: Section, *, is_deciding: bool) -> Iterable[Match]:
    """Return what a sentence holds of a section, but what a decision there explains."""
    if section is not Section.COUNTER or not is_deciding:
        return line.found(section)
    # "We cannot invite you to an interview" is no invitation.
    return matching(line.plain, filter(_forbids, line.likely.get(section, ())))


def _is_applied_for(line: Line) -> bool:
    """Tell whether a sentence speaks of an application for something that is no job."""
    objects = {entry.name for entry, _ in line.found(Section.OBJECT)}
    return bool(objects) and objects <= {"application", "thanks-for-applying"}


def _address_evidence(letter: Letter, lines: list[Line]) -> list[Evidence]:
    """Return what names and addresses of sender and reader say, each finding once."""
    found: dict[str, Evidence] = {}
    fields = (
        (Scope.SENDER, normalise(f"{letter.sender_name} {letter.sender}")),
        (Scope.RECIPIENT, normalise(letter.addressed_to)),
    )
    for lexicon in {line.lexicon.language: line.lexicon for line in lines}.values():
        for scope, text in fields:
            plain = lexicon.plain(text)
            for section in (Section.OBJECT, Section.COUNTER):
                for entry, match in matching(plain, lexicon.of(section, scope)):
                    name = f"{section}.{entry.name}"
                    found.setdefault(name, Evidence(name, entry.weight, _shown(match.group())))
    return list(found.values())


def _weight_in(line: Line, entry: Entry, *, is_opening: bool) -> float:
    """Return what an entry weighs in a sentence: less where it is not what the letter is about."""
    if entry.section is Section.FOREIGN:
        if is_opening and entry.weight <= SETTLING_WEIGHT:
            return entry.weight
        if line.is_subject or (is_opening and _is_applied_for(line)):
            return entry.weight * APPLIED_FOR_FACTOR
        return entry.weight * ASIDE_FACTOR
    if line.is_subject and entry.section is Section.COUNTER and _REPLY.match(line.plain):
        return 0.0  # The subject of a reply is the other person's.
    if entry.section is Section.COUNTER and not _forbids(entry):
        for void in line.lexicon.of(Section.ASSERTION):
            if void.scope is Scope.COUNTER and void.may_match(line.signs):
                if void.pattern.search(line.plain):
                    return 0.0
    return entry.weight


def _forbids(entry: Entry) -> bool:
    return entry.weight <= FORBIDDING_WEIGHT


def _joined(lines: list[Line], scope: Scope) -> list[list[Line]]:
    """Return by language the subject, the first sentences, or all of them."""
    if scope is Scope.SUBJECT:
        chosen = [line for line in lines if line.is_subject]
    else:
        chosen = [line for line in lines if not line.is_subject]
        if scope is Scope.OPENING:
            chosen = chosen[:OPENING_SENTENCES_MAX]
    groups: dict[str, list[Line]] = {}
    for line in chosen:
        groups.setdefault(line.lexicon.language, []).append(line)
    return list(groups.values())


def _likely_in(lines: Sequence[Line], section: Section, scope: Scope) -> list[Entry]:
    """Return the entries of a scope that may match these sentences of one language, joined."""
    return [
        entry
        for entry in lines[0].lexicon.of(section, scope)
        if any(entry.may_match(line.signs) for line in lines)
    ]


def _missing_object(
    decisions: list[Evidence], context: list[Evidence], needed: float
) -> tuple[Evidence, ...]:
    """Return the finding that a decision lacks the application it would have to be about."""
    decided = [item for item in decisions if item.name.startswith("decision.")]
    objects = sum(item.weight for item in context if item.name.startswith("object."))
    if not decided or objects >= needed:
        return ()
    return (Evidence("counter.no-application", OBJECT_MISSING_WEIGHT, decided[0].text),)


def _missing_reader(lines: list[Line], deciding: set[int]) -> tuple[Evidence, ...]:
    """Return the finding that the letter says nothing to its reader."""
    if not lines or any(line.found(Section.READER) for line in lines):
        return ()
    words = _shown(lines[min(deciding, default=0)].text)
    return (Evidence(NOBODY_ADDRESSED, READER_MISSING_WEIGHT, words),)


def _unnamed_job(context: list[Evidence]) -> tuple[Evidence, ...]:
    """Return the finding that the application may be one for anything: only its words are there."""
    objects = [item for item in context if item.name.startswith("object.")]
    if not objects or any(item.name not in GENERAL_OBJECTS for item in objects):
        return ()
    return (Evidence("counter.no-job-named", JOB_UNNAMED_WEIGHT, objects[0].text),)


def _shown(text: str) -> str:
    if len(text) <= SHOWN_SIZE_MAX_CHARS:
        return text
    return text[: SHOWN_SIZE_MAX_CHARS - 1] + "…"


def _around(plain: str, match: re.Match[str]) -> str:
    """Return the matched words with a little of what stands beside them."""
    start, end = max(0, match.start() - 10), min(len(plain), match.end() + 10)
    return _shown(plain[start:end].replace("\n", " "))
