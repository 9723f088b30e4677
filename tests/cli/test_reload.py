"""SIGHUP: everything is read again, no connection is dropped, what is broken changes nothing."""

from __future__ import annotations

import http.client
import os
import signal
import smtplib
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from relay.tls import Certificate
from tests.cli.daemon import LINK, REJECTION, SENDER, WAIT_SECONDS, Daemon, daemon
from tests.cli.process import careerrelay, create, free_port
from tests.relay.certificates import Authority, make_authority
from tests.relay.neighbours import Hop, hop

EACH_NUMBER = pytest.mark.parametrize("processes", [1, 2])


def change(config: Path, old: str, new: str) -> None:
    """Change the configuration, which must hold what is to be changed."""
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))


def reload(running: Daemon, processes: int) -> None:
    """Return when every process has read its files again."""
    before = len(running.lines("reloaded"))
    running.reload()
    # The supervisor has looked first.
    running.wait_for("reloaded", before + (1 if processes == 1 else processes + 2))


def location(running: Daemon, token: str) -> str:
    """Return where a link leads to."""
    connection = http.client.HTTPConnection("127.0.0.1", running.ports.intake, timeout=WAIT_SECONDS)
    connection.request("GET", f"/{token}")
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.headers["Location"]


def tokens(next_hop: Hop) -> list[str]:
    """Return the token of each letter that arrived, empty for one without a link."""
    found = [LINK.findall(wire) for wire in next_hop.heard.wires]
    return [each[0].decode() if each else "" for each in found]


@EACH_NUMBER
def test_transactions_go_on(next_hop: Hop, tmp_path: Path, processes: int) -> None:
    """Clients behind MAIL and amid DATA notice nothing; the letters get what is in force then."""
    config = create(tmp_path)
    change(config, 'mode = "inject"', 'mode = "observe"')
    with daemon(config, next_hop.port, processes=processes) as running:
        running.wait_until_started()
        running.send("before@mail.example.com")
        with running.client() as behind_mail, running.client() as amid_data:
            for client in (behind_mail, amid_data):
                assert client.say(f"MAIL FROM:<{SENDER}>").startswith("250")
            assert amid_data.say("RCPT TO:<amid@mail.example.com>").startswith("250")
            assert amid_data.say("DATA").startswith("354")
            amid_data.send(REJECTION[:500])
            change(config, 'mode = "observe"', 'mode = "inject"')
            reload(running, processes)
            assert behind_mail.say("RCPT TO:<behind@mail.example.com>").startswith("250")
            assert behind_mail.say("DATA").startswith("354")
            amid_data.send(REJECTION[500:] + b"\r\n.\r\n")
            assert amid_data.reply().startswith("250")
            behind_mail.send(REJECTION + b"\r\n.\r\n")
            assert behind_mail.reply().startswith("250")
        names = {tuple(line["changed"]) for line in running.lines("reloaded")}
        assert names == {("company.aozora.mode",)}
    assert [bool(token) for token in tokens(next_hop)] == [False, True, True]


@EACH_NUMBER
def test_next_letter_is_signed_with_the_new_key(
    next_hop: Hop, tmp_path: Path, processes: int
) -> None:
    """A key made active signs the next letter, and links of either key lead to the page."""
    config = create(tmp_path)
    with daemon(config, next_hop.port, processes=processes) as running:
        running.wait_until_started()
        running.send("before@mail.example.com")
        assert careerrelay("keys", "add", "--config", config).returncode == 0
        assert careerrelay("keys", "activate", "b", "--config", config).returncode == 0
        reload(running, processes)
        running.send("after@mail.example.com")
        before, after = tokens(next_hop)
        assert (before[0], after[0]) == ("a", "b")
        for token in (before, after):
            assert location(running, token) == f"/register?t={token}"
        names = {tuple(line["changed"]) for line in running.lines("reloaded")}
        assert names == {("link.key_ring",)}


@EACH_NUMBER
def test_revoked_link_is_refused(next_hop: Hop, tmp_path: Path, processes: int) -> None:
    """A link that was revoked beside the ring leads to the front page after the reload."""
    config = create(tmp_path)
    with daemon(config, next_hop.port, processes=processes) as running:
        running.wait_until_started()
        running.send("one@mail.example.com")
        running.send("other@mail.example.com")
        mistaken, good = tokens(next_hop)
        done = careerrelay(
            "keys", "revoke-links", mistaken, "--why", "sent by mistake", "--config", config
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert location(running, mistaken) == f"/register?t={mistaken}"
        reload(running, processes)
        assert location(running, mistaken) == "/?notice=link"
        assert location(running, good) == f"/register?t={good}"
        names = {tuple(line["changed"]) for line in running.lines("reloaded")}
        assert names == {("link.key_ring",)}


@EACH_NUMBER
def test_broken_configuration_changes_nothing(
    next_hop: Hop, tmp_path: Path, processes: int
) -> None:
    """One line names file, key and what is expected; the service goes on, and takes the next."""
    config = create(tmp_path)
    with daemon(config, next_hop.port, processes=processes) as running:
        running.wait_until_started()
        change(config, 'mode = "inject"', 'mode = "on"')
        running.reload()
        (line,) = running.wait_for("reload_failed")
        assert f"{config}: " in line["error"]
        assert "mode = 'on': Input should be 'off', 'observe' or 'inject'" in line["error"]
        assert line["level"] == "error"
        running.send("still@mail.example.com")
        change(config, 'mode = "on"', 'mode = "off"')
        reload(running, processes)
        running.send("then@mail.example.com")
        assert len(running.lines("reload_failed")) == 1
    assert [bool(token) for token in tokens(next_hop)] == [True, False]


def open_to_all(path: Path) -> None:
    """Let others read a file."""
    path.chmod(0o644)


def remove(path: Path) -> None:
    """Remove a file."""
    path.unlink()


def damage(path: Path) -> None:
    """Leave something else in a file."""
    path.write_text("{}")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (open_to_all, "mode is 0644"),
        (remove, "No such file or directory"),
        (damage, "not a key ring"),
    ],
)
def test_unusable_key_ring_keeps_the_old(
    next_hop: Hop,
    tmp_path: Path,
    spoil: Callable[[Path], object],
    expected: str,
) -> None:
    """A key ring that cannot be used is named, and the next letter is signed with the old key."""
    with daemon(create(tmp_path), next_hop.port) as running:
        running.wait_until_started()
        spoil(tmp_path / "keys.json")
        running.reload()
        (line,) = running.wait_for("reload_failed")
        assert f"{tmp_path / 'keys.json'}: " in line["error"]
        assert expected in line["error"]
        running.send()
    assert len(tokens(next_hop)[0]) == 43


def test_what_needs_a_restart_is_named(next_hop: Hop, tmp_path: Path) -> None:
    """Keys that only a restart can change are named at every reload until then, without values."""
    config = create(tmp_path)
    with daemon(config, next_hop.port) as running:
        running.wait_until_started()
        change(config, 'service = "Career Relay"', 'service = "相談室"')
        change(config, 'installation = "', 'installation = "other-')
        reload(running, 1)
        reload(running, 1)
        assert [line["changed"] for line in running.lines("reloaded")] == [["intake.service"], []]
        warnings = running.wait_for("restart_needed", 2)
        assert [line["keys"] for line in warnings] == [["store.installation"]] * 2
        assert "other-" not in str(warnings)


def test_links_lead_where_the_new_settings_say(next_hop: Hop, tmp_path: Path) -> None:
    """After a reload links lead to the new registration page."""
    config = create(tmp_path)
    with daemon(config, next_hop.port) as running:
        running.wait_until_started()
        running.send()
        (token,) = tokens(next_hop)
        assert location(running, token) == f"/register?t={token}"
        change(
            config,
            'registration = "builtin"',
            'registration = "external"\nregistration_url = "https://career.example.jp/start"',
        )
        reload(running, 1)
        assert location(running, token) == f"https://career.example.jp/start?t={token}"


def test_next_hop_is_another_one(next_hop: Hop, tmp_path: Path) -> None:
    """New transactions go to the new next hop; one that is on ends where it began."""
    config = create(tmp_path)
    change(config, "127.0.0.1:2526", f"127.0.0.1:{next_hop.port}")
    file_decides: dict[str, str | None] = {"CAREERRELAY_RELAY__NEXT_HOP": None}
    with hop() as other, daemon(config, next_hop.port, settings=file_decides) as running:
        running.wait_until_started()
        with running.client() as client:
            assert client.say(f"MAIL FROM:<{SENDER}>").startswith("250")
            change(config, f"127.0.0.1:{next_hop.port}", f"127.0.0.1:{other.port}")
            reload(running, 1)
            assert client.say("RCPT TO:<yui@mail.example.com>").startswith("250")
            assert client.say("DATA").startswith("354")
            client.send(REJECTION + b"\r\n.\r\n")
            assert client.reply().startswith("250")
        running.send()
        assert (len(next_hop.heard.wires), len(other.heard.wires)) == (1, 1)


def add_tls_listener(config: Path, certificate: Certificate) -> int:
    """Add a listener with STARTTLS; return its port."""
    port = free_port()
    with config.open("a") as file:
        file.write(
            f"""
[[relay.listener]]
listen = "127.0.0.1:{port}"
tls = "optional"
certificate = "{certificate.chain}"
private_key = "{certificate.private_key}"
"""
        )
    return port


def encrypted(port: int, authority: Authority) -> smtplib.SMTP:
    """Return a client that has gone over to TLS."""
    client = smtplib.SMTP("127.0.0.1", port, timeout=WAIT_SECONDS)
    client.starttls(context=authority.client_context())
    client.ehlo()
    return client


def shown_to(client: smtplib.SMTP) -> bytes | None:
    """Return the certificate that a client was shown."""
    assert isinstance(client.sock, ssl.SSLSocket)
    return client.sock.getpeercert(binary_form=True)


@EACH_NUMBER
def test_new_connections_see_the_new_certificate(
    next_hop: Hop, tmp_path: Path, processes: int
) -> None:
    """A client amid its transaction goes on; the next one is shown what is in the files now."""
    authority = make_authority(tmp_path / "authority")
    first, second = (authority.issue(["127.0.0.1"]) for _ in range(2))
    config = create(tmp_path / "installation")
    port = add_tls_listener(config, first)
    with daemon(config, next_hop.port, processes=processes) as running:
        running.wait_until_started()
        with encrypted(port, authority) as early:
            assert early.mail(SENDER)[0] == 250
            first.chain.write_bytes(second.chain.read_bytes())
            # The certificate without its key: the old pair stays.
            running.reload()
            (line,) = running.wait_for("reload_failed")
            assert f"{first.private_key}: is not the key of {first.chain}" in line["error"]
            with encrypted(port, authority) as between:
                assert shown_to(between) == shown_to(early)
            first.private_key.write_bytes(second.private_key.read_bytes())
            reload(running, processes)
            with encrypted(port, authority) as late:
                assert shown_to(late) == ssl.PEM_cert_to_DER_cert(second.chain.read_text())
                assert shown_to(late) != shown_to(early)
            assert early.rcpt("yui@mail.example.com")[0] == 250
            assert early.data(REJECTION)[0] == 250
        names = {tuple(line["changed"]) for line in running.lines("reloaded")}
        where = f"relay.listener.127.0.0.1:{port}"
        assert names == {(f"{where}.certificate", f"{where}.private_key")}


def test_signal_during_the_start(next_hop: Hop, tmp_path: Path) -> None:
    """A SIGHUP to a process that has not started yet does not end it."""
    with daemon(create(tmp_path), next_hop.port, processes=2) as running:
        running.wait_until_started()
        first = running.child("relay-1")
        os.kill(first, signal.SIGKILL)
        running.wait_for("process_ended", process="relay-1")
        running.reload()
        second = running.child("relay-1", life=2)
        running.wait_for("reloaded", pid=second)
        assert len(running.lines("process_ended")) == 1
