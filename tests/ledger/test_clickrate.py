"""Beyond a number in a minute, clicks of a network are counted and not kept singly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ledger.clickrate import CLICKS_PER_MINUTE, NETWORKS_MAX, ClickRate, Thinned

NOON = datetime(2026, 1, 15, 3, 0, tzinfo=UTC)
MINUTE = int(NOON.timestamp()) // 60
LATER = NOON + timedelta(minutes=1)


def test_a_network_is_kept_up_to_its_number() -> None:
    """What comes beyond it is counted by company; other networks, and the next minute, are kept."""
    rate = ClickRate(b"k" * 32)
    kept = [rate.admits("192.0.2.0/24", "aozora", NOON) for _ in range(CLICKS_PER_MINUTE + 3)]
    assert kept == [True] * CLICKS_PER_MINUTE + [False] * 3
    assert not rate.admits("192.0.2.0/24", "midori", NOON)
    assert rate.admits("198.51.100.0/24", "aozora", NOON)
    assert rate.take_finished(NOON) == []
    assert rate.admits("192.0.2.0/24", "aozora", LATER)
    assert rate.take_finished(LATER) == [
        Thinned("aozora", MINUTE, 3),
        Thinned("midori", MINUTE, 1),
    ]
    assert rate.take_finished(LATER) == []


def test_at_the_end_everything_is_taken() -> None:
    """The minute that is under way counts when the process stops."""
    rate = ClickRate(b"k" * 32, per_minute=1)
    assert [rate.admits("192.0.2.0/24", "aozora", NOON) for _ in range(2)] == [True, False]
    assert rate.take_finished(None) == [Thinned("aozora", MINUTE, 1)]


def test_who_has_no_network_is_kept() -> None:
    """Clicks whose network is not known are not taken for one network's."""
    rate = ClickRate(b"k" * 32, per_minute=1)
    assert all(rate.admits("", "aozora", NOON) for _ in range(3))


def test_memory_has_an_end() -> None:
    """Beyond so many networks in a minute further ones are kept without being remembered."""
    rate = ClickRate(b"k" * 32, per_minute=1)
    for number in range(NETWORKS_MAX):
        assert rate.admits(str(number), "aozora", NOON)
    assert all(rate.admits("one more", "aozora", NOON) for _ in range(3))
    assert not rate.admits("0", "aozora", NOON)


def test_clock_that_is_set_back_begins_anew() -> None:
    """What was counted while the clock was ahead is taken, and nobody stays thinned."""
    rate = ClickRate(b"k" * 32, per_minute=1)
    assert [rate.admits("net", "aozora", LATER) for _ in range(2)] == [True, False]
    assert rate.admits("net", "aozora", NOON)
    assert rate.take_finished(NOON) == [Thinned("aozora", MINUTE + 1, 1)]
