"""Postfix at a door of the relay with TLS and a password, as the admin's page prints it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.undo import restore
from relay.wire import unstuff
from tests.cli.process import CAREERRELAY, Ports, free_port, serving
from tests.relay.certificates import make_authority
from tests.relay.neighbours import Hop
from tests.relay.postfix_chains import (
    FRONT_HOST,
    LETTERS,
    PLAIN_SERVICE,
    RECIPIENT,
    SENDER,
    printed,
    relay_config,
    without_trace,
)
from tests.relay.postfix_instance import PostfixInstance, postfix_instance

NAME = "relay.aozora.example.jp"
REJECTION = (LETTERS / "002-first-interview-8bit.eml").read_bytes()
pytestmark = pytest.mark.postfix


@pytest.fixture
def plugins() -> None:
    """Skip where Postfix cannot log in anywhere; in CI, fail."""
    if not list(Path("/usr/lib").glob("*/sasl2/libplain.so*")):
        reason = "Cyrus SASL has no mechanisms (Debian: libsasl2-modules)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


@pytest.fixture
def postfix(plugins: None, next_hop: Hop, tmp_path: Path) -> Iterator[PostfixInstance]:
    """Run a Postfix that sends everything to a relay with a door for its password."""
    port, door = free_port(), free_port()
    authority = make_authority(tmp_path / "authority")
    certificate = authority.issue([NAME])
    hashed = subprocess.run(
        [*CAREERRELAY, "hash-password"],
        input="the-password\n",
        capture_output=True,
        check=True,
        text=True,
    )
    places = {
        "smtp.aozora.example.jp:25": f"127.0.0.1:{next_hop.port}",
        "192.0.2.25:2587": f"127.0.0.1:{door}",
        "relay.pem": str(certificate.chain),
        "relay.key": str(certificate.private_key),
        "$argon2id$...": hashed.stdout.strip(),
    }
    config = relay_config(tmp_path / "relay", printed("behind-login", places))
    way = f"[127.0.0.1]:{door}"
    with serving(config, Ports.free(next_hop=next_hop.port)):
        passwords = tmp_path / "passwords"
        passwords.write_text(printed("login", {f"[{NAME}]:2587": way}), encoding="utf-8")
        lines = printed(
            "relayhost-login",
            {
                f"[{NAME}]:2587": way,
                "/etc/ssl/certs/ca-certificates.crt": str(authority.path),
                "/etc/postfix/careerrelay-login": str(passwords),
            },
        ).splitlines()
        settings = {key: value for key, _, value in (line.partition(" = ") for line in lines)}
        # The page's relayhost is a name, which is what is looked for in the certificate.
        settings["smtp_tls_secure_cert_match"] = NAME
        service = PLAIN_SERVICE.format(port=port, name="out")
        with postfix_instance(FRONT_HOST, service, settings) as instance:
            yield instance


def test_postfix_logs_in(postfix: PostfixInstance, next_hop: Hop) -> None:
    """The letter goes over verified TLS and with a password, and arrives with the line."""
    postfix.submit("-f", SENDER, RECIPIENT, message=REJECTION.replace(b"\r\n", b"\n"))
    postfix.until("the letter", lambda: len(next_hop.heard.wires) == 1)
    letter = unstuff(next_hop.heard.wires[0])
    assert letter.startswith(b"X-Career-Relay:")
    assert without_trace(restore(letter)).endswith(REJECTION)


def test_postfix_with_a_wrong_password(postfix: PostfixInstance, next_hop: Hop) -> None:
    """The mail waits in Postfix, with the page's reason, until the password is right."""
    map_name = postfix.setting("smtp_sasl_password_maps").removeprefix("texthash:")
    right = Path(map_name).read_text(encoding="utf-8")
    Path(map_name).write_text(right.replace("the-password", "another"), encoding="utf-8")
    postfix.submit("-f", SENDER, RECIPIENT, message=REJECTION.replace(b"\r\n", b"\n"))
    postfix.logged(r"SASL authentication failed.* 535 5\.7\.8 ")
    postfix.until("the letter in the queue", lambda: bool(postfix.queue()[0].delay_reason))
    assert next_hop.heard.wires == []
    Path(map_name).write_text(right, encoding="utf-8")
    postfix.reload()

    def has_arrived() -> bool:
        postfix.flush()  # Again and again: a reload in between forgets it.
        return len(next_hop.heard.wires) == 1

    postfix.until("the letter", has_arrived)
