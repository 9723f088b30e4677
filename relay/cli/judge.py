"""`careerrelay check` and `careerrelay evaluate`: what we think of letters, and why.

Both use the very path a mail takes. `check` explains single letters; `evaluate` measures on a file
of letters whose answer is known. It judges letters, not a company's policy: sender and recipients
are used where a row has them and are not required.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from relay.cli.applied import applied
from relay.cli.common import (
    ConfigOption,
    JsonOption,
    fail,
    print_json,
    printable,
    read_config_if_any,
)
from relay.cli.dryrules import DRY_CONTACT, dry_rules
from relay.cli.explain import print_letter, print_reasons
from relay.cli.letterfile import envelope_from_header, read_letter_file
from relay.cli.tally import Tally
from relay.cli.warmlexicons import load_warm_lexicons
from relay.cli.whynot import WHY_NOT
from relay.company import Company, Mode
from relay.compare import State, compare
from relay.entries import LexiconError, Lexicons
from relay.envelope import Envelope
from relay.gate import dismiss
from relay.letter import read_letter, read_words
from relay.mimemap import MapError, map_message
from relay.pipeline import (
    Outcome,
    Rules,
    add_note,
    find_company,
    judge_letter,
    override,
    passed,
    process,
)
from relay.policy import Action, Reason, decide
from relay.subjecttag import find_tag_in
from relay.verdict import Kind, Verdict, judge

# Fewer rows are done before a progress bar could be read.
PROGRESS_ROWS_MIN = 50
_NOTHING_READ = Verdict(Kind.OTHER, 0.0, (), "", None, None)
# Without a configuration a letter is judged as for a company that wants every rejection changed.
_ANY_COMPANY = Company("any", "any", (), mode=Mode.INJECT, contact=DRY_CONTACT)

LetterFiles = Annotated[
    list[Path],
    typer.Argument(help="Letters as files (.eml), or FILE:NUMBER of an mbox.", dir_okay=False),
]
RowsFile = Annotated[Path, typer.Argument(help="One JSON object a line.", dir_okay=False)]


def check(files: LetterFiles, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Explain the verdict on letters: evidence, decision and reason."""
    rules = _rules_if_any(config)
    lexicons = _lexicons() if rules is None else rules.lexicons
    console = Console(soft_wrap=True)
    for file in files:
        message = read_letter_file(file)
        verdict, outcome = explain(message, lexicons, rules)
        row = explained_row(str(file), verdict, outcome)
        if as_json:
            print_json(row)
        else:
            _print_explanation(console, row)
            own = rules.own.get(outcome.company or "") if rules is not None else None
            known = lexicons if own is None else own.lexicons
            _print_reasons(console, message, verdict, known)
            why_not = WHY_NOT.get(outcome.decision.reason)
            if why_not is not None:
                console.print(f"  no line: {why_not}", markup=False, highlight=False)
            for sentence in applied(outcome, verdict, rules):
                console.print(f"  {printable(sentence)}", markup=False, highlight=False)
            if rules is None:
                console.print("  no configuration: decided as for any company", style="dim")
            _print_difference(console, message, outcome.message)


def explain(message: bytes, lexicons: Lexicons, rules: Rules | None) -> tuple[Verdict, Outcome]:
    """Return verdict and outcome for a message from a file, its envelope taken from the header.

    Without rules the decision is that for any company that injects: whether the line could be
    written is tried out, and the message stays as it is.
    """
    try:
        message_map = map_message(message)
    except MapError as error:
        return _NOTHING_READ, passed(message, Reason(error.reason))
    envelope = envelope_from_header(message_map)
    letter = read_letter(message_map, envelope)
    if rules is not None:
        company = find_company(message, envelope, rules)
        return judge_letter(letter, company, rules), process(message, envelope, rules)
    verdict = judge(letter, lexicons)
    known = Envelope(envelope.sender or "-", envelope.recipients or ("-",))
    reason = dismiss(message, known, _ANY_COMPANY)
    if reason is not None:
        return verdict, passed(message, reason)
    tag = find_tag_in(message, _ANY_COMPANY.no_relay)
    if tag is not None:
        return verdict, override(message, _ANY_COMPANY, tag)
    decision = decide(_ANY_COMPANY, verdict)
    if decision.action is Action.PASS:
        return verdict, Outcome(decision, message)
    tried = add_note(message_map, known, _ANY_COMPANY, verdict, dry_rules(lexicons))
    return verdict, replace(tried, message=message, link=None)


def explained_row(file: str, verdict: Verdict, outcome: Outcome) -> dict[str, object]:
    """Return the row of `check --json`."""
    return {
        "file": file,
        "verdict": verdict.kind.value,
        "score": verdict.score,
        "decision": outcome.decision.action.value,
        "reason": outcome.decision.reason.value,
        "language": verdict.language,
        "stage": verdict.stage,
        "position": verdict.position,
        "evidence": [
            {"name": item.name, "weight": item.weight, "text": item.text}
            for item in verdict.evidence
        ],
        "shape": outcome.shape or None,
        "is_approved": outcome.is_approved,
        "phrase": outcome.decision.words or None,
        "kept": outcome.kept,
    }


def _print_explanation(console: Console, row: dict[str, Any]) -> None:
    verdict = f"{row['verdict']} ({row['score']:.2f}), {row['decision']}: {row['reason']}"
    head = f"{printable(row['file'])}: {verdict}"
    console.print(head, style="bold", markup=False, highlight=False)
    read = [row["language"], row["stage"], row["position"]]
    if row["verdict"] != Kind.OTHER.value:
        console.print("  read: " + ", ".join(str(r) for r in read if r), markup=False)
    if row["shape"]:
        approved = "an approved letter" if row["is_approved"] else "not approved"
        console.print(f"  shape {row['shape']}: {approved}", markup=False, highlight=False)


def _print_reasons(console: Console, message: bytes, verdict: Verdict, lexicons: Lexicons) -> None:
    """Print the text that was judged, what weighed in, and what follows from it."""
    try:
        words = read_words(map_message(message))
    except MapError:
        return
    print_letter(console, words.subject, words.text, verdict)
    print_reasons(console, verdict, lexicons)


def _print_difference(console: Console, before: bytes, after: bytes) -> None:
    """Print what would be added to each part, a line of context around it."""
    for part in compare(before, after).parts if before != after else ():
        if part.identical:
            continue
        console.print(f"  {part.content_type}:", markup=False, highlight=False)
        for piece in part.pieces:
            lines = piece.text.strip("\r\n").splitlines()
            if piece.state is State.ADDED:
                for line in lines:
                    console.print(
                        f"  + {printable(line)}", style="green", markup=False, highlight=False
                    )
            elif lines:
                # The last line before the note or the first one behind it.
                line = lines[-1] if piece is part.pieces[0] else lines[0]
                console.print(f"    {printable(line)}", style="dim", markup=False, highlight=False)


def evaluate(file: RowsFile, as_json: JsonOption = False) -> None:
    """Measure precision and recall on letters whose answer is known."""
    lexicons = _lexicons()
    rows = _read_rows(file)
    tally = Tally()
    with _progress(len(rows), shown=not as_json) as advance:
        for row in rows:
            verdict = judge_row(row, lexicons)
            tally.add(row["label"] == "rejection", verdict.kind, row["kind"], row["lang"])
            if as_json:
                print_json(
                    {
                        "id": row["id"],
                        "label": row["label"],
                        "kind": row["kind"],
                        "lang": row["lang"],
                        "verdict": verdict.kind.value,
                        "score": verdict.score,
                        "evidence": [item.name for item in verdict.evidence],
                    }
                )
            advance()
    if as_json:
        print_json(tally.summary())
    else:
        _print_summary(tally.summary())


def judge_row(row: dict[str, Any], lexicons: Lexicons) -> Verdict:
    """Return the verdict on the letter of a row, made into a mail and read as one."""
    message = build_message(row)
    message_map = map_message(message)
    return judge(read_letter(message_map, envelope_from_header(message_map)), lexicons)


def build_message(row: dict[str, Any]) -> bytes:
    """Return a mail with the subject, addresses, text and HTML of a row."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = " ".join(_encodable(row["subject"] or "").split())
    mail["From"] = _address(row.get("from"), "sender")
    mail["To"] = _address(row.get("to"), "reader")
    mail.set_content(_encodable(row["body"]), cte="base64")
    if row.get("html"):
        mail.add_alternative(_encodable(row["html"]), subtype="html", cte="base64")
    return mail.as_bytes()


def _encodable(text: str) -> str:
    """Return `text` without the lone surrogates that JSON can hold and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _address(text: object, fallback: str) -> Address:
    """Return "Name <local@domain>" as an address; what is no address becomes the display name."""
    name, _, rest = _encodable(str(text or "")).partition("<")
    spec = (rest.rstrip("> ") or name).strip()
    local, at, domain = spec.rpartition("@")
    name = " ".join(name.replace('"', "").split()) if rest or not at else ""
    if at and local and domain and spec.isascii() and " " not in spec:
        return Address(name, local.strip('"'), domain)
    return Address(name, fallback, "mail.example.com")


_EXPECTED = (
    ("id", str, "a string"),
    ("label", str, '"rejection" or "negative"'),
    ("kind", str, "a string"),
    ("lang", str, "a language code"),
    ("subject", str | None, "a string or null"),
    ("body", str, "a string"),
)


def _read_rows(file: Path) -> list[dict[str, Any]]:
    """Return the rows of the file, or end the command naming the first line that is wrong."""
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    except UnicodeDecodeError:
        fail(f"{file}: expected UTF-8 text, one JSON object a line")
    rows = [
        _read_row(line, f"{file}: line {number}")
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    if not rows:
        fail(f"{file}: expected one JSON object a line, found none")
    return rows


def _read_row(line: str, where: str) -> dict[str, Any]:
    try:
        value: object = json.loads(line)
    except ValueError as error:
        fail(f"{where}: expected a JSON object: {error}")
    if not isinstance(value, dict):
        fail(f"{where}: expected a JSON object, found {type(value).__name__}")
    row = cast(dict[str, Any], value)
    for key, kind, expected in _EXPECTED:
        if not isinstance(row.get(key), kind) or (key not in row and key != "subject"):
            fail(f"{where}: {key!r} must be {expected}, found {row.get(key)!r}")
    if row["label"] not in ("rejection", "negative"):
        fail(f'{where}: \'label\' must be "rejection" or "negative", found {row["label"]!r}')
    row.setdefault("subject", None)
    for key in ("from", "to", "html"):
        if not isinstance(row.get(key), str | None):
            fail(f"{where}: {key!r} must be a string or null, found {row[key]!r}")
    return row


def _lexicons() -> Lexicons:
    try:
        return load_warm_lexicons()
    except LexiconError as error:
        fail(str(error))


def _rules_if_any(option: Path | None) -> Rules | None:
    config = read_config_if_any(option)
    if config is None:
        return None
    from relay.cli.rulefiles import read_rules  # See `read_config`.

    return read_rules(config)


@contextmanager
def _progress(total: int, *, shown: bool) -> Generator[Callable[[], None]]:
    """Give a function to call after each row; a bar is shown on a terminal only."""
    if not shown or total < PROGRESS_ROWS_MIN or not sys.stderr.isatty():
        yield lambda: None
        return
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Judging", total=total)
        yield lambda: progress.advance(task)


def _print_summary(summary: dict[str, Any]) -> None:
    console = Console()
    table = Table(title="Letters by kind")
    for column in ("kind", "letters", "rejections", "found", "wrongly found", "missed", "unsure"):
        table.add_column(column, justify="left" if column == "kind" else "right")
    names = ("n", "rejections", "true_positive", "false_positive", "false_negative", "unsure")
    for group in ("by_kind", "by_lang"):
        for name, counts in sorted(summary[group].items()):
            table.add_row(name, *(str(counts[key]) for key in names))
        table.add_section()
    table.add_row("all", *(str(summary[key]) for key in names))
    console.print(table)
    console.print(
        f"precision {_share(summary['precision'])}, recall {_share(summary['recall'])}",
        highlight=False,
    )


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
