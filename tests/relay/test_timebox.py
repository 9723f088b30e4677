"""The time that a judgement may take."""

from __future__ import annotations

import pytest

from relay.timebox import TimeBox, TimeBoxError
from relay.verdict import TOO_LONG, Kind, judge_words
from tests.lexicons import installed_lexicons


def test_a_box_without_time_is_over() -> None:
    """The time counts from the beginning, and over is over."""
    box = TimeBox(-1.0)
    with pytest.raises(TimeBoxError):
        box.check()
    TimeBox(3600.0).check()


def test_a_letter_that_takes_too_long_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rejection for which there is no time is no rejection, and says why."""
    text = (
        "この度は弊社の事務職にご応募いただき、誠にありがとうございました。\n"
        "書類選考の結果、今回は採用を見送らせていただくこととなりました。\n"
    )

    def unread() -> None:
        raise AssertionError("read although there was no time")

    monkeypatch.setattr(TimeBox.__init__, "__defaults__", (-1.0,))
    verdict = judge_words("選考結果", text, unread, installed_lexicons())  # type: ignore[arg-type]
    assert verdict is TOO_LONG
    assert verdict.kind is Kind.OTHER
    assert verdict.evidence[0].name == "counter.time-box"
