"""A candidate's mail address: what it is taken as, and what makes two of them the same.

Lenient: addresses of Japanese carriers that no RFC allows exist and have owners, such as
`a..b@docomo.ne.jp` and `taro.@docomo.ne.jp`. Refused is only what no mail could be sent to.
RFC 5321 §4.1.2, RFC 5322 §3.4.1.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from typing import Final

from email_validator import EmailNotValidError, validate_email

ADDRESS_MAX_CHARS: Final = 254  # RFC 3696, erratum 1690.
LOCAL_MAX_OCTETS: Final = 64  # RFC 5321 §4.5.3.1.1.

_ATEXT: Final = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~-"
_DOT_ATOM: Final = re.compile(rf"[{_ATEXT}]+(?:\.[{_ATEXT}]+)*")
# Dots wherever somebody once put them.
_LENIENT: Final = re.compile(rf"[.{_ATEXT}]*[{_ATEXT}][.{_ATEXT}]*")
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')


class BadAddress(ValueError):
    """No mail can be sent to this."""


def parse_address(text: str) -> str:
    """Return the address as it is kept and written to; raises `BadAddress`.

    Phones type wide letters and paste more than the address, invisible characters (category Cf)
    included: all of it is forgiven.
    """
    seen = (char for char in text if unicodedata.category(char) != "Cf")
    address = unicodedata.normalize("NFKC", "".join(seen)).strip()
    address = address.removeprefix("mailto:").removeprefix("<").removesuffix(">").strip()
    if not address or len(address) > ADDRESS_MAX_CHARS:
        raise BadAddress("not an address")
    local, _, domain = address.rpartition("@")
    if _QUOTED.fullmatch(local) and _LENIENT.fullmatch(local[1:-1]):
        local = local[1:-1]
    try:
        # The dot of the root, which some write and a phone's keyboard adds.
        domain = domain.removesuffix(".").removesuffix("。")
        if _LENIENT.fullmatch(local) and len(local) <= LOCAL_MAX_OCTETS:
            # The domain is all that is left to look at.
            checked = validate_email(f"a@{domain}", check_deliverability=False)
            return f"{local}@{(checked.ascii_domain or checked.domain).lower()}"
        return validate_email(f"{local}@{domain}", check_deliverability=False).normalized
    except EmailNotValidError:
        raise BadAddress("not an address") from None


def quoted(address: str) -> str:
    """Return the address as SMTP and header fields want it: an odd local part in quotes."""
    local, _, domain = address.rpartition("@")
    if local.isascii() and not _DOT_ATOM.fullmatch(local) and not local.startswith('"'):
        return f'"{local}"@{domain}'
    return address


def canonical(address: str) -> str:
    """Return what all spellings of an address have in common: no capitals, no needless quotes."""
    local, _, domain = address.strip().lower().rpartition("@")
    if _QUOTED.fullmatch(local):
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    return f"{local}@{domain.rstrip('.')}"


def lookup(key: bytes, purpose: str, address: str) -> bytes:
    """Return the keyed hash by which an address is known again, for one purpose.

    It is that of an address of a letter's envelope, too.
    """
    text = f"careerrelay address\n{purpose}\n{canonical(address)}"
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256)
