"""Network addresses of listeners and next hops: `HOST:PORT`, `[IPv6]:PORT`."""

from __future__ import annotations

import errno
import ipaddress
import os
import re
from dataclasses import dataclass

PORT_MAX = 65535
_FORM = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,253})):([0-9]{1,5})\Z")


@dataclass(frozen=True, slots=True)
class Address:
    """A host (name, IPv4 or IPv6 without brackets) and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Return the address that `text` writes; `ValueError` says what is expected."""
    found = _FORM.match(text)
    if not found or int(found[3]) > PORT_MAX:
        raise ValueError('expected "HOST:PORT" or "[IPv6]:PORT"')
    return Address(found[1] or found[2], int(found[3]))


def listen_failure(address: Address, error: OSError) -> str:
    """Return why nobody can listen on an address, in the operator's words."""
    if error.errno == errno.EADDRINUSE:
        return f"{address} is taken by another program"
    # asyncio's own text names the address once more.
    return f"{address}: cannot listen: {os.strerror(error.errno) if error.errno else error}"


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach `host`. A name other than localhost may be public."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
