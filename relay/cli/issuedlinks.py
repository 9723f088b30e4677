"""Which links a company's letters got, and when, as its log has it; for `careerrelay keys`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from ledger import store_log
from ledger.events import Event, EventError, EventType, link_issued_id, parse
from ledger.store import LedgerError, Transaction
from ledger.timetable import JAPAN
from relay.cli.common import FOUND_WRONG, fail
from relay.cli.record import open_store
from relay.config import Config
from signer.revocations import LINKS_MAX


def owners_of(config: Config, link_ids: Iterable[str]) -> dict[str, str]:
    """Return in whose log the letter of each link is; those without a letter are left out."""
    by_event = {link_issued_id(link_id): link_id for link_id in link_ids}
    store = open_store(config.store.url)
    try:
        with store.read() as transaction:
            return {
                by_event[event_id]: company.id
                for company in config.companies
                for event_id in store_log.issued_links(transaction, company.id, by_event)
            }
    except LedgerError as error:
        fail(str(error), FOUND_WRONG)
    finally:
        store.close()


def issued_between(config: Config, company: str, since: str, until: str) -> list[str]:
    """Return the links of a company's letters from a time on, up to another one."""
    if company not in {one.id for one in config.companies}:
        fail(f"no such company: {company!r}; set --company")
    start, end = _time(since, "--since"), _time(until, "--until")
    store = open_store(config.store.url)
    try:
        with store.read() as transaction:
            found = _walk(transaction, company, start, end)
    except LedgerError as error:
        fail(str(error), FOUND_WRONG)
    finally:
        store.close()
    if len(found) > LINKS_MAX:
        fail(f"more than {LINKS_MAX} links: revoke the key instead", FOUND_WRONG)
    return found


def _walk(transaction: Transaction, company: str, start: datetime, end: datetime) -> list[str]:
    mark = f"{EventType.LETTER_LINK_ISSUED}:"
    found: list[str] = []
    for rows in store_log.entries(transaction, company):
        for row in rows:
            event = _parse(row.body) if row.event_id.startswith(mark) else None
            if event and start <= event.time < end:
                found.append(event.id.removeprefix(mark))
        if len(found) > LINKS_MAX:
            break
    return found


def _parse(body: bytes) -> Event | None:
    try:
        return parse(body)
    except EventError:
        return None  # `log verify` names it.


def _time(text: str, option: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{option}: {text!r}: expected a time like 2026-01-15T09:00")
    return found if found.tzinfo else found.replace(tzinfo=JAPAN)
