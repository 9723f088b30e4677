"""Who the client is and what it may do: EHLO, HELO, STARTTLS and AUTH (RFC 5321, 3207, 4954)."""

from __future__ import annotations

import asyncio

from relay import reply as replies
from relay.door import Door, is_in
from relay.downstream import Extensions, NextHopAway
from relay.reply import Reply
from relay.sasl import INVALID_CREDENTIALS, AuthenticationRefused, Challenge, parse_auth
from relay.shared import Client, Shared
from relay.tracefields import Arrival
from relay.xforward import offered as known_attributes

FAILED_AUTH_MAX = 3  # Per connection; new connections are counted by limits of their own.
# Who guesses passwords is made to wait; a mail system that has a wrong one does not mind.
FAILED_AUTH_SECONDS = 2.0
# What EHLO offers while the next hop cannot be asked: MAIL will get a 4xx anyway.
MINIMAL = Extensions((("8BITMIME", ""), ("PIPELINING", ""), ("ENHANCEDSTATUSCODES", "")))


class Guest:
    """The client of one session. `host` is its address, or what the proxy in front said it is."""

    def __init__(self, shared: Shared, door: Door, client: Client, host: str) -> None:
        self._shared = shared
        self._door = door
        self._client = client
        self._host = host
        self._is_admitted = door.admits(host)
        self._user = ""
        self._greeted_as = ""
        self._is_extended = False
        self._failed_auth = 0

    @property
    def may_send(self) -> bool:
        """Whether its address, a password or a certificate lets it use the relay."""
        is_known = self._is_admitted or bool(self._user)
        return is_known or self._client.is_known_by_certificate

    @property
    def may_xforward(self) -> bool:
        """Whether it may say where mail came from."""
        return is_in(self._host, self._door.xforward)

    @property
    def is_too_plain(self) -> bool:
        """Whether it has to say STARTTLS first."""
        tls = self._door.tls
        return tls is not None and tls.is_required and not self._client.is_encrypted

    def arrival(self) -> Arrival:
        """Return what a Received field says of it."""
        return Arrival(
            greeted_as=self._greeted_as,
            host=self._host,
            hostname=self._door.hostname,
            is_extended=self._is_extended,
            is_encrypted=self._client.is_encrypted,
            is_authenticated=bool(self._user),
        )

    async def greet(self, argument: str, *, is_extended: bool) -> Reply:
        """Return the reply to EHLO, with what the next hop offers, or to HELO."""
        if not argument:
            return replies.BAD_SYNTAX
        self._greeted_as, self._is_extended = argument, is_extended
        if not is_extended:
            return replies.reply(250, self._door.hostname)
        try:
            offered = await self._shared.next_hop.extensions()
        except NextHopAway:  # MAIL will say so, and its line in the log.
            offered = MINIMAL
            # Another than is offered then may be back by the time that MAIL comes.
            self._shared.next_hop.told.update(keyword for keyword, _ in MINIMAL.keywords)
        return Reply(250, (self._door.hostname, *self._extensions(offered)))

    def _extensions(self, offered: Extensions) -> list[str]:
        size = self._shared.limits.size_max_bytes
        if offered.size_max_bytes():
            size = min(size, offered.size_max_bytes())
        # RFC 1870: offered whatever the next hop says, since we have a limit of our own.
        lines = [f"SIZE {size}"]
        for name, arguments in offered.keywords:
            if name == "XFORWARD":
                if not self.may_xforward:
                    continue
                arguments = known_attributes(arguments)
            if name == "REQUIRETLS" and not self._client.is_encrypted:
                continue  # RFC 8689 §2: offered over TLS only.
            if name != "SIZE":
                lines.append(f"{name} {arguments}".rstrip())
        if self._door.tls is not None and not self._client.is_encrypted:
            lines.append("STARTTLS")
        if self._door.users is not None and self._client.is_encrypted:
            lines.append("AUTH PLAIN LOGIN")
        return lines

    def refuse_tls(self, argument: str) -> Reply | None:
        """Return why STARTTLS is not done, if it is not; nothing has changed then."""
        if self._door.tls is None:
            return replies.NOT_IMPLEMENTED
        if argument:
            return replies.BAD_SYNTAX
        return replies.BAD_SEQUENCE if self._client.is_encrypted else None

    async def start_tls(self) -> None:
        """Go over to TLS; the client begins anew with EHLO (RFC 3207 §4.2)."""
        self._greeted_as = ""
        await self._client.start_tls()

    async def log_in(self, argument: str) -> Reply:
        """Return the reply to AUTH: a positive one for a name with its password."""
        users = self._door.users
        if users is None:
            return replies.NOT_IMPLEMENTED
        if not self._client.is_encrypted:
            return replies.AUTH_NEEDS_TLS
        if not self._greeted_as or not self._is_extended or self._user:
            return replies.BAD_SEQUENCE
        try:
            step = (exchange := parse_auth(argument)).start()
            while isinstance(step, Challenge):
                await self._client.send(step.reply)
                step = exchange.feed(await self._client.stream.read_line())
                self._client.heard()
            if not await users.knows(step.name, step.password):
                raise AuthenticationRefused(INVALID_CREDENTIALS)
        except AuthenticationRefused as refused:
            self._shared.refuse("auth", self._door, code=refused.reply.code)
            self._failed_auth += 1
            await asyncio.sleep(FAILED_AUTH_SECONDS)
            return refused.reply if self._failed_auth < FAILED_AUTH_MAX else replies.TOO_MANY_ERRORS
        self._user = step.name
        return replies.AUTHENTICATED
