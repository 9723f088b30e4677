"""Contexts for both sides, met in real handshakes; files that are wrong; names and dates."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from relay.tls import (
    CHAIN_MAX_BYTES,
    Certificate,
    TlsError,
    TlsMode,
    Validity,
    client_context,
    matches,
    peer_names,
    server_context,
    validity,
)
from tests.relay.certificates import Authority, make_authority

NAME = "mx.example.jp"
TIMEOUT_SECONDS = 20
UNCHECKED = (TlsMode.OPPORTUNISTIC, TlsMode.REQUIRED)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that both sides trust."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that nobody trusts."""
    return make_authority(tmp_path_factory.mktemp("stranger"), "stranger.example")


def listener(certificate: Certificate, client_ca: Path | None = None) -> ssl.SSLContext:
    """Return the context of a listener that requires no client certificate."""
    return server_context(certificate, client_ca, requires_client_certificate=False)


def shake_hands(
    server: ssl.SSLContext, client: ssl.SSLContext, name: str = NAME
) -> tuple[str, ...]:
    """Let the two talk over a socket; return the names that the server saw of its client."""

    async def talk() -> tuple[str, ...]:
        seen: asyncio.Future[tuple[str, ...]] = asyncio.get_running_loop().create_future()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.set_result(peer_names(writer.get_extra_info("peercert")))
            writer.write(await reader.readexactly(4))
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server) as listening:
            port = listening.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=client, server_hostname=name
            )
            try:
                writer.write(b"ping")
                # TLS 1.3: a server refuses its client after the client's side of the handshake.
                assert await reader.readexactly(4) == b"ping"
            finally:
                writer.close()
            return await seen

    return asyncio.run(asyncio.wait_for(talk(), TIMEOUT_SECONDS))


def client(
    mode: TlsMode, ca: Path | None, certificate: Certificate | None = None
) -> ssl.SSLContext:
    """Return a context for a mode that has one."""
    context = client_context(mode, ca, certificate)
    assert context is not None
    return context


# ------------------------------------------------------------------- the next hop


def test_off_is_no_tls() -> None:
    """Without TLS there is no context."""
    assert client_context(TlsMode.OFF, None, None) is None


@pytest.mark.parametrize("mode", [mode for mode in TlsMode if mode is not TlsMode.OFF])
def test_a_good_next_hop_is_met_in_every_mode(authority: Authority, mode: TlsMode) -> None:
    """A certificate of the authority for the right name satisfies all modes."""
    server = listener(authority.issue([NAME]))
    assert shake_hands(server, client(mode, authority.path)) == ()


@pytest.mark.parametrize(
    ("issuer", "names", "days"),
    [("stranger", [NAME], 30), ("authority", ["other.example.jp"], 30), ("authority", [NAME], -5)],
)
def test_verified_refuses_what_the_others_take(
    authority: Authority, stranger: Authority, issuer: str, names: list[str], days: int
) -> None:
    """A foreign authority, another name and an old certificate stop `verified`, nothing else."""
    old = datetime.now(UTC) - timedelta(days=10)
    made_by = authority if issuer == "authority" else stranger
    certificate = made_by.issue(names, days=abs(days), not_before=old if days < 0 else None)
    for mode in UNCHECKED:
        shake_hands(listener(certificate), client(mode, None))
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(listener(certificate), client(TlsMode.VERIFIED, authority.path))


def test_verified_trusts_the_system_by_itself(authority: Authority) -> None:
    """Without an authority of its own, `verified` knows the system's alone."""
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(listener(authority.issue([NAME])), client(TlsMode.VERIFIED, None))


# -------------------------------------------------------------------- the listener


def test_the_listener_learns_its_clients_names(authority: Authority) -> None:
    """A client certificate's names reach the listener, whether it is required or not."""
    own = authority.issue([NAME])
    names = ["mail.aozora.example.jp", "mail2.aozora.example.jp"]
    greeting = client(TlsMode.VERIFIED, authority.path, authority.issue(names))
    required = server_context(own, authority.path, requires_client_certificate=True)
    assert shake_hands(required, greeting) == tuple(names)
    assert shake_hands(listener(own, authority.path), greeting) == tuple(names)
    assert shake_hands(listener(own), greeting) == ()


def test_a_required_client_certificate_is_required(authority: Authority) -> None:
    """Without one there is no session; where it is optional there is one, without names."""
    own = authority.issue([NAME])
    nameless = client(TlsMode.VERIFIED, authority.path)
    assert shake_hands(listener(own, authority.path), nameless) == ()
    required = server_context(own, authority.path, requires_client_certificate=True)
    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
        shake_hands(required, nameless)


def test_a_foreign_client_certificate_is_refused(authority: Authority, stranger: Authority) -> None:
    """A client of an authority we do not trust has no name here, and no session."""
    own = authority.issue([NAME])
    foreign = client(TlsMode.VERIFIED, authority.path, stranger.issue(["mail.aozora.example.jp"]))
    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
        shake_hands(listener(own, authority.path), foreign)


def test_old_protocol_versions_are_refused(authority: Authority) -> None:
    """A client that speaks TLS 1.1 at most is answered with the alert `protocol_version`."""
    body = b"\x03\x02" + bytes(32) + b"\0" + b"\0\2\xc0\x09" + b"\1\0"
    hello = b"\1" + len(body).to_bytes(3, "big") + body
    # Not over a socket: asyncio closes it before the alert is out.
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = listener(authority.issue([NAME])).wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(b"\x16\x03\x01" + len(hello).to_bytes(2, "big") + hello)
    with pytest.raises(ssl.SSLError):
        session.do_handshake()
    assert outgoing.read() == b"\x15\x03\x02\x00\x02\x02\x46"


def test_clients_cannot_renegotiate(authority: Authority) -> None:
    """The costly part of the handshake is done once a connection."""
    assert listener(authority.issue([NAME])).options & ssl.OP_NO_RENEGOTIATION


# ----------------------------------------------------------------------- the files


def test_a_key_may_be_open_to_its_group_alone(authority: Authority) -> None:
    """0600, 0400 and 0640 are fine; whatever lets others in, or its group write, is not."""
    own = authority.issue([NAME])
    for mode in (0o600, 0o400, 0o640, 0o440):
        own.private_key.chmod(mode)
        listener(own)
    for mode in (0o644, 0o604, 0o660, 0o602):
        own.private_key.chmod(mode)
        with pytest.raises(TlsError, match=rf"{own.private_key}: mode is {mode:04o}.*chmod 600"):
            listener(own)
        with pytest.raises(TlsError, match="chmod 600"):
            client_context(TlsMode.OPPORTUNISTIC, None, own)


def test_a_key_must_fit_its_certificate(authority: Authority) -> None:
    """Another certificate's key is named, with the certificate it should fit."""
    own, other = authority.issue([NAME]), authority.issue(["other.example.jp"])
    with pytest.raises(TlsError, match=rf"{other.private_key}: is not the key of {own.chain}"):
        listener(Certificate(own.chain, other.private_key))


def test_an_encrypted_key_is_refused(authority: Authority, tmp_path: Path) -> None:
    """A key with a password stops the start with a word, never with a question."""
    own = authority.issue([NAME])
    locked = tmp_path / "locked.key"
    key = load_pem_private_key(own.private_key.read_bytes(), None)
    locked.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    )
    locked.chmod(0o600)
    with pytest.raises(TlsError, match=rf"{locked}: is encrypted"):
        listener(Certificate(own.chain, locked))


@pytest.mark.parametrize("text", [None, b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_files_that_are_none_are_named(
    authority: Authority, tmp_path: Path, text: bytes | None
) -> None:
    """A missing, empty or foreign file is named, whichever of the three it is."""
    own = authority.issue([NAME])
    bad = tmp_path / "bad.pem"
    if text is not None:
        bad.write_bytes(text)
        bad.chmod(0o600)
    with pytest.raises(TlsError, match=rf"{bad}: .*expected a certificate"):
        listener(Certificate(bad, own.private_key))
    with pytest.raises(TlsError, match=rf"{bad}: .*expected a private key"):
        listener(Certificate(own.chain, bad))
    with pytest.raises(TlsError, match=rf"{bad}: .*expected .*certificates"):
        listener(own, bad)


def test_files_have_a_limit(authority: Authority, tmp_path: Path) -> None:
    """A file that no chain could fill, such as a mail box named by mistake, is not read whole."""
    own = authority.issue([NAME])
    big = tmp_path / "big.pem"
    big.write_bytes(own.chain.read_bytes() + b"x" * CHAIN_MAX_BYTES)
    with pytest.raises(TlsError, match=rf"{big}: larger than {CHAIN_MAX_BYTES} bytes"):
        listener(Certificate(big, own.private_key))


def test_required_client_certificates_need_an_authority(authority: Authority) -> None:
    """Without an authority nobody's certificate would do: the start says so."""
    with pytest.raises(TlsError, match="set a client CA"):
        server_context(authority.issue([NAME]), None, requires_client_certificate=True)


# ----------------------------------------------------------------------- the dates


@pytest.mark.parametrize("year", [1951, 2026, 2049, 2050, 2077])
def test_dates_are_those_of_the_certificate(authority: Authority, year: int) -> None:
    """Both ways to write a date in a certificate are read, on both sides of 1950 and 2050."""
    begins = datetime(year, 2, 3, 4, 5, 6, tzinfo=UTC)
    own = authority.issue([NAME], days=90, not_before=begins)
    assert validity(own) == Validity(begins, begins + timedelta(days=90))


def test_dates_are_of_the_first_certificate(authority: Authority) -> None:
    """A chain's other certificates, and text in front of it, do not count."""
    own = authority.issue([NAME], days=7)
    expected = validity(own)
    chain = own.chain.read_bytes() + authority.path.read_bytes()
    own.chain.write_bytes(b"subject=CN = mx.example.jp\n" + chain)
    assert validity(own) == expected
    listener(own)


def test_damaged_certificates_are_our_own_error(authority: Authority) -> None:
    """Wherever a certificate is cut off or changed, reading its dates raises nothing else."""
    own = authority.issue([NAME])
    der = ssl.PEM_cert_to_DER_cert(own.chain.read_text())
    refused = 0
    for place in range(200):
        cut, changed = der[:place], der[:place] + bytes([der[place] ^ 0xFF]) + der[place + 1 :]
        for damaged in (cut, changed):
            own.chain.write_text(ssl.DER_cert_to_PEM_cert(damaged))
            try:
                validity(own)
            except TlsError:
                refused += 1
    assert refused > 100


def test_old_certificates_start_and_are_complained_about(authority: Authority) -> None:
    """An expired certificate stops no mail; its dates tell the operator."""
    old = authority.issue([NAME], days=5, not_before=datetime(2025, 3, 1, tzinfo=UTC))
    listener(old)
    dates = validity(old)
    now = dates.ends
    assert dates.complaint(now + timedelta(seconds=1)) == "expired on 2025-03-06 00:00 UTC"
    assert dates.complaint(now - timedelta(days=1)) == "expires on 2025-03-06 00:00 UTC"
    assert dates.complaint(dates.begins - timedelta(days=1)).startswith("not valid before 2025-03")
    assert Validity(dates.begins, now + timedelta(days=90)).complaint(now) == ""


# ----------------------------------------------------------------------- the names


def test_the_common_name_counts_alone(authority: Authority) -> None:
    """A certificate without alternative names is known by its common name, and only then."""
    own = authority.issue([NAME])
    old_style = authority.issue([], common_name="Mail.Aozora.example.jp")
    numbered = authority.issue(["192.0.2.1"], common_name="mail.aozora.example.jp")
    for certificate, names in ((old_style, ("mail.aozora.example.jp",)), (numbered, ())):
        greeting = client(TlsMode.VERIFIED, authority.path, certificate)
        assert shake_hands(listener(own, authority.path), greeting) == names


def test_names_are_lower_case_ascii() -> None:
    """Names are compared without case; a letter that only lower case makes a k is no k."""
    certificate = {"subjectAltName": (("DNS", "MX.Example.JP"), ("DNS", "\u212a.example.jp"))}
    assert peer_names(certificate) == ("mx.example.jp",)
    assert peer_names(None) == peer_names({}) == ()


@pytest.mark.parametrize(
    ("name", "pattern", "fits"),
    [
        ("mx.example.jp", "mx.example.jp", True),
        ("mx.example.jp", "MX.Example.jp", True),
        ("mx.example.jp", "*.example.jp", True),
        ("*.example.jp", "mx.example.jp", True),
        ("*.example.jp", "*.example.jp", True),
        ("*.b.example.jp", "*.example.jp", False),
        ("a.b.example.jp", "*.example.jp", False),
        ("example.jp", "*.example.jp", False),
        (".example.jp", "*.example.jp", False),
        ("mx1.example.jp", "mx*.example.jp", False),
        ("mx.example.jp", "mx.*.jp", False),
        ("example.jp", "*.jp", False),
        ("mx.example.jp", "*", False),
        ("mx.example.jp", "", False),
        ("mx.example.jp", "mx.example.com", False),
        ("\u212a.example.jp", "k.example.jp", False),
    ],
)
def test_names_fit_patterns(name: str, pattern: str, fits: bool) -> None:
    """A wildcard is one whole label in front, in a name as in a pattern, and nothing else."""
    assert matches((name,), (pattern,)) is fits
    assert matches(("unrelated.example.com", name), ("unrelated.example.org", pattern)) is fits


def test_no_name_fits_nothing() -> None:
    """A peer without names fits no pattern, and no pattern lets nobody in."""
    assert not matches((), ("mx.example.jp",))
    assert not matches(("mx.example.jp",), ())
