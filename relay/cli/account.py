"""The account that `careerrelay run` gives on the terminal: what happened, and what to try next."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from relay.cli.common import FILE_NAME
from relay.config import Config

if TYPE_CHECKING:  # demo imports this file; only its types are needed here.
    from relay.cli.demo import Journey, Summary

REFERRALS_PER_SLOT = 10
INDENT = (0, 0, 0, 4)


def is_as_promised(summary: Summary) -> bool:
    """Say whether every number is what the demonstration is about."""
    return (
        summary.delivered == summary.sent
        and summary.injected >= REFERRALS_PER_SLOT
        and summary.unchanged_identical
        and summary.clicked >= 1
        and summary.referrals == REFERRALS_PER_SLOT
        and summary.slots == 1
        and summary.log == "verified"
    )


def describe(journey: Journey) -> dict[str, object]:
    """Return what became of one letter, as `--json` shows it."""
    verdict = journey.outcome.verdict
    return {
        "subject": journey.sample.subject,
        "verdict": verdict.kind.value if verdict else None,
        "decision": journey.outcome.decision.action.value,
        "reason": journey.outcome.decision.reason.value,
        "delivered": journey.arrived is not None,
        "identical": journey.is_identical,
        "restorable": journey.url is not None and journey.is_restorable,
    }


def print_opening(console: Console, config: Config) -> None:
    """Say what runs where."""
    console.print()
    console.print(Text("Career Relay", style="bold"), "– everything on this machine")
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("relay", f"smtp://{config.relay.listen[0]}", "takes the company's outgoing mail")
    table.add_row(
        "outside world", f"smtp://{config.relay.next_hop[0]}", "takes what the relay sends on"
    )
    table.add_row("intake", f"http://{config.intake.listen}", "clicks and registrations")
    console.print(Padding(table, INDENT))


def print_letters(console: Console, journeys: Sequence[Journey]) -> None:
    """Show what went in and how it came out."""
    _step(console, 1, f"{len(journeys)} letters went in over SMTP. At the outside world arrived:")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("", "what arrived", "judged", "subject"):
        table.add_column(name, no_wrap=name != "subject")
    # The same text to several people is one row with their number.
    rows = Counter(
        (_arrival(journey), _judgement(journey), journey.sample.subject) for journey in journeys
    )
    for ((what, style), judged, subject), count in rows.items():
        table.add_row(f"{count} ×", Text(what, style=style), judged, subject)
    console.print(Padding(table, INDENT))
    changed = [journey for journey in journeys if journey.url]
    restored = sum(journey.is_restorable for journey in changed)
    text = f"{restored} of the {len(changed)} changed letters give back their original bytes."
    console.print(Padding(text, INDENT))


def _judgement(journey: Journey) -> str:
    verdict = journey.outcome.verdict
    return verdict.kind.value if verdict else journey.outcome.decision.reason.value


def _arrival(journey: Journey) -> tuple[str, str]:
    if journey.arrived is None:
        return "nothing", "bold red"
    if journey.url is not None:
        return "one link added", "cyan"
    if journey.is_identical:
        return "the same bytes", "green"
    return "other bytes than were sent", "bold red"


def print_click(console: Console, clicked: int) -> None:
    """Show that a candidate followed a link."""
    _step(console, 2, "A candidate followed the link in the first letter:")
    what = "sent on at once (303), and the click is on disk" if clicked else "not sent on"
    console.print(Padding(what, INDENT))


def print_credits(
    console: Console, decisions: Sequence[str], summary: Summary, earlier: int
) -> None:
    """Show what the registrations came to, `earlier` referrals being there from a run before."""
    counts = ", ".join(f"{count} {name}" for name, count in sorted(Counter(decisions).items()))
    reported = "reported again, and count once" if earlier else "reported"
    _step(console, 3, f"{len(decisions)} confirmed registrations were {reported}: {counts}")
    slots = "one hire free of fees" if summary.slots == 1 else f"{summary.slots} hires free of fees"
    console.print(
        Padding(f"株式会社あおぞら now has {summary.referrals} referrals and {slots}", INDENT)
    )
    _step(console, 4, f"The event log, checked from its first entry to its last: {summary.log}")


def print_next_steps(console: Console, data: Path, config: Config, page: str, letter: Path) -> None:
    """Say what a person might try now."""
    listen = config.relay.listen[0]
    file = data / FILE_NAME
    # As it was called: `make run` leaves the program off the search path.
    program = sys.argv[0] if Path(sys.argv[0]).name == "careerrelay" else "careerrelay"
    console.print()
    console.print(Text("Try next", style="bold"))
    steps = (
        ("See each letter before and after:", page),
        (
            "Send a letter (or one of your own):",
            f"swaks --server {listen} --from recruit@aozora.example.jp "
            f"--to you@mail.example.com --data @{letter}",
        ),
        ("Why was a letter judged so?", f"{program} check {letter} --config {file}"),
        ("Prove the log:", f"{program} log verify --config {file}"),
        ("See the credits:", f"{program} credits balance --config {file}"),
    )
    for what, how in steps:
        console.print(Padding(what, INDENT))
        # Not wrapped, so that it can be copied in one piece.
        console.print(Text(f"      {how}", style="cyan"), soft_wrap=True)
    console.print()
    console.print(Text("Everything stays up until Ctrl-C.", style="dim"))


def _step(console: Console, number: int, text: str) -> None:
    console.print()
    console.print(Text(f"{number}  ", style="bold") + Text(text))
