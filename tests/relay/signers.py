"""Mail systems that sign, and programs of others that check: for tests of DKIM and ARC.

The public keys are in a small DNS server of our own, and in a file for opendkim.
"""

from __future__ import annotations

import os
import re
import socketserver
import subprocess
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import dkim  # type: ignore[import-untyped]
import dns.message
import dns.rcode
import dns.rrset
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from relay.dkimkeys import DkimKey, load_dkim_key
from tests.relay.programs import program

# What large mail systems sign, each name once more than it is there.
OVERSIGNED = [b"from", b"from", b"to", b"to", b"subject", b"subject", b"date", b"message-id"]

_ARC_VERIFIER = """
use Mail::DKIM::ARC::Verifier; use Mail::DKIM::DNS; use Net::DNS::Resolver;
Mail::DKIM::DNS::resolver(Net::DNS::Resolver->new(
    nameservers => ['127.0.0.1'], port => $ARGV[0], recurse => 0, config_file => '/dev/null'));
my $arc = Mail::DKIM::ARC::Verifier->new();
while (<STDIN>) { chomp; s/\\015$//; $arc->PRINT("$_\\015\\012"); }
$arc->CLOSE; print $arc->result;
"""


def rsa_pem(bits: int = 2048) -> bytes:
    """Return a new RSA key in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def ed25519_pem() -> bytes:
    """Return a new Ed25519 key in PEM."""
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write_key(path: Path, pem: bytes, mode: int = 0o600) -> Path:
    """Write a key file that others cannot read."""
    path.write_bytes(pem)
    path.chmod(mode)
    return path


def make_key(folder: Path, domain: str, selector: str, pem: bytes | None = None) -> DkimKey:
    """Return a new key as the relay loads it."""
    path = write_key(folder / f"{selector}.{domain}.pem", pem or rsa_pem())
    return load_dkim_key(path, domain, selector)


def sign(message: bytes, key: DkimKey, names: Iterable[bytes] = OVERSIGNED) -> bytes:
    """Return a message as the company's mail system signs it."""
    field = cast("Any", dkim).sign(
        message,
        key.selector.encode(),
        key.domain.encode(),
        key.secret,
        signature_algorithm=key.algorithm.encode(),
        include_headers=list(names),
    )
    return bytes(field) + message


@dataclass(frozen=True, slots=True)
class Records:
    """The public keys of some signers, as a function, a file, and a DNS server on `port`."""

    texts: dict[str, str]
    port: int

    def find(self, name: bytes, timeout: int = 5) -> bytes | None:
        """Return a record as dkimpy asks for it."""
        del timeout
        text = self.texts.get(name.decode().rstrip("."))
        return text.encode() if text else None


@contextmanager
def published(*keys: DkimKey) -> Generator[Records]:
    """Run a DNS server that knows the keys and, of other names, that they do not exist."""
    texts = {key.record_name: key.record for key in keys}

    class Handler(socketserver.BaseRequestHandler):
        """Answers one question."""

        def handle(self) -> None:
            query, sock = self.request
            asked = dns.message.from_wire(query)
            name = asked.question[0].name
            text = texts.get(name.to_text(omit_final_dot=True))
            response = dns.message.make_response(asked)
            if text is None:
                response.set_rcode(dns.rcode.NXDOMAIN)
            else:
                strings = " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))
                response.answer.append(dns.rrset.from_text(name, 300, "IN", "TXT", strings))
            sock.sendto(response.to_wire(), self.client_address)

    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield Records(texts, server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


def opendkim_results(message: bytes, records: Records, folder: Path) -> list[str]:
    """Return what opendkim says of each signature: `pass r1`, `fail r1`."""
    (folder / "dns").write_text(
        "".join(f"{name} {text}\n" for name, text in records.texts.items()), encoding="ascii"
    )
    (folder / "conf").write_text(
        f"Mode v\nTestDNSData file:{folder}/dns\nAlwaysAddARHeader yes\n"
        "AuthservID checker.example\nSyslog no\n",
        encoding="ascii",
    )
    (folder / "message").write_bytes(message)
    told = subprocess.run(
        [program("opendkim"), "-x", str(folder / "conf"), "-vv", "-t", str(folder / "message")],
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    ).stdout
    return [
        f"{result} {selector}"
        for result, selector in re.findall(r"dkim=(\w+)[^;]*header\.s=([\w.-]+)", told)
    ]


def perl_arc_result(message: bytes, records: Records) -> str:
    """Return what Perl's Mail::DKIM says of the ARC sets of a message: `pass`, `fail`, `none`."""
    perl = program("perl")
    if subprocess.run([perl, "-MMail::DKIM::ARC::Verifier", "-e", "1"], check=False).returncode:
        if os.environ.get("CI"):
            pytest.fail("Perl's Mail::DKIM is not installed")
        pytest.skip("Perl's Mail::DKIM is not installed")
    return subprocess.run(
        [perl, "-e", _ARC_VERIFIER, str(records.port)],
        input=message,
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout.decode()
