"""The next hops: how they are reached, what they offer, and which of them is asked first.

Values and the order of hosts only; connections are made in `relay.downstream`. Time is given.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from relay.addresses import Address
from relay.tls import TlsMode, client_context

# What our EHLO may offer when the next hop does; everything else of it concerns that hop alone.
# XFORWARD is for those whom the listener trusts; REQUIRETLS is a promise that only a verified next
# hop can keep (RFC 8689 §4.2.1).
MIRRORED = (
    "SIZE",
    "8BITMIME",
    "SMTPUTF8",
    "PIPELINING",
    "ENHANCEDSTATUSCODES",
    "DSN",
    "REQUIRETLS",
    "XFORWARD",
)

# Long enough that a host which is away costs few letters the time to find that out, short enough
# that mail is soon where it belongs after a restart.
DOWN_SECONDS = 30.0


class NextHopError(Exception):
    """The next hop cannot be talked to; the text is for the operator, not for the peer."""


class DialogueError(NextHopError):
    """The dialogue on one connection cannot go on; the text is ours, or harmless."""


class NextHopAway(NextHopError):
    """No connection could be made, or none that carries this letter: nothing was sent."""


class NextHopLost(NextHopError):
    """The connection died, timed out or spoke nonsense in the middle of a dialogue.

    `is_sent`: a whole message may be with the next hop, and nobody knows.
    """

    def __init__(self, reason: str, *, is_sent: bool = False) -> None:
        super().__init__(reason)
        self.is_sent = is_sent


@dataclass(frozen=True, slots=True)
class Extensions:
    """What a next hop offered in EHLO, of what we mirror: keyword and arguments."""

    keywords: tuple[tuple[str, str], ...]

    def size_max_bytes(self) -> int:
        """Return the SIZE limit the next hop named, 0 for none (RFC 1870 §4)."""
        for keyword, arguments in self.keywords:
            if keyword == "SIZE" and arguments.isascii() and arguments.isdigit():
                return int(arguments)
        return 0


@dataclass(frozen=True, slots=True)
class HopSettings:
    """How the next hop is reached: its hosts, of which the first that answers is used."""

    addresses: tuple[Address, ...]
    hostname: str  # What we say in EHLO.
    tls: TlsMode = TlsMode.OPPORTUNISTIC
    is_implicit_tls: bool = False  # TLS from the first octet on (RFC 8314 §3.3), no STARTTLS.
    context: ssl.SSLContext | None = None  # Made for `tls` if not given.
    server_name: str = ""  # The name that `VERIFIED` checks; the host's if not given.
    user: str = ""  # Without one there is no AUTH.
    password: bytes = field(default=b"", repr=False)
    # Within this, MAIL, RCPT and the final dot get their replies, whatever becomes of connections:
    # Postfix' proxy filter waits 100 s for each of them.
    reply_max_seconds: float = 90.0

    def __post_init__(self) -> None:
        if not self.addresses:
            raise ValueError("expected at least one address")
        if self.is_implicit_tls and self.tls is TlsMode.OFF:
            raise ValueError('implicit TLS is TLS: expected another mode than "off"')

    def make_context(self) -> ssl.SSLContext | None:
        """Return the context for connections, `None` for no TLS."""
        if self.tls is TlsMode.OFF:
            return None
        return self.context or client_context(self.tls, None, None)


@dataclass(slots=True)
class Host:
    """One of the next hops. Written by the event loop alone."""

    address: Address
    down_until: float = 0.0  # 0 while it works.
    extensions: Extensions | None = None  # As it last said.


class Hosts:
    """The next hops in the order in which they are tried.

    One that cannot be connected to is passed over, and then tried by one letter at a time.
    """

    def __init__(self, addresses: tuple[Address, ...], clock: Callable[[], float]) -> None:
        self._hosts = [Host(address) for address in addresses]
        self._clock = clock

    def in_order(self) -> list[Host]:
        """Return those that are thought to work, then the others: they are better than nothing."""
        if len(self._hosts) == 1:
            return self._hosts
        now = self._clock()
        return sorted(self._hosts, key=lambda host: host.down_until > now)

    def trying(self, host: Host) -> None:
        """Note that a letter tries a host: while that lasts, others pass over one that was down."""
        if host.down_until:
            self.failed(host)

    def failed(self, host: Host) -> None:
        """Pass over a host for a while."""
        host.down_until = self._clock() + DOWN_SECONDS

    def works(self, host: Host) -> None:
        """Take a host as working."""
        host.down_until = 0.0
