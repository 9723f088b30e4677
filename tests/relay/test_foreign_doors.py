"""Mail programs that are not ours at the relay's doors: TLS, AUTH, client certificates."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from relay.undo import restore
from relay.wire import stuff, unstuff
from tests.cli.process import CAREERRELAY, Ports, create, free_port, serving
from tests.relay.certificates import Authority, make_authority
from tests.relay.neighbours import Hop, hop
from tests.relay.postfix_chains import LETTERS, LINK, RECIPIENT, SENDER
from tests.relay.programs import program

NAME = "relay.aozora.example.jp"
CLIENT_NAME = "mail.aozora.example.jp"
USER = "exchange"
PASSWORD = "Ohayo, 8 o'clock: さくら"  # noqa: S105 (invented, for this test)
REJECTION = LETTERS / "002-first-interview-8bit.eml"
OFFER = LETTERS / "040-offer-with-regret-about-location.eml"
pytestmark = pytest.mark.postfix

# Nobody may use these doors for his address alone.
DOORS = """
[[relay.listener]]
listen = "127.0.0.1:{required}"
allow = []
tls = "required"
certificate = "{certificate}"
private_key = "{key}"
auth = true

[[relay.listener]]
listen = "127.0.0.1:{implicit}"
allow = []
tls = "implicit"
certificate = "{certificate}"
private_key = "{key}"
auth = true

[[relay.listener]]
listen = "127.0.0.1:{certified}"
allow = []
tls = "required"
certificate = "{certificate}"
private_key = "{key}"
client_ca = "{authority}"
client_names = ["{client_name}"]

[[relay.user]]
name = "{user}"
password = "{password_hash}"

[link]"""


@dataclass(frozen=True, slots=True)
class Doors:
    """A running relay with its doors, and the authority of their certificate."""

    required: int
    implicit: int
    certified: int
    authority: Authority
    hop: Hop


@pytest.fixture(scope="module")
def kept_doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """Run the relay once for all tests."""
    folder = tmp_path_factory.mktemp("doors")
    authority = make_authority(folder / "authority")
    certificate = authority.issue([NAME])
    hashed = subprocess.run(
        [*CAREERRELAY, "hash-password"],
        input=f"{PASSWORD}\n".encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    with hop() as world:
        doors = Doors(free_port(), free_port(), free_port(), authority, world)
        config = create(folder / "relay")
        tables = DOORS.format(
            required=doors.required,
            implicit=doors.implicit,
            certified=doors.certified,
            certificate=certificate.chain,
            key=certificate.private_key,
            authority=authority.path,
            client_name=CLIENT_NAME,
            user=USER,
            password_hash=hashed.stdout.decode().strip(),
        )
        text = config.read_text(encoding="utf-8").replace("\n[link]", tables)
        config.write_text(text, encoding="utf-8")
        with serving(config, Ports.free(next_hop=world.port)):
            yield doors


@pytest.fixture
def doors(kept_doors: Doors) -> Doors:
    """Return the doors, their hop having heard nothing yet."""
    kept_doors.hop.heard.wires.clear()
    return kept_doors


def swaks(port: int, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Send the rejection with swaks."""
    envelope = ("--from", SENDER, "--to", RECIPIENT, "--data", f"@{REJECTION}")
    command = (program("swaks"), "--server", f"127.0.0.1:{port}", *envelope, *map(str, arguments))
    needs_tls = subprocess.run([command[0], "--support"], capture_output=True, text=True)
    if "TLS not available" in needs_tls.stdout + needs_tls.stderr:
        reason = "swaks cannot TLS (Debian: libnet-ssleay-perl)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60)


def assert_arrived(doors: Doors) -> None:
    """The letter is at the hop, with the link, and can be restored."""
    (wire,) = doors.hop.heard.wires
    assert len(LINK.findall(wire)) == 1
    # swaks ends what it sends with an empty line of its own.
    assert restore(unstuff(wire)) == REJECTION.read_bytes() + b"\r\n"


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("way", ["required", "implicit"])
def test_swaks_with_a_password(doors: Doors, mechanism: str, way: str) -> None:
    """A user gets in by STARTTLS and by TLS from the start, with either mechanism."""
    port, tls = (doors.required, "--tls") if way == "required" else (doors.implicit, "--tlsc")
    checked = ("--tls-verify", "--tls-ca-path", doors.authority.path)
    login = ("--auth", mechanism, "--auth-user", USER, "--auth-password", PASSWORD)
    sent = swaks(port, tls, *checked, *login)
    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert "235 2.7.0 " in sent.stdout
    assert_arrived(doors)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks_with_a_wrong_password(doors: Doors, mechanism: str) -> None:
    """The refusal says that the password is wrong, and nothing arrives."""
    login = ("--auth", mechanism, "--auth-user", USER, "--auth-password", PASSWORD + "!")
    sent = swaks(doors.required, "--tls", *login)
    assert sent.returncode != 0
    assert "535 5.7.8 " in sent.stdout
    assert doors.hop.heard.wires == []


def test_swaks_without_a_password(doors: Doors) -> None:
    """TLS alone opens no door to a stranger."""
    sent = swaks(doors.required, "--tls")
    assert sent.returncode != 0
    assert "530 5.7.0 " in sent.stdout
    assert doors.hop.heard.wires == []


def test_swaks_in_plain_text(doors: Doors) -> None:
    """Where TLS is required, AUTH is not even offered in plain text, and MAIL is refused."""
    sent = swaks(doors.required, "--auth", "PLAIN", "--auth-user", USER, "--auth-password", "x")
    assert sent.returncode != 0
    assert "AUTH" not in "".join(line for line in sent.stdout.splitlines(True) if "250" in line)
    sent = swaks(doors.required)
    assert "530 5.7.0 " in sent.stdout
    assert doors.hop.heard.wires == []


@pytest.mark.parametrize("protocol", ["SMTP", "SSMTP", "ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA"])
def test_swaks_in_every_protocol(doors: Doors, protocol: str) -> None:
    """What may pass passes, HELO or EHLO; what lacks TLS or a password is refused."""
    login = ("--auth-user", USER, "--auth-password", PASSWORD) if "A" in protocol else ()
    # HELO knows no AUTH and no STARTTLS; SSMTP is HELO within TLS.
    port = doors.implicit if protocol == "SSMTP" else doors.required
    sent = swaks(port, "--protocol", protocol, *login)
    if protocol == "ESMTPSA":
        assert sent.returncode == 0, sent.stdout + sent.stderr
        assert_arrived(doors)
    else:
        assert sent.returncode != 0
        assert doors.hop.heard.wires == []


def test_swaks_with_a_certificate(doors: Doors) -> None:
    """A certificate of the named client opens the door; another name of the same authority not."""
    for name, is_let_in in ((CLIENT_NAME, True), ("other.aozora.example.jp", False)):
        own = doors.authority.issue([name])
        sent = swaks(
            doors.certified, "--tls", "--tls-cert", own.chain, "--tls-key", own.private_key
        )
        assert (sent.returncode == 0) is is_let_in, sent.stdout + sent.stderr
    assert_arrived(doors)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("way", ["required", "implicit"])
def test_openssl_checks_the_certificate(doors: Doors, way: str, version: str) -> None:
    """`openssl s_client` verifies chain and name at both kinds of door, and gets an answer."""
    start = ("-starttls", "smtp", "-name", "client.example") if way == "required" else ()
    port = doors.required if way == "required" else doors.implicit
    talk = subprocess.run(
        [
            *(program("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", *start, version),
            *("-CAfile", doors.authority.path, "-verify_return_error", "-verify_hostname", NAME),
            *("-brief", "-ign_eof", "-crlf"),
        ],
        input="EHLO client.example\nQUIT\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert talk.returncode == 0, talk.stderr
    assert "Verification: OK" in talk.stderr
    assert "250-AUTH PLAIN LOGIN" in talk.stdout or "250 AUTH PLAIN LOGIN" in talk.stdout
    assert "221 2.0.0 " in talk.stdout


@pytest.mark.parametrize(
    ("options", "count", "recipients"),
    [
        (("-s", "3", "-m", "12"), 12, 1),
        (("-s", "3", "-m", "12", "-d"), 12, 1),
        (("-m", "2", "-r", "100", "-N"), 2, 100),
    ],
    ids=["new connections", "kept connections", "many recipients"],
)
def test_smtp_source(
    next_hop: Hop, tmp_path: Path, options: tuple[str, ...], count: int, recipients: int
) -> None:
    """Postfix' smtp-source sends letters of ours in its several ways; each arrives as it is."""
    letter = tmp_path / "letter"
    letter.write_bytes(OFFER.read_bytes().replace(b"\r\n", b"\n"))
    ports = Ports.free(next_hop=next_hop.port)
    with serving(create(tmp_path / "relay"), ports):
        envelope = ("-f", SENDER, "-t", RECIPIENT, "-M", "client.example")
        where = f"127.0.0.1:{ports.relay}"
        command = [program("smtp-source"), *options, "-F", str(letter), *envelope, where]
        subprocess.run(command, check=True, timeout=60)
    # smtp-source ends what it sends with an empty line of its own.
    assert next_hop.heard.wires == [stuff(OFFER.read_bytes() + b"\r\n")] * count
    verbs = [line[:5] for _, line in next_hop.heard.commands]
    assert verbs.count("RCPT ") == count * recipients
