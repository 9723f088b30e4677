"""The domain of a person's address: is it the company's own, is it one for throw-away addresses?

Only the answer goes on record, as one or two words of a closed set; the address does not. Whether
a registration is held for it is the rule's business (`ledger.holds`). The list of domains is that
of the `disposable-email-domains` package, which is brought out anew every week or so: it is as
fresh as the installation. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import idna
from disposable_email_domains import blocklist

from ledger.signupflags import DISPOSABLE_DOMAIN, OWN_DOMAIN, join_flags


def flags_for(address: str, own_domains: Iterable[str]) -> str:
    """Return the flags of a registration with this address, separated by spaces, mostly none.

    A domain below one of those is one of them, in whatever case and spelling (RFC 5890).
    """
    domain = plain_domain(address.rpartition("@")[2])
    own = {plain_domain(each) for each in own_domains}
    found: list[str] = []
    if any(each in own for each in _above(domain)):
        found.append(OWN_DOMAIN)
    if any(each in blocklist for each in _above(domain)):
        found.append(DISPOSABLE_DOMAIN)
    return join_flags(found)


def plain_domain(text: str) -> str:
    """Return the domain in lower case and A-labels, without the dot that may end it."""
    domain = text.strip().lower().rstrip(".")
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return domain  # No name in the DNS; it can still be compared.


def _above(domain: str) -> Iterator[str]:
    """Yield the domain and those above it."""
    while domain:
        yield domain
        domain = domain.partition(".")[2]
