"""`careerrelay replay`: last year's sent mail through the judgement, and what it would be worth.

Reads mail where it lies and writes nothing but its state and the report. Memory does not grow with
the mail; a run that was stopped or killed goes on where it was when the same command is given
again, and ends with the same report.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator, Set
from enum import StrEnum
from importlib import metadata, resources
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ledger.credits import policy_at
from ledger.policies import read_policies
from relay.cli.common import (
    FOUND_WRONG,
    ConfigOption,
    JsonOption,
    fail,
    now,
    print_json,
    read_config_if_any,
)
from relay.cli.replayjudge import Judge, judge_for
from relay.cli.replayrun import Run, shown_path
from relay.cli.replaystate import (
    DIGESTS_MAX,
    Identity,
    Progress,
    Seen,
    StateError,
    StateFile,
    identify,
)
from relay.cli.replaysums import Rate, Worth, estimate
from relay.cli.replayview import Report, print_report, render_page
from relay.cli.replaywatch import watching
from relay.cli.rulefiles import read_rules
from relay.entries import LexiconError
from relay.mailstore import SENT_NAMES, Source, find_sources, look_at, sent_names_of
from relay.note import TemplateError
from relay.pipeline import Rules
from relay.relayconfig import RelaySection

# Assumptions, not measurements: what mails with one link of use to their reader are known for, and
# what share of those who look at a free offer takes it. Wide on purpose.
CLICK_RATE = "5%-20%"
SIGNUP_RATE = "10%-30%"

_RATE = re.compile(r"\s*(\d{1,3}(?:\.\d{1,6})?)\s*(%?)\s*\Z")

MailPaths = Annotated[
    list[Path], typer.Argument(help="mbox files, Maildirs, folders of letters, letters.")
]
HtmlOption = Annotated[
    Path | None, typer.Option("--html", help="Write the report as one HTML page.", dir_okay=False)
]
StateOption = Annotated[
    Path | None,
    typer.Option(
        "--state",
        help="Where a run that is cut short is kept.",
        show_default="in the cache folder",
        dir_okay=False,
    ),
]
LabelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        help="A Gmail label or Maildir folder of sent mail; may be given again.",
        show_default="Sent, 送信済み and the like",
    ),
]
ClickRateOption = Annotated[
    str, typer.Option("--click-rate", help="Assumed: of the letters, how many links are opened.")
]
SignupRateOption = Annotated[
    str, typer.Option("--signup-rate", help="Assumed: of those, how many lead to a registration.")
]


class Language(StrEnum):
    """The languages of the page."""

    EN = "en"
    JA = "ja"


LanguageOption = Annotated[Language, typer.Option("--language", help="Of the HTML page.")]


def replay(
    paths: MailPaths,
    as_json: JsonOption = False,
    html: HtmlOption = None,
    language: LanguageOption = Language.EN,
    click_rate: ClickRateOption = CLICK_RATE,
    signup_rate: SignupRateOption = SIGNUP_RATE,
    label: LabelOption = None,
    state: StateOption = None,
    config: ConfigOption = None,
) -> None:
    """Judge mail that was sent, and say what it would have been worth. Nothing is changed."""
    rates = _rate("--click-rate", click_rate), _rate("--signup-rate", signup_rate)
    if html is not None:
        _check_target(html)
    settings = read_config_if_any(config)
    rules = None if settings is None else read_rules(settings)
    size_max = (RelaySection() if settings is None else settings.relay).size_max_bytes
    sent_names = sent_names_of(label) if label else SENT_NAMES
    _check_paths(paths, sent_names)
    identity, others = identify(
        _sources(paths, sent_names), _rules_digest(rules, sent_names, size_max)
    )
    if not identity.mail_files:
        fail(f"nothing found: no letter, mbox or Maildir in {', '.join(map(shown_path, paths))}")
    try:
        with StateFile(state or _default_state(paths)) as file:
            progress, seen = _resumed(file, identity)
            judge = _judge(rules)
            with watching(identity.size_bytes, shown=not as_json) as watch:
                run = Run(
                    judge,
                    sent_names,
                    size_max,
                    say=print_json if as_json else _say_nothing,
                    go_on=lambda done: watch.go_on(
                        done, progress.sums, lambda: file.write(identity, progress, seen)
                    ),
                )
                watch.begin(progress.done_bytes + progress.offset, progress.sums.messages)
                finished = run.through(_sources(paths, sent_names), progress, seen)
                file.write(identity, progress, seen)
            if not finished:
                _stopped(progress, identity)
            sums = progress.sums
            sums.files["other"] = others
            worth = _worth(sums.letters, *rates)
            names = tuple(map(shown_path, paths))
            report = Report(names, identity.size_bytes, sums, worth, judge.is_any_company)
            _deliver(report, html, language, as_json=as_json)
            file.remove()  # Not before: a report that cannot be written costs no second run.
    except StateError as error:
        fail(str(error))
    watch.say_speed(sums)
    if len(seen) >= DIGESTS_MAX:
        sys.stderr.write(f"Copies were noticed among the first {DIGESTS_MAX} letters only.\n")
    if sums.file_faults:
        raise typer.Exit(FOUND_WRONG)


def _judge(rules: Rules | None) -> Judge:
    try:
        return judge_for(rules)
    except (LexiconError, TemplateError) as error:
        fail(str(error))


def _worth(letters: int, click_rate: Rate, signup_rate: Rate) -> Worth:
    """Return what the letters may bring under the policy of today."""
    policy = policy_at(read_policies(), now())
    return estimate(
        letters,
        click_rate,
        signup_rate,
        threshold=policy.threshold,
        grant=policy.grant,
        policy=policy.id,
    )


def _deliver(report: Report, html: Path | None, language: Language, *, as_json: bool) -> None:
    """Give the report in every form that was asked for."""
    if html is not None:
        fresh = html.with_name(html.name + ".new")
        try:
            fresh.write_text(render_page(report, language.value), encoding="utf-8")
            fresh.replace(html)
        except OSError as error:
            fail(f"{html}: {error.strerror}")
    if as_json:
        print_json(report.row())
    else:
        # Names of files may look like markup: "[Gmail]".
        print_report(Console(markup=False, highlight=False, emoji=False), report)


def _say_nothing(row: dict[str, Any]) -> None:
    """People get the sums."""


def _sources(paths: list[Path], sent_names: Set[str]) -> Iterator[Source]:
    for path in paths:
        yield from find_sources(path, sent_names)


def _check_target(html: Path) -> None:
    """End the command where the page cannot be written, or something of value stands."""
    if not os.access(html.parent, os.W_OK):
        fail(f"{html}: the folder does not exist or cannot be written")
    if html.exists() and look_at(html).form is not None:
        fail(f"{html}: holds mail; it is not overwritten")


def _check_paths(paths: list[Path], sent_names: Set[str]) -> None:
    """End the command for a path that somebody named and that cannot be read at all."""
    for path in paths:
        first = next(find_sources(path, sent_names), None)
        if first is not None and first.path == path and first.form is None:
            fail(f"{shown_path(path)}: {first.detail}")


def _default_state(paths: list[Path]) -> Path:
    """Return where the state of a replay of these paths is kept, the same place each time."""
    named = "\0".join(str(path.resolve()) for path in paths)
    name = hashlib.sha256(os.fsencode(named)).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "careerrelay" / f"replay-{name}.json"


def _rules_digest(rules: Rules | None, sent_names: Set[str], size_max_bytes: int) -> str:
    """Return a digest of all that decides besides the mail."""
    installation = rules and (
        rules.companies,
        rules.base_url,
        [letter.fingerprint.shape for letter in rules.approved.letters],
    )
    known_by = (metadata.version("careerrelay"), installation, sorted(sent_names), size_max_bytes)
    digest = hashlib.sha256(repr(known_by).encode())
    for file in sorted(resources.files("relay").joinpath("lexicon").iterdir(), key=str):
        if file.name.endswith((".toml", ".wording")):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _resumed(file: StateFile, identity: Identity) -> tuple[Progress, Seen]:
    """Return where to begin: at the start, or where a run of the same mail was cut short."""
    kept = file.read()
    progress, seen = Progress(), Seen()
    if kept is not None:
        known, progress, seen = kept
        if known != identity:
            sys.stderr.write(f"Starting anew: {identity.difference(known)}.\n")
            progress, seen = Progress(), Seen()
        else:
            sys.stderr.write(f"Going on after {progress.sums.messages} messages ({file.path}).\n")
    file.begin(seen)
    return progress, seen


def _stopped(progress: Progress, identity: Identity) -> None:
    """End a run that was interrupted, and say how to go on."""
    done = progress.done_bytes + progress.offset
    share = done / identity.size_bytes if identity.size_bytes else 1.0
    fail(
        f"Stopped after {progress.sums.messages} messages ({share:.0%}). "
        "Give the same command again to go on from here.",
        FOUND_WRONG,
    )


def _rate(option: str, text: str) -> Rate:
    """Return the range that somebody assumes: "5%-20%", "5%", "0.05-0.2"."""
    ends = [_RATE.match(part) for part in text.split("-")]
    found = [end for end in ends if end is not None]
    if not 1 <= len(ends) <= 2 or len(found) != len(ends):
        fail(f"{option} {text}: expected a share or a range of shares, such as 5%-20% or 0.1")
    # In "5-20%" the sign is for both.
    is_percent = bool(found[-1][2])
    values = [float(end[1]) / (100 if is_percent or end[2] else 1) for end in found]
    if max(values) > 1 or values != sorted(values):
        fail(f"{option} {text}: expected shares of at most 100%, the smaller first")
    return Rate(values[0], values[-1])
