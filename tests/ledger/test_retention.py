"""What is deleted when, whatever the clock did, and what is kept of a click."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select, text

from ledger.clickdetail import raw_detail
from ledger.clicks import LinkWatch, network_of
from ledger.retention import RETENTION, purge
from ledger.signals import Signal
from ledger.store import Store
from ledger.store_tables import click_detail, metadata
from tests.ledger.intake_world import PHONE, World, visit
from tests.ledger.parts import NOW, store_in

DOCUMENTS = [Path(__file__).parents[2] / "docs" / name for name in ("privacy.md", "privacy.ja.md")]
MONTH = timedelta(days=30)

ENDING = {"click_detail", "job", "person"}


def ms(time: datetime) -> int:
    """Return the time as rows have it."""
    return int(time.timestamp() * 1000)


def keep(store: Store, times: Sequence[datetime]) -> None:
    """Keep the details of a click at each time."""
    rows = [
        {"event_id": f"c{n}", "received_ms": ms(time), "detail": b"{}"}
        for n, time in enumerate(times)
    ]
    with store.write() as transaction:
        transaction.execute(insert(click_detail), rows)


def kept(store: Store, column: str = "event_id", table: str = "click_detail") -> list[object]:
    """Return what is there."""
    with store.read() as transaction:
        query = f"SELECT {column} FROM {table} ORDER BY 1"  # noqa: S608
        return list(transaction.execute(text(query)).scalars())


def test_details_end_after_thirty_days(tmp_path: Path) -> None:
    """To the millisecond; the second purge of the day finds nothing."""
    store = store_in(tmp_path)
    second = timedelta(milliseconds=1)
    keep(store, [NOW - MONTH - second, NOW - MONTH, NOW])
    assert purge(store, NOW)["click_detail"] == 1
    assert kept(store) == ["c1", "c2"]
    assert purge(store, NOW)["click_detail"] == 0
    assert purge(store, NOW + MONTH + second)["click_detail"] == 2
    assert kept(store) == []
    store.close()


def test_a_clock_that_was_ahead_keeps_nothing_for_longer(tmp_path: Path) -> None:
    """What is dated next year ends a month and a day after the clock was set right."""
    store = store_in(tmp_path)
    keep(store, [NOW + timedelta(days=365), NOW + timedelta(hours=1)])
    assert purge(store, NOW)["click_detail"] == 0
    assert purge(store, NOW + MONTH + timedelta(days=1, seconds=1))["click_detail"] == 2
    store.close()


def test_a_clock_set_back_deletes_nothing(tmp_path: Path) -> None:
    """Rows are younger than nothing then, and the record is not touched at all."""
    store = store_in(tmp_path)
    keep(store, [NOW, NOW - timedelta(days=1)])
    assert purge(store, NOW - timedelta(days=3650)) == dict.fromkeys(ENDING, 0)
    assert kept(store) == ["c0", "c1"]
    store.close()


def test_more_than_one_transaction_can_hold_ends(tmp_path: Path) -> None:
    """Every chunk is deleted, and exactly what is old."""
    store = store_in(tmp_path)
    keep(store, [NOW - MONTH * 2] * 2_500 + [NOW] * 3)
    assert purge(store, NOW)["click_detail"] == 2_500
    assert len(kept(store)) == 3
    store.close()


def test_only_jobs_that_ended_are_deleted(tmp_path: Path) -> None:
    """What waits and what failed for good stays; what was dropped goes with what it carried."""
    store = store_in(tmp_path)
    old, young = ms(NOW - timedelta(days=91)), ms(NOW - timedelta(days=89))
    rows = [
        ("a-done", "done", b"", old),
        ("b-dropped", "dropped", b"", old),
        ("c-young", "done", b"", young),
        ("d-full", "dropped", b"x", old),
        ("e-dead", "dead", b"", old),
        ("f-waiting", "waiting", b"", old),
    ]
    with store.write() as transaction:
        for key, state, payload, created in rows:
            transaction.execute(
                text("INSERT INTO job VALUES (:i, 'mail', :p, :s, :c, 0, 0, '')"),
                {"i": key, "p": payload, "s": state, "c": created},
            )
    assert purge(store, NOW)["job"] == 3
    assert kept(store, "id", "job") == ["c-young", "e-dead", "f-waiting"]
    store.close()


def test_a_kind_ends_exactly_where_there_is_a_time() -> None:
    """Whatever has a time is deleted by someone."""
    assert all((one.kept is None) == (one.purge is None) for one in RETENTION)
    assert {one.name for one in RETENTION if one.kept is not None} == ENDING


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_documents_have_every_kind_and_time(document: Path) -> None:
    """Each has a row, with its days; and each table that may hold something of people is named."""
    lines = document.read_text(encoding="utf-8").splitlines()
    for one in RETENTION:
        (row,) = [line for line in lines if line.startswith(f"| `{one.name}` |")]
        assert one.kept is None or f"{one.kept.days}" in row
    named = {one.name for one in RETENTION}
    assert {"inbox", "job", "click_detail", "subject_salt", "letter_shape", "person"} <= named
    assert named - {"log", "ledger", "spill"} <= metadata.tables.keys()


def test_a_detail_has_the_network_and_no_address() -> None:
    """The whole of what is kept of a request."""
    headers = {
        "user-agent": "Mozilla/5.0 " + "x" * 300,
        "accept-language": "ja",
        "cookie": "secret",
        "sec-fetch-mode": "navigate",
        "sec-fetch-site": "y" * 100,
    }
    found = json.loads(raw_detail("GET", headers, network_of("203.0.113.77"), ["head", "robot"]))
    assert found == {
        "agent": ("Mozilla/5.0 " + "x" * 300)[:200],
        "method": "GET",
        "network": "203.0.113.0/24",
        "signals": "head,robot",
        "sec_fetch_mode": "navigate",
        "sec_fetch_site": "y" * 40,
    }


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("fe80::1:2%eth0", "fe80::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("2002:cb00:714d::1", "203.0.113.0/24"),
        ("", ""),
        ("unix:", ""),
        ("203.0.113.77 ", ""),
    ],
)
def test_networks(address: str, network: str) -> None:
    """Also of the forms in which one kind of address stands inside the other."""
    assert network_of(address) == network


def test_networks_are_told_apart_behind_one_kind_of_socket() -> None:
    """A listener on :: sees IPv4 clients as mapped addresses: they are not all one network."""
    watch = LinkWatch(b"k" * 32)
    seen = [watch.note("link", network_of(f"::ffff:198.51.{number}.7"), NOW) for number in range(3)]
    assert [Signal.SEVERAL_NETWORKS in one for one in seen] == [False, False, True]


@given(
    address=st.ip_addresses(),
    agent=st.text(),
    method=st.text(),
    site=st.text(),
    signals=st.lists(st.sampled_from(["head", "robot"])),
)
def test_no_detail_holds_an_address(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
    agent: str,
    method: str,
    site: str,
    signals: list[str],
) -> None:
    """Whatever a client sends, the last bits of its address are zero and the rest is short."""
    headers = {"user-agent": agent, "sec-fetch-site": site}
    raw = raw_detail(method, headers, network_of(str(address)), signals)
    found = json.loads(raw)
    network = ipaddress.ip_network(found["network"])
    assert network.prefixlen == (24 if network.version == 4 else 48)
    assert len(found["agent"]) <= 200
    assert found["agent"] == agent[:200]
    assert len(raw) < 12 * (200 + 40 + 10) + 200 + 6 * len(signals)


def test_a_click_leaves_its_details_beside_the_log(tmp_path: Path) -> None:
    """Followed over HTTP: the network and the browser of that request, under the event's id."""

    async def steps(world: World) -> None:
        token = await world.issue()
        answer = await world.http.get(f"/{token}", headers={"Sec-Fetch-Mode": "navigate"})
        assert answer.status_code == 303
        (event,) = world.clicks()
        with world.store.read() as transaction:
            query = select(click_detail.c.event_id, click_detail.c.detail)
            ((event_id, detail),) = transaction.execute(query).all()
        assert event_id == event.id
        assert json.loads(detail) == {
            "agent": PHONE["User-Agent"],
            "method": "GET",
            "network": "127.0.0.0/24",
            "sec_fetch_mode": "navigate",
            "signals": "",
        }

    visit(tmp_path, steps)
