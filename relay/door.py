"""The door: who may come in, and how much of everything."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

# Messages of all sessions together, at the most three copies of each: 1.5 GiB of memory.
IN_FLIGHT_MAX_BYTES = 512 * 1024 * 1024

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Door:
    """Who may come in, and how much of everything."""

    hostname: str
    allow: tuple[Network, ...]
    size_max_bytes: int
    connections_max: int
    in_flight_max_bytes: int = IN_FLIGHT_MAX_BYTES

    def admits(self, host: str) -> bool:
        """Say whether a client at this address may use the relay."""
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self.allow)
