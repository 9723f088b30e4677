"""What the relay counts, for Prometheus. The only file that knows prometheus_client, with `admin`.

Labels come from closed sets (decisions, reasons, verbs, codes, stations): never an address, a name
or anything a peer wrote, so neither the number of series nor what they tell is a stranger's choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

# From a tenth of a millisecond (a judgement) to the longest wait for a next hop.
SECONDS_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5, 20, 90)


class Station(StrEnum):
    """Where a message spends its time."""

    DIALOGUE = "dialogue"  # MAIL to DATA, the next hop's replies included
    RECEIVE = "receive"  # from our 354 to the client's final dot
    JUDGE = "judge"  # from the final dot to the decision
    RECORD = "record"  # until the link is on disk
    SEND = "send"  # DATA to the next hop's last reply


_QUEUE = {
    "pending": "Events on record that wait to be applied.",
    "age_seconds": "How long the oldest of them has waited.",
    "lag_seconds": "How long the event that was applied last had waited.",
    "jobs_due": "Jobs that are due: mail, webhooks, statements.",
    "dead": "Events and jobs that failed for good and wait for a person.",
}

# What the intake counts: by name, a text, the label, and all its values.
_INTAKE = {
    "links_followed": (
        "Links that were followed, by what they were.",
        "outcome",
        "whole mended damaged malformed unknown_key bad_tag revoked link_revoked",
    ),
    "clicks": ("Clicks, by who is behind them.", "class", "human scanner unknown"),
    "click_records": (
        "Clicks, by what became of their record.",
        "kept",
        "store spill thinned lost",
    ),
    "registrations": (
        "What people did on our own pages.",
        "step",
        "received not_kept confirmed opted_out opted_in deleted expired broken",
    ),
}


class Metrics:
    """The counters of one process; every method is cheap and never raises."""

    def __init__(self) -> None:
        # The time of the first count, beside each counter: twice the series, and of use to nobody.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = self.registry = CollectorRegistry()
        self._messages = Counter(
            "careerrelay_messages",
            "Messages that were answered, by decision and reason.",
            ("decision", "reason"),
            registry=registry,
        )
        self._not_injected = Counter(
            "careerrelay_not_injected",
            "Letters that were to get the line and did not, by reason.",
            ("reason",),
            registry=registry,
        )
        self._unknown = Counter(
            "careerrelay_outcomes_unknown",
            "Messages sent on without a reply: delivered or not, nobody knows.",
            registry=registry,
        )
        self._replies = Counter(
            "careerrelay_next_hop_replies",
            "The next hop's replies by command (END: the message) and code (0: none came).",
            ("command", "code"),
            registry=registry,
        )
        self._seconds = Histogram(
            "careerrelay_station_seconds",
            "Time of a message in each station.",
            ("station",),
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self._refused = Counter(
            "careerrelay_refused",
            "Connections and commands that we refused ourselves, by reason.",
            ("reason",),
            registry=registry,
        )
        self._connections = Gauge(
            "careerrelay_connections",
            "Clients that are connected.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._next_hop_connections = Gauge(
            "careerrelay_next_hop_connections",
            "Connections to the next hop: idle in the pool, or busy with a message.",
            ("state",),
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._in_flight = Gauge(
            "careerrelay_in_flight_bytes",
            "Bytes of messages that are being taken, judged or sent.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._queue = {
            name: Gauge(
                f"careerrelay_queue_{name}",
                text,
                registry=registry,
                multiprocess_mode="livemostrecent",
            )
            for name, text in _QUEUE.items()
        }
        self._intake: dict[tuple[str, str], Callable[[float], None]] = {}
        for name, (text, label, values) in _INTAKE.items():
            counter = Counter(f"careerrelay_{name}", text, (label,), registry=registry)
            for value in values.split():  # From 0 on, so that the first one is seen to be more.
                self._intake[name, value] = counter.labels(value).inc
        # A look-up of labels takes a lock and a tuple of texts; each is made once.
        self._add: dict[tuple[Counter, tuple[str, ...]], Callable[[], None]] = {}
        self._observe = {
            station: self._seconds.labels(station.value).observe for station in Station
        }
        self._idle = self._next_hop_connections.labels("idle")
        self._busy = self._next_hop_connections.labels("busy")

    def message(self, decision: str, reason: str) -> None:
        """Count a message that was answered."""
        self._count(self._messages, decision, reason)

    def not_injected(self, reason: str) -> None:
        """Count a letter that was to get the line and did not."""
        self._count(self._not_injected, reason)

    def outcome_unknown(self) -> None:
        """Count a message of which nobody knows whether the next hop has it."""
        self._unknown.inc()

    def reply(self, command: str, code: int) -> None:
        """Count a reply of the next hop; code 0 for one that did not come."""
        self._count(self._replies, command, str(code))

    def refused(self, reason: str) -> None:
        """Count something we refused ourselves."""
        self._count(self._refused, reason)

    def spent(self, station: Station, seconds: float) -> None:
        """Note the time a message spent in a station."""
        self._observe[station](seconds)

    def connections(self, change: int) -> None:
        """Note that clients came (+1) or left (-1)."""
        self._connections.inc(change)

    def next_hop_connections(self, idle_change: int, busy_change: int) -> None:
        """Note how the pool and the connections in use have changed."""
        if idle_change:
            self._idle.inc(idle_change)
        if busy_change:
            self._busy.inc(busy_change)

    def in_flight(self, change_bytes: int) -> None:
        """Note that messages in flight take more bytes, or fewer."""
        self._in_flight.inc(change_bytes)

    def intake(self, what: str, how: str, count: int) -> None:
        """Count what the intake did so often, under the names of `_INTAKE`."""
        self._intake[what, how](count)

    def queue(self, values: Mapping[str, float]) -> None:
        """Note how the queue stands, under the names of `_QUEUE`."""
        for name, value in values.items():
            self._queue[name].set(value)

    def _count(self, counter: Counter, *labels: str) -> None:
        add = self._add.get((counter, labels))
        if add is None:
            add = self._add[counter, labels] = counter.labels(*labels).inc
        add()
