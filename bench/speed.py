"""How long recognisers take: for a letter that has been read, and for ordinary mail from its bytes.

One process, processor time, all recognisers in turns in each run, the median of the runs for each
letter: what else the machine does meets them alike. From its bytes on, ours does all that a relay
has to: gate, map, reading, verdict. The others have nothing of that and read mail as most programs
in Python do, with the `email` package; they judge subject and text.
"""

from __future__ import annotations

import email
import email.policy
import statistics
import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from email.message import EmailMessage
from enum import StrEnum
from functools import partial
from statistics import fmean
from typing import TypeVar

from samples import LANGUAGES, Mail, Sample

from relay.company import Company, Mode
from relay.entries import Lexicons
from relay.gate import dismiss
from relay.letter import Letter, read_letter, read_words
from relay.mimemap import MapError, map_message
from relay.sentences import language_of, normalise
from relay.verdict import NOTHING_SAID, Kind, Verdict, judge_mail, judge_words

RUNS = 3
MICROSECONDS = 1e6
# Mail of any sender is that of a company which has every rejection changed.
COMPANY = Company("any", "Any", (), mode=Mode.INJECT)

_Item = TypeVar("_Item")
# A recogniser without a mail around it: what it makes of a text in a language.
Judges = Mapping[str, Callable[[str, str], bool]]


class Station(StrEnum):
    """Where a mail is dismissed, in the order in which it passes."""

    GATE = "gate: list mail, automatic, signed"
    MAP = "map: its parts cannot be told apart"
    WORK = "no word of work in it"
    WORDING = "its wording is far from a rejection"
    EVIDENCE = "evidence: other"
    UNSURE = "unsure"
    REJECTION = "rejection"


@dataclass(frozen=True, slots=True)
class Left:
    """The mails that go no further than a station, and what each of them takes up to there."""

    station: Station
    mails: int
    microseconds: float


@dataclass(frozen=True, slots=True)
class Ordinary:
    """What ordinary mail came to."""

    mails: int
    stations: Sequence[Left]
    microseconds: Mapping[str, float]  # Of a mail, by recogniser.
    behind_gate: Mapping[str, float]  # The same, of mails that our gate does not dismiss.
    found: Mapping[str, int]  # Mails taken for rejections, by recogniser.


def time_letters(
    samples: Sequence[Sample], ours: str, lexicons: Lexicons, judges: Judges, language: str
) -> dict[str, float]:
    """Return by recogniser what a letter takes to judge, in microseconds."""
    works: dict[str, Callable[[Sample], object]] = {
        ours: lambda sample: judge_mail(sample.letter, lexicons)
    }
    for name, judge in judges.items():
        works[name] = partial(_judge_text, judge, language)
    return {name: fmean(times) for name, times in _in_turns(works, samples).items()}


def time_ordinary(mails: Sequence[Mail], ours: str, lexicons: Lexicons, judges: Judges) -> Ordinary:
    """Return what ordinary mail takes from its bytes to the verdict, and where it is dismissed."""
    works: dict[str, Callable[[Mail], object]] = {ours: lambda mail: verdict_on(mail, lexicons)}
    for name, judge in judges.items():
        works[name] = partial(_judge_plain, judge)
    left = [station_of(mail, lexicons) for mail in mails]
    found = {name: sum(work(mail) is True for mail in mails) for name, work in works.items()}
    found[ours] = left.count(Station.REJECTION)
    times = _in_turns(works, mails)
    return Ordinary(
        len(mails),
        [
            Left(station, left.count(station), _mean_at({station}, left, times[ours]))
            for station in Station
            if station in left
        ],
        {name: fmean(each) for name, each in times.items()},
        {name: _mean_at(set(Station) - {Station.GATE}, left, each) for name, each in times.items()},
        found,
    )


def _mean_at(stations: Set[Station], left: Sequence[Station], times: Sequence[float]) -> float:
    """Return the mean time of the mails that were dismissed at these stations."""
    some = [each for station, each in zip(left, times, strict=True) if station in stations]
    return fmean(some) if some else 0.0


def _in_turns(
    works: Mapping[str, Callable[[_Item], object]], items: Sequence[_Item]
) -> dict[str, list[float]]:
    """Return by recogniser what each item takes, the median of the runs."""
    times: dict[str, list[list[float]]] = {name: [[] for _ in items] for name in works}
    for _ in range(RUNS):
        for name, work in works.items():
            for item, taken in zip(items, times[name], strict=True):
                started = time.process_time()
                work(item)
                taken.append(MICROSECONDS * (time.process_time() - started))
    return {name: [statistics.median(taken) for taken in each] for name, each in times.items()}


def verdict_on(mail: Mail, lexicons: Lexicons) -> Verdict | None:
    """Return the verdict on a mail, None where it needs none: what the relay does before a note."""
    if dismiss(mail.message, mail.envelope, COMPANY) is not None:
        return None
    try:
        message_map = map_message(mail.message)
    except MapError:
        return None
    words = read_words(message_map)

    def read() -> Letter:
        return read_letter(message_map, mail.envelope, words)

    return judge_words(words.subject, words.text, read, lexicons)


def station_of(mail: Mail, lexicons: Lexicons) -> Station:
    """Return where a mail is dismissed, or what becomes of it."""
    if dismiss(mail.message, mail.envelope, COMPANY) is not None:
        return Station.GATE
    try:
        words = read_words(map_message(mail.message))
    except MapError:
        return Station.MAP
    verdict = verdict_on(mail, lexicons)
    if verdict is None or verdict is NOTHING_SAID:
        whole = f"{normalise(words.subject)}\n{normalise(words.text)}"
        lexicon = lexicons.get(language_of(whole))
        if lexicon is None or not lexicon.may_concern(lexicon.wording_text(whole)):
            return Station.WORK
        return Station.WORDING
    known = {Kind.UNSURE: Station.UNSURE, Kind.REJECTION: Station.REJECTION}
    return known.get(verdict.kind, Station.EVIDENCE)


def _judge_text(judge: Callable[[str, str], bool], language: str, sample: Sample) -> bool:
    return judge(language, sample.text)


def _judge_plain(judge: Callable[[str, str], bool], mail: Mail) -> bool:
    """Read a mail as most programs do, and judge what was read."""
    parsed = email.message_from_bytes(mail.message, policy=email.policy.default)
    try:
        part = parsed.get_body(("plain", "html"))
        text = part.get_content() if isinstance(part, EmailMessage) else ""
        text = normalise(f"{parsed['subject'] or ''}\n{text}")
    except (LookupError, ValueError, AttributeError, TypeError):
        return False  # What it cannot read, it passes.
    language = language_of(text)
    return judge(language if language in LANGUAGES else LANGUAGES[1], text)
