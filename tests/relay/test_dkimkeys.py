"""Key files are checked when they are read, and nothing of them is shown."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from relay.dkimkeys import DkimKeyError, load_dkim_key
from tests.relay.signers import rsa_pem, write_key


def key_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Give key files that cannot be used, each with what must be said of it."""
    elliptic = ec.generate_private_key(ec.SECP256R1())
    plain = (Encoding.PEM, PrivateFormat.PKCS8)
    yield folder / "missing.pem", "No such file"
    yield write_key(folder / "open.pem", rsa_pem(), 0o644), "others may read it"
    short = ["openssl", "genrsa", "-traditional", "768"]
    pem = subprocess.run(short, capture_output=True, check=True).stdout
    yield write_key(folder / "short.pem", pem), "768 bits"
    yield write_key(folder / "long.pem", rsa_pem(4104)), "4104 bits"
    yield write_key(folder / "ec.pem", elliptic.private_bytes(*plain, NoEncryption())), "RSA or Ed"
    locked = elliptic.private_bytes(*plain, BestAvailableEncryption(b"x"))
    yield write_key(folder / "locked.pem", locked), "without a password"
    yield write_key(folder / "text.pem", b"not a key"), "no private key in PEM"
    yield write_key(folder / "empty.pem", b""), "no private key in PEM"


def test_key_files_are_checked(tmp_path: Path) -> None:
    """Each fault is told with the file's name, and nothing of its content."""
    for path, said in key_files(tmp_path):
        with pytest.raises(DkimKeyError) as caught:
            load_dkim_key(path, "example.jp", "s")
        assert str(path) in str(caught.value)
        assert said in str(caught.value)
