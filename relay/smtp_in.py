"""The SMTP server: a live proxy in front of the next hop (RFC 5321).

Each MAIL, RCPT and message goes on as it comes; the next hop's replies are the client's replies.
The only file, with the demonstration's `sink`, that knows aiosmtpd. Of the library we use the
connection, the command loop and STARTTLS; its address grammar, its line limit and its way of
reading DATA would change or refuse mail that the next hop takes.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import secrets
from typing import cast

import structlog
from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import Session as ServerSession

from relay import reply as replies
from relay.addresses import Address, listen_failure
from relay.deliver import Delivery, Job
from relay.door import Door
from relay.downstream import Extensions, NextHop, NextHopAway, NextHopError
from relay.envelope import Envelope, Path, parse_path
from relay.incoming import PIECE_MAX_BYTES, ClientStream, Hold, MessageRefused, Room
from relay.reply import Reply
from relay.transaction import Transaction

# RFC 5321 §4.5.3.1.4 sets 512 octets, extensions add to it; a path may hold 256, ORCPT 500 more.
COMMAND_MAX_BYTES = 4096
RECIPIENTS_MAX = 1000  # RFC 5321 §4.5.3.1.8 wants at least 100; Postfix' default is 1,000.
# RFC 5321 §4.5.3.2.7: a server waits 5 minutes for its client. The timer starts anew with every
# command and every piece of a message, and is longer than all the next hop may take for a reply.
SESSION_SECONDS = 300.0
# What a message in flight may take (see `relay.downstream`), so that stopping cuts none off.
STOP_SECONDS = 90.0
# What EHLO offers while the next hop cannot be asked: MAIL will get a 4xx anyway.
MINIMAL = Extensions((("8BITMIME", ""), ("PIPELINING", ""), ("ENHANCEDSTATUSCODES", "")))

log = structlog.get_logger("relay")


class ListenError(Exception):
    """A listener cannot be opened; the text names it and says what to do."""


class Relay:
    """The listeners and what their sessions share."""

    def __init__(self, door: Door, next_hop: NextHop, delivery: Delivery) -> None:
        self.door = door
        self.next_hop = next_hop
        self.delivery = delivery
        self.is_stopping = False
        self.room = Room(max(door.in_flight_max_bytes, door.size_max_bytes))
        self._servers: list[asyncio.Server] = []
        self._sessions: set[Session] = set()
        self._deliveries: set[asyncio.Task[Reply]] = set()
        # Promise 8: the library logs every command, addresses and all.
        logging.getLogger("mail.log").disabled = True

    async def listen(self, address: Address) -> Address:
        """Open a listener and return its address, with the port that a 0 became."""
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(
                lambda: Session(self, loop), address.host, address.port, reuse_address=True
            )
        except OSError as error:
            raise ListenError(f"{listen_failure(address, error)}; set relay.listen") from error
        self._servers.append(server)
        return Address(address.host, int(server.sockets[0].getsockname()[1]))

    async def close(self, grace_seconds: float = STOP_SECONDS) -> None:
        """Stop listening, finish the messages in flight, send the idle clients away."""
        self.is_stopping = True
        for server in self._servers:
            server.close()
        for session in list(self._sessions):
            if not session.is_busy:
                session.say_goodbye()
        # A busy session sends its reply, takes leave and ends; a delivery may outlive its client.
        busy = {session.task for session in self._sessions if session.task} | self._deliveries
        if busy:
            await asyncio.wait(busy, timeout=grace_seconds)
        for session in list(self._sessions):
            session.say_goodbye()
        for server in self._servers:
            await server.wait_closed()
        await self.delivery.close()
        await self.next_hop.close()

    def enter(self, session: Session) -> Reply | None:
        """Count a session in; return the refusal if it may not stay."""
        self._sessions.add(session)
        if not self.door.admits(session.peer_host):
            return replies.NOT_ALLOWED
        if self.is_stopping:
            return replies.SHUTTING_DOWN
        if len(self._sessions) > self.door.connections_max:
            return replies.TOO_MANY_CONNECTIONS
        return None

    def leave(self, session: Session) -> None:
        """Count a session out."""
        self._sessions.discard(session)

    async def deliver(self, job: Job, transaction: Transaction) -> Reply:
        """Deliver to the end, whatever becomes of the client meanwhile.

        aiosmtpd cancels its handler when the client half-closes or its timer runs out; a delivery
        cut off then would leave it unknown whether the next hop has the letter.
        """
        task = asyncio.create_task(self._deliver(job, transaction))
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)
        return await asyncio.shield(task)

    async def _deliver(self, job: Job, transaction: Transaction) -> Reply:
        try:
            return await self.delivery.deliver(job, transaction)
        except Exception:  # Promise 2: our own fault is a 4xx, so the sender keeps the mail.
            log.exception("delivery_failed", incident=job.incident)
            return replies.temporary_failure(job.incident)
        finally:
            transaction.abandon()


class Session(SMTP):
    """One client's connection."""

    # A table of its own: the library's is shared by all servers of a process, and grows.
    command_size_limit = COMMAND_MAX_BYTES
    command_size_limits: dict[str, int] = collections.defaultdict(  # noqa: RUF012 (as in the base)
        lambda: COMMAND_MAX_BYTES
    )
    # The limit of the stream reader, not of a line of mail: lines of any length pass.
    line_length_limit = PIECE_MAX_BYTES

    def __init__(self, relay: Relay, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            handler=None,
            data_size_limit=None,
            enable_SMTPUTF8=True,  # Commands are decoded as UTF-8 and written back as they came.
            hostname=relay.door.hostname,
            ident="ESMTP",
            timeout=SESSION_SECONDS,
            loop=loop,
        )
        self._relay = relay
        self._transaction = Transaction(relay.next_hop)
        self._sender: Path | None = None
        self._recipients: list[str] = []
        self.peer_host = ""
        self.is_busy = False
        self.task: asyncio.Task[object] | None = None

    def __dir__(self) -> list[str]:
        # The library looks through all names of every new session, three times: a seventh of the
        # time of a short message. Of what it looks for, a session has the commands only.
        return _COMMANDS

    # ------------------------------------------------------------- the connection

    async def _handle_client(self) -> None:
        """Hold the whole dialogue; the library's command loop runs inside."""
        self.task = asyncio.current_task()
        peer = self._dialogue.peer
        self.peer_host = str(peer[0]) if peer else ""
        refusal = self._relay.enter(self)
        try:
            # Raised where the client's octets end or its connection breaks: the dialogue is over.
            with contextlib.suppress(ConnectionResetError):
                if refusal is None:
                    await super()._handle_client()
                else:
                    await self._answer(refusal)
                    self._hang_up()
        finally:
            self._relay.leave(self)
            # Unless a message is on its way (which ends by itself), the next hop forgets it all.
            if not self.is_busy:
                self._transaction.abandon()

    def _cb_client_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        super()._cb_client_connected(reader, writer)
        self._stream = ClientStream(reader, writer.transport)
        # For the command loop, which asks it for lines and nothing else.
        self._reader = cast(asyncio.StreamReader, self._stream)

    def eof_received(self) -> bool | None:
        """Let the stream end in its place; the library would end the session in the middle."""
        return asyncio.StreamReaderProtocol.eof_received(self)

    def _timeout_cb(self) -> None:
        self.say_goodbye(replies.SILENT_TOO_LONG)

    def say_goodbye(self, answer: Reply = replies.SHUTTING_DOWN) -> None:
        """Tell the client that we go, and close."""
        if self.transport is not None and not self.transport.is_closing():
            if self._writer.transport.get_write_buffer_size():
                # It does not read: a close would wait for that, for ever.
                self._writer.transport.abort()
                return
            self._writer.write(answer.encode() + b"\r\n")
        self._hang_up()

    def _hang_up(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def _create_session(self) -> ServerSession:
        self._dialogue = super()._create_session()
        return self._dialogue

    async def _answer(self, answer: Reply) -> None:
        await self.push(answer.encode())

    async def handle_exception(self, error: Exception) -> str:
        """Return our 451: an error of ours must not make the sender give up the mail."""
        incident = _new_incident()
        log.error("session_failed", incident=incident, exc_info=error)
        self._reset()
        return replies.temporary_failure(incident).encode().decode()

    def _reset(self) -> None:
        self._transaction.abandon()
        self._transaction = Transaction(self._relay.next_hop)
        self._sender = None
        self._recipients = []

    # --------------------------------------------------------------- the commands

    async def smtp_EHLO(self, hostname: str | None) -> None:
        """Greet, and offer what the next hop offers."""
        if not hostname:
            await self._answer(replies.BAD_SYNTAX)
            return
        self._reset()
        self._dialogue.extended_smtp = True
        self._dialogue.host_name = hostname
        try:
            extensions = await self._relay.next_hop.extensions()
        except NextHopAway as error:
            log.warning("next_hop_away", error=str(error))
            extensions = MINIMAL
        await self._answer(Reply(250, (self._relay.door.hostname, *self._offered(extensions))))

    def _offered(self, extensions: Extensions) -> list[str]:
        size = self._relay.door.size_max_bytes
        if extensions.size_max_bytes():
            size = min(size, extensions.size_max_bytes())
        # RFC 1870: offered whatever the next hop says, since we have a limit of our own.
        others = [f"{name} {args}".rstrip() for name, args in extensions.keywords if name != "SIZE"]
        return [f"SIZE {size}", *others]

    async def smtp_HELO(self, hostname: str | None) -> None:
        """Greet a client without extensions."""
        if not hostname:
            await self._answer(replies.BAD_SYNTAX)
            return
        self._reset()
        self._dialogue.extended_smtp = False
        self._dialogue.host_name = hostname
        await self._answer(replies.reply(250, self._relay.door.hostname))

    async def smtp_MAIL(self, arg: str | None) -> None:
        """Begin a transaction with the next hop."""
        if not self._dialogue.host_name or self._sender is not None:
            await self._answer(replies.BAD_SEQUENCE)
            return
        path = parse_path(arg or "", "FROM:")
        if path is None:
            await self._answer(replies.BAD_SYNTAX)
            return
        size = path.parameter("SIZE")
        if (
            size
            and size.isascii()
            and size.isdigit()
            and int(size[:20]) > self._relay.door.size_max_bytes
        ):
            await self._answer(replies.too_large(self._relay.door.size_max_bytes))
            return
        answer = await self._pass_on(b"MAIL", arg or "")
        if answer.is_positive:
            self._sender = path
        await self._answer(answer)

    async def smtp_RCPT(self, arg: str | None) -> None:
        """Name one more recipient to the next hop."""
        if self._sender is None:
            await self._answer(replies.BAD_SEQUENCE)
            return
        path = parse_path(arg or "", "TO:")
        if path is None or not path.address:
            await self._answer(replies.BAD_SYNTAX)
            return
        if len(self._recipients) >= RECIPIENTS_MAX:
            await self._answer(replies.TOO_MANY_RECIPIENTS)
            return
        answer = await self._pass_on(b"RCPT", arg or "")
        if answer.is_positive:
            self._recipients.append(path.address)
        await self._answer(answer)

    async def _pass_on(self, verb: bytes, argument: str) -> Reply:
        octets = argument.encode("utf-8", "surrogateescape")
        try:
            return await self._transaction.command(verb, octets)
        except NextHopAway as error:
            log.warning("next_hop_away", error=str(error))
            return replies.NEXT_HOP_AWAY
        except NextHopError as error:
            log.warning("next_hop_lost", error=str(error))
            return replies.NEXT_HOP_LOST

    async def smtp_DATA(self, arg: str | None) -> None:
        """Take the message, deliver it, and answer as the next hop did."""
        if arg:
            await self._answer(replies.BAD_SYNTAX)
            return
        if self._sender is None or not self._recipients:
            await self._answer(replies.BAD_SEQUENCE if not self._sender else replies.NO_RECIPIENTS)
            return
        await self._answer(replies.START_DATA)
        envelope = Envelope(self._sender.address, tuple(self._recipients))
        with Hold(self._relay.room) as hold:
            answer = await self._take_message(envelope, hold)
        self._reset()
        await self._answer(answer)
        if self._relay.is_stopping:
            self.say_goodbye()

    async def _take_message(self, envelope: Envelope, hold: Hold) -> Reply:
        size_max_bytes = self._relay.door.size_max_bytes
        try:
            wire = await self._stream.read_message(size_max_bytes, hold, self._reset_timeout)
        except MessageRefused as refused:
            return refused.reply
        self.is_busy = True
        answer = await self._relay.deliver(Job(_new_incident(), envelope, wire), self._transaction)
        self.is_busy = False
        return answer

    async def smtp_RSET(self, arg: str | None) -> None:
        """Forget the transaction, here and at the next hop."""
        self._reset()
        await self._answer(replies.OK)

    async def smtp_NOOP(self, arg: str | None) -> None:
        """Do nothing."""
        await self._answer(replies.OK)

    async def smtp_VRFY(self, arg: str | None) -> None:
        """Say neither yes nor no (RFC 5321 §7.3)."""
        await self._answer(replies.reply(252, "2.1.5 Send some mail, the next hop will decide"))

    async def smtp_QUIT(self, arg: str | None) -> None:
        """Take leave."""
        await self._answer(replies.reply(221, "2.0.0 Bye"))
        self._hang_up()

    async def _not_implemented(self, arg: str | None) -> None:
        await self._answer(replies.NOT_IMPLEMENTED)

    smtp_EXPN = smtp_HELP = smtp_AUTH = smtp_STARTTLS = _not_implemented


def _new_incident() -> str:
    return secrets.token_hex(4)


_COMMANDS = [name for name in dir(Session) if name.startswith("smtp_")]
