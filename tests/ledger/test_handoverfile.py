"""The hand-over as an encrypted file, opened with the real openssl."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from ledger.handoverfile import CertificateError, export_people, load_recipient
from ledger.people import erase_address
from tests.ledger.handover_world import HANAKO, MARKS, TARO, World
from tests.ledger.parts import NOW, SUBJECT_KEY, store_in

OPENSSL = shutil.which("openssl") or ""
DAY = timedelta(days=1)


def certificate(
    folder: Path,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None,
    begins: datetime = NOW - DAY,
    ends: datetime = NOW + 365 * DAY,
) -> bytes:
    """Return a certificate that signs itself, with its key beside it as `key.pem`."""
    key = key or rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "placement.example")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "key.pem").write_bytes(secret)
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / "certificate.pem").write_bytes(pem)
    return pem


def opened(folder: Path, content: bytes) -> bytes:
    """Return what openssl makes of an encrypted file."""
    arguments = ["cms", "-decrypt", "-inform", "PEM", "-inkey", str(folder / "key.pem")]
    done = subprocess.run([OPENSSL, *arguments], input=content, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    """Return a world on a file."""
    made = World(store_in(tmp_path))
    yield made
    made.store.close()


def test_openssl_opens_it(world: World, tmp_path: Path) -> None:
    """All who wait are in it, in the order they confirmed, and no byte of them in clear."""
    recipient = load_recipient(certificate(tmp_path), NOW)
    first = world.register()
    world.now += DAY
    second = world.register(TARO)
    world.register(is_confirmed=False)
    made = export_people(world.people(), recipient, world.now, "sato")
    assert list(made.registrations) == [first, second]
    assert made.content.startswith(b"-----BEGIN PKCS7-----\n")
    assert not [mark for mark in MARKS if mark.encode() in made.content]
    document = json.loads(opened(tmp_path, made.content))
    assert document["format"] == "careerrelay-handover/1"
    assert document["made"] == "2026-04-02T09:00:00.000Z"
    names = [each["name"] for each in document["registrations"]]
    assert names == [HANAKO.name, TARO.name]
    assert [each["registration_id"] for each in document["registrations"]] == [first, second]
    assert document["erased"] == []
    events = world.opened()
    assert [event.data["by"] for event in events] == ["sato"] * 2
    assert {event.data["purpose"] for event in events} == {"hand_over"}


def test_nobody_else_opens_it(world: World, tmp_path: Path) -> None:
    """Another key, or a byte that was changed in the key's box, gets an error and no text."""
    recipient = load_recipient(certificate(tmp_path), NOW)
    world.register()
    made = export_people(world.people(), recipient, NOW, "sato")
    certificate(tmp_path)  # A new key in the place of the old one.
    arguments = ["cms", "-decrypt", "-inform", "PEM", "-inkey", str(tmp_path / "key.pem")]
    done = subprocess.run(
        [OPENSSL, *arguments], input=made.content, capture_output=True, timeout=60
    )
    # For a wrong key openssl goes on with a random one, so that nobody learns which it was.
    assert not [mark for mark in MARKS if mark.encode() in done.stdout]
    assert b"careerrelay-handover" not in done.stdout


def test_it_is_aes_256(world: World, tmp_path: Path) -> None:
    """What openssl says about the file."""
    recipient = load_recipient(certificate(tmp_path), NOW)
    made = export_people(world.people(), recipient, NOW, "sato")
    arguments = ["cms", "-cmsout", "-print", "-noout", "-inform", "PEM"]
    done = subprocess.run(
        [OPENSSL, *arguments], input=made.content, capture_output=True, timeout=60
    )
    assert b"pkcs7-envelopedData" in done.stdout
    assert b"aes-256-cbc" in done.stdout


def test_who_was_handed_over_is_in_no_later_file_and_who_was_erased_is_named(
    world: World, tmp_path: Path
) -> None:
    """Until it is said to be on disk a registration is in the next file as well."""
    recipient = load_recipient(certificate(tmp_path), NOW)
    person_id = world.register()
    for _ in range(2):
        made = export_people(world.people(), recipient, NOW, "sato")
        assert list(made.registrations) == [person_id]
    world.people().mark_handed_over(person_id)
    assert not export_people(world.people(), recipient, NOW, "sato").registrations
    erase_address(world.store, SUBJECT_KEY, HANAKO.address, NOW)
    made = export_people(world.people(), recipient, NOW, "sato")
    document = json.loads(opened(tmp_path, made.content))
    assert (document["registrations"], document["erased"]) == ([], [person_id])


def test_certificates_that_nothing_is_encrypted_to(tmp_path: Path) -> None:
    """No RSA key, a short one, one out of its time, no certificate: refused with what is wrong."""
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 (that is the point)
    curve = ec.generate_private_key(ec.SECP256R1())
    for pem, said in (
        (certificate(tmp_path, short), "RSA key of 2048"),
        (certificate(tmp_path, curve), "RSA key of 2048"),
        (certificate(tmp_path, begins=NOW + DAY), "valid from 2026-04-02"),
        (certificate(tmp_path, ends=NOW - DAY / 2), "valid from 2026-03-31"),
        (b"", "X.509"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "X.509"),
        (b"x" * 70_000, "at most"),
    ):
        with pytest.raises(CertificateError, match=said):
            load_recipient(pem, datetime(2026, 4, 1, 9, tzinfo=UTC))
