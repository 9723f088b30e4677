"""The admin port of a service: the application of `relay.admin` on the intake's web server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import metadata

import structlog

from ledger.webserver import WebServer
from relay.addresses import Address, listen_failure
from relay.admin import Facts, Source, create_app

log = structlog.get_logger("service")


class AdminError(Exception):
    """The admin port cannot be opened; the text names it and says what to set."""


class AdminPort:
    """Serves metrics and health on `listen`; with `None` it does nothing."""

    def __init__(
        self,
        listen: Address | None,
        source: Source,
        waiting_for: Callable[[], tuple[str, ...]],
        processes: Callable[[], Mapping[str, int]],
    ) -> None:
        self._listen = listen
        self._server: WebServer | None = None
        if listen is not None:
            facts = Facts(metadata.version("careerrelay"), waiting_for, processes)
            self._server = WebServer(listen.host, listen.port, create_app(source, facts))

    async def start(self) -> None:
        """Open the port; `AdminError` when it cannot be had."""
        if self._listen is None or self._server is None:
            return
        try:
            await self._server.start()
        except OSError as error:
            reason = listen_failure(self._listen, error)
            raise AdminError(f"{reason}; set admin.listen") from error
        bound = Address(self._listen.host, self._server.port)
        log.info("listening", part="admin", address=str(bound))

    async def stop(self) -> None:
        """Close it, last of all: what stops is watched to the end."""
        if self._server is not None:
            await self._server.stop()
