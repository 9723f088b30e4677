"""A company's statement of a month: what it opened with, what moved, what it closed with.

A month is one of Asia/Tokyo. Which entries of the log belong to it is fixed by the event
`statement.issued`: from where the statement before ended up to a size of the log, with the tree's
root there and the digest of the statement's JSON. So whoever holds the log makes the same statement
again, byte for byte, for ever, and sees whether it is the one that was issued. A month without that
event is provisional, and says so.

Counts only: no person, no link. Pure.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from ledger.accounts import Account, Balances, Posting, Transfer, Unit, nonzero
from ledger.events import Event, EventType, format_time, parse
from ledger.fold import Fold
from ledger.log import HASH_SIZE_BYTES
from ledger.policy import Policy, policies_between
from ledger.store import LedgerError

FORMAT: Final = "careerrelay-statement/1"

# Japan has had one time without summer time since 1952, so no time zone database is needed.
TOKYO: Final = timezone(timedelta(hours=9), "Asia/Tokyo")

_MONTH = re.compile(r"(2\d{3})-(0[1-9]|1[0-2])")


class StatementError(LedgerError):
    """There is no such statement, or the one on record is not what the log gives."""


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A month in Japan."""

    year: int
    number: int

    @property
    def start(self) -> datetime:
        """Its first moment."""
        return datetime(self.year, self.number, 1, tzinfo=TOKYO)

    @property
    def end(self) -> datetime:
        """The first moment of the month after."""
        return self.next().start

    def next(self) -> Month:
        """Return the month after."""
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"


@dataclass(frozen=True, slots=True)
class Issued:
    """What `statement.issued` says: entries `first` up to, not including, `size`."""

    month: Month
    first: int
    size: int
    root: bytes
    digest: str


@dataclass(frozen=True, slots=True)
class Line:
    """One transfer of the month, with the time of the event behind it."""

    time: datetime
    event_id: str
    rule: str
    policy: str
    postings: tuple[Posting, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """A company's month. `is_issued` is false while it may still change."""

    company: str
    month: Month
    is_issued: bool
    first: int
    size: int
    root: bytes
    policies: tuple[Policy, ...]
    opening: Balances
    closing: Balances
    lines: tuple[Line, ...]

    def moved(self, rule: EventType, unit: Unit) -> int:
        """Return how many units the events of this type moved."""
        return sum(
            leg.amount
            for line in self.lines
            if line.rule == rule
            for leg in line.postings
            if leg.unit is unit and leg.amount > 0
        )


# What a statement says of each unit, in its order: where units lie, and what moved them.
HOLDERS: Final = {
    Unit.REFERRAL: (Account.HELD, Account.OPEN, Account.REDEEMED),
    Unit.SLOT: (
        Account.AVAILABLE,
        Account.RESERVED,
        Account.USED,
        Account.VOIDED,
        Account.EXPIRED,
    ),
}
MOVEMENTS: Final = {
    Unit.REFERRAL: {
        "counted": EventType.REFERRAL_COUNTED,
        "held": EventType.REFERRAL_HELD,
        "released": EventType.REFERRAL_RELEASED,
        "rejected": EventType.REFERRAL_REJECTED,
        "reversed": EventType.REFERRAL_REVERSED,
        "redeemed": EventType.SLOT_GRANTED,
    },
    Unit.SLOT: {
        "granted": EventType.SLOT_GRANTED,
        "reserved": EventType.SLOT_RESERVED,
        "used": EventType.SLOT_USED,
        "released": EventType.SLOT_RELEASED,
        "voided": EventType.SLOT_VOIDED,
        "expired": EventType.SLOT_EXPIRED,
    },
}


# No log of ours is older; which statements there are is asked for by their ids.
FIRST_MONTH: Final = Month(2026, 1)
LAST_MONTH: Final = Month(2099, 12)


def parse_month(text: str) -> Month:
    """Return the month of `YYYY-MM`; raises `StatementError`."""
    found = _MONTH.fullmatch(text)
    month = Month(int(found[1]), int(found[2])) if found else None
    if month is None or not FIRST_MONTH <= month <= LAST_MONTH:
        what = f"write one from {FIRST_MONTH} to {LAST_MONTH} as YYYY-MM"
        raise StatementError(f"{text[:20]!r} is not a month of statements: {what}")
    return month


def month_of(time: datetime) -> Month:
    """Return the month in Japan that a moment is in."""
    there = time.astimezone(TOKYO)
    return Month(there.year, there.month)


def months_until(first: Month, last: Month) -> list[Month]:
    """Return the months from the first to the last, both among them."""
    months: list[Month] = []
    while first <= last:
        months.append(first)
        first = first.next()
    return months


def issued_id(company: str, month: Month) -> str:
    """Return the id that the event of this statement has."""
    return f"{EventType.STATEMENT_ISSUED}:{company}/{month}"


def statement_issued(statement: Statement, now: datetime) -> Event:
    """Return the event that fixes the statement; the month is in its id, so there is one."""
    data: dict[str, str | int] = {
        "month": str(statement.month),
        "first": statement.first,
        "size": statement.size,
        "root": base64.b64encode(statement.root).decode(),
        "digest": digest_of(encode_json(as_issued(statement))),
    }
    event_id = issued_id(statement.company, statement.month)
    subject = f"statement:{statement.company}/{statement.month}"
    return Event(event_id, EventType.STATEMENT_ISSUED, statement.company, now, subject, data)


def chain(events: Iterable[tuple[int, Event]]) -> list[Issued]:
    """Return the statements of a log's `statement.issued` events, which come with their indexes.

    Each must begin where the one before ended, be of a later month, and end before its own entry.
    One that does not fixes nothing: it is on record, and its month has no statement.
    """
    found: list[Issued] = []
    for index, event in sorted(events, key=lambda pair: pair[0]):
        one = _read_issued(event)
        start = found[-1].size if found else 0
        if one is None or one.first != start or not start <= one.size <= index:
            continue
        if not found or found[-1].month < one.month:
            found.append(one)
    return found


def compile_statement(
    company: str,
    month: Month,
    entries: Iterable[tuple[str, bytes]],
    policies: Sequence[Policy],
    *,
    first: int,
    size: int,
    root: bytes,
    is_issued: bool,
) -> Statement:
    """Return the statement that a log's (event id, body) entries from the very first one give.

    Entries beyond `size` are not read. Raises `FoldError` or `EventError` for a log that the rules
    could not have written, `StatementError` for one that is too short.
    """
    fold, opening = Fold(company, policies), Balances()
    lines: list[Line] = []
    count = 0
    for event_id, body in entries:
        if count == first:
            opening, lines = dict(fold.book.balances), []
        if count == size:
            break
        known = len(fold.transfers)
        fold.feed(event_id, body)
        count += 1
        if count > first and len(fold.transfers) > known:
            time = parse(body).time
            lines.extend(_line(transfer, time) for transfer in fold.transfers[known:])
    if count < size:
        raise StatementError(f"log {company}: {count} entries, the statement is about {size}")
    if first == count:
        opening, lines = dict(fold.book.balances), []
    return Statement(
        company=company,
        month=month,
        is_issued=is_issued,
        first=first,
        size=size,
        root=root,
        policies=policies_between(policies, month.start, month.end),
        opening=nonzero(opening),
        closing=nonzero(fold.book.balances),
        lines=tuple(lines),
    )


def as_issued(statement: Statement) -> Statement:
    """Return the statement as it reads once it is issued."""
    return replace(statement, is_issued=True)


def encode_json(statement: Statement) -> bytes:
    """Return the statement as one line of JSON in its only spelling: what is digested."""
    content = {
        "format": FORMAT,
        "company": statement.company,
        "month": str(statement.month),
        "time_zone": "Asia/Tokyo",
        "status": "issued" if statement.is_issued else "provisional",
        "log": {
            "first": statement.first,
            "size": statement.size,
            "root": base64.b64encode(statement.root).decode(),
        },
        "policies": [_policy_row(policy) for policy in statement.policies],
        "referrals": _unit_row(statement, Unit.REFERRAL),
        "slots": _unit_row(statement, Unit.SLOT),
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode() + b"\n"


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of a statement's JSON bytes in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def on(balances: Balances, account: Account, unit: Unit) -> int:
    """Return what is on an account."""
    return balances.get((account, unit), 0)


def _unit_row(statement: Statement, unit: Unit) -> Mapping[str, Mapping[str, int]]:
    return {
        "opening": {str(each): on(statement.opening, each, unit) for each in HOLDERS[unit]},
        "movements": {name: statement.moved(kind, unit) for name, kind in MOVEMENTS[unit].items()},
        "closing": {str(each): on(statement.closing, each, unit) for each in HOLDERS[unit]},
    }


def _policy_row(policy: Policy) -> Mapping[str, str | int]:
    return {
        "id": policy.id,
        "valid_from": format_time(policy.valid_from),
        "threshold": policy.threshold,
        "grant": policy.grant,
        "text_sha256": policy.text_sha256,
    }


def _line(transfer: Transfer, time: datetime) -> Line:
    utc = time.astimezone(UTC)
    return Line(utc, transfer.event_id, transfer.rule, transfer.policy, transfer.postings)


def _read_issued(event: Event) -> Issued | None:
    """Return what the event says, None when it is not whole."""
    data = event.data
    month, first, size = data.get("month"), data.get("first"), data.get("size")
    root, digest = data.get("root"), data.get("digest")
    if not (isinstance(first, int) and isinstance(size, int) and isinstance(month, str)):
        return None
    if not (isinstance(root, str) and isinstance(digest, str)):
        return None
    try:
        found = base64.b64decode(root, validate=True)
        parsed = parse_month(month)
    except (ValueError, StatementError):
        return None
    if event.id != issued_id(event.company, parsed) or len(found) != HASH_SIZE_BYTES:
        return None
    return Issued(parsed, first, size, found, digest)
