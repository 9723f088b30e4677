"""Webhooks out: what a company wants to hear of its log, signed as Standard Webhooks.

An outlet reads the logs behind a mark that it moves in the same transaction in which it puts the
deliveries on record, so that each entry is delivered, and as one delivery. A delivery is tried for
75 hours; `410 Gone` ends it (Standard Webhooks, "Delivery"). The body is the entry's own bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import httpx

from ledger import store_jobs, store_log, store_progress
from ledger.events import INSTALLATION
from ledger.jobs import JobFailed
from ledger.store import Store
from ledger.store_jobs import JobRow, NewJob
from ledger.webhook import Webhook, make_webhook

DELIVER_WEBHOOK: Final = "deliver_webhook"
GIVE_UP_SECONDS: Final = 75 * 3600

# Standard Webhooks advises 15 to 30 seconds.
TIMEOUT_SECONDS: Final = 20.0
GONE: Final = 410  # RFC 9110 §15.5.11
# Looked at in one go; each may become a job, in one statement.
ENTRIES_MAX: Final = 2_000

# Of the marks; behind it the endpoint and the log.
_PREFIX: Final = "webhook:"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who hears of which events of which logs; `secret` is `whsec_` and base64."""

    name: str
    url: str
    secret: str = field(repr=False)
    events: frozenset[str]
    logs: tuple[str, ...]  # Empty: those of all companies.


class Outlet:
    """Puts deliveries on record and runs them."""

    def __init__(
        self, store: Store, endpoints: Sequence[Endpoint], clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._clock = clock
        self._endpoints = {one.name: one for one in endpoints}
        self._webhooks: dict[str, Webhook] = {
            one.name: make_webhook(one.secret) for one in endpoints
        }

    def collect(self) -> int:
        """Put what is new on record as jobs; return how many. Raises `StoreError`.

        A new endpoint hears of what happens from now on.
        """
        if not self._endpoints:
            return 0
        with self._store.read() as transaction:
            lasts = store_log.sizes(transaction)
            read = store_progress.positions(transaction, _PREFIX)
        count = 0
        for endpoint in self._endpoints.values():
            for log in endpoint.logs or lasts.keys() - {INSTALLATION}:
                last, _ = lasts.get(log, (None, None))
                if isinstance(last, int) and read.get(_name(endpoint, log), -1) <= last:
                    count += self._collect(endpoint, log, last + 1)
        return count

    def run(self, row: JobRow) -> None:
        """Deliver one entry; raises `JobFailed`."""
        endpoint = self._endpoints.get(str(row.payload["endpoint"]))
        if endpoint is None:
            raise JobFailed("this endpoint is not configured any more", is_final=True)
        log, seq = str(row.payload["log"]), int(row.payload["seq"])
        with self._store.read() as transaction:
            body = store_log.body_at(transaction, log, seq)
        if body is None:
            raise JobFailed(f"log {log} has no entry {seq}", is_final=True)
        webhook = self._webhooks[endpoint.name]
        post_signed(
            endpoint.name,
            endpoint.url,
            webhook,
            row.id,
            body,
            self._clock(),
            content_type="application/cloudevents+json",
        )

    def _collect(self, endpoint: Endpoint, log: str, size: int) -> int:
        name = _name(endpoint, log)
        jobs: list[NewJob] = []
        with self._store.write() as transaction:
            start = store_progress.position(transaction, name)  # Another process may be faster.
            end = size if start is None else min(size, start + ENTRIES_MAX)
            found = store_log.entries_of(
                transaction, log, end if start is None else start, end, endpoint.events
            )
            for seq, event_id in found:
                payload: dict[str, str | int] = {"endpoint": endpoint.name, "log": log, "seq": seq}
                job_id = f"{DELIVER_WEBHOOK}:{endpoint.name}/{event_id}"
                jobs.append(NewJob(job_id, DELIVER_WEBHOOK, payload))
            if jobs:
                now_ms = int(self._clock().timestamp() * 1000)
                self._store.add_in(transaction, store_jobs.addition(jobs, now_ms))
            store_progress.move(transaction, name, end)
        return len(jobs)


def post_signed(
    name: str,
    url: str,
    webhook: Webhook,
    message_id: str,
    body: bytes,
    now: datetime,
    *,
    content_type: str,
) -> None:
    """Return when the receiver has taken a signed call; raises `JobFailed`, which says `name`.

    The same `message_id` is the same call: the receiver tells by it.
    """
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": webhook.sign(message_id, now, body.decode()),
        "content-type": content_type,
    }
    try:
        status = asyncio.run(_post(url, body, headers))
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
        raise JobFailed(f"{name}: {type(error).__name__}") from error
    if not httpx.codes.is_success(status):
        # 410: the receiver wants no more of this.
        raise JobFailed(f"{name} answered {status}", is_final=status == GONE)


def _name(endpoint: Endpoint, log: str) -> str:
    return f"{_PREFIX}{endpoint.name}:{log}"


async def _post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """Return the status of the answer; of its body nothing is read. Raises after the deadline."""
    # Of the whole exchange: the library's own limits are for each read.
    async with asyncio.timeout(TIMEOUT_SECONDS), httpx.AsyncClient() as client:
        async with client.stream("POST", url, content=body, headers=headers) as answer:
            return answer.status_code
