"""Whole lives: what the page says that each side sees is what each side sees."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from _pytest.mark import ParameterSet

from relay.cli.logs import configure_logs
from tests.relay.lives import CATALOGUE
from tests.relay.lives_stage import (
    ORDINARY,
    REJECTION,
    Seen,
    link_on_record,
    next_letter_arrives,
    settle,
    stage,
)
from tests.relay.lives_way import Way
from tests.relay.neighbours import Hop

PAGE = Path(__file__).parents[2] / "docs" / "flow.md"
ROW = re.compile(r"^\| `([a-z0-9-]+)` \|(.*)\|$", re.MULTILINE)
LETTERS = {"ordinary": ORDINARY, "rejection": REJECTION}


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Log into memory, and put the loggers back as they were afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    written = io.StringIO()
    configure_logs(written)
    yield written
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the page."""

    seen: Seen
    link: str  # What is on record of a rejection letter's link.

    @property
    def is_of_a_letter(self) -> bool:
        """Whether a message came so far that it matters which."""
        return self.link != "nothing" or "letter" in self.seen.next_hop


def rows() -> dict[str, Row]:
    """Return the rows of the page by their names."""
    found: dict[str, Row] = {}
    for name, rest in ROW.findall(PAGE.read_text(encoding="utf-8")):
        assert name not in found
        _, client, next_hop, log, link = (cell.strip() for cell in rest.split("|"))
        found[name] = Row(Seen(client, next_hop, log), link)
    return found


PAGE_ROWS = rows()


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
    assert set(PAGE_ROWS) == set(CATALOGUE)


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
            next_letter_arrives(playing)
    link = link_on_record(tmp_path)
    row = PAGE_ROWS[life]
    assert seen == row.seen
    assert link == (row.link if kind == "rejection" else "nothing")
