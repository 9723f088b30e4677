"""From a fresh connection to one that may be given MAIL: greeting, EHLO, STARTTLS, AUTH.

RFC 5321 §3.1 and §3.2, RFC 3207, RFC 4954. Each step either gets the one answer that leads on or
ends the attempt: nothing of a letter is said here, so another host can be asked.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from base64 import b64encode
from typing import Protocol

from relay.nexthops import MIRRORED, DialogueError, Extensions, HopSettings
from relay.reply import Reply
from relay.tls import TlsMode

READY, DONE = 220, 250  # RFC 5321 §4.3.2: to the greeting and STARTTLS; to EHLO.
AUTH_CONTINUE, AUTH_DONE = 334, 235  # RFC 4954 §4.
TEXT_MAX_CHARACTERS = 200  # Of a next hop's own words in our log.


class TlsFailed(DialogueError):
    """STARTTLS was refused, or did not lead to TLS."""


class Speaker(Protocol):
    """A connection on which commands and replies go back and forth."""

    step: str  # What is waited for, for the operator and the metrics.

    @property
    def is_encrypted(self) -> bool:
        """Whether it speaks TLS."""
        ...

    async def hear(self) -> Reply:
        """Return the greeting."""
        ...

    async def ask(self, step: str, octets: bytes, limit: float) -> Reply:
        """Send a command and return the reply to it."""
        ...

    async def start_encryption(self, context: ssl.SSLContext, server_name: str) -> None:
        """Say STARTTLS and do the handshake."""
        ...


class Hello:
    """One attempt to be let in by a host; whoever calls sets the time it may take."""

    def __init__(self, settings: HopSettings, speaker: Speaker, server_name: str) -> None:
        self._settings = settings
        self._speaker = speaker
        self._server_name = server_name
        self._offered: dict[str, str] = {}  # In upper case, with their arguments.

    async def say(self, context: ssl.SSLContext | None, ends: float) -> Extensions:
        """Return what the host offers in the end. A context is for STARTTLS."""
        self._expect(READY, await self._speaker.hear())
        await self._say_ehlo()
        if context is not None:
            await self._start_tls(context, ends)
        if self._settings.user:
            await self._log_in()
        # RFC 8689 §4.2.1: only to a server that has proved its name does REQUIRETLS mean anything.
        hidden = set[str]() if self._settings.tls is TlsMode.VERIFIED else {"REQUIRETLS"}
        names = [name for name in MIRRORED if name in self._offered and name not in hidden]
        return Extensions(tuple((name, self._offered[name]) for name in names))

    async def _say_ehlo(self) -> None:
        """Say EHLO, or HELO where that is not known (RFC 5321 §3.2)."""
        hostname = self._settings.hostname.encode("ascii", "replace")
        answer = await self._ask("EHLO", b"EHLO " + hostname)
        if answer.code // 100 == 5:
            self._expect(DONE, await self._ask("HELO", b"HELO " + hostname))
            self._offered = {}
            return
        self._expect(DONE, answer)
        # Servers of another age write `AUTH=LOGIN` for those who do not know `AUTH LOGIN`.
        lines = [line.strip().replace("AUTH=", "AUTH ", 1).partition(" ") for line in answer.lines]
        self._offered = {keyword.upper(): arguments for keyword, _, arguments in lines[1:]}

    async def _start_tls(self, context: ssl.SSLContext, ends: float) -> None:
        """Change to TLS. What was offered before is void (RFC 3207 §4.2)."""
        is_opportunistic = self._settings.tls is TlsMode.OPPORTUNISTIC
        self._speaker.step = "STARTTLS"
        if "STARTTLS" not in self._offered:
            if is_opportunistic:
                return
            raise TlsFailed("not offered")
        now = asyncio.get_running_loop().time()
        # The other half is for plain text, where that may be.
        ends = now + (ends - now) / 2 if is_opportunistic else ends
        try:
            async with asyncio.timeout_at(ends):
                await self._speaker.start_encryption(context, self._server_name)
                await self._say_ehlo()
        except TimeoutError as error:
            raise TlsFailed("no answer in time") from error
        except DialogueError as error:
            raise TlsFailed(str(error)) from error

    async def _log_in(self) -> None:
        """Show who we are. The answer's text is told to nobody: it may hold what we sent."""
        self._speaker.step = "AUTH"
        if not self._speaker.is_encrypted:
            raise DialogueError("needs TLS, and there is none")
        methods = self._offered.get("AUTH", "").upper().split()
        user, password = self._settings.user.encode(), self._settings.password
        if "PLAIN" in methods:
            lines = [b"AUTH PLAIN " + b64encode(b"\0" + user + b"\0" + password)]
        elif "LOGIN" in methods:
            lines = [b"AUTH LOGIN", b64encode(user), b64encode(password)]
        else:
            raise DialogueError("neither PLAIN nor LOGIN is offered")
        for number, line in enumerate(lines, start=1):
            code = AUTH_DONE if number == len(lines) else AUTH_CONTINUE
            self._expect(code, await self._ask("AUTH", line), may_be_told=False)

    async def _ask(self, step: str, line: bytes) -> Reply:
        return await self._speaker.ask(step, line + b"\r\n", math.inf)

    def _expect(self, code: int, answer: Reply, *, may_be_told: bool = True) -> None:
        if answer.code != code:
            text = f" {_printable(answer.lines[0])}" if may_be_told else ""
            raise DialogueError(f"answered {answer.code}{text}")


def _printable(line: str) -> str:
    # A log takes no octets that are no text, and no line ends of a stranger's.
    return "".join(c if c.isprintable() else "?" for c in line[:TEXT_MAX_CHARACTERS])
