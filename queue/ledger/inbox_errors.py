"""What the inbox can answer instead of taking an event."""

from __future__ import annotations


class InboxError(Exception):
    """Base of what the inbox can answer instead of taking an event."""


class InboxUnavailable(InboxError):
    """The event could not be made durable in time.

    `reason` is `full`, `timeout`, `store`, `spill` or `closed`. After `timeout`, `store` or `spill`
    the event may be on disk all the same; submitting it again is safe.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class EventConflict(InboxError):
    """Another event with the same id and another body is on record."""

    def __init__(self, event_id: str) -> None:
        super().__init__(f"another event is on record as {event_id}")
        self.event_id = event_id
