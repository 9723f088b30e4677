"""Who is behind a request for a link."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledger.agents import load_agents
from ledger.clicks import LINKS_WATCHED_MAX, LinkWatch, network_of, read_click
from ledger.signals import NEUTRAL, STRONG, ClickClass, Signal, judge_click

NOON = datetime(2026, 1, 15, 3, 0, tzinfo=UTC)
AGENTS = load_agents()
ROOT = Path(__file__).parents[2]
NAMES = frozenset(Signal)
PHONE = {
    "user-agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15",
    "accept-language": "ja-JP",
    "sec-fetch-mode": "navigate",
}


def test_browser_of_a_person_gives_no_signal() -> None:
    """What a phone sends when a link is tapped is a person's click."""
    click = read_click("GET", PHONE, AGENTS)
    assert (click.click_class, click.signals) == (ClickClass.HUMAN, ())


@pytest.mark.parametrize(
    ("method", "extra", "signal"),
    [
        ("HEAD", {}, Signal.HEAD),
        ("GET", {"user-agent": "Mozilla/5.0 (compatible; Proofpoint URL Defense)"}, Signal.GATEWAY),
        ("GET", {"user-agent": "Mozilla/5.0 (compatible; Slackbot-LinkExpanding 1.0)"}, "preview"),
        ("GET", {"user-agent": "curl/8.5.0"}, Signal.ROBOT),
        ("GET", {"user-agent": "Mozilla/5.0 (compatible; GPTBot/1.1)"}, Signal.ROBOT),
        ("GET", {"user-agent": "Scrapy/2.11 (+https://scrapy.example)"}, Signal.ROBOT),
        ("GET", {"sec-purpose": "prefetch;prerender"}, Signal.PREFETCH),
        ("GET", {"purpose": "Prefetch"}, Signal.PREFETCH),
        ("GET", {"x-moz": "prefetch"}, Signal.PREFETCH),
    ],
)
def test_strong_signals_make_a_scanner(method: str, extra: dict[str, str], signal: Signal) -> None:
    """One thing that only programs do is enough."""
    click = read_click(method, PHONE | extra, AGENTS)
    assert click.click_class is ClickClass.SCANNER
    assert signal in click.signals


@pytest.mark.parametrize(
    ("changed", "signal"),
    [
        ({"user-agent": ""}, Signal.NO_AGENT),
        ({"user-agent": "SomethingElse 1.0"}, Signal.ODD_AGENT),
        ({"accept-language": ""}, Signal.NO_LANGUAGE),
        ({"sec-fetch-mode": "no-cors"}, Signal.NOT_NAVIGATION),
        ({"sec-fetch-dest": "image"}, Signal.NOT_NAVIGATION),
    ],
)
def test_weak_signals_leave_it_open(changed: dict[str, str], signal: Signal) -> None:
    """What a person's browser can show as well makes nobody a scanner."""
    click = read_click("GET", PHONE | changed, AGENTS)
    assert (click.click_class, click.signals) == (ClickClass.UNKNOWN, (signal,))


CHROME = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{} Safari"
)
NAVIGATION = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


@pytest.mark.parametrize(
    ("version", "metadata", "signals"),
    [
        ("126.0.0.0", NAVIGATION, ()),
        ("126.0.0.0", {}, (Signal.NO_FETCH_METADATA,)),
        ("80.0.3987.0", {}, (Signal.NO_FETCH_METADATA,)),
        ("79.0.3945.0", {}, ()),
    ],
)
def test_what_calls_itself_chrome_says_what_it_asks_for(
    version: str, metadata: dict[str, str], signals: tuple[Signal, ...]
) -> None:
    """Since version 80 it sends Fetch Metadata; what only borrows its name does not."""
    headers = {"user-agent": CHROME.format(version), "accept-language": "ja", **metadata}
    assert read_click("GET", headers, AGENTS).signals == signals


@pytest.mark.parametrize(
    "agent",
    [
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
        "Gecko) Mobile/15E148 Safari Line/14.18.0",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
        "Gecko) Mobile/15E148 YJApp-IOS jp.co.yahoo.ipn.appli/4.150.0",
        "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
        CHROME.format("126.0.0.0"),
    ],
)
def test_browsers_and_mail_apps_are_no_robots(agent: str) -> None:
    """The lists name no agent that people in Japan read mail with."""
    assert AGENTS.signal_of(agent) is None


def test_an_old_link_says_nothing_about_who_it_was() -> None:
    """A person who follows a link after years is a person."""
    assert judge_click([Signal.OLD_LINK]).click_class is ClickClass.HUMAN
    assert judge_click([Signal.OLD_LINK, Signal.NO_AGENT]).click_class is ClickClass.UNKNOWN


def test_signals_stand_in_a_fixed_order() -> None:
    """However they were found, the same signals are written the same way."""
    click = read_click("HEAD", {}, AGENTS, (Signal.MANY_REQUESTS,))
    assert click.signals == (
        Signal.HEAD,
        Signal.NO_AGENT,
        Signal.NO_LANGUAGE,
        Signal.MANY_REQUESTS,
    )


def test_endless_agent_is_cut() -> None:
    """A name of a scanner behind half a kilobyte of agent is not searched for."""
    agent = "Mozilla/5.0 " + "x" * 600 + " curl/8"
    assert read_click("GET", PHONE | {"user-agent": agent}, AGENTS).click_class == "human"


def test_several_networks_within_a_minute_are_seen() -> None:
    """Three networks in a minute are more than a phone shows; a minute later it is over."""
    watch = LinkWatch(b"k" * 32)
    assert watch.note("link", network_of("192.0.2.1"), NOON) == ()
    assert watch.note("link", network_of("198.51.100.7"), NOON) == ()
    third = watch.note("link", network_of("2001:db8::1"), NOON)
    assert third == (Signal.SEVERAL_NETWORKS,)
    assert watch.note("other", network_of("203.0.113.5"), NOON) == ()
    assert watch.note("link", network_of("203.0.113.5"), NOON + timedelta(minutes=2)) == ()


def test_one_network_is_one_however_it_is_written() -> None:
    """Addresses of one site are one network; what is no address is one, too."""
    watch = LinkWatch(b"k" * 32)
    for address in ("192.0.2.1", "192.0.2.200", "not an address"):
        assert watch.note("link", network_of(address), NOON) == ()


def test_many_requests_are_seen() -> None:
    """More than an impatient person's taps is a signal."""
    watch = LinkWatch(b"k" * 32)
    found = [watch.note("link", network_of("192.0.2.1"), NOON) for _ in range(4)]
    assert found == [(), (), (), (Signal.MANY_REQUESTS,)]


def test_watch_forgets_the_oldest_link() -> None:
    """The memory of links has an end: the one not asked for the longest goes first."""
    watch = LinkWatch(b"k" * 32)
    for _ in range(3):
        watch.note("first", network_of("192.0.2.1"), NOON)
    for number in range(LINKS_WATCHED_MAX):
        watch.note(str(number), network_of("192.0.2.1"), NOON)
    assert watch.note("first", network_of("192.0.2.1"), NOON) == ()


@pytest.mark.parametrize("name", ["links.md", "links.ja.md"])
def test_signals_are_explained(name: str) -> None:
    """The documents for admins have one row for each signal, with its strength."""
    text = (ROOT / "docs" / "admin" / name).read_text(encoding="utf-8")
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
    found = [(row[1].strip(" `"), row[2].strip()) for row in rows if row[1].strip(" `") in NAMES]
    words = {"strong": "strong", "強": "strong", "weak": "weak", "弱": "weak"}
    strengths = [(signal, words.get(strength, "neither")) for signal, strength in found]
    expected = {
        str(signal): "strong" if signal in STRONG else "neither" if signal in NEUTRAL else "weak"
        for signal in Signal
    }
    assert sorted(strengths) == sorted(expected.items())
