"""Listeners, users and next hops: what is allowed together, and what would be an open relay."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.addresses import Address
from relay.config import Config, ConfigError, load_config
from relay.passwords import hash_password

HASH = hash_password(b"open sesame")
LISTENER = """\
[[relay.listener]]
listen = "0.0.0.0:25"
allow = ["192.0.2.0/24"]
"""
TLS = 'tls = "required"\ncertificate = "relay.pem"\nprivate_key = "relay.key"\n'
USER = f'[[relay.user]]\nname = "ats"\npassword = "{HASH}"\n'


def load(folder: Path, text: str) -> Config:
    """Return the configuration that this text makes."""
    path = folder / "careerrelay.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def problems(folder: Path, text: str) -> str:
    """Return what is said about a wrong configuration."""
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    return str(caught.value)


def test_a_listener_with_everything(tmp_path: Path) -> None:
    """Every key is read; files are looked for beside the configuration."""
    config = load(
        tmp_path,
        LISTENER
        + TLS
        + 'client_ca = "ca.pem"\nclient_names = ["*.Mail.example.jp"]\nauth = true\n'
        + 'proxy_from = ["10.0.0.0/8"]\nxforward = ["10.0.0.1/32"]\n'
        + 'senders = ["Aozora.example.jp"]\nmark = "all"\nreceived = true\n'
        + USER,
    )
    (listener,) = config.relay.listeners
    assert listener.listen == Address("0.0.0.0", 25)  # noqa: S104
    assert listener.certificate == tmp_path / "relay.pem"
    assert listener.client_ca == tmp_path / "ca.pem"
    assert listener.senders == ("aozora.example.jp",)
    assert listener.client_names == ("*.mail.example.jp",)
    assert (listener.mark, listener.received, listener.auth) == ("all", True, True)
    assert [user.name for user in config.relay.user] == ["ats"]
    assert HASH not in repr(config)


def test_plain_listeners_and_tables_together(tmp_path: Path) -> None:
    """Tables alone are all listeners there are; beside `listen` they are more of them."""
    assert [str(each.listen) for each in load(tmp_path, "").relay.listeners] == ["127.0.0.1:2525"]
    assert [str(each.listen) for each in load(tmp_path, LISTENER).relay.listeners] == ["0.0.0.0:25"]
    both = load(tmp_path, '[relay]\nlisten = ["127.0.0.1:2525"]\n' + LISTENER).relay
    assert [str(each.listen) for each in both.listeners] == ["127.0.0.1:2525", "0.0.0.0:25"]
    plain, table = both.listeners
    assert both.allowed(plain) == both.allow
    assert [str(network) for network in both.allowed(table)] == ["192.0.2.0/24"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LISTENER.replace('["192.0.2.0/24"]', "[]"), "would be an open relay"),
        (LISTENER.replace("192.0.2.0/24", "0.0.0.0/0"), "would be an open relay"),
        (
            LISTENER.replace("0.0.0.0:25", "127.0.0.1:25").replace("192.0.2.0/24", "::/0")
            + 'proxy_from = ["127.0.0.0/8"]\n',
            "would be an open relay",
        ),
        (LISTENER + 'proxy_from = ["0.0.0.0/0"]\n', "proxy_from 0.0.0.0/0 would be an open relay"),
        (LISTENER + 'xforward = ["0.0.0.0/0"]\n', "xforward 0.0.0.0/0 would be an open relay"),
        (
            LISTENER.replace('"192.0.2.0/24"', '"1.0.0.0/8","2.0.0.0/8","3.0.0.0/8","4.0.0.0/7"'),
            "would be an open relay",
        ),
        (
            LISTENER.replace(
                '"192.0.2.0/24"', ", ".join(f'"{first}.0.0.0/8"' for first in range(11, 16))
            ),
            "(over 67108864 addresses of IPv4) would be an open relay",
        ),
        (
            LISTENER.replace("192.0.2.0/24", "0.0.0.0/0") + TLS + "auth = true\n" + USER,
            "would be an open relay",
        ),
        (LISTENER + 'tls = "required"\n', 'tls = "required" needs certificate and private_key'),
        (LISTENER + "auth = true\n" + USER, "passwords do not cross the network in plain text"),
        (LISTENER + TLS + "auth = true\n", "needs a [[relay.user]]"),
        (LISTENER + TLS + 'client_ca = "ca.pem"\n', "client_ca and client_names go together"),
        (
            LISTENER + TLS + 'client_ca = "ca.pem"\nclient_names = ["*.jp"]\n',
            "expected a name like",
        ),
        (LISTENER + LISTENER, "0.0.0.0:25 is listened on twice"),
        (LISTENER + USER.replace(HASH, "open sesame"), "careerrelay hash-password"),
        ("[relay]\nlisten = []\n", "expected an address in listen, or a [[relay.listener]]"),
        ("[relay]\nnext_hop = []\n", "expected 1 to 8 next hops"),
        ('[relay]\nnext_hop = ["a.example:25", "b.example"]\n', 'expected "HOST:PORT"'),
        ("[relay]\nprocesses = 0\n", "relay.processes = 0"),
        ("[relay]\nreply_max_seconds = 5\n", "relay.reply_max_seconds = 5"),
        ('[relay]\nrun_as = "no body"\n', "expected the name of a user"),
        ('[next_hop]\nuser = "relay"\n', "user and password_file go together"),
        ('[next_hop]\nuser = "relay"\npassword_file = "p"\n', 'user needs tls = "verified"'),
        ("[next_hop]\nimplicit_tls = true\n", 'implicit_tls = true needs tls = "verified"'),
        ('[next_hop]\ntls = "required"\nca = "ca.pem"\n', 'looked at with tls = "verified" only'),
        ('[next_hop]\ncertificate = "c.pem"\n', "certificate and private_key go together"),
        ('[admin]\nlisten = "9464"\n', "admin.listen = '9464': expected \"HOST:PORT\""),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, expected: str) -> None:
    """Each says what is wrong and what is expected, and no password is shown."""
    said = problems(tmp_path, text)
    assert expected in said
    assert "open sesame" not in said


def test_a_password_in_the_environment_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that is no JSON is named, without its value."""
    monkeypatch.setenv("CAREERRELAY_RELAY__USER", '[{"name": "a", "password": "open sesame"')
    said = problems(tmp_path, "")
    assert "CAREERRELAY_RELAY__USER in the environment: expected a list as JSON" in said
    assert "open sesame" not in said


def test_next_hops_from_file_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One, or several in their order; in the environment a list is JSON."""
    text = '[relay]\nnext_hop = ["a.example:25", "[::1]:26"]\n'
    several = (Address("a.example", 25), Address("::1", 26))
    assert load(tmp_path, text).relay.next_hop == several
    monkeypatch.setenv("CAREERRELAY_RELAY__NEXT_HOP", '["a.example:25", "[::1]:26"]')
    assert load(tmp_path, "").relay.next_hop == several
    monkeypatch.setenv("CAREERRELAY_RELAY__NEXT_HOP", "[::1]:26")
    assert load(tmp_path, text).relay.next_hop == several[1:]


def test_a_relay_that_serves_by_password_alone(tmp_path: Path) -> None:
    """With passwords or certificates no network needs to be allowed."""
    text = LISTENER.replace('["192.0.2.0/24"]', "[]") + TLS + "auth = true\n" + USER
    assert load(tmp_path, text).relay.listeners[0].auth
