"""Wrong values are named with file, key, value and what is expected, before anything starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from relay.addresses import Address
from relay.company import Mode
from relay.config import ConfigError, load_config

GOOD = """\
[relay]
listen = ["127.0.0.1:2525", "[::1]:2525"]
next_hop = "mx.example.jp:25"
[link]
base_url = "https://r.example.jp/"
[[company]]
id = "aozora"
name = "株式会社あおぞら"
domains = ["Aozora.example.jp"]
mode = "inject"
contact = "recruit@aozora.example.jp"
"""


Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a configuration and returns its path."""

    def _write(text: str) -> Path:
        path = tmp_path / "careerrelay.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return _write


def problems(path: Path) -> str:
    """Return what is said about a wrong configuration."""
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return str(caught.value)


def test_good_file(write: Write, tmp_path: Path) -> None:
    """The names of the contract are read, paths become absolute, domains lower case."""
    config = load_config(write(GOOD))
    assert config.relay.listen == (Address("127.0.0.1", 2525), Address("::1", 2525))
    assert config.relay.next_hop == (Address("mx.example.jp", 25),)
    assert config.link.key_ring == tmp_path / "keys.json"
    assert config.store.url == f"sqlite:///{tmp_path}/careerrelay.db"
    (company,) = config.companies
    assert (company.id, company.mode, company.domains) == (
        "aozora",
        Mode.INJECT,
        ("aozora.example.jp",),
    )


def test_a_company_only_watches_by_default(write: Write) -> None:
    """Without a mode nothing is changed."""
    assert load_config(write(GOOD.replace('mode = "inject"\n', ""))).companies[0].mode == "observe"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"mx.example.jp:25"', '"mx.example.jp"', "relay.next_hop = 'mx.example.jp': expected"),
        ('"mx.example.jp:25"', '"mx:99999"', "relay.next_hop = 'mx:99999': expected"),
        ("[relay]", "[relay]\nallow = ['10.0.0.1/8']", "relay.allow.0 = '10.0.0.1/8': expected"),
        ("[relay]", "[relay]\nlisten_on = 1", "relay.listen_on: no such key"),
        ("[relay]", "[relais]", "relais: no such key"),
        ('jp/"', 'jp"', "link.base_url = 'https://r.example.jp': expected a URL that ends in"),
        ("r.example.jp", "a-rather-long-name.example.jp", "link.base_url = 'https://a-rather"),
        ('mode = "inject"', 'mode = "on"', "company.0.mode = 'on': Input should be 'off', 'obs"),
        ('contact = "recruit@aozora.example.jp"', "", "company.0.contact: is missing"),
        ("recruit@aozora", "recruit aozora", "company.0.contact = 'recruit aozora.example.jp'"),
        ("Aozora.example.jp", "-.jp", "company.0.domains.0 = '-.jp': expected a domain"),
        ('id = "aozora"', 'id = "Aozora!"', "company.0.id = 'Aozora!'"),
        ("[relay]", "[relay]\nsize_max_bytes = 1", "relay.size_max_bytes = 1: Input should be"),
        (
            '["127.0.0.1:2525", "[::1]:2525"]',
            '"127.0.0.1:25"',
            "relay.listen = '127.0.0.1:25': e",
        ),
        (
            "mx.example.jp:25",
            "mx.example.jp:0",
            "relay.next_hop = 'mx.example.jp:0': expected a",
        ),
        ("example.jp/", "example.jp:99999/", "link.base_url = 'https://r.example.jp:99999/': exp"),
        ("r.example.jp/", "r.exam ple/", "link.base_url = 'https://r.exam ple/': expected"),
        ("r.example.jp/", "r.example.jp//", "link.base_url = 'https://r.example.jp//': expected"),
        (
            'mode = "inject"',
            'no_relay = ["ab"]',
            "company.0.no_relay.0 = 'ab': expected 3 to 50 characters on one line, without a space",
        ),
        (
            'mode = "inject"',
            'no_relay = ["[x] "]',
            "company.0.no_relay.0 = '[x] ': expected 3 to 50",
        ),
        (
            'mode = "inject"',
            'no_relay = "[x]"',
            "company.0.no_relay = '[x]': expected a list, like",
        ),
        (
            'mode = "inject"',
            f"no_relay = {['[x]'] * 21}",
            "company.0.no_relay: Tuple should have at",
        ),
        (
            'mode = "inject"',
            f"stop_phrases = ['{'a' * 201}']",
            f"company.0.stop_phrases.0 = '{'a' * 59}…: expected 2 to 200 characters on one line",
        ),
        (
            'mode = "inject"',
            "must_phrases = ['a\\tb', '']",
            "company.0.must_phrases.1 = '': expected",
        ),
        (
            'mode = "inject"',
            f"must_phrases = {['ab'] * 101}",
            "company.0.must_phrases: Tuple should",
        ),
        ('mode = "inject"', "lexicon = 1", "company.0.lexicon = 1: expected the path of a file"),
        ("株式会社あおぞら", "a\\nb", "company.0.name = 'a\\nb': expected 1 to 100 characters on"),
    ],
)
def test_wrong_values(write: Write, old: str, new: str, expected: str) -> None:
    """Each mistake is named with its file, key and value."""
    path = write(GOOD.replace(old, new))
    assert f"{path}: {expected}" in problems(path)


def test_one_mistake_is_one_line(write: Write) -> None:
    """A wrong item does not make its list too short as well."""
    path = write(GOOD.replace('["127.0.0.1:2525", "[::1]:2525"]', '["127.0.0.1"]'))
    assert problems(path) == (
        f'{path}: relay.listen.0 = \'127.0.0.1\': expected "HOST:PORT" or "[IPv6]:PORT"'
    )


def test_all_mistakes_at_once(write: Write) -> None:
    """An admin sees every mistake in one go."""
    text = problems(write(GOOD.replace("127.0.0.1:2525", "x").replace('"inject"', '"on"')))
    assert len(text.splitlines()) == 2


@pytest.mark.parametrize(
    ("listen", "allow"),
    [
        ("0.0.0.0:25", "[]"),
        ("0.0.0.0:25", '["0.0.0.0/0"]'),
        ("192.0.2.1:25", '["10.0.0.0/8", "::/0"]'),
        ("[::]:25", '["128.0.0.0/1", "0.0.0.0/1"]'),
        ("mail.example.jp:25", '["::/0"]'),
    ],
)
def test_open_relay_is_refused(write: Write, listen: str, allow: str) -> None:
    """A listener that others can reach, open to everybody, is no configuration."""
    path = write(f'[relay]\nlisten = ["{listen}"]\nallow = {allow}\n')
    assert f"{path}: relay: listen on {listen}" in problems(path)
    assert "would be an open relay" in problems(path)


@pytest.mark.parametrize(
    "listen", ["127.0.0.1:2525", "localhost:2525", "0.0.0.0:2525", "[::]:2525"]
)
def test_the_relay_is_not_its_own_next_hop(write: Write, listen: str) -> None:
    """Mail passed on to our own listener would open connections until none are left."""
    path = write(
        f'[relay]\nlisten = ["{listen}"]\nnext_hop = "127.0.0.1:2525"\nallow = ["192.0.2.0/24"]\n'
    )
    assert f"{path}: relay: next_hop 127.0.0.1:2525 is the relay's own listener" in problems(path)


def test_overrides_of_a_company(write: Write, tmp_path: Path) -> None:
    """One tag is known by default; tags, phrases and wordings are read, the file beside ours."""
    (company,) = load_config(write(GOOD)).companies
    assert (company.no_relay, company.stop_phrases) == (("[no-relay]",), ())
    phrases = 'no_relay = []\nstop_phrases = ["面談"]\nmust_phrases = ["お祈り"]\n'
    config = load_config(write(f'{GOOD}{phrases}lexicon = "own.toml"\n'))
    (company,) = config.companies
    assert (company.no_relay, company.stop_phrases) == ((), ("面談",))
    assert company.must_phrases == ("お祈り",)
    assert config.company_lexicons == {"aozora": tmp_path / "own.toml"}


def test_two_companies_may_not_share_a_domain(write: Write) -> None:
    """A letter must belong to one company."""
    second = GOOD[GOOD.index("[[company]]") :].replace('id = "aozora"', 'id = "hokuto"')
    assert "company 'hokuto': domain 'aozora.example.jp' is in 'aozora' already" in problems(
        write(GOOD + second)
    )


def test_environment_overrides_the_file(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable wins over the file, and is named when it is wrong."""
    monkeypatch.setenv("CAREERRELAY_RELAY__NEXT_HOP", "192.0.2.9:2500")
    monkeypatch.setenv("CAREERRELAY_RELAY__ALLOW", '["192.0.2.0/24"]')
    config = load_config(write(GOOD))
    assert config.relay.next_hop == (Address("192.0.2.9", 2500),)
    assert [str(network) for network in config.relay.allow] == ["192.0.2.0/24"]
    monkeypatch.setenv("CAREERRELAY_RELAY__NEXT_HOP", "nowhere")
    expected = "CAREERRELAY_RELAY__NEXT_HOP in the environment = 'nowhere': expected"
    assert expected in problems(write(GOOD))


def test_a_list_in_the_environment_is_json(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that is no JSON is an error that says so."""
    monkeypatch.setenv("CAREERRELAY_RELAY__ALLOW", "192.0.2.0/24")
    assert problems(write(GOOD)).startswith(
        "CAREERRELAY_RELAY__ALLOW in the environment = '192.0.2.0/24': expected a list as JSON"
    )


@pytest.mark.parametrize("text", [b"[relay", b"\xff", b"a = 1\na = 2", b"[" * 100_000])
def test_what_is_no_toml(tmp_path: Path, text: bytes) -> None:
    """A file that cannot be read as TOML is named."""
    path = tmp_path / "careerrelay.toml"
    path.write_bytes(text)
    assert problems(path).startswith(f"{path}: ")


def test_missing_file(tmp_path: Path) -> None:
    """A missing file says which command writes one."""
    assert "`careerrelay init` writes one" in problems(tmp_path / "careerrelay.toml")


def test_external_registration_needs_an_address(write: Write) -> None:
    """A link that leads nowhere is no configuration."""
    path = write(GOOD + '\n[intake]\nregistration = "external"\n')
    assert "registration_url" in problems(path)
