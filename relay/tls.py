"""TLS on both sides: contexts from files, and what a certificate says of its holder.

`server_context` is for listeners (RFC 3207 and implicit TLS), `client_context` for the next hop.
Both check the files before the first connection, and every error names the file and what to do. A
certificate that has expired is no error, since refusing to start would stop the mail: `validity`
tells its dates, for a warning. Protocol versions below 1.2 are never spoken (RFC 8996).
"""

from __future__ import annotations

import ssl
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import cast

# Others may neither read nor write the key. Its group may read it (0640): certificate tools and
# packages hand a key to a service in that way.
FORBIDDEN_MODE = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP
# A chain of ten with 16,384-bit keys is half of this; more is not a chain.
CHAIN_MAX_BYTES = 256 * 1024
# Two weeks are enough to order a certificate by hand; the tools that do it alone begin at thirty
# days and have failed for long when this is said.
RENEWAL_DAYS = 14
# A pattern such as `*.jp` would trust whoever has a certificate in a whole country.
WILDCARD_LABELS_MIN = 2

_SEQUENCE, _UTC_TIME, _VERSION = 0x30, 0x17, 0xA0  # Tags of DER in X.509 (RFC 5280 §4.1).


class TlsError(Exception):
    """TLS cannot be had as configured; the text names the file and says what to do."""


class TlsMode(StrEnum):
    """How much TLS a connection to the next hop must have."""

    OFF = "off"
    OPPORTUNISTIC = "opportunistic"  # Where offered; without any check (RFC 7435).
    REQUIRED = "required"  # Encrypted or not at all; whoever answers is taken for the next hop.
    VERIFIED = "verified"  # Encrypted, and the certificate proves the next hop's name.


@dataclass(frozen=True, slots=True)
class Certificate:
    """Where a certificate and its key are, both in PEM."""

    chain: Path  # Our own certificate first, then those between it and the root.
    private_key: Path


@dataclass(frozen=True, slots=True)
class Validity:
    """From when to when a certificate is good."""

    begins: datetime
    ends: datetime

    def complaint(self, now: datetime) -> str:
        """Say what is wrong with the dates, or soon will be; empty when nothing is."""
        if now < self.begins:
            return f"not valid before {self.begins:%Y-%m-%d %H:%M} UTC"
        if now > self.ends:
            return f"expired on {self.ends:%Y-%m-%d %H:%M} UTC"
        if now > self.ends - timedelta(days=RENEWAL_DAYS):
            return f"expires on {self.ends:%Y-%m-%d %H:%M} UTC"
        return ""


def server_context(
    certificate: Certificate, client_ca: Path | None, *, requires_client_certificate: bool
) -> ssl.SSLContext:
    """Return the context of a listener. A client CA lets clients show who they are.

    A client whose certificate is not of that authority cannot speak TLS here at all, even where
    none is required: the standard library cannot go on without it.
    """
    if requires_client_certificate and client_ca is None:
        raise TlsError(f"{certificate.chain}: client certificates are required; set a client CA")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context)
    _load(context, certificate)
    if client_ca is not None:
        _trust(context, client_ca)
        context.verify_mode = (
            ssl.CERT_REQUIRED if requires_client_certificate else ssl.CERT_OPTIONAL
        )
    return context


def client_context(
    mode: TlsMode, ca: Path | None, certificate: Certificate | None
) -> ssl.SSLContext | None:
    """Return the context for the next hop, `None` for no TLS.

    The authority counts for `VERIFIED` alone, where without it the system's are trusted. The name
    that is checked is the one given with the connection (`server_hostname`).
    """
    if mode is TlsMode.OFF:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # Checks chain and name, unless told not to.
    _harden(context)
    if mode is not TlsMode.VERIFIED:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca is not None:
        _trust(context, ca)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if certificate is not None:
        _load(context, certificate)
    return context


def validity(certificate: Certificate) -> Validity:
    """Return the dates of the certificate itself, the first of its chain."""
    path = certificate.chain
    begin, end = ssl.PEM_HEADER, ssl.PEM_FOOTER
    _, _, behind = _read(path).decode("ascii", "replace").partition(begin)
    try:
        der = ssl.PEM_cert_to_DER_cert(f"{begin}{behind.partition(end)[0]}{end}")
        return _parse_validity(der)
    except (ValueError, IndexError) as error:
        raise TlsError(f"{path}: expected a certificate in PEM, then its chain") from error


def peer_names(certificate: Mapping[str, object] | None) -> tuple[str, ...]:
    """Return the DNS names that a peer's verified certificate (`getpeercert()`) proves.

    The common name counts only in a certificate without other names (RFC 6125 §6.4.4). Names
    outside ASCII are left out: lower case would make some of them another's.
    """
    if not certificate:
        return ()
    alternatives = cast("tuple[tuple[str, str], ...]", certificate.get("subjectAltName", ()))
    if alternatives:
        names = [value for kind, value in alternatives if kind == "DNS"]
    else:
        subject = cast("tuple[tuple[tuple[str, str], ...], ...]", certificate.get("subject", ()))
        names = [value for part in subject for kind, value in part if kind == "commonName"]
    return tuple(name.lower() for name in names if name and name.isascii())


def matches(names: Iterable[str], patterns: Iterable[str]) -> bool:
    """Say whether a name fits a pattern. In either, `*.` stands for exactly one label in front."""
    lowered = [pattern.lower() for pattern in patterns if pattern.isascii()]
    return any(
        name == pattern or _covers(name, pattern) or _covers(pattern, name)
        for name in names
        for pattern in lowered
    )


def _covers(wildcard: str, name: str) -> bool:
    star, _, parent = wildcard.partition(".")
    label, _, rest = name.partition(".")
    return (
        star == "*"
        and parent.count(".") + 1 >= WILDCARD_LABELS_MIN
        and label not in ("", "*")
        and rest == parent
    )


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A client could make us do the costly part of the handshake again and again.
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(CHAIN_MAX_BYTES + 1)
    except OSError as error:
        raise TlsError(f"{path}: {error.strerror}; expected a certificate in PEM") from error
    if len(text) > CHAIN_MAX_BYTES:
        raise TlsError(f"{path}: larger than {CHAIN_MAX_BYTES} bytes; expected one chain in PEM")
    return text


def _load(context: ssl.SSLContext, certificate: Certificate) -> None:
    chain, private_key = certificate.chain, certificate.private_key
    validity(certificate)  # Names the file where OpenSSL's error would not.
    try:
        mode = stat.S_IMODE(private_key.stat().st_mode)
        if mode & FORBIDDEN_MODE:
            raise TlsError(
                f"{private_key}: mode is {mode:04o}, others may read or change it; "
                "expected 0600 (chmod 600), or 0640 for a group of its own"
            )
        context.load_cert_chain(chain, private_key, password=_no_password)
    except _PasswordWanted:
        raise TlsError(
            f"{private_key}: is encrypted; expected a private key without a password"
        ) from None
    except ssl.SSLError as error:
        raise TlsError(_what_is_wrong(certificate, error)) from error
    except OSError as error:
        raise TlsError(f"{private_key}: {error.strerror}; expected a private key in PEM") from error


def _no_password() -> str:
    # Without this OpenSSL would ask for it on the terminal, and wait.
    raise _PasswordWanted


class _PasswordWanted(Exception):
    """The private key is encrypted."""


def _what_is_wrong(certificate: Certificate, error: ssl.SSLError) -> str:
    if error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"):
        return f"{certificate.private_key}: is not the key of {certificate.chain}; set the pair"
    return (
        f"{certificate.private_key}: expected a private key in PEM without a password, "
        f"fit for {certificate.chain} ({error.reason or 'unreadable'})"
    )


def _trust(context: ssl.SSLContext, ca: Path) -> None:
    try:
        context.load_verify_locations(cafile=ca)
    except ssl.SSLError as error:
        raise TlsError(f"{ca}: expected the certificates of authorities, in PEM") from error
    except OSError as error:
        raise TlsError(f"{ca}: {error.strerror}; expected certificates in PEM") from error


def _parse_validity(der: bytes) -> Validity:
    """Walk to the dates: Certificate, TBSCertificate; version, serial, algorithm, issuer, dates."""
    _, certificate, _ = _element(der)
    _, rest, _ = _element(certificate)
    if rest[0] == _VERSION:
        rest = _element(rest)[2]
    for _ in ("serialNumber", "signature", "issuer"):
        rest = _element(rest)[2]
    tag, dates, _ = _element(rest)
    if tag != _SEQUENCE:
        raise ValueError("no dates")
    begin_tag, begins, rest = _element(dates)
    end_tag, ends, _ = _element(rest)
    return Validity(_parse_time(begin_tag, begins), _parse_time(end_tag, ends))


def _element(der: bytes) -> tuple[int, bytes, bytes]:
    """Return the first element's tag and content, and what follows it."""
    size, start = der[1], 2
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(der[2:start], "big")
    return der[0], der[start : start + size], der[start + size :]


def _parse_time(tag: int, octets: bytes) -> datetime:
    text = octets.decode("ascii")
    if tag == _UTC_TIME:  # RFC 5280 §4.1.2.5.1: years of two digits begin with 1950.
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
