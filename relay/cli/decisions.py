"""What commands on credits share: a person's event is put on record, and what came of it is said.

The event goes through the inbox, so it is on disk first, and is applied here at once; both work
beside a running service. Judgements take two people: the first call proposes, a second one by
another name confirms.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from ledger import store_holdings
from ledger.apply import Applier
from ledger.credits import Decision, Outcome
from ledger.events import Event, EventType, format_time
from ledger.holdings import WHY_LENGTH_MAX, is_operator
from ledger.operations import change_confirmed, change_proposed
from ledger.policies import read_policies
from ledger.states import Action, Proposal
from ledger.store import LedgerError, Store, StoreError
from relay.cli.common import FOUND_WRONG, fail, now, print_json, printable
from relay.cli.ownlog import new_event_id, record
from relay.cli.record import open_store
from relay.config import Config

ByOption = Annotated[
    str, typer.Option("--by", help="Your short id: a-z, 0-9 and . _ -, at most 32; no address.")
]
WhyOption = Annotated[
    str, typer.Option("--why", help="The reason, in a sentence; it stays on record. No names.")
]

# What ends a line or moves the cursor of whoever reads the log.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

# What a refusal means, and what to do about it.
_REASONS = {
    "wrong_state": "it is not in a state that allows this; see `credits held` or `slot list`",
    "unknown_referral": "no referral of this company has this id",
    "unknown_slot": "the company has no slot of this number",
    "nothing_proposed": "this was not proposed",
    "same_person": "whoever proposed it cannot confirm it; another person must",
    "already_confirmed": "it was confirmed already",
    "other_reservation": "the slot is reserved under another id; see `slot list`",
    "not_due": "its time has not come",
    "incomplete": "a value is not what it must be",
}


@dataclass(frozen=True, slots=True)
class Done:
    """What came of an event, under the names of the JSON output."""

    event: Event
    outcome: Outcome

    @property
    def is_refused(self) -> bool:
        """Whether nothing has happened."""
        return self.outcome.decision is Decision.REFUSED

    def row(self) -> dict[str, object]:
        """Return the outcome under its stable names."""
        is_proposal = self.event.type is EventType.CHANGE_PROPOSED
        data = self.event.data
        return {
            "company": self.event.company,
            "event_id": self.event.id,
            "subject": self.event.subject,
            "result": ("refused" if self.is_refused else "proposed" if is_proposal else "done"),
            "reasons": list(self.outcome.reasons),
            "by": data.get("by"),
            "proposed_by": data.get("proposed_by"),
            "open": self.outcome.open,
            "slots_available": self.outcome.slots_available,
        }


@contextmanager
def opened(config: Config) -> Generator[Store]:
    """Open the store for the block; what goes wrong with it ends the command."""
    store = open_store(config.store.url)
    try:
        yield store
    except LedgerError as error:
        where = "" if isinstance(error, StoreError) else f"{store.where}: "
        fail(f"{where}{error}", FOUND_WRONG)
    finally:
        store.close()


def check_words(by: str, why: str | None = None) -> None:
    """End the command unless the operator's id and the reason can be put on record."""
    if not is_operator(by):
        fail(f"--by {by!r}: expected a short id of a-z, 0-9 and . _ -, at most 32 characters")
    if why is None:
        return
    if not 0 < len(why.strip()) <= len(why) <= WHY_LENGTH_MAX or _CONTROLS.search(why):
        fail(f"--why: expected a reason of 1 to {WHY_LENGTH_MAX} characters on one line")


def bring_about(store: Store, event: Event) -> Done:
    """Put the event on record, apply it, and return what came of it."""
    record(store, event, "nothing has changed")
    outcome = Applier(store, read_policies(), clock=now).apply_event(event.id)
    return Done(event, outcome)


def decide(store: Store, company: str, action: Action, target: str, *, by: str, why: str) -> Done:
    """Propose the change, or confirm it where another person has proposed it."""
    check_words(by, why)
    with store.read() as transaction:
        proposals = [
            each
            for each in store_holdings.open_proposals(transaction, company)
            if (each.action, each.target) == (action, target)
        ]
    others = [each for each in proposals if each.by != by]
    if others:
        return bring_about(store, change_confirmed(company, others[0], now(), by=by, why=why))
    if proposals:
        since = format_time(proposals[0].time)
        what = f"{by} proposed this at {since}; it waits for a second person to confirm it"
        fail(f"{action} {target}: {what}", FOUND_WRONG)
    request = new_event_id()
    return bring_about(
        store,
        change_proposed(company, action, target, now(), by=by, why=why, request=request),
    )


def show(done: Done, what: str, *, as_json: bool) -> None:
    """Print what came of it; refused, end with 1."""
    if as_json:
        print_json(done.row())
    else:
        print_done(done, what)
    if done.is_refused:
        raise typer.Exit(FOUND_WRONG)


def print_done(done: Done, what: str) -> None:
    """Say it in a line or two."""
    console = Console(stderr=done.is_refused)
    if done.is_refused:
        why = "; ".join(_REASONS.get(reason, reason) for reason in done.outcome.reasons)
        text = f"refused: {what}: {why}. Nothing has moved; the attempt is on record."
    elif done.event.type is EventType.CHANGE_PROPOSED:
        text = f"proposed: {what}. It waits for a second person, who runs this command with --by."
    else:
        by = done.event.data.get("proposed_by")
        pair = f", proposed by {by}, confirmed by {done.event.data.get('by')}" if by else ""
        text = f"done: {what}{pair}. Open {done.outcome.open}"
        text += f", slots available {done.outcome.slots_available}."
    console.print(Text(printable(text)), soft_wrap=True)


def proposal_row(proposal: Proposal) -> dict[str, str]:
    """Return the proposal under its stable names."""
    return {
        "action": str(proposal.action),
        "by": proposal.by,
        "why": proposal.why,
        "time": format_time(proposal.time),
        "event_id": proposal.event_id,
    }
