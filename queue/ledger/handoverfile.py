"""The hand-over as a file: all who wait, encrypted to a certificate of the placement service.

CMS EnvelopedData (RFC 5652 §6) with AES-256 and the recipient's RSA key, as PEM: `openssl cms
-decrypt -inform PEM` opens it. It is encrypted and not signed: that it is ours is told by the way
it comes. Inside is one JSON object (docs/formats.md, "Hand-over").
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7EnvelopeBuilder, PKCS7Options

from ledger.events import format_time
from ledger.handover import PURPOSE, RECALLED_SINCE, WAITING_MAX, notice_of
from ledger.people import People, PersonGone
from ledger.store import LedgerError

FORMAT: Final = "careerrelay-handover/1"
RSA_BITS_MIN: Final = 2048  # What anybody accepts today.
CERTIFICATE_MAX_BYTES: Final = 64 * 1024


class CertificateError(LedgerError):
    """Nothing can be encrypted to this certificate; the text says why."""


@dataclass(frozen=True, slots=True)
class Export:
    """The encrypted file and the registrations in it, in their order."""

    content: bytes
    registrations: Sequence[str]
    erased: Sequence[str]


def load_recipient(pem: bytes, now: datetime) -> x509.Certificate:
    """Return a certificate that a file can be encrypted to; raises `CertificateError`."""
    if len(pem) > CERTIFICATE_MAX_BYTES:
        raise CertificateError(f"expected a certificate of at most {CERTIFICATE_MAX_BYTES} bytes")
    try:
        found = x509.load_pem_x509_certificate(pem)
        key = found.public_key()
    except ValueError as error:
        raise CertificateError("expected an X.509 certificate in PEM") from error
    if not isinstance(key, RSAPublicKey) or key.key_size < RSA_BITS_MIN:
        raise CertificateError(f"expected a certificate with an RSA key of {RSA_BITS_MIN} bits")
    if not found.not_valid_before_utc <= now <= found.not_valid_after_utc:
        raise CertificateError(
            f"the certificate is valid from {found.not_valid_before_utc:%Y-%m-%d}"
            f" to {found.not_valid_after_utc:%Y-%m-%d}"
        )
    return found


def export_people(people: People, recipient: x509.Certificate, now: datetime, by: str) -> Export:
    """Return everybody who waits, encrypted; each of them is opened on record as `by`.

    Nobody counts as handed over by it: say so (`mark_handed_over`) when the file is on disk.
    """
    rows: list[dict[str, object]] = []
    ids: list[str] = []
    for one in people.waiting_for_handover(WAITING_MAX):
        try:
            notice = notice_of(people.open(one.id, PURPOSE, by))
        except PersonGone:
            continue  # Erased at this moment.
        rows.append(notice.data)
        ids.append(one.id)
    erased = [one.id for one in people.recalled_since(now - RECALLED_SINCE, WAITING_MAX)]
    document = {
        "format": FORMAT,
        "made": format_time(now),
        "registrations": rows,
        "erased": erased,
    }
    plain = json.dumps(document, ensure_ascii=False, sort_keys=True).encode() + b"\n"
    builder = PKCS7EnvelopeBuilder().set_data(plain).add_recipient(recipient)
    builder = builder.set_content_encryption_algorithm(AES256)
    return Export(builder.encrypt(Encoding.PEM, [PKCS7Options.Binary]), ids, erased)
