"""The one way in: an event is a durable row before anyone is answered."""

from __future__ import annotations

from ledger.events import Event


class InboxError(Exception):
    """Base of what the inbox can answer instead of taking an event."""


class InboxUnavailable(InboxError):
    """The event could not be made durable in time.

    `reason` is `full`, `timeout`, `store` or `closed`.

    Later: the store is away. The event may or may not be on disk; submitting it again is safe.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class EventConflict(InboxError):
    """Another event with the same id and another body is on record."""

    def __init__(self, event_id: str) -> None:
        super().__init__(f"another event is on record as {event_id}")
        self.event_id = event_id


class Inbox:
    """Takes events, answers when they are on disk; `start` and `close` block shortly."""

    def start(self) -> None:
        """Open the store and start the writer and publisher threads."""
        raise NotImplementedError

    def close(self) -> None:
        """Write what was submitted, announce it, stop the threads."""
        raise NotImplementedError

    async def submit(self, event: Event) -> None:
        """Return when the event is on disk; raises `InboxUnavailable` or `EventConflict`."""
        raise NotImplementedError

    async def reference(self, person: str) -> str:
        """Return the `h:` reference of a person for `signup_verified(person_ref=…)`."""
        raise NotImplementedError
