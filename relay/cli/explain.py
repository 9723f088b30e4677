"""A letter and its verdict as a person reads them: the sentences marked, the reasons in words.

Sentences stand one a line, each with a sign before it: `+` speaks for a rejection, `-` against one,
doubled where it weighs much.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from relay.candidates import without_emphasis
from relay.cli.common import printable
from relay.entries import Lexicons
from relay.evidence import FORBIDDING_WEIGHT, Evidence
from relay.sentences import language_of, normalise, split
from relay.verdict import Kind, Verdict, ground_of, score_needed
from relay.wording import UNSURE_SCORE_MIN, Ground

# What an observation of a section says, in words.
_SAYS = {
    "decision": "turns the reader down",
    "object": "speaks of a job application",
    "foreign": "speaks of something else that one refuses",
    "support": "stands around rejections",
    "counter": "speaks against a rejection",
    "assertion": "does not count as a decision: a condition, a report, somebody else",
}
# An observation shows a sentence or the words around it; so many of its letters tell which.
_LETTERS_COMPARED = 12
# More observations than these are no explanation any more.
SHOWN_MAX = 24


def print_letter(console: Console, subject: str, text: str, verdict: Verdict) -> None:
    """Print the sentences that were judged, those that weighed in marked."""
    subject, text = normalise(subject), normalise(text)
    language = verdict.language or language_of(f"{subject}\n{text}")
    places = [item for item in verdict.evidence if not item.name.startswith("wording.")]
    for sentence in split(subject, text, language):
        sign, style = _mark(sum(item.weight for item in places if _is_from(item, sentence.text)))
        shown = Text(printable(sentence.text), style=style)
        if sentence.is_subject:
            shown.append("  (subject)", style="dim")
        _print_row(console, Text(f"{sign:>4}", style=style), shown)


def print_reasons(console: Console, verdict: Verdict, lexicons: Lexicons) -> None:
    """Print why the verdict is what it is, and what follows."""
    for weight, reason in reasons(verdict, lexicons):
        style = "green" if weight > 0 else "red" if weight < 0 else ""
        _print_row(
            console, Text(f"{weight:+7.1f}", style=style), Text(printable(reason), style=style)
        )
    console.print(f"  {conclusion(verdict)}", style="bold", markup=False, highlight=False)


def _print_row(console: Console, mark: Text, text: Text) -> None:
    """Print a line; on a terminal what is too long for one goes on below its own beginning."""
    if not console.is_terminal:
        console.print(mark, text)
        return
    row = Table.grid(padding=(0, 1))
    row.add_column(no_wrap=True)
    row.add_column(overflow="fold")
    row.add_row(mark, text)
    console.print(row, soft_wrap=False)


def _is_from(item: Evidence, sentence: str) -> bool:
    """Tell whether an observation rests on a sentence, by the words that are shown with it."""
    plain = "".join(without_emphasis(sentence).lower().split())
    words = "".join(item.text.lower().split()).removesuffix("…")
    return bool(words) and (words in plain or plain.startswith(words[:_LETTERS_COMPARED]))


def _mark(weight: float) -> tuple[str, str]:
    if weight >= 2:
        return "++", "bold green"
    if weight > 0:
        return "+", "green"
    if weight <= -2:
        return "--", "bold red"
    return ("-", "red") if weight < 0 else ("", "")


def reasons(verdict: Verdict, lexicons: Lexicons) -> Sequence[tuple[float, str]]:
    """Return why the verdict is what it is, each reason with its weight, in words."""
    comments: dict[str, str] = {}
    # A letter may hold sentences in another language; its own comes first.
    for lexicon in sorted(lexicons.values(), key=lambda one: one.language != verdict.language):
        for section, entries in lexicon.entries.items():
            for entry in entries:
                comments.setdefault(f"{section}.{entry.name}", entry.comment)
    told = sorted(verdict.evidence, key=lambda item: -abs(item.weight))[:SHOWN_MAX]
    return [(item.weight, _in_words(item, comments)) for item in told]


def _in_words(item: Evidence, comments: dict[str, str]) -> str:
    section = item.name.partition(".")[0]
    if section == "wording":
        likeness = "like that of rejections" if item.weight > 0 else "unlike that of rejections"
        return f"{item.name}: the wording as a whole is {likeness}"
    says = _SAYS.get(section, "")
    if section == "counter" and item.weight <= FORBIDDING_WEIGHT:
        says = "rules a rejection out"
    comment = comments.get(item.name, "")
    about = f" ({comment.rstrip('.')})" if comment else ""
    return f"{item.name}: “{item.text}” {says}{about}"


def conclusion(verdict: Verdict) -> str:
    """Return what follows from the reasons, in a sentence."""
    rejected = f"{score_needed(verdict.evidence):.2f}"
    if verdict.kind is Kind.REJECTION:
        return f"A rejection: the score is {verdict.score:.2f}, at least {rejected}."
    if verdict.kind is Kind.UNSURE and ground_of(verdict.evidence) is Ground.UNSTATED:
        return (
            f"Unsure: it sounds like a rejection (the score is {verdict.score:.2f}), but no "
            "sentence says so, so the letter passes unchanged."
        )
    if verdict.kind is Kind.UNSURE:
        return (
            f"Unsure: the score is {verdict.score:.2f}, between {UNSURE_SCORE_MIN:.2f} and "
            f"{rejected}; people might disagree, so the letter passes unchanged."
        )
    forbidding = [
        item.name
        for item in verdict.evidence
        if item.name.startswith("counter.") and item.weight <= FORBIDDING_WEIGHT
    ]
    if forbidding:
        return f"No rejection: {forbidding[0]} rules it out, whatever else is there."
    if not verdict.evidence:
        return (
            "No rejection: it does not sound like one, and nothing in it turns an applicant down."
        )
    return f"No rejection: the score is {verdict.score:.2f}, below {UNSURE_SCORE_MIN:.2f}."
