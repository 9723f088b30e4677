"""Our DKIM signature in the place of one that a change breaks.

A signature says that the letter is the domain's own. So ours is put on a letter that was signed as
such when it came: with a valid signature of the domain in From, which is one of the company's.
Anything else would make a true signature out of a false one. It covers the fields that the removed
one covered, and is made with every key there is for the domain (RSA and Ed25519 side by side,
RFC 8463 §3).

Asks the DNS for the key of the signature that was there, which it may wait for: `relay.dnskeys`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from relay.charset import decode_header
from relay.dkimkeys import DkimKey, keys_for
from relay.dkimsign import (
    CHECKED_MAX_COUNT,
    Lookup,
    SigningError,
    check_dkim,
    check_signatures,
    sign,
)
from relay.mimemap import MessageMap
from relay.safety import NotInjected, header_of
from relay.signaturefields import are_related, is_below, key_names, names_signed

_ADDRESS_DOMAIN = re.compile(r"@([A-Za-z0-9.-]+)")


@dataclass(frozen=True, slots=True)
class Resigner:
    """Who signs anew: our keys, and where the public keys of others are found."""

    keys: tuple[DkimKey, ...]
    find: Lookup
    ask: Callable[[bytes], None] | None = None
    """Asks for a name that may be looked up soon, and does not wait."""

    def ask_ahead(self, message: bytes) -> None:
        """Ask for the keys of a message's signatures, so that they are there once it is judged.

        Every letter of a company asks, and hardly one is changed: the keys are known by then.
        """
        if self.ask is not None:
            for name in key_names(message, CHECKED_MAX_COUNT):
                self.ask(name)

    def signatures(self, message_map: MessageMap, changed: bytes, domains: Sequence[str]) -> bytes:
        """Return our DKIM-Signature fields for `changed`, which was made of a mapped message.

        `domains` are the company's. Raises `NotInjected`: there is no key for From (`dkim_no_key`),
        the message was not signed by that domain (`dkim_not_valid`), or ours does not verify
        (`dkim_failed`).
        """
        domain = _from_domain(message_map)
        keys = keys_for(self.keys, domain) if any(is_below(domain, own) for own in domains) else ()
        if not keys:
            raise NotInjected("dkim_no_key")
        if not self._was_signed_by(domain, message_map.message):
            raise NotInjected("dkim_not_valid")
        header = header_of(message_map)
        line_end = b"\r\n" if b"\r\n" in header else b"\n"
        names = names_signed(header, domain)
        try:
            fields = b"".join(sign(changed, key, names, line_end) for key in keys)
        except SigningError as error:
            raise NotInjected("dkim_failed") from error
        for index, key in enumerate(keys):
            if check_dkim(fields + changed, index, _only(key))[0] != "pass":
                raise NotInjected("dkim_failed")
        return fields

    def _was_signed_by(self, domain: str, message: bytes) -> bool:
        """Tell whether a message has a valid signature of a domain, or of one above or below."""
        return any(
            verdict == "pass" and are_related(signer.lower(), domain)
            for verdict, signer in check_signatures(message, self.find)
        )


def _from_domain(message_map: MessageMap) -> str:
    """Return the domain in From; nothing where it names several."""
    domains = {
        domain.lower().rstrip(".")
        for value in message_map.headers("from")
        for domain in _ADDRESS_DOMAIN.findall(decode_header(value))
    }
    return domains.pop() if len(domains) == 1 else ""


def _only(key: DkimKey) -> Lookup:
    """Return where this key alone is found."""
    return lambda name, _timeout: (
        key.record.encode() if name.decode().rstrip(".") == key.record_name else None
    )
