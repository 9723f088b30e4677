"""The ledger as a fold of the log: balances from the stored bytes alone, and nothing believed.

What the applier derived (`referral.counted`, `slot.granted` …) is derived again from the events
before it and must be in the log, byte for byte and in its place. So the balances follow from what
was reported (links issued, signups verified), and whoever holds the log can prove them.
Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from ledger.credits import Balances, Book, Outcome, Policy, Transfer, nonzero
from ledger.events import DERIVED_ONLY, SOURCE, SPEC_VERSION, Event, EventError, EventType, parse
from ledger.holds import delivered_link

# Types that move nothing and decide nothing. They are most of a log; reading them in full would
# take most of an audit's time, and their hashes are checked all the same.
_QUIET: Final = frozenset(
    kind.encode()
    for kind in (
        EventType.LETTER_REFUSED,
        EventType.LETTER_PASSED,
        EventType.LINK_CLICKED,
        EventType.CLICK_RECLASSIFIED,
        EventType.CLICK_THINNED,
    )
)
_ISSUED: Final = EventType.LETTER_LINK_ISSUED.encode()
_DELIVERED: Final = EventType.LETTER_DELIVERED.encode()

# "type" sorts last of all attributes, so the encoding ends with it.
_TYPE_MARK: Final = b'"type":"'
_AFTER_ID: Final = f'","source":"{SOURCE}","specversion":"{SPEC_VERSION}",'.encode()


class FoldError(ValueError):
    """The entry does not follow from those before it, or is not an event of this log."""


class Fold:
    """A company's log while it is read, entry by entry, in order; and what it gives."""

    def __init__(self, company: str, policies: Sequence[Policy]) -> None:
        self.book: Final = Book(company, policies)
        self.transfers: Final[list[Transfer]] = []
        # Each signup with the answer its sender got.
        self.signups: Final[list[tuple[Event, Outcome]]] = []
        # "company" sorts first of all attributes, so the encoding begins with it.
        self._head: Final = f'{{"company":"{company}",'.encode()
        self._due: deque[Event] = deque()

    def feed(self, event_id: str, body: bytes) -> None:
        """Take the next entry; raises `FoldError` or `EventError`."""
        if b',"id":"' + event_id.encode() + _AFTER_ID not in body:
            raise FoldError(f"the entry is filed as {event_id} and says otherwise")
        if not body.startswith(self._head):
            raise FoldError(f"{event_id} is not of {self.book.company}")
        kind = body.rpartition(_TYPE_MARK)[2][:-2]
        if not self._due:
            if kind in _QUIET:
                return
            if kind == _ISSUED:
                self.book.issued.add(event_id)
                return
            if kind == _DELIVERED:
                self.book.delivered.add(delivered_link(event_id))
                return
        if self._due:
            due = self._due.popleft()
            if body != due.body:
                raise FoldError(f"{due.id} was due here, not {event_id}")
            return
        event = parse(body)
        if event.type in DERIVED_ONLY:
            raise FoldError(f"{event.id} does not follow from the entries before it")
        else:
            self._apply(event)

    def _apply(self, event: Event) -> None:
        ruling = self.book.apply(event)
        self._due.extend(ruling.derived)
        self.transfers.extend(ruling.transfers)
        if event.type is EventType.SIGNUP_VERIFIED:
            self.signups.append((event, self.book.outcome(event, ruling)))

    def end(self) -> None:
        """State that there are no more entries; raises `FoldError` when some are due."""
        if self._due:
            raise FoldError(f"{self._due[0].id} was due at the end")


def rebuild(
    company: str, entries: Iterable[tuple[str, bytes]], policies: Sequence[Policy]
) -> Balances:
    """Return the balances that a log's (event id, body) entries give.

    Raises `FoldError` or `EventError` where the log is not one that the rules could have written.
    """
    fold = Fold(company, policies)
    for event_id, body in entries:
        try:
            fold.feed(event_id, body)
        except ValueError as error:
            raise FoldError(f"{event_id}: {error}") from error
    fold.end()
    return nonzero(fold.book.balances)


def event_id_of(body: bytes) -> str:
    """Return the event id a stored body names, empty when it cannot be read."""
    try:
        return parse(body).id
    except EventError:
        return ""
