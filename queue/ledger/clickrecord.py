"""A click as it was seen, and the event that is made of it.

The answer to a click waits for what it takes to see one; class, event and detail follow from that,
the same ones whoever asks. So the inbox's writer can make them, for many clicks in a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ledger.agents import Agents
from ledger.clickdetail import HEADERS_KEPT, raw_detail
from ledger.clickevents import link_clicked
from ledger.clicks import HEADERS_READ, Network, read_click
from ledger.events import Event
from ledger.signals import Click, Signal

_HEADERS = {name.encode(): name for name in (*HEADERS_READ, *HEADERS_KEPT)}


@dataclass(slots=True)
class ClickRecord:
    """One request for a link; `click_id` is random, `headers` are those of ASGI.

    `seen` is what link and address have shown. The headers are in memory until the event is made.
    """

    company: str
    link_id: str
    click_id: str
    time: datetime
    method: str
    headers: Sequence[tuple[bytes, bytes]] = field(repr=False)
    network: Network
    seen: tuple[Signal, ...]
    agents: Agents = field(repr=False)
    _judged: Click | None = field(init=False, default=None)

    @property
    def judged(self) -> Click:
        """The class, and the signals it rests on."""
        return self._judged or self._judge(self._named())

    def make(self) -> tuple[Event, bytes]:
        """Return the event, and what is kept beside it for a while."""
        headers = self._named()
        click = self._judge(headers)
        event = link_clicked(
            self.company,
            self.link_id,
            self.time,
            click_id=self.click_id,
            click_class=click.click_class,
            signals=",".join(click.signals),
        )
        return event, raw_detail(self.method, headers, self.network, click.signals)

    def _judge(self, headers: Mapping[str, str]) -> Click:
        self._judged = read_click(self.method, headers, self.agents, self.seen)
        return self._judged

    def _named(self) -> dict[str, str]:
        """Return the headers that are looked at, with lower-case names; if repeated, the first."""
        return {
            _HEADERS[name]: value.decode("latin-1")
            for name, value in reversed(self.headers)
            if name in _HEADERS
        }
