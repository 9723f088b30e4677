"""What is said on a connection: commands in, replies out (RFC 5321 §4.1), nothing about sockets.

MAIL, RCPT and the message go on to the next hop as they come, and its replies are the client's.
Ours are the replies to everything that does not concern the next hop, and 4xx when it is not there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

import structlog

from relay import reply as replies
from relay.deliver import Job
from relay.door import Door
from relay.downstream import NextHopAway, NextHopError
from relay.envelope import Envelope, Path, parse_path
from relay.guest import Guest
from relay.incoming import Hold, LineTooLong, MessageRefused
from relay.metrics import Station
from relay.reply import FAREWELLS, MISTAKES, Reply
from relay.shared import Client, Shared, new_incident
from relay.transaction import Transaction
from relay.xforward import parse_xforward

COMMAND_MAX_BYTES = 4096  # A path may hold 256 octets, ORCPT 500; long lists of parameters happen.
# As Postfix' smtpd_hard_error_limit: a client that makes so many mistakes between two messages.
MISTAKES_MAX = 20
# As Postfix' smtpd_junk_command_limit: commands between two messages that bring no mail.
JUNK_COMMANDS_MAX = 100
JUNK_COMMANDS = frozenset({b"NOOP", b"VRFY", b"RSET", b"EHLO", b"HELO", b"EXPN", b"HELP"})
# RFC 3207 §4: what may be said in plain text where TLS is a must. HELO leads nowhere else.
PLAIN_COMMANDS = frozenset({b"EHLO", b"HELO", b"NOOP", b"QUIT", b"STARTTLS"})

log = structlog.get_logger("relay")


class Dialogue:
    """One client's dialogue."""

    def __init__(self, shared: Shared, door: Door, client: Client, host: str) -> None:
        self._shared = shared
        self._door = door
        self._client = client
        self._guest = Guest(shared, door, client, host)
        self._transaction: Transaction | None = None
        self._sender: Path | None = None
        self._is_forwarded = False
        self._recipients: list[str] = []
        self._asked = 0  # RCPT commands, whatever became of them.
        self._begun_at = 0.0
        self._mistakes = self._junk = 0
        self.is_delivering = False  # From our 354 to the reply to the final dot.

    async def hold(self) -> None:
        """Hold the dialogue to its end."""
        await self._client.send(replies.reply(220, f"{self._door.hostname} ESMTP"))
        while True:
            answer = await self._next()
            if answer is not None:
                await self._client.send(answer)
                if answer in FAREWELLS:
                    return
            if self._shared.is_stopping:
                await self._client.send(replies.SHUTTING_DOWN)
                return

    def end(self) -> None:
        """Drop what had begun. A message that is on its way ends by itself."""
        if self._transaction is not None:
            self._transaction.abandon()

    async def _next(self) -> Reply | None:
        """Return the reply to the next command; none if it has been given already."""
        try:
            line = await self._client.stream.read_line()
            self._client.heard()
            answer = await self._answer(line)
        except LineTooLong:
            answer = replies.LINE_TOO_LONG
        except ConnectionError:  # The client is gone; what the next hop does is told otherwise.
            raise
        except Exception as error:
            # Promise 2: an error of ours must not make the sender give up the mail.
            incident = new_incident()
            log.error("session_failed", incident=incident, exc_info=error)
            self._reset()
            answer = replies.temporary_failure(incident)
        if answer in MISTAKES:
            self._mistakes += 1
        if self._mistakes > MISTAKES_MAX:
            self._shared.refuse("mistakes_max", self._door)
            return replies.TOO_MANY_ERRORS
        return answer

    async def _answer(self, line: bytes) -> Reply | None:
        verb, _, argument = line.partition(b" ")
        verb = verb.upper()
        if len(line) > COMMAND_MAX_BYTES and verb != b"AUTH":
            return replies.LINE_TOO_LONG
        command = _COMMANDS.get(verb)
        if command is None:
            return replies.UNKNOWN_COMMAND if verb else replies.EMPTY_COMMAND
        if verb in JUNK_COMMANDS:
            self._junk += 1
            self._mistakes += self._junk > JUNK_COMMANDS_MAX
        if verb not in PLAIN_COMMANDS and self._guest.is_too_plain:
            return replies.TLS_REQUIRED
        return await command(self, argument.strip().decode("utf-8", "surrogateescape"))

    def _reset(self) -> None:
        """Forget the transaction, here and at the next hop."""
        if self._transaction is not None:
            self._transaction.abandon()
            self._transaction = None
        self._is_forwarded = False
        self._sender = None
        self._recipients = []
        self._asked = 0

    async def _pass_on(self, verb: bytes, argument: str) -> Reply:
        if self._transaction is None:
            self._transaction = Transaction(self._shared.next_hop)
        octets = argument.encode("utf-8", "surrogateescape")
        try:
            return await self._transaction.command(verb, octets)
        except NextHopError as error:
            is_away = isinstance(error, NextHopAway)
            log.warning("next_hop_away" if is_away else "next_hop_lost", error=str(error))
            if self._is_forwarded:
                return replies.GONE  # What it said of where the mail is from is lost as well.
            if self._sender is None:
                self._reset()  # Nothing has begun: the client may try at once.
            return replies.NEXT_HOP_AWAY if is_away else replies.NEXT_HOP_LOST

    # ------------------------------------------------------------- the commands

    async def ehlo(self, argument: str) -> Reply:
        """Greet, and forget a transaction that had begun (RFC 5321 §4.1.4)."""
        if argument:
            self._reset()
        return await self._guest.greet(argument, is_extended=True)

    async def helo(self, argument: str) -> Reply:
        """Greet a client without extensions."""
        if argument:
            self._reset()
        return await self._guest.greet(argument, is_extended=False)

    async def starttls(self, argument: str) -> Reply | None:
        """Go over to TLS."""
        refusal = self._guest.refuse_tls(argument)
        if refusal is not None:
            return refusal
        self._reset()
        await self._guest.start_tls()
        return None

    async def auth(self, argument: str) -> Reply:
        """Let a user in."""
        if self._sender is not None:
            return replies.BAD_SEQUENCE
        return await self._guest.log_in(argument)

    async def xforward(self, argument: str) -> Reply:
        """Pass on where the mail came from, for the next hop's log and rules."""
        if not self._guest.may_xforward:
            return replies.NOT_AUTHORISED
        if self._sender is not None:
            return replies.BAD_SEQUENCE
        if parse_xforward(argument) is None:
            return replies.BAD_SYNTAX
        answer = await self._pass_on(b"XFORWARD", argument)
        self._is_forwarded = self._is_forwarded or answer.is_positive
        return answer

    async def mail(self, argument: str) -> Reply:
        """Begin a transaction with the next hop. HELO before it is no must, as with Postfix."""
        if self._sender is not None:
            return replies.BAD_SEQUENCE
        if not self._guest.may_send:
            self._shared.refuse("not_let_in", self._door)
            return replies.AUTH_REQUIRED
        path = parse_path(argument, "FROM:")
        if path is None:
            return replies.BAD_SYNTAX
        if not self._door.takes_from(path.address):
            self._shared.refuse("sender", self._door)
            return replies.SENDER_NOT_ALLOWED
        size = path.size_bytes()
        if size > self._shared.limits.size_max_bytes:
            return replies.too_large(self._shared.limits.size_max_bytes)
        if size > self._shared.room.free_bytes:
            return replies.NO_ROOM
        self._begun_at = time.perf_counter()
        answer = await self._pass_on(b"MAIL", argument)
        if answer.is_positive:
            self._sender = path
        return answer

    async def rcpt(self, argument: str) -> Reply:
        """Name one more recipient to the next hop."""
        if self._sender is None:
            return replies.BAD_SEQUENCE
        path = parse_path(argument, "TO:")
        if path is None or not path.address:
            return replies.BAD_SYNTAX
        self._asked += 1
        if self._asked > self._shared.limits.recipients_max:
            return replies.TOO_MANY_RECIPIENTS
        answer = await self._pass_on(b"RCPT", argument)
        if answer.is_positive:
            self._recipients.append(path.address)
        return answer

    async def data(self, argument: str) -> Reply:
        """Take the message, deliver it, and answer as the next hop did."""
        if argument:
            return replies.BAD_SYNTAX
        if self._sender is None:
            return replies.BAD_SEQUENCE
        if not self._recipients:
            return replies.NO_RECIPIENTS
        if self._transaction is None or self._transaction.is_lost:
            return replies.NEXT_HOP_LOST  # At a later RCPT: no need to send all of the message.
        envelope = Envelope(self._sender.address, tuple(self._recipients))
        hold = Hold(self._shared.room)
        self.is_delivering = True
        try:
            wire = await self._take_message(hold)
            if wire is None:
                return replies.BROKEN_OFF
            answer = await self._deliver(envelope, wire, hold)
        except MessageRefused as refused:
            self._shared.refuse(refused.reason, self._door, code=refused.reply.code)
            answer = refused.reply
        finally:
            hold.give_back()
            self.is_delivering = False
        self._mistakes = self._junk = 0
        self._reset()
        return answer

    async def _take_message(self, hold: Hold) -> bytes | None:
        """Return the message; nothing where an error of ours leaves the rest of it unread."""
        spent, began = self._shared.metrics.spent, time.perf_counter()
        spent(Station.DIALOGUE, began - self._begun_at)
        since = asyncio.get_running_loop().time()
        await self._client.send(replies.START_DATA)
        try:
            wire = await self._client.stream.read_message(
                self._shared.limits.size_max_bytes,
                hold,
                lambda octets: self._client.heard(octets, since),
            )
        except (MessageRefused, ConnectionError):
            raise
        except Exception:
            # No memory, or a bug: what is still to come of the message are no commands.
            log.exception("session_failed", incident=new_incident())
            return None
        spent(Station.RECEIVE, time.perf_counter() - began)
        return wire

    async def _deliver(self, envelope: Envelope, wire: bytes, hold: Hold) -> Reply:
        job = Job(
            incident=new_incident(),
            envelope=envelope,
            wire=wire,
            listener=str(self._door.address),
            arrival=self._guest.arrival() if self._door.has_received else None,
            is_marked=self._door.marks_all,
        )
        transaction, self._transaction = self._transaction, None
        assert transaction is not None
        return await self._shared.deliver(job, transaction, hold.hand_over())

    async def rset(self, argument: str) -> Reply:
        """Forget the transaction, here and at the next hop."""
        self._reset()
        return replies.OK

    async def noop(self, argument: str) -> Reply:
        """Do nothing."""
        return replies.OK

    async def vrfy(self, argument: str) -> Reply:
        """Say neither yes nor no (RFC 5321 §7.3)."""
        return replies.CANNOT_VERIFY

    async def quit(self, argument: str) -> Reply:
        """Take leave."""
        return replies.BYE

    async def not_implemented(self, argument: str) -> Reply:
        """Say so of a command that exists."""
        return replies.NOT_IMPLEMENTED


_Command = Callable[[Dialogue, str], Awaitable[Reply | None]]
_COMMANDS: Mapping[bytes, _Command] = {
    b"EHLO": Dialogue.ehlo,
    b"HELO": Dialogue.helo,
    b"STARTTLS": Dialogue.starttls,
    b"AUTH": Dialogue.auth,
    b"XFORWARD": Dialogue.xforward,
    b"MAIL": Dialogue.mail,
    b"RCPT": Dialogue.rcpt,
    b"DATA": Dialogue.data,
    b"RSET": Dialogue.rset,
    b"NOOP": Dialogue.noop,
    b"VRFY": Dialogue.vrfy,
    b"QUIT": Dialogue.quit,
    b"EXPN": Dialogue.not_implemented,
    b"HELP": Dialogue.not_implemented,
}
