"""What a letter is: `rejection`, `other` or `unsure`, with the evidence for it.

The evidence is added up by section and read as a probability. The sums are capped, so that no
heap of polite phrases makes up for a missing decision, and a decision needs to outweigh all
that contradicts it. A counter-cue of -10 or less forbids `rejection` whatever else is there.
In doubt the verdict is `unsure`, and an unsure letter passes: a line in the wrong letter is
worse than a line missing.

Pure: values in, values out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from relay.candidates import find_candidates
from relay.entries import Entry, Lexicon, Lexicons, Section
from relay.evidence import FORBIDDING_WEIGHT, NOBODY_ADDRESSED, Evidence, weigh_texts
from relay.letter import Letter
from relay.sentences import language_of, languages_in, normalise
from relay.timebox import SECONDS, TimeBox, TimeBoxError
from relay.wording import (
    REJECTION_SCORE_MIN,
    UNSURE_SCORE_MIN,
    Curve,
    Ground,
    Wording,
    rejection_score_min,
)

# What the weight of a lexicon means that has no model of the wording beside it: 4.9 is a rejection.
LEXICON_ALONE = Curve(offset=-4.67, slope=1.405)
# Further sentences that turn the reader down confirm the first, but only so far.
DECISION_CONFIRMATION_WEIGHT = 0.5
DECISION_CONFIRMATIONS_MAX = 2
# Words of a job application and what stands around a rejection never decide alone.
OBJECT_WEIGHT_MAX = 2.5
SUPPORT_WEIGHT_MAX = 2.0
# What the lexicon says is bounded, so that it and the wording are weighed against each other.
TOTAL_MIN = -12.0
TOTAL_MAX = 8.0
# Without a decision it cannot be more than this.
UNSTATED_TOTAL_MAX = OBJECT_WEIGHT_MAX + SUPPORT_WEIGHT_MAX
# A letter of a few words has few grams to go by, and reading it costs little.
SHORT_CHARS = 300
# Hardly a rejection is longer, footers aside: the beginning of other mail tells that it is none.
BEGINNING_CHARS = 1_500
# What weighs so much speaks against a decision that is stated.
AGAINST_WEIGHT = -1.0
# So much about an application and around a refusal makes the decision between them plain.
PLAIN_OBJECTS = 2.0
PLAIN_SUPPORT = 1.0
# A counter-cue that forbids leaves a score below every threshold.
FORBIDDEN_SCORE = 0.3
# A counter-cue of this weight rules a letter out that states no decision.
OUTWEIGHING = -5.0
# Mail of any kind names trades.
ONLY_A_TRADE = "object.trade"
# The observation of the model of the wording.
WORDING = "wording.as-a-whole"


class Kind(StrEnum):
    """The three verdicts."""

    REJECTION = "rejection"
    OTHER = "other"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a letter is, how sure that is (0 to 1), why, and what else was read off it."""

    kind: Kind
    score: float
    evidence: tuple[Evidence, ...]
    language: str
    stage: str | None
    position: str | None


NOTHING_SAID = Verdict(Kind.OTHER, 0.0, (), "", None, None)
TOO_LONG = Verdict(
    Kind.OTHER,
    0.0,
    (Evidence("counter.time-box", FORBIDDING_WEIGHT, f"over {SECONDS * 1000:.0f} ms"),),
    "",
    None,
    None,
)


def judge(letter: Letter, lexicons: Lexicons) -> Verdict:
    """Return the verdict on a letter. Never raises on any text."""
    verdict = judge_mail(letter, lexicons)
    if verdict is not NOTHING_SAID:
        return verdict
    return replace(
        verdict, language=language_of(f"{normalise(letter.subject)}\n{normalise(letter.text)}")
    )


def judge_mail(letter: Letter, lexicons: Lexicons) -> Verdict:
    """Return what `judge` does, without the language of a letter that turns nobody down.

    Most mail does not, and finding out its language would cost more than finding out that.
    """
    return judge_words(letter.subject, letter.text, lambda: letter, lexicons)


def judge_words(subject: str, text: str, read: Callable[[], Letter], lexicons: Lexicons) -> Verdict:
    """Return what `judge_mail` does; the rest of the letter is read where its words ask for it.

    `TOO_LONG` stands for a letter that would take more than the time box.
    """
    try:
        return _judge_words(subject, text, read, lexicons, TimeBox())
    except TimeBoxError:
        return TOO_LONG


def _judge_words(
    subject: str, text: str, read: Callable[[], Letter], lexicons: Lexicons, box: TimeBox
) -> Verdict:
    subject, text = normalise(subject), normalise(text)
    whole = f"{subject}\n{text}"
    near, plain = _worth_reading(whole, lexicons)
    if not near:
        return NOTHING_SAID
    language = language_of(whole)
    lexicon = near.get(language)
    model = lexicon.wording if lexicon is not None else None
    observed: tuple[Evidence, ...] = ()
    wording = 0.0
    if lexicon is not None and model is not None:
        if len(whole) > BEGINNING_CHARS and model.rules_out(
            model.weigh(subject, lexicon.wording_text(whole[:BEGINNING_CHARS])) + TOTAL_MAX, Ground
        ):
            return NOTHING_SAID
        wording = model.weigh(subject, plain(lexicon))
        if len(whole) > SHORT_CHARS and model.rules_out(wording + TOTAL_MAX, Ground):
            return NOTHING_SAID
        observed = (Evidence(WORDING, wording, "the wording as a whole"),)
    candidates = find_candidates(subject, text, near, box)
    if not candidates and (
        model is None or model.rules_out(wording + UNSTATED_TOTAL_MAX, (Ground.UNSTATED,))
    ):
        return NOTHING_SAID
    letter = read()
    evidence = weigh_texts(letter, subject, text, language, candidates, lexicons, box) + observed
    kind, score = conclude(evidence, model)
    if kind is Kind.OTHER:
        if not candidates:
            return NOTHING_SAID
        return Verdict(kind, score, evidence, language, None, None)
    stage, position = _codes(subject, text, lexicons)
    return Verdict(kind, score, evidence, language, stage, position)


def _worth_reading(whole: str, lexicons: Lexicons) -> tuple[Lexicons, Callable[[Lexicon], str]]:
    """Return the lexicons of languages in which the letter may speak of work.

    With them comes the letter as the gate and the model of a lexicon read it.
    """
    texts: dict[bool, str] = {}

    def plain(lexicon: Lexicon) -> str:
        if lexicon.folds_case not in texts:
            texts[lexicon.folds_case] = lexicon.wording_text(whole)
        return texts[lexicon.folds_case]

    is_latin = whole.isascii()  # Then no script that is written without spaces is in it.
    near = {
        language: lexicon
        for language, lexicon in lexicons.items()
        if (lexicon.folds_case or not is_latin)
        and (lexicon.gate is None or lexicon.may_concern(plain(lexicon)))
    }
    return near, plain


def conclude(evidence: tuple[Evidence, ...], model: Wording | None = None) -> tuple[Kind, float]:
    """Return verdict and score for the evidence alone.

    With a model of the wording, what the lexicon says is read on the scale on which the two were
    learned together, and the less there is to go by, the more must the letter sound like a
    rejection. A letter that states no decision is unsure at most: nobody could point at what makes
    it one, and thanks for an interview sound the same. Without a model it is none.
    """
    total = weight_of(evidence)
    ground = ground_of(evidence)
    if model is not None:
        score = model.score(total + _sum(evidence, WORDING), ground)
    else:
        score = LEXICON_ALONE.at(total) if ground is not Ground.UNSTATED else 0.0
    if is_ruled_out(evidence):
        score = min(score, FORBIDDEN_SCORE)
    score = round(score, 4)
    if score >= score_needed(evidence) and ground is not Ground.UNSTATED:
        return Kind.REJECTION, score
    return (Kind.UNSURE, score) if score >= UNSURE_SCORE_MIN else (Kind.OTHER, score)


def score_needed(evidence: tuple[Evidence, ...]) -> float:
    """Return the score from which on a letter that states a decision is a rejection."""
    knows_wording = any(item.name == WORDING for item in evidence)
    return rejection_score_min(ground_of(evidence)) if knows_wording else REJECTION_SCORE_MIN


def ground_of(evidence: tuple[Evidence, ...]) -> Ground:
    """Return what there is to go by besides the wording."""
    if not any(item.name.startswith("decision.") for item in evidence):
        return Ground.UNSTATED
    if any(item.weight <= AGAINST_WEIGHT for item in evidence if item.name != WORDING):
        return Ground.CONTESTED
    is_plain = (
        _sum(evidence, "object.") >= PLAIN_OBJECTS and _sum(evidence, "support.") >= PLAIN_SUPPORT
    )
    return Ground.PLAIN if is_plain else Ground.CLEAR


def is_ruled_out(evidence: tuple[Evidence, ...]) -> bool:
    """Tell whether a letter is no rejection however it sounds.

    A counter-cue forbids it, or it states no decision and holds a strong counter-cue, or does not
    speak of an application to its reader: how letters sound was learned from letters about
    applications, and says nothing of other mail.
    """
    names = {item.name for item in evidence}
    if any(
        item.name.startswith("counter.") and item.weight <= FORBIDDING_WEIGHT for item in evidence
    ):
        return True
    if any(name.startswith("decision.") for name in names):
        return False
    if any(item.name.startswith("counter.") and item.weight <= OUTWEIGHING for item in evidence):
        return True
    is_about_work = any(name.startswith("object.") for name in names - {ONLY_A_TRADE})
    return not is_about_work or NOBODY_ADDRESSED in names


def weight_of(evidence: tuple[Evidence, ...]) -> float:
    """Return what the observations of the lexicon weigh together."""
    decisions = sorted((e.weight for e in evidence if e.name.startswith("decision.")), reverse=True)
    confirmations = max(0, min(len(decisions) - 1, DECISION_CONFIRMATIONS_MAX))
    total = (
        (decisions[0] if decisions else 0.0)
        + DECISION_CONFIRMATION_WEIGHT * confirmations
        + min(_sum(evidence, "object."), OBJECT_WEIGHT_MAX)
        + min(_sum(evidence, "support."), SUPPORT_WEIGHT_MAX)
        + _sum(evidence, "foreign.")
        + _sum(evidence, "counter.")
        + _sum(evidence, "assertion.")
    )
    return max(TOTAL_MIN, min(TOTAL_MAX, total))


def _sum(evidence: tuple[Evidence, ...], prefix: str) -> float:
    return sum(item.weight for item in evidence if item.name.startswith(prefix))


def _codes(subject: str, text: str, lexicons: Lexicons) -> tuple[str | None, str | None]:
    """Return stage and position, each the code of the first entry found, in file order.

    The subject goes first where its word says it by itself (a weight): "result of the document
    screening" is surer than a mention of an interview in the text.
    """
    stage: str | None = None
    position: str | None = None
    languages = languages_in(f"{subject}\n{text}")
    spoken = [lexicon for lexicon in lexicons.values() if lexicon.language in languages]
    for source, is_subject in ((subject, True), (f"{subject}\n{text}", False)):
        one_line = source.replace("\n", " ")
        for lexicon in spoken:
            if stage is not None and position is not None:
                return stage, position
            plain = lexicon.plain(one_line)
            if stage is None:
                stage = _code(plain, lexicon.of(Section.STAGE), is_subject)
            if position is None:
                position = _code(plain, lexicon.of(Section.POSITION), is_subject)
    return stage, position


def _code(plain: str, entries: Iterable[Entry], is_subject: bool) -> str | None:
    holds = plain.__contains__
    for entry in entries:
        # A sign is the beginning of a word, or two characters: finding all there are costs more.
        if (entry.weight or not is_subject) and any(map(holds, entry.signs)):
            if entry.pattern.search(plain):
                return entry.code
    return None
