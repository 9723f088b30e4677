"""The private keys of DKIM signatures and ARC seals: read from PEM files and checked at the start.

RSA of 1,024 bits at least, better 2,048 (RFC 8301 §3.2), or Ed25519 (RFC 8463). A key file that
others may read is refused, as everywhere here.
"""

from __future__ import annotations

import base64
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from relay.signaturefields import is_below

RSA_MIN_BITS = 1024
RSA_MAX_BITS = 4096  # Its public half fills the longest TXT record that receivers read.
FILE_MAX_BYTES = 16 * 1024
# Its group may read it (0640): key tools hand a key to a service in that way.
FORBIDDEN_MODE = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP


class DkimKeyError(Exception):
    """A key cannot be used; the text names the file and says what is expected, never a secret."""


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A private key, and the domain and selector under which its public half is published."""

    domain: str
    selector: str
    algorithm: str  # As in a=: "rsa-sha256" or "ed25519-sha256".
    secret: bytes = field(repr=False)  # As dkimpy wants it: PEM for RSA, base64 for Ed25519.
    public: bytes = b""  # As in p=, without its base64.

    @property
    def record_name(self) -> str:
        """Where receivers look for the public half (RFC 6376 §3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        """The text of that TXT record (RFC 6376 §3.6.1)."""
        kind = self.algorithm.partition("-")[0]
        return f"v=DKIM1; k={kind}; p={base64.b64encode(self.public).decode('ascii')}"


def load_dkim_key(path: Path, domain: str, selector: str) -> DkimKey:
    """Return the key in a PEM file; `DkimKeyError` names the file and what is wrong with it."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            pem = file.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        raise DkimKeyError(
            f"{path}: {error.strerror}; `openssl genrsa -out {path.name} 2048` makes one"
        ) from error
    if mode & FORBIDDEN_MODE:
        raise DkimKeyError(
            f"{path}: mode is {mode:04o}, others may read it; expected 0600 (chmod 600)"
        )
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # Not the error's own text: it may quote the file.
        raise DkimKeyError(f"{path}: no private key in PEM without a password") from error
    if isinstance(key, Ed25519PrivateKey):
        raw = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return DkimKey(domain, selector, "ed25519-sha256", base64.b64encode(raw), public)
    if not isinstance(key, RSAPrivateKey):
        raise DkimKeyError(f"{path}: {type(key).__name__}; expected a key of RSA or Ed25519")
    if not RSA_MIN_BITS <= key.key_size <= RSA_MAX_BITS:
        raise DkimKeyError(
            f"{path}: an RSA key of {key.key_size} bits; expected {RSA_MIN_BITS} to {RSA_MAX_BITS},"
            " best 2048"
        )
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return DkimKey(domain, selector, "rsa-sha256", plain, public)


def keys_for(keys: Iterable[DkimKey], domain: str) -> Sequence[DkimKey]:
    """Return the keys that may sign for a domain: its own, else those of the nearest above it.

    Only they make DMARC pass (RFC 7489 §3.1.1, relaxed).
    """
    fitting = [key for key in keys if is_below(domain, key.domain)]
    nearest = max((len(key.domain) for key in fitting), default=0)
    return [key for key in fitting if len(key.domain) == nearest]
