"""The whole pure path over the sample letters: what carries the line, and what never does."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from relay.envelope import Envelope, domain_of
from relay.pipeline import process
from relay.policy import Action
from relay.undo import restore
from tests.relay.running import AOZORA, rules

LETTERS = sorted((Path(__file__).parents[1] / "letters").glob("*.eml"))


@pytest.mark.parametrize("path", LETTERS, ids=lambda path: path.stem)
def test_decision_on_each_sample(path: Path) -> None:
    """Every sample is changed or passed as its file says, and gives its original back."""
    expected = tomllib.loads(path.with_suffix(".toml").read_text(encoding="utf-8"))
    sender = expected["sender"] or "recruit@aozora.example.jp"
    company = replace(AOZORA, domains=(domain_of(sender),))
    message = path.read_bytes()
    envelope = Envelope(expected["sender"], tuple(expected["recipients"]))
    outcome = process(message, envelope, rules(company))
    assert outcome.decision.action.value == expected["decision"], outcome.decision.reason
    if outcome.decision.action is Action.INJECT:
        assert restore(outcome.message) == message
        assert outcome.message != message
    else:
        tag = expected.get("tag", "").encode()
        assert tag in message
        assert outcome.message == message.replace(tag, b"")
