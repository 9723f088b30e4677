"""Mail that openssl and gpg signed or encrypted arrives so that openssl and gpg open it.

What is signed is a rejection that the relay changes where it is not signed. Keys are made for the
test. Every opened message is also damaged by a byte and must then not open: the proof proves.
"""

from __future__ import annotations

import asyncio
import base64
import email
import quopri
import re
import smtplib
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from relay.envelope import Envelope
from relay.pipeline import process
from relay.policy import Action, Decision, Reason
from relay.sink import Sink
from tests.relay.programs import program
from tests.relay.running import rules, running

SENDER = "recruit@aozora.example.jp"
RECIPIENT = "yui@mail.example.com"
ENVELOPE = Envelope(SENDER, (RECIPIENT,))
VERSION = b"MIME-Version: 1.0\r\n"
HEAD = (
    f"From: Aozora <{SENDER}>\r\nTo: {RECIPIENT}\r\nSubject: =?utf-8?B?6YG46ICD57WQ5p6c?=\r\n"
    "Message-ID: <1@aozora.example.jp>\r\n"
).encode() + VERSION
TEXT = (
    "木下 結衣 様\r\nRef. 2026-04\r\n\r\n"
    "この度は弊社の求人にご応募いただき、誠にありがとうございました。\r\n\r\n"
    "書類選考の結果、誠に残念ながら今回は採用を見送らせていただくこととなりました。\r\n"
    "末筆ながら、木下様の今後のご活躍をお祈り申し上げます。\r\n\r\n株式会社あおぞら 人事部\r\n"
)
JIS = (
    b"Content-Type: text/plain; charset=iso-2022-jp\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
    + TEXT.encode("iso2022_jp")
)
UTF_8 = (
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    + TEXT.encode()
)
# What stands in the text as it is in both charsets.
MARK = b"Ref. 2026-04"
HOW = ("detached", "opaque", "encrypted")
BOUNDARY = b"=_signed_with_gpg"
# RFC 4880 §9.4, by the numbers that gpg gives.
HASHES = {8: b"pgp-sha256", 9: b"pgp-sha384", 10: b"pgp-sha512"}


def run(*command: str | Path, octets: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a program on some bytes."""
    return subprocess.run(
        [program(str(command[0])), *map(str, command[1:])],
        input=octets,
        capture_output=True,
        timeout=60,
    )


def output_of(*command: str | Path, octets: bytes = b"") -> bytes:
    """Return what a program makes of some bytes; it must not fail."""
    ended = run(*command, octets=octets)
    assert ended.returncode == 0, ended.stderr.decode(errors="replace")
    return ended.stdout


def with_crlf(octets: bytes) -> bytes:
    """Return a text with the line ends of the wire."""
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


@dataclass(frozen=True)
class Sealed:
    """A signed or encrypted message, why it passes, and who opens it."""

    message: bytes
    reason: Reason
    content: bytes
    opened: Callable[[bytes], bytes | None]
    """Return the signed or encrypted content, `None` where the tool does not accept it."""
    wound: int
    """An octet of the content, as a letter or in an encoded form."""

    def check(self, message: bytes) -> None:
        """The message opens, and does not with one octet changed."""
        assert self.opened(message) == self.content
        letter = b"A" if message[self.wound : self.wound + 1] != b"A" else b"B"
        damaged = message[: self.wound] + letter + message[self.wound + 1 :]
        assert self.opened(damaged) != self.content


class OpenSsl:
    """A certificate with its key, and what `openssl smime` and `openssl cms` do with them."""

    def __init__(self, folder: Path) -> None:
        self._certificate, self._key = folder / "certificate.pem", folder / "key.pem"
        usage = ("keyUsage=digitalSignature,keyEncipherment", "extendedKeyUsage=emailProtection")
        extensions = [word for each in usage for word in ("-addext", each)]
        command = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Aozora HR")
        files = ("-keyout", self._key, "-out", self._certificate)
        output_of("openssl", *command, *extensions, *files)

    def sealed(self, command: str, how: str) -> Sealed:
        """Return the letter signed (`detached`, `opaque`) or encrypted, as openssl writes it."""
        sign = ("-sign", "-signer", self._certificate, "-inkey", self._key)
        arguments = {
            "detached": sign,
            "opaque": (*sign, "-nodetach"),
            "encrypted": ("-encrypt", "-aes256", self._certificate),
        }[how]
        written = with_crlf(output_of("openssl", command, *arguments, octets=JIS))
        message = HEAD.removesuffix(VERSION) + written
        verify = ("-verify", "-CAfile", self._certificate)
        decrypt = ("-decrypt", "-recip", self._certificate, "-inkey", self._key)

        def opened(message: bytes) -> bytes | None:
            way = decrypt if how == "encrypted" else verify
            ended = run("openssl", command, *way, octets=message)
            return with_crlf(ended.stdout) if ended.returncode == 0 else None

        # In lines of 64 characters, the text is in front of the certificate and behind its number.
        inside = message.index(b"\r\n\r\n") + (866 if how == "encrypted" else 300)
        wound = message.index(MARK) if how == "detached" else inside
        reason = Reason.ENCRYPTED if how == "encrypted" else Reason.SIGNED
        return Sealed(message, reason, JIS, opened, wound)

    def forwarded(self) -> Sealed:
        """Return the signed letter as a gateway passes it on that adds a footer in a part."""
        inner = self.sealed("smime", "detached")
        signed = inner.message.removeprefix(HEAD.removesuffix(VERSION))
        start = HEAD + b"Content-Type: multipart/mixed; boundary=outer\r\n\r\n--outer\r\n"
        footer = b"\r\n--outer\r\n\r\nAozora Ltd, Tokyo\r\n--outer--\r\n"

        def opened(message: bytes) -> bytes | None:
            _, part, _, _ = message.split(b"--outer")
            return inner.opened(part.lstrip())

        message = start + signed + footer
        return Sealed(message, Reason.SIGNED, JIS, opened, message.index(MARK))


class Gpg:
    """A key ring with one key, and what gpg does with it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        key = ("--passphrase", "", "--quick-generate-key", SENDER, "future-default", "default")
        ended = self._run(*key)
        assert ended.returncode == 0, ended.stderr.decode(errors="replace")

    def _run(self, *arguments: str, octets: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        quiet = ("--batch", "--no-tty", "--trust-model", "always", "--status-fd", "2")
        return run("gpg", "--homedir", self._home, *quiet, *arguments, octets=octets)

    def _verifies(self, *arguments: str, octets: bytes) -> bool:
        ended = self._run("--verify", *arguments, octets=octets)
        return ended.returncode == 0 and b"[GNUPG:] VALIDSIG " in ended.stderr

    def signed(self) -> Sealed:
        """Return the letter in PGP/MIME (RFC 3156 §5)."""
        ended = self._run("--detach-sign", "--armor", octets=UTF_8)
        created = re.search(rb"SIG_CREATED D \d+ (\d+) ", ended.stderr)
        assert created is not None, ended.stderr
        message = (
            HEAD
            + b"Content-Type: multipart/signed; micalg=%b;\r\n" % HASHES[int(created[1])]
            + b' protocol="application/pgp-signature"; boundary="%b"\r\n' % BOUNDARY
            + b"\r\n--%b\r\n%b\r\n--%b\r\n" % (BOUNDARY, UTF_8, BOUNDARY)
            + b"Content-Type: application/pgp-signature; name=signature.asc\r\n\r\n"
            + with_crlf(ended.stdout)
            + b"\r\n--%b--\r\n" % BOUNDARY
        )

        def opened(message: bytes) -> bytes | None:
            _, part, signature, _ = message.split(b"\r\n--" + BOUNDARY)
            path = self._home / "signature.asc"
            path.write_bytes(signature.partition(b"\r\n\r\n")[2])
            part = part.removeprefix(b"\r\n")
            return part if self._verifies(str(path), "-", octets=part) else None

        return Sealed(message, Reason.PGP, UTF_8, opened, message.index(MARK))

    def encrypted(self) -> Sealed:
        """Return the letter in PGP/MIME, encrypted (RFC 3156 §4)."""
        ended = self._run("--encrypt", "--armor", "--recipient", SENDER, octets=UTF_8)
        message = (
            HEAD
            + b'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted";\r\n'
            + b" boundary=b\r\n\r\n--b\r\nContent-Type: application/pgp-encrypted\r\n\r\n"
            + b"Version: 1\r\n\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\n"
            + with_crlf(ended.stdout)
            + b"\r\n--b--\r\n"
        )

        def opened(message: bytes) -> bytes | None:
            ended = self._run("--decrypt", octets=message.split(b"\r\n--b")[2])
            return ended.stdout if ended.returncode == 0 else None

        return Sealed(message, Reason.PGP, UTF_8, opened, message.index(b"\n-----END") - 100)

    def clearsigned(self, encoding: str) -> Sealed:
        """Return the letter signed within its text, in a transfer encoding."""
        text = with_crlf(self._run("--clearsign", octets=TEXT.encode()).stdout)
        encoders = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring}
        body = with_crlf(encoders[encoding](text)) if encoding in encoders else text
        head = f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}"
        message = HEAD + head.encode() + b"\r\n\r\n" + body

        def opened(message: bytes) -> bytes | None:
            text = email.message_from_bytes(message).get_payload(decode=True)
            assert isinstance(text, bytes)
            if not self._verifies(octets=text):
                return None
            return text.partition(b"\r\n\r\n")[2].partition(b"-----BEGIN PGP SIG")[0]

        middle = message.index(b"\r\n\r\n") + len(body) // 3
        return Sealed(message, Reason.PGP, TEXT.encode(), opened, middle)


@pytest.fixture(scope="module", autouse=True)
def judged_before() -> None:
    """Judge a letter: what is made at the first one takes most of the time box of a judgement."""
    process(HEAD + JIS, ENVELOPE, rules())


@pytest.fixture(scope="module")
def openssl(tmp_path_factory: pytest.TempPathFactory) -> OpenSsl:
    """Make a certificate."""
    return OpenSsl(tmp_path_factory.mktemp("openssl"))


@pytest.fixture(scope="module")
def gpg() -> Iterator[Gpg]:
    """Make a key ring; its agent ends with it."""
    program("gpg")
    # A socket's path has 107 characters at most, and pytest's folders are deep.
    with tempfile.TemporaryDirectory(prefix="gpg-", ignore_cleanup_errors=True) as name:
        try:
            yield Gpg(Path(name))
        finally:
            run("gpgconf", "--homedir", name, "--kill", "all")


@pytest.fixture(scope="module")
def by_openssl(openssl: OpenSsl) -> list[Sealed]:
    """Return the letter in all forms that openssl gives it."""
    ways = [(command, how) for command in ("smime", "cms") for how in HOW]
    return [openssl.forwarded(), *(openssl.sealed(command, how) for command, how in ways)]


@pytest.fixture(scope="module")
def by_gpg(gpg: Gpg) -> list[Sealed]:
    """Return the letter in all forms that gpg gives it."""
    encodings = ("8bit", "quoted-printable", "base64")
    return [gpg.signed(), gpg.encrypted(), *map(gpg.clearsigned, encodings)]


@pytest.mark.parametrize("part", [JIS, UTF_8])
def test_without_a_seal_the_letter_is_changed(part: bytes) -> None:
    """The same letter, neither signed nor encrypted, gets the note."""
    outcome = process(HEAD + part, ENVELOPE, rules())
    assert outcome.decision.reason is Reason.INJECTED


def check_decisions(mail: list[Sealed]) -> None:
    """Each message passes for its reason, and opens."""
    for sealed in mail:
        outcome = process(sealed.message, ENVELOPE, rules())
        assert outcome.decision == Decision(Action.PASS, sealed.reason)
        assert outcome.message == sealed.message
        sealed.check(outcome.message)


def test_what_openssl_sealed_passes(by_openssl: list[Sealed]) -> None:
    """S/MIME of both of its commands passes: signed in two forms, encrypted, with a footer."""
    check_decisions(by_openssl)


def test_what_gpg_sealed_passes(by_gpg: list[Sealed]) -> None:
    """PGP passes: signed and encrypted in parts, and in the text in any transfer encoding."""
    check_decisions(by_gpg)


def check_arrivals(mail: list[Sealed], folder: Path) -> None:
    """Each message comes out of a running relay as it was sent, and opens."""

    def send(port: int) -> dict[str, int]:
        with running(port, folder) as relay:
            with smtplib.SMTP("127.0.0.1", relay.port, timeout=20) as client:
                for sealed in mail:
                    client.sendmail(SENDER, RECIPIENT, sealed.message)
            return relay.reasons

    async def arrive() -> tuple[dict[str, int], list[bytes]]:
        sink = Sink("127.0.0.1", 0, folder / "outside")
        await sink.start()
        try:
            reasons = await asyncio.to_thread(send, sink.port)
            return reasons, [arrival.message for arrival in sink.messages]
        finally:
            await sink.stop()

    reasons, arrived = asyncio.run(arrive())
    assert reasons == Counter(sealed.reason.value for sealed in mail)
    for sealed, message in zip(mail, arrived, strict=True):
        assert message == sealed.message
        sealed.check(message)


def test_what_openssl_sealed_arrives(by_openssl: list[Sealed], tmp_path: Path) -> None:
    """Through the relay over SMTP, `openssl` verifies and decrypts what arrives."""
    check_arrivals(by_openssl, tmp_path)


def test_what_gpg_sealed_arrives(by_gpg: list[Sealed], tmp_path: Path) -> None:
    """Through the relay over SMTP, `gpg` verifies and decrypts what arrives."""
    check_arrivals(by_gpg, tmp_path)
