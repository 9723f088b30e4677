"""The doors: who may come in through a listener, how, and how much of everything."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass

from relay.addresses import Address
from relay.envelope import domain_of
from relay.passwords import Users

# Messages of all sessions together. A message is there twice while it is judged, once before and
# after. With what growing buffers and the allocator keep, a process stays below 1.5 GiB.
IN_FLIGHT_MAX_BYTES = 384 * 1024 * 1024

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of everything, for all doors of a process together; 0 connections: no limit."""

    size_max_bytes: int
    connections_max: int
    connections_per_address_max: int = 0
    recipients_max: int = 1000  # RFC 5321 §4.5.3.1.8 wants 100 at least; as Postfix' default.
    in_flight_max_bytes: int = IN_FLIGHT_MAX_BYTES

    @property
    def room_bytes(self) -> int:
        """What messages in flight may take: one of the largest size always fits."""
        return max(self.in_flight_max_bytes, self.size_max_bytes)


@dataclass(frozen=True, slots=True)
class Tls:
    """How a door speaks TLS: from the first octet, or after STARTTLS, which may be a must."""

    context: ssl.SSLContext
    is_implicit: bool = False
    is_required: bool = False
    # The names of client certificates that may use the relay.
    client_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Door:
    """One listener. A session keeps the door it came in by, whatever is configured later."""

    address: Address
    hostname: str
    allow: tuple[Network, ...]
    tls: Tls | None = None
    users: Users | None = None  # AUTH is offered, over TLS only.
    proxies: tuple[Network, ...] = ()  # Who must begin with a PROXY header.
    xforward: tuple[Network, ...] = ()  # Who may say XFORWARD.
    senders: tuple[str, ...] = ()  # The domains of envelope senders; any if there are none.
    marks_all: bool = False
    has_received: bool = False

    def admits(self, host: str) -> bool:
        """Say whether a client at this address may use the relay for its address alone."""
        return is_in(host, self.allow)

    def takes_from(self, sender: str) -> bool:
        """Say whether this envelope sender may write; the null sender (`""`) always may."""
        return not self.senders or not sender or domain_of(sender) in self.senders

    @property
    def has_other_ways(self) -> bool:
        """Whether there is another way in than the address."""
        return self.users is not None or bool(self.tls and self.tls.client_names)


def is_in(host: str, networks: tuple[Network, ...]) -> bool:
    """Say whether an IP address lies in one of the networks; IPv4 in IPv6 counts as IPv4."""
    if not networks:
        return False
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in networks)
