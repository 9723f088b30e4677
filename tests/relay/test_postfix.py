"""Real Postfix on both sides of the relay, set up as the admin's page prints it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.relay.neighbours import hop
from tests.relay.postfix_chains import (
    LINK,
    Chain,
    restored,
    run_chain,
)

LETTERS = Path(__file__).parents[1] / "letters"
REJECTION = (LETTERS / "002-first-interview-8bit.eml").read_bytes()
OFFER = (LETTERS / "040-offer-with-regret-about-location.eml").read_bytes()
pytestmark = pytest.mark.postfix


@pytest.fixture(scope="module", params=["before", "after", "relayhost"])
def running_chain(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Chain]:
    """Run each set-up once: to start and stop it takes seconds."""
    with hop() as world:
        yield from run_chain(request.param, tmp_path_factory.mktemp("relay"), world)


@pytest.fixture
def chain(running_chain: Chain) -> Chain:
    """Return a set-up whose hop has heard nothing yet and is at its best."""
    heard = running_chain.hop.heard
    heard.commands.clear()
    heard.wires.clear()
    running_chain.hop.answers.clear()
    return running_chain


def test_a_rejection_is_changed_and_can_be_restored(chain: Chain) -> None:
    """The letter arrives with one link; taken back, it is what entered, 8-bit text and all."""
    assert chain.send(REJECTION, mail_options=["BODY=8BITMIME"]) == {}
    (letter,) = chain.arrived(1)
    assert len(LINK.findall(letter)) == 1
    assert restored(letter) == REJECTION
    assert "BODY=8BITMIME" in chain.heard("MAIL")[0]


def test_another_letter_is_the_same(chain: Chain) -> None:
    """An offer arrives byte for byte, below Postfix' own Received fields."""
    chain.send(OFFER)
    assert chain.arrived(1) == [OFFER]
