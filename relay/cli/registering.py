"""The built-in registration put together, and the list of those who want no line."""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from ledger.pages import find_templates
from ledger.people import People
from ledger.registrationmail import Letterhead, RegistrationMail
from ledger.registrationparts import RegistrationParts
from ledger.store import LedgerError, Store
from ledger.suppression import REFRESH_SECONDS, Suppression
from relay.cli.common import now
from relay.cli.materials import Materials

log = structlog.get_logger("service")


def make_people(materials: Materials, store: Store) -> People | None:
    """Return who registered here, None where nobody can: without mail, or elsewhere."""
    if not materials.person_keys:
        return None
    return People(store, materials.person_keys, materials.subject_key, now)


def make_registration(
    materials: Materials, store: Store, suppression: Suppression
) -> RegistrationParts | None:
    """Return what the intake registers people with, None where it does not."""
    people = make_people(materials, store)
    if people is None:
        return None
    config = materials.config
    intake = config.intake
    letterhead = Letterhead(config.link.base_url, intake.service, intake.contact, intake.licence)
    return RegistrationParts(
        people,
        suppression,
        lambda ring: RegistrationMail(
            letterhead, find_templates(), ring, suppression, materials.subject_key
        ),
        {company.id: company.domains for company in config.companies},
    )


class SuppressionRefresher:
    """Reads the list of those who want no mail now and then; `start` and `stop` are called once."""

    def __init__(self, suppression: Suppression) -> None:
        self._suppression = suppression
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the list before the first letter comes, and begin."""
        await self._refresh()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            await self._refresh()

    async def _refresh(self) -> None:
        try:
            await asyncio.to_thread(self._suppression.refresh)
        except LedgerError as error:
            # Mail first; the list of before holds. Where there was none, no letter is on record
            # while the store is away, and so none gets a line.
            log.warning("suppression_not_read", error=str(error))
