"""Postfix and the relay when one of them is away, and the page's smaller set-ups."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.process import free_port, serving
from tests.relay.neighbours import Hop
from tests.relay.postfix_chains import (
    LETTERS,
    LINK,
    PAGE,
    RECIPIENT,
    SENDER,
    Chain,
    restored,
    running_chain,
    without_relay,
)

REJECTION = (LETTERS / "002-first-interview-8bit.eml").read_bytes()
OFFER = (LETTERS / "040-offer-with-regret-about-location.eml").read_bytes()
pytestmark = [pytest.mark.postfix, pytest.mark.long]


def test_the_shortest_set_up(next_hop: Hop, tmp_path: Path) -> None:
    """The page's five lines change a rejection and pass another letter."""
    with running_chain("five", tmp_path, next_hop) as chain:
        chain.send(REJECTION)
        chain.send(OFFER)
        assert sorted(len(LINK.findall(letter)) for letter in chain.arrived(2)) == [0, 1]


def test_one_company_by_its_senders(next_hop: Hop, tmp_path: Path) -> None:
    """With sender_dependent_relayhost_maps, only that company's mail takes the way of the relay."""
    with running_chain("sender", tmp_path, next_hop) as chain:
        chain.send(REJECTION)
        assert restored(chain.arrived(1)[0]) == REJECTION
        # Its From is the company's: the relay would change it.
        chain.send(REJECTION, sender="jinji@momiji.example.jp")
        assert chain.arrived(2)[1] == REJECTION


def test_programs_on_the_machine(next_hop: Hop, tmp_path: Path) -> None:
    """With the page's line for pickup, mail given to sendmail(1) passes the relay."""
    with running_chain("pickup", tmp_path, next_hop) as chain:
        chain.front.submit("-f", SENDER, RECIPIENT, message=REJECTION.replace(b"\r\n", b"\n"))
        assert len(LINK.findall(chain.arrived(1)[0])) == 1


def first_answer(chain: Chain) -> str:
    """Return the answer to the first recipient; it must be one that the page quotes."""
    with smtplib.SMTP("127.0.0.1", chain.port, "ats.aozora.example.jp", 60) as client:
        client.ehlo()
        client.mail(SENDER)
        code, text = client.rcpt(RECIPIENT)
    return f"{code} {text.decode()}"


def test_relay_away_before_the_queue(next_hop: Hop, tmp_path: Path) -> None:
    """The client hears what the page says, and gets through when the relay is back."""
    with without_relay("before", tmp_path, next_hop) as chain:
        words = "451 4.3.0 Error: queue file write error"
        assert first_answer(chain) == words
        assert words in PAGE.read_text(encoding="utf-8")
        # Postfix tells its postmaster as well, as the page says.
        assert b"Transcript of session follows." in chain.arrived(1)[0]
        with chain.relay():
            chain.send(OFFER)
            assert chain.arrived(2)[1] == OFFER


def test_way_back_away_before_the_queue(next_hop: Hop, tmp_path: Path) -> None:
    """Where nobody takes the mail from the relay, the client hears the relay's 451."""
    with without_relay("before", tmp_path, next_hop) as chain:
        nowhere = replace(chain.ports, next_hop=free_port())
        with serving(chain.config, nowhere):
            assert first_answer(chain).startswith("451 4.4.1 ")


@pytest.fixture(params=["after", "relayhost"])
def waiting(request: pytest.FixtureRequest, next_hop: Hop, tmp_path: Path) -> Iterator[Chain]:
    """Run the set-ups that keep the mail, without the relay."""
    with without_relay(request.param, tmp_path, next_hop) as chain:
        yield chain


def test_relay_away_behind_a_queue(waiting: Chain) -> None:
    """The mail waits in Postfix, and goes when the relay is back."""
    waiting.send(REJECTION)
    wait_in_queue(waiting, "Connection refused")
    with waiting.relay():
        waiting.front.flush()
        (letter,) = waiting.arrived(1)
    assert restored(letter) == REJECTION


def test_next_hop_away_behind_a_queue(next_hop: Hop, tmp_path: Path) -> None:
    """While the far Postfix is down the mail waits in the near one, and goes when it is back."""
    with running_chain("relayhost", tmp_path, next_hop) as chain:
        chain.send(OFFER)
        chain.arrived(1)
        chain.back.stop()
        chain.send(OFFER)
        chain.send(REJECTION)
        wait_in_queue(chain, "said: 451 4.4.1 ", count=2)
        chain.back.start()
        chain.front.flush()
        letters = chain.arrived(3)
        assert sorted(len(LINK.findall(letter)) for letter in letters) == [0, 0, 1]
        chain.front.until("an empty queue", lambda: not chain.front.queue())


def wait_in_queue(chain: Chain, reason: str, *, count: int = 1) -> None:
    """Return when as many recipients wait in the near Postfix for this reason."""

    def wait() -> bool:
        queued = chain.front.queue()
        return len(queued) == count and all(reason in each.delay_reason for each in queued)

    chain.front.until(f"{count} in the queue with {reason!r}", wait)
