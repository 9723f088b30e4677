"""Mail first; nothing injected that is not on record; the outcome is the next hop's."""

from __future__ import annotations

import re
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from ledger.events import Event, parse
from relay.company import Mode
from relay.undo import restore
from relay.wire import stuff, unstuff
from tests.relay.neighbours import Client, Deciding, Hop, always
from tests.relay.running import AOZORA, NOW, Running, rules, running

LETTERS = Path(__file__).parents[1] / "letters"
REJECTION = (LETTERS / "002-first-interview-8bit.eml").read_bytes()
OFFER = (LETTERS / "040-offer-with-regret-about-location.eml").read_bytes()
SENDER = "recruit@aozora.example.jp"
LINK = re.compile(rb"https://r\.example\.jp/([a-z2-7]{43})")


def send(relay: Running, message: bytes, recipient: str = "yui@mail.example.com") -> str:
    """Send a message and return the reply to its final dot."""
    with begin(relay, message, recipient) as client:
        return client.reply()


def begin(relay: Running, message: bytes, recipient: str = "yui@mail.example.com") -> Client:
    """Send a message up to its final dot."""
    client = Client(relay.port)
    commands = (
        "EHLO client.example",
        f"MAIL FROM:<{SENDER}>",
        f"RCPT TO:<{recipient}>",
    )
    assert all(client.say(command).startswith("250") for command in commands)
    assert client.say("DATA").startswith("354")
    client.send(stuff(message))
    return client


def recorded(folder: Path) -> list[Event]:
    """Return the events that are on disk, in the order they were taken."""
    with sqlite3.connect(folder / "careerrelay.db") as database:
        rows = database.execute("SELECT body FROM inbox ORDER BY seq").fetchall()
    database.close()
    return [parse(row[0]) for row in rows]


def test_rejection_arrives_with_one_link(next_hop: Hop, tmp_path: Path) -> None:
    """The letter carries one link, gives back the original, and both steps are on record."""
    with running(next_hop.port, tmp_path) as relay:
        assert send(relay, REJECTION).startswith("250")
    arrived = unstuff(next_hop.heard.wires[0])
    assert len(LINK.findall(arrived)) == 1
    assert restore(arrived) == REJECTION
    issued, delivered = recorded(tmp_path)
    assert (issued.type, issued.company) == ("letter.link_issued", "aozora")
    assert (delivered.type, delivered.data["code"]) == ("letter.delivered", 250)
    token = LINK.findall(arrived)[0].decode()
    assert issued.data["link_id"] == delivered.data["link_id"] == token[1:17]
    assert issued.data["language"] == "ja"


def test_retry_carries_the_same_link(next_hop: Hop, tmp_path: Path) -> None:
    """The same letter sent again is the same link and the same event; another person's is not."""
    next_hop.answers["end"] = lambda _c, _l: (
        b"451 4.2.0 later" if len(next_hop.heard.wires) == 1 else b"250 2.0.0 thanks"
    )
    with running(next_hop.port, tmp_path) as relay:
        assert send(relay, REJECTION).startswith("451")
        assert send(relay, REJECTION).startswith("250")
        assert send(relay, REJECTION, "other@mail.example.com").startswith("250")
    first, second, third = (LINK.findall(wire) for wire in next_hop.heard.wires)
    assert first == second != third
    types = [str(event.type) for event in recorded(tmp_path)]
    assert types == [
        "letter.link_issued",
        "letter.refused",
        "letter.delivered",
        "letter.link_issued",
        "letter.delivered",
    ]


def test_other_letters_are_identical(relay: Running, next_hop: Hop) -> None:
    """An offer goes through byte for byte."""
    assert send(relay, OFFER).startswith("250")
    assert next_hop.heard.wires == [stuff(OFFER)]


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.OBSERVE])
def test_modes_that_change_nothing(next_hop: Hop, tmp_path: Path, mode: Mode) -> None:
    """With off and observe a rejection goes through byte for byte, and no link is issued."""
    quiet = rules(replace(AOZORA, mode=mode))
    with running(next_hop.port, tmp_path, with_rules=quiet) as relay:
        assert send(relay, REJECTION).startswith("250")
        assert relay.reasons == {"mode_off" if mode is Mode.OFF else "observe": 1}
    assert next_hop.heard.wires == [stuff(REJECTION)]
    assert not (tmp_path / "careerrelay.db").exists()


def test_strange_company_is_not_touched(next_hop: Hop, tmp_path: Path) -> None:
    """A rejection of a company that is not configured goes through byte for byte."""
    others = rules(replace(AOZORA, id="hokuto", domains=("hokuto.example.jp",)))
    with running(next_hop.port, tmp_path, with_rules=others) as relay:
        assert send(relay, REJECTION).startswith("250")
    assert next_hop.heard.wires == [stuff(REJECTION)]


def test_unwritable_store_leaves_the_letter_unchanged(next_hop: Hop, tmp_path: Path) -> None:
    """Without a record there is no link: the letter arrives, as it was sent."""
    (tmp_path / "careerrelay.db").mkdir()
    with running(next_hop.port, tmp_path) as relay:
        assert send(relay, REJECTION).startswith("250")
        assert relay.reasons == {"store_unavailable": 1}
    assert next_hop.heard.wires == [stuff(REJECTION)]


def test_a_bug_of_ours_leaves_the_letter_unchanged(next_hop: Hop, tmp_path: Path) -> None:
    """Whatever fails in the judgement, the original goes on and the failure is counted."""
    broken = replace(rules(), lexicons=cast("Any", None))
    with running(next_hop.port, tmp_path, with_rules=broken) as relay:
        assert send(relay, REJECTION).startswith("250")
        assert relay.reasons == {"internal_error": 1}
    assert next_hop.heard.wires == [stuff(REJECTION)]


@pytest.mark.parametrize("answer", [b"550 5.7.1 not wanted", b"452 4.2.2 mailbox full"])
def test_refused_letter_is_recorded_as_refused(
    next_hop: Hop, tmp_path: Path, answer: bytes
) -> None:
    """What the next hop refused is never on record as delivered."""
    next_hop.answers["end"] = always(answer)
    with running(next_hop.port, tmp_path) as relay:
        assert send(relay, REJECTION) == answer.decode()
    assert [event.type for event in recorded(tmp_path)] == ["letter.link_issued", "letter.refused"]


def test_unknown_outcome_is_not_recorded_as_delivered(next_hop: Hop, tmp_path: Path) -> None:
    """A next hop that dies after the message: 4xx for the client, no delivery on record."""
    next_hop.answers["end"] = always(None)
    with running(next_hop.port, tmp_path) as relay:
        assert send(relay, REJECTION).startswith("451")
    assert [event.type for event in recorded(tmp_path)] == ["letter.link_issued"]


def test_client_that_vanishes_does_not_stop_the_delivery(next_hop: Hop, tmp_path: Path) -> None:
    """Once the final dot came, the delivery is finished and recorded, with or without a client."""
    deciding = Deciding(next_hop)
    with running(next_hop.port, tmp_path) as relay:
        client = begin(relay, REJECTION)
        deciding.wait_for_message()
        client.close()
        deciding.release()
    assert [event.type for event in recorded(tmp_path)] == [
        "letter.link_issued",
        "letter.delivered",
    ]


def test_stop_finishes_the_message_in_flight(next_hop: Hop, tmp_path: Path) -> None:
    """A relay told to stop answers the client whose message is under way."""
    deciding = Deciding(next_hop)
    with running(next_hop.port, tmp_path) as relay:
        client = begin(relay, REJECTION)
        deciding.wait_for_message()
        stop = threading.Thread(target=lambda: relay.call(relay.relay.close()))
        stop.start()
        deciding.release()
        assert client.reply() == "250 2.0.0 kept"
        stop.join()
        client.close()


def test_forged_mark_does_not_switch_us_off(relay: Running, next_hop: Hop) -> None:
    """A header that looks like ours but is not signed by us is no reason to pass."""
    forged = b"X-Career-Relay: v=1; link=abcdefghijklmnop; mac=" + b"a" * 26 + b";\r\n"
    assert send(relay, forged + REJECTION).startswith("250")
    assert LINK.search(unstuff(next_hop.heard.wires[0]))


def test_our_own_letter_is_not_changed_twice(relay: Running, next_hop: Hop) -> None:
    """A letter that comes by again, with headers added on the way, is left alone."""
    send(relay, REJECTION)
    again = b"Received: from a by b; Mon, 2 Mar 2026 10:00:00 +0900\r\n" + unstuff(
        next_hop.heard.wires[0]
    )
    assert send(relay, again).startswith("250")
    assert next_hop.heard.wires[1] == stuff(again)


def test_link_on_record_in_another_reading_still_goes_out(next_hop: Hop, tmp_path: Path) -> None:
    """A letter whose link was recorded by a version that read it differently keeps its link."""
    with running(next_hop.port, tmp_path) as relay:
        assert send(relay, REJECTION).startswith("250")
    with sqlite3.connect(tmp_path / "careerrelay.db") as database:
        database.execute("UPDATE inbox SET fingerprint = x'00' WHERE id LIKE 'letter.link%'")
    database.close()
    with running(next_hop.port, tmp_path) as relay:
        assert send(relay, REJECTION).startswith("250")
    first, second = (LINK.findall(wire) for wire in next_hop.heard.wires)
    assert first == second
    assert len(first) == 1


def test_a_bug_outside_the_judgement_is_a_451(relay: Running, next_hop: Hop) -> None:
    """Where the original cannot go on, the client keeps it: 4xx with an id, and no inner text."""
    working = relay.relay.shared.delivery
    relay.relay.shared.delivery = cast("Any", None)
    answer = send(relay, REJECTION)
    relay.relay.shared.delivery = working
    assert re.fullmatch(
        r"451 4\.3\.0 Temporary failure, please try again \(id [0-9a-f]{8}\)", answer
    )
    assert next_hop.heard.wires == []
    assert send(relay, REJECTION).startswith("250")


def test_what_the_next_hop_took_is_not_asked_for_again(next_hop: Hop, tmp_path: Path) -> None:
    """A failure of ours behind the next hop's 250 leaves it a 250: the letter would come twice."""
    moments = iter([NOW])  # For the link; there is none for the delivery.
    with running(next_hop.port, tmp_path, now=lambda: next(moments)) as relay:
        assert send(relay, REJECTION) == "250 2.0.0 queued as 4F2A"
    assert len(next_hop.heard.wires) == 1
    assert [event.type for event in recorded(tmp_path)] == ["letter.link_issued"]


def test_who_wants_no_line_gets_none(next_hop: Hop, tmp_path: Path) -> None:
    """One of the recipients is enough: they all read the same letter. It goes on byte for byte."""
    asked: list[str] = []

    def is_suppressed(address: str) -> bool:
        asked.append(address)
        return address == "yui@mail.example.com"

    with running(next_hop.port, tmp_path, is_suppressed=is_suppressed) as relay:
        assert send(relay, REJECTION) == "250 2.0.0 queued as 4F2A"
        assert send(relay, REJECTION, "ken@mail.example.com").startswith("250")
        assert relay.reasons == {"suppressed": 1, "injected": 1}
    assert unstuff(next_hop.heard.wires[0]) == REJECTION
    assert LINK.search(next_hop.heard.wires[1])
    assert asked == ["yui@mail.example.com", "ken@mail.example.com"]


def test_a_list_that_fails_costs_the_line_alone(next_hop: Hop, tmp_path: Path) -> None:
    """The letter goes on, without a line that somebody may not want."""

    def broken(_address: str) -> bool:
        raise RuntimeError

    with running(next_hop.port, tmp_path, is_suppressed=broken) as relay:
        assert send(relay, REJECTION).startswith("250")
        assert relay.reasons == {"suppressed": 1}
    assert unstuff(next_hop.heard.wires[0]) == REJECTION
