"""Whole lives: what the page says that each side sees is what each side sees."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tests.relay import lives_process
from tests.relay.lives import CATALOGUE
from tests.relay.lives_page import read_rows
from tests.relay.lives_stage import (
    ORDINARY,
    REJECTION,
    link_on_record,
    next_letter_arrives,
    settle,
    stage,
    unseen_errors,
)
from tests.relay.lives_way import Way
from tests.relay.neighbours import Hop

pytestmark = pytest.mark.long

LETTERS = {"ordinary": ORDINARY, "rejection": REJECTION}


PAGE_ROWS = read_rows()


def cases() -> list[ParameterSet]:
    """Return every way of every life; with both letters where it can make a difference."""
    return [
        pytest.param(life, way, kind, id=f"{life}: {way.name}: {kind}")
        for life, ways in CATALOGUE.items()
        for way in ways
        for kind in LETTERS
        if kind == "rejection"
        or (life in PAGE_ROWS and PAGE_ROWS[life].is_of_a_letter and not way.is_of_links)
    ]


def test_the_page_and_the_catalogue_have_the_same_lives() -> None:
    """No life is described that is not played, and none is played that is not described."""
    assert set(PAGE_ROWS) == set(CATALOGUE) | set(lives_process.LIVES)


@pytest.mark.parametrize(("life", "way", "kind"), cases())
def test_a_life(
    next_hop: Hop,
    tmp_path: Path,
    log: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    life: str,
    way: Way,
    kind: str,
) -> None:
    """Client, next hop and record see what the page says; the next letter meets nothing of it."""
    options = {"hop_port": next_hop.port, **way.options(next_hop)}
    with stage(next_hop, tmp_path, LETTERS[kind], log, **options) as playing:
        with monkeypatch.context() as short:
            for module, name, value in way.limits:
                short.setattr(module, name, value)
            way.play(playing)
            seen = settle(playing)
        if not way.is_the_last:
            next_letter_arrives(playing, seen)
    assert not unseen_errors(log)
    link = link_on_record(tmp_path)
    row = PAGE_ROWS[life]
    assert seen == row.seen
    assert link == (row.link if kind == "rejection" else "nothing")
