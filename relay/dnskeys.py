"""Public keys of signers as the DNS has them: the only file that knows dnspython.

Answers are kept for as long as they say. Blocks: to be called in a thread.
"""

from __future__ import annotations

import dns.exception
import dns.resolver

# A letter waits for an answer; a resolver that has none by then has none for long.
ANSWER_SECONDS_MAX = 2.0
CACHE_MAX_COUNT = 1_000  # Signers are few: a company's mail system and whoever forwards to it.


class NoResolver(Exception):
    """The system does not say whom to ask."""


class DnsKeys:
    """A resolver with a memory; a call of it finds a key, or says that there is none."""

    def __init__(self, name_servers: tuple[str, ...] = (), port: int = 53) -> None:
        """Ask the given servers, by default those of the system."""
        try:
            self._resolver = dns.resolver.Resolver(configure=not name_servers)
        except dns.resolver.NoResolverConfiguration as error:
            raise NoResolver(str(error)) from error
        if name_servers:
            self._resolver.nameservers = list(name_servers)
            self._resolver.port = port
        self._resolver.cache = dns.resolver.LRUCache(CACHE_MAX_COUNT)

    def __call__(self, name: bytes, timeout: int) -> bytes | None:
        """Return the TXT record of a name, `None` without one; TimeoutError without an answer."""
        try:
            answer = self._resolver.resolve(
                name.decode("ascii"),
                "TXT",
                lifetime=min(float(timeout), ANSWER_SECONDS_MAX),
                search=False,
            )
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return None
        except UnicodeDecodeError:
            return None
        except dns.exception.DNSException as error:
            # Unreachable, lame or silent servers, and names that are none: nothing is known.
            raise TimeoutError(type(error).__name__) from error
        return b"".join(next(iter(answer)).strings)
