"""The report of the command `replay`: page, tables, estimates."""

from __future__ import annotations

import hashlib
import html.parser
import json
import os
import pty
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from relay.cli.replaysums import UNKNOWN, Finding, Place, Rate, Sums, estimate
from relay.cli.replaywords import POSITIONS, REASONS, STAGES
from relay.entries import Section
from relay.lexicons import load_lexicons
from relay.policy import Reason
from tests.cli.mailboxes import letter, mbox, run, unsure
from tests.cli.process import CAREERRELAY
from tests.sampleyear import sample_year

pytestmark = pytest.mark.usefixtures("elsewhere")


class _Page(html.parser.HTMLParser):
    """The tags and the words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.parametrize(
    ("language", "title"), [("en", "would have carried the line"), ("ja", "1行が入ったはず")]
)
def test_the_page_asks_nobody_for_anything(tmp_path: Path, language: str, title: str) -> None:
    """No script, no address, no word of a letter; a picture, and the table of its numbers."""
    box = tmp_path / "sent <b>.mbox"
    box.write_bytes(sample_year(part=12))
    target = tmp_path / "page.html"
    done = run("replay", box, "--html", target, "--language", language)
    assert done.exit_code == 0, done.stderr
    text = target.read_text(encoding="utf-8")
    page = _Page(text)
    assert title in text
    names = [tag for tag, _ in page.tags]
    assert not {"script", "link", "img", "iframe", "form"} & set(names)
    assert not [attrs for _, attrs in page.tags if {"src", "href", "action"} & set(attrs)]
    assert "://" not in text
    assert "@import" not in text
    assert (names.count("svg"), names.count("b")) == (1, 4)  # No "b" of the file's name.
    assert {"lang": language} in [attrs for tag, attrs in page.tags if tag == "html"]
    shown = " ".join(page.words)
    assert not any(word in shown for word in ("asagiri.example", "mail.example", "佐々木", "Holt"))
    assert all(f"2025-{month:02}" in page.words for month in range(1, 13))


def test_people_get_tables_with_the_assumptions(tmp_path: Path) -> None:
    """On a terminal, too, an estimate is a range that says what it rests on."""
    box = tmp_path / "[Gmail].Sent"
    box.write_bytes(mbox(*(letter(number) for number in range(40)), unsure(99)))
    done = run("replay", box, "--click-rate", "50%-100%", "--signup-rate", "0.5")
    assert done.exit_code == 0, done.stderr
    assert "40 of 41 messages would have carried the line, 1 is unsure" in done.stdout
    assert f"{box}:41" in done.stdout
    assert "50% to 100% of the links are opened" in done.stdout
    assert "10 to 20 referrals, 1 to 2 hires free of fees (1 for every 10" in done.stdout


def test_a_terminal_shows_how_far_it_has_come(year: Path, tmp_path: Path) -> None:
    """A bar of bytes, gone when the report comes."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*CAREERRELAY, "replay", str(year), "--state", str(tmp_path / "state")],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "120"},
    )
    os.close(theirs)
    seen = _read_all(ours)
    assert process.wait() == 0
    assert "Judging" in seen
    assert "MB/s" in seen
    assert "messages in" in seen


def _read_all(terminal: int) -> str:
    pieces: list[bytes] = []
    try:
        while piece := os.read(terminal, 65536):
            pieces.append(piece)
    except OSError:  # How a terminal says that the other side is gone.
        pass
    os.close(terminal)
    return b"".join(pieces).decode()


@pytest.mark.parametrize(
    ("letters", "clicks", "signups", "referrals", "slots"),
    [
        (0, Rate(0.1, 0.2), Rate(0.1, 0.2), (0, 0), (0, 0)),
        (1000, Rate(0.1, 0.1), Rate(0.3, 0.3), (30, 30), (3, 3)),
        (999, Rate(0.1, 0.2), Rate(0.1, 0.5), (9, 99), (0, 9)),
    ],
)
def test_an_estimate_is_rounded_down(
    letters: int,
    clicks: Rate,
    signups: Rate,
    referrals: Sequence[int],
    slots: Sequence[int],
) -> None:
    """Nothing is promised that is not whole."""
    worth = estimate(letters, clicks, signups, threshold=10, grant=1, policy="x")
    assert (worth.referrals, worth.slots) == (referrals, slots)


def test_sums_are_kept_and_read_as_they_were() -> None:
    """Between two runs nothing gets lost, and nothing grows without a limit."""
    sums = Sums()
    for number in range(3000):
        shape = hashlib.sha256(b"%d" % number).hexdigest()[:12]
        finding = Finding(Reason.UNSURE, shape=shape, month=f"20{number % 90 + 10}-01")
        sums.add(finding, Place("box", number + 1, 0))
        sums.add_damage("empty", Place("box", number + 1, 0))
    sums.add(Finding(Reason.UNSURE, shape="last", month=UNKNOWN), Place("box", 1, 0))
    kept = json.loads(json.dumps(sums.encode()))
    assert Sums.decode(kept) == sums
    assert Sums.decode(kept).summary() == sums.summary()
    assert len(sums.summary()["shapes"]) == 1001
    assert sum(shape["count"] for shape in sums.summary()["shapes"]) == 3001
    assert (len(sums.damage), sums.damaged["empty"]) == (100, 3000)
    # A wrong date does not make a thousand empty months.
    assert len(sums.by_month()) == 91


def test_every_code_of_a_report_has_words() -> None:
    """A reason or a trade that is added is named in the report, too."""
    lexicons = load_lexicons().values()
    assert {reason for reason in Reason if not reason.name.startswith(("STORE", "TIME"))} <= set(
        REASONS
    )
    for section, words in ((Section.STAGE, STAGES), (Section.POSITION, POSITIONS)):
        codes = {entry.code for lexicon in lexicons for entry in lexicon.of(section)}
        assert codes <= set(words)
