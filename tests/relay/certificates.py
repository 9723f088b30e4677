"""A certificate authority to throw away, and certificates of it: for tests of TLS."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from relay.tls import Certificate

DAY = timedelta(days=1)


def make_authority(folder: Path, name: str = "authority.example") -> Authority:
    """Make an authority; its certificate is `authority.path`, in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    begins = datetime.now(UTC) - 400 * DAY
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + 4000 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    return Authority(folder, path, key, certificate)


@dataclass(frozen=True)
class Authority:
    """An authority that signs whatever it is asked to."""

    folder: Path
    path: Path  # Its own certificate, for those who shall trust it.
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def issue(
        self,
        names: Sequence[str],
        *,
        days: int = 30,
        not_before: datetime | None = None,
        common_name: str | None = None,
    ) -> Certificate:
        """Issue a certificate for DNS names or IP addresses, good for servers and clients.

        The common name is the first name. With `common_name` and no names the certificate has no
        alternative names. The files are named after the first name and the serial number.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        begins = not_before or datetime.now(UTC) - DAY
        subject = common_name or names[0]
        serial = x509.random_serial_number()
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(serial)
            .not_valid_before(begins)
            .not_valid_after(begins + days * DAY)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(_PURPOSES, critical=False)
            .add_extension(self._issuer, critical=False)
        )
        if names:
            alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        signed = builder.sign(self.key, SHA256())
        stem = self.folder / f"{subject.replace('*', 'any')}-{serial % 0xFFFFFF:06x}"
        chain, private_key = stem.with_name(f"{stem.name}.pem"), stem.with_name(f"{stem.name}.key")
        chain.write_bytes(signed.public_bytes(Encoding.PEM))
        private_key.touch(0o600)
        private_key.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        return Certificate(chain, private_key)

    def client_context(self, certificate: Certificate | None = None) -> ssl.SSLContext:
        """Return a context for a test's client that trusts this authority and checks names."""
        context = ssl.create_default_context(cafile=str(self.path))
        if certificate is not None:
            context.load_cert_chain(certificate.chain, certificate.private_key)
        return context

    def server_context(self, certificate: Certificate) -> ssl.SSLContext:
        """Return a context for a test's server, such as a next hop."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.chain, certificate.private_key)
        return context

    @cached_property
    def _issuer(self) -> x509.AuthorityKeyIdentifier:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())


_PURPOSES = x509.ExtendedKeyUsage(
    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
