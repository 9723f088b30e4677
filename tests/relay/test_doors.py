"""Who is let in over TLS, and how: passwords, certificates, and what goes wrong on the way."""

from __future__ import annotations

import base64
import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from relay import guest
from relay.door import Door, Tls
from relay.passwords import Users, hash_password
from relay.tls import server_context
from relay.wire import stuff
from tests.relay.certificates import Authority, make_authority
from tests.relay.door_talk import FROM, LOCAL, offers, proxy_v2, refused, send
from tests.relay.neighbours import Client, Hop
from tests.relay.running import DOOR, running
from tests.relay.test_deliver import OFFER

NAME, PASSWORD = "exchange", b"open sesame"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make an authority that signs the certificates of this file."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def users() -> Users:
    """Return one user with a password."""
    return Users({NAME: hash_password(PASSWORD)})


Opened = Callable[..., Door]


@pytest.fixture
def opened(authority: Authority) -> Opened:
    """Return a function that makes a door with TLS; only what else is given lets anybody in."""
    certificate = authority.issue(["relay.example"])

    def make(
        *, client_names: tuple[str, ...] = (), users: Users | None = None, **how: bool
    ) -> Door:
        ca = authority.path if client_names else None
        context = server_context(certificate, ca, requires_client_certificate=False)
        return replace(
            DOOR, allow=(), tls=Tls(context, client_names=client_names, **how), users=users
        )

    return make


class TlsClient(Client):
    """A client that can go over to TLS."""

    def __init__(self, port: int, context: ssl.SSLContext, *, is_implicit: bool = False) -> None:
        self._context = context
        if is_implicit:
            self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
            self.wrap()
            self.greeting = self.reply()
        else:
            super().__init__(port)
            self.say("EHLO client.example")

    def start_tls(self) -> None:
        """Say STARTTLS and speak TLS from there on."""
        assert self.say("STARTTLS").startswith("220 ")
        self.wrap()

    def __enter__(self) -> TlsClient:
        return self

    def wrap(self) -> None:
        """Speak TLS from here on."""
        self.socket = self._context.wrap_socket(self.socket, server_hostname="relay.example")
        self._file = self.socket.makefile("rb")


def plain(name: str, password: bytes) -> str:
    """Return the initial response of AUTH PLAIN."""
    return base64.b64encode(b"\0" + name.encode() + b"\0" + password).decode()


@pytest.mark.parametrize("is_implicit", [False, True], ids=["STARTTLS", "implicit"])
def test_auth_over_tls(
    next_hop: Hop,
    tmp_path: Path,
    opened: Opened,
    authority: Authority,
    users: Users,
    is_implicit: bool,
) -> None:
    """With name and password over TLS a client sends as one of an allowed network does."""
    door = opened(users=users, is_implicit=is_implicit)
    with running(next_hop.port, tmp_path, door=door) as relay:
        with TlsClient(relay.port, authority.client_context(), is_implicit=is_implicit) as client:
            if not is_implicit:
                assert "STARTTLS" in offers(client)
                assert "AUTH" not in offers(client)
                assert client.say(f"AUTH PLAIN {plain(NAME, PASSWORD)}").startswith("538 5.7.11 ")
                client.start_tls()
            assert "STARTTLS" not in offers(client)
            assert "AUTH" in offers(client)
            assert client.say(FROM).startswith("530 5.7.0 ")
            assert client.say(f"AUTH PLAIN {plain(NAME, PASSWORD)}").startswith("235 2.7.0 ")
            assert client.say(f"AUTH PLAIN {plain(NAME, PASSWORD)}").startswith("503 ")
            assert send(client, OFFER).startswith("250 ")
            assert client.say("QUIT").startswith("221 ")
    assert next_hop.heard.wires == [stuff(OFFER)]


def test_auth_login(
    next_hop: Hop, tmp_path: Path, opened: Opened, authority: Authority, users: Users
) -> None:
    """LOGIN asks for both; a client may change its mind, and send with MAIL's AUTH parameter."""
    with (
        running(next_hop.port, tmp_path, door=opened(users=users)) as relay,
        TlsClient(relay.port, authority.client_context()) as client,
    ):
        client.start_tls()
        offers(client)
        assert client.say("AUTH LOGIN") == "334 VXNlcm5hbWU6"
        assert client.say("*").startswith("501 5.7.0 ")
        assert client.say("AUTH LOGIN") == "334 VXNlcm5hbWU6"
        assert client.say(base64.b64encode(NAME.encode()).decode()) == "334 UGFzc3dvcmQ6"
        assert client.say(base64.b64encode(PASSWORD).decode()).startswith("235 ")
        assert client.say(f"{FROM} AUTH=<> RET=HDRS").startswith("250 ")
    assert (1, f"{FROM} RET=HDRS") in next_hop.heard.commands


def test_a_wrong_password_opens_nothing(
    next_hop: Hop,
    tmp_path: Path,
    opened: Opened,
    authority: Authority,
    users: Users,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is 535, as an unknown name is; the third failure ends the session."""
    monkeypatch.setattr(guest, "FAILED_AUTH_SECONDS", 0.01)
    with (
        running(next_hop.port, tmp_path, door=opened(users=users)) as relay,
        TlsClient(relay.port, authority.client_context()) as client,
    ):
        client.start_tls()
        offers(client)
        wrong = client.say(f"AUTH PLAIN {plain(NAME, b'open barley')}")
        assert wrong.startswith("535 5.7.8 ")
        assert client.say(f"AUTH PLAIN {plain('nobody', PASSWORD)}") == wrong
        assert client.say(FROM).startswith("530 5.7.0 ")
        assert client.say(f"AUTH PLAIN {plain(NAME, b'')}").startswith("421 4.7.0 ")
        assert client.reply() == ""
    assert next_hop.heard.wires == []


def test_tls_may_be_a_must(
    next_hop: Hop, tmp_path: Path, opened: Opened, authority: Authority
) -> None:
    """Where TLS is required, nothing but STARTTLS leads on, even for an allowed network."""
    door = replace(opened(is_required=True), allow=LOCAL)
    with (
        running(next_hop.port, tmp_path, door=door) as relay,
        TlsClient(relay.port, authority.client_context()) as client,
    ):
        assert client.say(FROM).startswith("530 5.7.0 ")
        assert client.say("NOOP").startswith("250 ")
        client.start_tls()
        assert client.say("EHLO client.example").startswith("250-")
        assert send(client, OFFER).startswith("250 ")
    assert next_hop.heard.wires == [stuff(OFFER)]


def test_what_was_said_in_plain_text_behind_starttls_is_not_heard(
    next_hop: Hop, tmp_path: Path, opened: Opened, authority: Authority
) -> None:
    """Commands that somebody put behind STARTTLS on the way are dropped (RFC 3207 §6)."""
    door = replace(opened(), allow=LOCAL)
    with (
        running(next_hop.port, tmp_path, door=door) as relay,
        TlsClient(relay.port, authority.client_context()) as client,
    ):
        client.send(b"STARTTLS\r\nEHLO evil.example\r\n" + FROM.encode() + b"\r\n")
        assert client.reply().startswith("220 ")
        client.wrap()
        assert client.say("NOOP") == "250 2.0.0 OK"
        assert client.say(FROM).startswith("250 ")
    assert next_hop.heard.verbs(1).count("MAIL") == 1


@pytest.mark.parametrize("is_implicit", [False, True], ids=["STARTTLS", "implicit"])
def test_a_client_certificate_opens(
    next_hop: Hop, tmp_path: Path, opened: Opened, authority: Authority, is_implicit: bool
) -> None:
    """A certificate of the right authority with the right name may send; another name may not."""
    door = opened(client_names=("*.mail.example.jp",), is_implicit=is_implicit)
    with running(next_hop.port, tmp_path, door=door) as relay:
        for name, reply in (("mx.mail.example.jp", "250 "), ("mx.evil.example.jp", "530 5.7.0 ")):
            context = authority.client_context(authority.issue([name]))
            with TlsClient(relay.port, context, is_implicit=is_implicit) as client:
                if not is_implicit:
                    assert client.say(FROM).startswith("530 5.7.0 ")
                    client.start_tls()
                offers(client)
                assert send(client, OFFER).startswith(reply)
    assert next_hop.heard.wires == [stuff(OFFER)]


def test_a_client_that_speaks_no_tls_is_let_go(
    next_hop: Hop, tmp_path: Path, opened: Opened
) -> None:
    """Noise where a TLS handshake is due ends that connection, and no other."""
    door = replace(opened(is_implicit=True), allow=LOCAL)
    with running(next_hop.port, tmp_path, door=door) as relay:
        with socket.create_connection(("127.0.0.1", relay.port), timeout=20) as noisy:
            noisy.sendall(b"EHLO client.example\r\n")
            while noisy.recv(1000):
                pass
    assert refused(relay) == {"tls_handshake": 1}


def test_proxy_header_before_implicit_tls(
    next_hop: Hop, tmp_path: Path, opened: Opened, authority: Authority
) -> None:
    """The header comes in plain text, the handshake behind it, even in the same packet."""
    allow = (ipaddress.ip_network("192.0.2.0/24"),)
    door = replace(opened(is_implicit=True), allow=allow, proxies=LOCAL)
    with running(next_hop.port, tmp_path, door=door) as relay:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = authority.client_context().wrap_bio(
            incoming, outgoing, server_hostname="relay.example"
        )
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        with socket.create_connection(("127.0.0.1", relay.port), timeout=20) as peer:
            peer.sendall(proxy_v2("192.0.2.7") + outgoing.read())
            greeting = b""
            while not greeting:
                incoming.write(peer.recv(65536))
                try:
                    tls.do_handshake()
                    peer.sendall(outgoing.read())
                    greeting = tls.read(1000)
                except ssl.SSLWantReadError:
                    peer.sendall(outgoing.read())
    assert greeting.startswith(b"220 relay.example ")
