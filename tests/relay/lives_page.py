"""The tables of whole lives in `docs/flow.md`, read row by row."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.relay.lives_stage import Seen

PAGE = Path(__file__).parents[2] / "docs" / "flow.md"
ROW = re.compile(r"^\| `([a-z0-9-]+)` \|(.*)\|$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the page."""

    seen: Seen
    link: str  # What is on record of a rejection letter's link.

    @property
    def is_of_a_letter(self) -> bool:
        """Whether a message came so far that it matters which."""
        return self.link != "nothing" or "letter" in self.seen.next_hop


def read_rows() -> dict[str, Row]:
    """Return the rows of the page by their names, which must be different."""
    found: dict[str, Row] = {}
    for name, rest in ROW.findall(PAGE.read_text(encoding="utf-8")):
        assert name not in found, f"{name} is there twice"
        _, client, next_hop, log, link = (cell.strip() for cell in rest.split("|"))
        found[name] = Row(Seen(client, next_hop, log), link)
    return found
