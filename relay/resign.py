"""What becomes of DKIM on a message that we change: left, set aside, or set aside and signed anew.

`pass` leaves such a letter alone. `strip` sets the broken signature aside, for systems that sign
behind us. `resign` puts ours in its place: it covers the fields that the removed one covered, with
every key there is for the domain of From (RSA and Ed25519 side by side, RFC 8463 §3).

Pure but for the time in the signature.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from relay.charset import decode_header
from relay.dkimkeys import DkimKey, keys_for
from relay.dkimsign import sign
from relay.mimemap import MessageMap
from relay.signaturefields import names_signed

_ADDRESS_DOMAIN = re.compile(r"@([A-Za-z0-9.-]+)")


def signing_keys(keys: Sequence[DkimKey], message_map: MessageMap) -> Sequence[DkimKey]:
    """Return the keys that may sign a message; none where From names several domains, or none."""
    domains = {
        domain.lower().rstrip(".")
        for value in message_map.headers("from")
        for domain in _ADDRESS_DOMAIN.findall(decode_header(value))
    }
    return keys_for(keys, domains.pop()) if len(domains) == 1 else ()


def signatures(changed: bytes, header: bytes, keys: Sequence[DkimKey]) -> bytes:
    """Return our DKIM-Signature fields for a changed message whose header block was `header`.

    Raises `relay.dkimsign.SigningError`.
    """
    line_end = b"\r\n" if b"\r\n" in header else b"\n"
    return b"".join(sign(changed, key, names_signed(header, key.domain), line_end) for key in keys)
