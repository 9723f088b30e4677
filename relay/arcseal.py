"""The ARC seal on a letter we changed: what was found on its signatures before we broke them.

A receiver that trusts the sealer (RFC 8617) may take our word that the letter was signed when it
came to us. The seal is an addition: a letter goes on without it whenever one cannot be made.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from relay.dkimkeys import DkimKey
from relay.dkimsign import Lookup, SigningError, check_arc, check_signatures, seal
from relay.undo import add_fields

_DOMAIN = re.compile(r"[A-Za-z0-9._-]{1,253}\Z")


@dataclass(frozen=True, slots=True)
class ArcSealer:
    """Who seals: the key, the name under which results are given, where public keys are found."""

    key: DkimKey
    authserv_id: str
    find: Lookup

    def sealed(self, original: bytes, changed: bytes) -> bytes:
        """Return a letter we changed with an ARC set behind its mark.

        Asks the DNS, and so blocks. Raises `SigningError` where the letter's own ARC sets do not
        verify, cannot be verified now, or have ended: nothing may be added to them.
        """
        arc = check_arc(original, self.find)
        if arc == "fail":
            raise SigningError("ARC: the sets that are there do not verify")
        results = "; ".join([self.authserv_id, *self._dkim_results(original), f"arc={arc}"])
        header_end = original.find(b"\n") + 1
        line_end = b"\r\n" if original[:header_end].endswith(b"\r\n") else b"\n"
        return add_fields(changed, seal(changed, self.key, results, line_end))

    def _dkim_results(self, original: bytes) -> list[str]:
        return [
            f"dkim={verdict} header.d={domain}" if _DOMAIN.match(domain) else f"dkim={verdict}"
            for verdict, domain in check_signatures(original, self.find)
        ] or ["dkim=none"]
