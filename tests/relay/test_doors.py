"""Who is let in, and how: addresses, TLS, certificates, passwords, PROXY headers, and limits."""

from __future__ import annotations

import base64
import ipaddress
import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from relay import guest, smtp_in
from relay.door import Door, Tls
from relay.passwords import Users, hash_password
from relay.tls import server_context
from relay.wire import stuff, unstuff
from tests.relay.certificates import Authority, make_authority
from tests.relay.neighbours import Client, Hop, always
from tests.relay.running import DOOR, Running, running
from tests.relay.test_deliver import OFFER, REJECTION

FROM = "MAIL FROM:<recruit@aozora.example.jp>"
TO = "RCPT TO:<yui@mail.example.com>"
LOCAL = (ipaddress.ip_network("127.0.0.0/8"),)
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


def send(client: Client, message: bytes) -> str:
    """Send a message; return the last reply."""
    for command in (FROM, TO):
        reply = client.say(command)
        if not reply.startswith("250"):
            return reply
    assert client.say("DATA").startswith("354")
    client.send(stuff(message))
    return client.reply()


def offers(client: Client) -> set[str]:
    """Return the keywords that EHLO offers."""
    return {line[4:].split(" ")[0] for line in client.say("EHLO client.example").split("\n")[1:]}


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


def refused(relay: Running) -> dict[str, int]:
    """Return what was refused, by reason."""
    return {
        sample.labels["reason"]: int(sample.value)
        for family in relay.metrics.registry.collect()
        for sample in family.samples
        if sample.name == "careerrelay_refused_total"
    }


def proxy_v2(host: str) -> bytes:
    """Return a PROXY header, version 2, for a client over IPv4."""
    addresses = socket.inet_aton(host) + socket.inet_aton("127.0.0.1") + struct.pack("!HH", 5, 25)
    return b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x21, 0x11]) + struct.pack("!H", 12) + addresses


PROXY_V2_LOCAL = b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x20, 0x00]) + struct.pack("!H", 0)


class ProxiedClient(Client):
    """A client behind a proxy; its first command comes in the packet of the PROXY header."""

    def __init__(self, port: int, header: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._file = self.socket.makefile("rb")
        self.send(header + b"EHLO client.example\r\n")
        self.greeting = self.reply()


@pytest.mark.parametrize(
    ("header", "greeting", "reply"),
    [
        (b"PROXY TCP4 192.0.2.7 127.0.0.1 5 25\r\n", "220 ", "250 "),
        (proxy_v2("192.0.2.7"), "220 ", "250 "),
        (b"PROXY TCP4 198.51.100.7 127.0.0.1 5 25\r\n", "554 5.7.1 ", ""),
        (proxy_v2("198.51.100.7"), "554 5.7.1 ", ""),
        # The proxy itself looks whether we are there; a client it does not name is no one's.
        (PROXY_V2_LOCAL, "220 ", "530 5.7.0 "),
        (b"PROXY UNKNOWN\r\n", "220 ", "530 5.7.0 "),
        (b"", "", ""),
        (b"PROXY TCP4 192.0.2.7\r\n", "", ""),
    ],
)
def test_the_proxy_says_who_it_is(
    next_hop: Hop, tmp_path: Path, header: bytes, greeting: str, reply: str
) -> None:
    """The address in the header decides, not that of the proxy, which may be in the networks."""
    allow = (ipaddress.ip_network("192.0.2.0/24"), *LOCAL)
    door = replace(DOOR, allow=allow, proxies=LOCAL)
    with (
        running(next_hop.port, tmp_path, door=door) as relay,
        ProxiedClient(relay.port, header) as client,
    ):
        assert client.greeting.startswith(greeting)
        assert bool(client.greeting) == bool(greeting)
        if reply:
            assert client.reply().startswith("250-")
            assert send(client, OFFER).startswith(reply)


def test_a_stranger_is_no_proxy(next_hop: Hop, tmp_path: Path) -> None:
    """A PROXY header from an address that is no proxy's opens nothing."""
    door = replace(DOOR, proxies=(ipaddress.ip_network("192.0.2.0/24"),))
    with (
        running(next_hop.port, tmp_path, door=door) as relay,
        ProxiedClient(relay.port, proxy_v2("127.0.0.1")) as client,
    ):
        assert client.greeting == ""
    assert refused(relay) == {"proxy": 1}


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


def test_xforward_goes_on(next_hop: Hop, tmp_path: Path) -> None:
    """From those who may say it, it reaches the next hop as it was, on every connection anew."""
    next_hop.answers["EHLO"] = always(b"250-hop.example\r\n250 XFORWARD NAME ADDR PROTO HELO")
    line = "XFORWARD NAME=spike.example.com ADDR=192.0.2.9"
    door = replace(DOOR, xforward=LOCAL)
    with running(next_hop.port, tmp_path, door=door) as relay, Client(relay.port) as client:
        assert "XFORWARD" in offers(client)
        for _ in range(2):
            assert client.say(line).startswith("250 ")
            assert client.say("XFORWARD PROTO=ESMTP HELO=spike.example.com").startswith("250 ")
            assert send(client, OFFER).startswith("250 ")
        assert client.say("XFORWARD NAME").startswith("501 ")
    said = [command for _, command in next_hop.heard.commands]
    assert said.count(line) == 2
    assert said.index(line) < said.index(FROM)


def test_xforward_is_not_lost_without_a_word(next_hop: Hop, tmp_path: Path) -> None:
    """A client whose XFORWARD went with the next hop's connection has to say it anew."""
    next_hop.answers["EHLO"] = always(b"250-hop.example\r\n250 XFORWARD NAME IDENT NONSENSE")
    next_hop.answers["MAIL"] = always(None)
    door = replace(DOOR, xforward=LOCAL)
    with running(next_hop.port, tmp_path, door=door) as relay, Client(relay.port) as client:
        assert "250 XFORWARD NAME IDENT" in client.say("EHLO client.example").split("\n")
        assert client.say("XFORWARD NAME=spike.example.com").startswith("250 ")
        assert client.say(FROM).startswith("421 4.4.2 ")
        assert client.reply() == ""


def test_xforward_is_not_for_everybody(relay: Running, next_hop: Hop) -> None:
    """Without leave it is neither offered nor passed on."""
    next_hop.answers["EHLO"] = always(b"250-hop.example\r\n250 XFORWARD NAME ADDR")
    with Client(relay.port) as client:
        assert "XFORWARD" not in offers(client)
        assert client.say("XFORWARD ADDR=192.0.2.9").startswith("550 5.7.0 ")
    assert not [line for _, line in next_hop.heard.commands if line.startswith("XFORWARD")]


def test_senders_may_be_limited(next_hop: Hop, tmp_path: Path) -> None:
    """Where others share the client's addresses, only the domains that are named may write."""
    door = replace(DOOR, senders=("aozora.example.jp",))
    with running(next_hop.port, tmp_path, door=door) as relay, Client(relay.port) as client:
        client.say("EHLO client.example")
        assert client.say("MAIL FROM:<a@hokuto.example.jp>").startswith("550 5.7.1 ")
        assert client.say("MAIL FROM:<recruit@Aozora.example.jp>").startswith("250")
        client.say("RSET")
        assert client.say("MAIL FROM:<>").startswith("250")


def test_marks_and_received_on_every_message(next_hop: Hop, tmp_path: Path) -> None:
    """A door may want a Received field and our mark on all: in front, and below all as it was."""
    door = replace(DOOR, marks_all=True, has_received=True)
    with running(next_hop.port, tmp_path, door=door) as relay, Client(relay.port) as client:
        client.say("EHLO client.example")
        for message in (OFFER, REJECTION):
            assert send(client, message).startswith("250 ")
    offer, rejection = (unstuff(wire) for wire in next_hop.heard.wires)
    received, mark, rest = offer.partition(b"X-Career-Relay: v=1; seen\r\n")
    assert received.startswith(
        b"Received: from client.example ([127.0.0.1])\r\n\tby relay.example with ESMTP id "
    )
    assert received.endswith(b";\r\n\tMon, 02 Mar 2026 01:00:00 +0000\r\n")
    assert (bool(mark), rest) == (True, OFFER)
    assert b"v=1; seen" not in rejection
    assert rejection.count(b"X-Career-Relay: v=1; link=") == 1


def test_connections_of_one_address_are_limited(next_hop: Hop, tmp_path: Path) -> None:
    """The limit counts what is open now, per address."""
    with running(next_hop.port, tmp_path, connections_per_address_max=1) as relay:
        with Client(relay.port) as first:
            with Client(relay.port) as second:
                assert second.greeting.startswith("421 4.7.0 ")
            first.say("QUIT")
            assert first.reply() == ""
        with Client(relay.port) as third:
            assert third.greeting.startswith("220 ")


def test_mistakes_are_limited(relay: Running) -> None:
    """A client that only makes mistakes is sent away with a 4xx; a message makes good for them."""
    with Client(relay.port) as client:
        client.say("EHLO client.example")
        for _ in range(20):
            assert client.say("NONSENSE").startswith("500 ")
        assert send(client, OFFER).startswith("250 ")
        for _ in range(20):
            assert client.say("NONSENSE").startswith("500 ")
        assert client.say("NONSENSE").startswith("421 4.7.0 ")
        assert client.reply() == ""
    assert refused(relay) == {"mistakes_max": 1}


def test_commands_that_bring_no_mail_are_limited(relay: Running) -> None:
    """NOOP for ever keeps no connection open."""
    with Client(relay.port) as client:
        client.say("EHLO client.example")
        said = [client.say("NOOP")[:3] for _ in range(120)]
    assert said.count("250") == 119
    assert said[-1] == "421"


def drip(client: Client) -> None:
    """Send one octet after the other, for ever."""
    while True:
        client.send(b"x")


def test_a_message_in_drops_is_given_up(
    relay: Running, next_hop: Hop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that sends less than it must in its time holds no memory for ever."""
    monkeypatch.setattr(smtp_in, "SESSION_SECONDS", 0.2)
    monkeypatch.setattr(smtp_in, "MESSAGE_RATE_MIN_BYTES", 10**9)
    with Client(relay.port) as client:
        client.say("EHLO client.example")
        assert client.say(FROM).startswith("250")
        assert client.say(TO).startswith("250")
        assert client.say("DATA").startswith("354")
        with pytest.raises(ConnectionError):
            drip(client)
    assert refused(relay) == {"slow": 1}
    assert next_hop.heard.wires == []


def test_refused_recipients_count(next_hop: Hop, tmp_path: Path) -> None:
    """Asking for one address after the other has an end, whatever the answers."""
    next_hop.answers["RCPT"] = always(b"550 5.1.1 nobody")
    with running(next_hop.port, tmp_path) as relay, Client(relay.port) as client:
        client.say("EHLO client.example")
        client.say(FROM)
        client.send(f"{TO}\r\n".encode() * 1001)
        said = [client.reply()[:3] for _ in range(1001)]
    assert said == ["550"] * 1000 + ["452"]


@pytest.mark.parametrize("size", [20_000, 2 * 1024 * 1024])
def test_a_line_without_end(relay: Running, size: int) -> None:
    """It is refused at its end, however long it is, and the session goes on."""
    with Client(relay.port) as client:
        client.send(b"x" * size + b"\r\nNOOP\r\n")
        assert client.reply().startswith("500 5.5.2 ")
        assert client.reply() == "250 2.0.0 OK"


def test_announced_size_is_weighed_before_the_message_comes(next_hop: Hop, tmp_path: Path) -> None:
    """A message that there is no room for now is put off before it is sent."""
    with (
        running(next_hop.port, tmp_path, size_max_bytes=1000, in_flight_max_bytes=1000) as relay,
        Client(relay.port) as client,
    ):
        client.say("EHLO client.example")
        with Client(relay.port) as other:
            other.say("EHLO other.example")
            for command in (FROM, TO):
                assert other.say(command).startswith("250")
            assert other.say("DATA").startswith("354")
            other.send(b"x" * 600)
            while client.say(f"{FROM} SIZE=500").startswith("250"):
                client.say("RSET")
            assert client.say(f"{FROM} SIZE=500").startswith("452 4.3.1 ")
            other.send(b"\r\n.\r\n")
            assert other.reply().startswith("250")
        assert client.say(f"{FROM} SIZE=500").startswith("250 ")
