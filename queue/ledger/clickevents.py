"""Events of links that were followed or revoked; see `ledger.events` for what an event is.

A click has a random id, its caller's. What is found out about it later has an id made of that, so
that finding it out twice is one event. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from ledger.events import Event, EventType, make_id


def link_clicked(
    company: str,
    link_id: str,
    time: datetime,
    *,
    click_id: str,
    click_class: str,
    signals: str = "",
) -> Event:
    """Return the event of a request for a link; `click_id` is random and the caller's."""
    data = {"link_id": link_id, "class": click_class, "signals": signals}
    kind = EventType.LINK_CLICKED
    return Event(make_id(kind, click_id), kind, company, time, f"link:{link_id}", data)


def click_reclassified(
    click: Event, time: datetime, *, click_class: str, signals: Iterable[str]
) -> Event:
    """Return the event of a click that is seen otherwise now; `signals` are all that speak.

    A click is seen otherwise once at most: the id follows from it.
    """
    name = click.id.partition(":")[2]
    data = {
        "click": click.id,
        "from": str(click.data["class"]),
        "to": click_class,
        "signals": ",".join(signals),
    }
    kind = EventType.CLICK_RECLASSIFIED
    return Event(make_id(kind, name), kind, click.company, time, click.subject, data)


def clicks_thinned(company: str, time: datetime, *, event_id: str, count: int) -> Event:
    """Return the event of so many clicks of one minute that were sent on and not kept singly."""
    kind = EventType.CLICK_THINNED
    return Event(make_id(kind, event_id), kind, company, time, "clicks", {"count": count})


def link_revoked(company: str, link_id: str, time: datetime, *, why: str) -> Event:
    """Return the event of a link that counts no more; a link is revoked once."""
    data = {"link_id": link_id, "why": why}
    kind = EventType.LINK_REVOKED
    return Event(make_id(kind, link_id), kind, company, time, f"link:{link_id}", data)
