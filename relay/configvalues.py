"""What single values of the configuration must look like.

Each check returns the value, or raises `ValueError` with what is expected; `relay.mistakes` adds
file, key and value. Addresses are checked strictly here, and only here: mail is never refused for
its form.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import re
from collections.abc import Callable, Sequence
from typing import cast
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email

from relay.addresses import Address, parse_address
from relay.phrases import fold

# With a token of 43 characters the link stays within the 75 columns that quoted-printable keeps on
# one line of the source (RFC 2045 §6.7).
BASE_URL_CHARS_MAX = 32
NEXT_HOPS_MAX = 8  # Each gets its share of the time to connect; more would leave none of it.
REGISTRATION_URL_CHARS_MAX = 2000  # With the token added, what every browser takes.
# Scheme, host and path in printable ASCII, without user, query and fragment.
_URL = re.compile(r"https?://(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?/[!-\"$-;=A-~]*")
# Two labels at least below a star: "*.jp" would let in half a country.
_LABEL = r"[A-Za-z0-9-]{1,63}"
_NAME_PATTERN = re.compile(rf"(?:\*(?:\.{_LABEL}){{2,20}}|{_LABEL}(?:\.{_LABEL}){{1,20}})")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def check_address(value: object) -> Address:
    """Return the address of a listener."""
    if isinstance(value, Address):
        return value
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


def check_phrase(chars_min: int, chars_max: int) -> Callable[[str], str]:
    """Return a check that a text is a tag or phrase: nothing that stands in every letter."""

    def check(value: str) -> str:
        is_sized = chars_min <= len(fold(value).strip()) and len(value) <= chars_max
        if not is_sized or value != value.strip() or not value.isprintable():
            raise ValueError(
                f"expected {chars_min} to {chars_max} characters on one line, "
                "without a space at either end"
            )
        return value

    return check


def check_next_hops(value: object) -> tuple[Address, ...]:
    """Return the addresses to connect to, in the order to try them: one, or a list of them."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        # The environment writes a list as JSON; "[::1]:25" is the address of one host.
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    is_several = isinstance(value, list | tuple)
    hops = cast("Sequence[object]", value) if is_several else (value,)
    if not 1 <= len(hops) <= NEXT_HOPS_MAX:
        raise ValueError(f"expected 1 to {NEXT_HOPS_MAX} next hops")
    addresses = tuple(check_address(hop) for hop in hops)
    if not all(address.port for address in addresses):
        raise ValueError("expected a port from 1 to 65535")
    return addresses


def check_name_pattern(value: str) -> str:
    """Return the name of a certificate, in lower case; its first label may be a star."""
    if not _NAME_PATTERN.fullmatch(value):
        raise ValueError('expected a name like "mail.example.jp" or "*.mail.example.jp"')
    return value.lower()


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


def check_server_url(value: str) -> str:
    """Return the address of a database or broker; the error repeats none of it."""
    if "://" not in value or value.startswith("sqlite:"):
        return value
    if not _is_server_url(value):
        raise ValueError(
            'expected "SCHEME://USER:PASSWORD@HOST:PORT/NAME" without options; in a password '
            "write @ : / # and ? as %40 %3A %2F %23 and %3F"
        )
    return value


def _is_server_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        is_good = bool(parts.hostname) and parts.port != 0 and parts.netloc.count("@") <= 1
    except ValueError:  # A port that is no number, or half of a bracket.
        return False
    return is_good and "#" not in value and (not parts.query or value.startswith("postgresql"))


def _check_port(url: str) -> None:
    try:
        _ = urlsplit(url).port
    except ValueError as error:
        raise ValueError("expected a port from 0 to 65535 in the URL") from error
