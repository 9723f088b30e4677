"""What single values of the configuration must look like.

Each check returns the value, or raises `ValueError` with what is expected; `relay.mistakes` adds
file, key and value. Addresses are checked strictly here, and only here: mail is never refused for
its form.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email

from relay.addresses import Address, parse_address

# With a token of 43 characters the link stays within the 75 columns that quoted-printable keeps on
# one line of the source (RFC 2045 §6.7).
BASE_URL_CHARS_MAX = 32
REGISTRATION_URL_CHARS_MAX = 2000  # With the token added, what every browser takes.
# Scheme, host and path in printable ASCII, without user, query and fragment.
_URL = re.compile(r"https?://(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?/[!-\"$-;=A-~]*")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def check_address(value: object) -> Address:
    """Return the address of a listener."""
    if not isinstance(value, str):
        raise ValueError('expected "HOST:PORT"')
    return parse_address(value)


def check_network(value: object) -> Network:
    """Return a network without host bits."""
    try:
        return ipaddress.ip_network(str(value))
    except ValueError as error:
        raise ValueError('expected a network like "192.0.2.0/24" without host bits') from error


def check_domain(value: str) -> str:
    """Return a mail domain in lower case, as ASCII."""
    try:
        checked = validate_email(f"a@{value}", check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise ValueError('expected a domain like "example.jp"') from error
    return checked.ascii_domain or value.lower()


def check_mail_address(value: str) -> str:
    """Return a mail address."""
    try:
        validate_email(value, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise ValueError('expected an address like "recruit@example.jp"') from error
    return value


def check_optional_mail_address(value: str) -> str:
    """Return a mail address, or nothing."""
    return check_mail_address(value) if value else ""


def matching(pattern: str, expected: str) -> Callable[[str], str]:
    """Return a check that a text has a form, which `expected` describes to a person."""
    form = re.compile(pattern)

    def check(value: str) -> str:
        if not form.fullmatch(value):
            raise ValueError(f"expected {expected}")
        return value

    return check


def check_next_hop(value: object) -> Address:
    """Return an address that can be connected to."""
    address = check_address(value)
    if not address.port:
        raise ValueError("expected a port from 1 to 65535")
    return address


def check_base_url(value: str) -> str:
    """Return what links begin with."""
    if not _URL.fullmatch(value) or not value.endswith("/") or value.endswith("//"):
        raise ValueError('expected a URL that ends in "/", like "https://r.example.jp/"')
    _check_port(value)
    if len(value) > BASE_URL_CHARS_MAX:
        raise ValueError(
            f"expected at most {BASE_URL_CHARS_MAX} characters, so that the link fits on a line"
        )
    return value


def check_registration_url(value: str) -> str:
    """Return the address of an external registration page, or nothing."""
    form, _, query = value.partition("?")
    is_long = len(value) > REGISTRATION_URL_CHARS_MAX
    is_url = form.startswith("https://") and _URL.fullmatch(form) and query.isprintable()
    if value and (is_long or not is_url or not value.isascii()):
        raise ValueError('expected a URL like "https://career.example.jp/register"')
    _check_port(value)
    return value


def _check_port(url: str) -> None:
    try:
        _ = urlsplit(url).port
    except ValueError as error:
        raise ValueError("expected a port from 0 to 65535 in the URL") from error
