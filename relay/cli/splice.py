"""`careerrelay inject` and `careerrelay restore`: the splice and its way back, on files.

Both write bytes to stdout, so that their output can be compared, piped and sent.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from relay.cli.common import (
    FOUND_WRONG,
    ConfigOption,
    fail,
    read_config,
    read_config_if_any,
)
from relay.cli.letterfile import envelope_from_header, read_letter_file
from relay.cli.rulefiles import read_rules
from relay.config import Config
from relay.letter import read_letter
from relay.mimemap import MapError, map_message
from relay.pipeline import Outcome, Rules, add_note, find_company, judge_letter, passed, process
from relay.policy import Action, Reason
from relay.undo import NotOurs, read_mark
from relay.undo import restore as restore_message
from signer.errors import KeyRingError
from signer.keyring_file import load_key_ring
from signer.marks import check_mark

LetterFile = Annotated[
    Path,
    typer.Argument(help="A letter as a file (.eml), or FILE:NUMBER of an mbox.", dir_okay=False),
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Skip the judgement; the safety rules still hold.")
]


def inject(file: LetterFile, force: ForceOption = False, config: ConfigOption = None) -> None:
    """Write the changed letter to stdout; exit 1 with the reason on stderr when it passes."""
    rules = read_rules(read_config(config))
    outcome = inject_message(read_letter_file(file), rules, force=force)
    if outcome.decision.action is Action.PASS:
        fail(outcome.decision.reason.value, FOUND_WRONG)
    sys.stdout.buffer.write(outcome.message)
    sys.stdout.buffer.flush()


def restore(file: LetterFile, config: ConfigOption = None) -> None:
    """Write the original bytes of a letter we changed; exit 1 with the reason if it is not ours.

    Without a configuration the MAC of the mark cannot be checked; the digest in it is.
    """
    settings = read_config_if_any(config)
    changed = read_letter_file(file)
    try:
        original = restore_message(changed)
        if settings is not None and not _is_mark_ours(changed, original, settings):
            raise NotOurs("mark_not_valid")
    except NotOurs as error:
        fail(error.reason, FOUND_WRONG)
    sys.stdout.buffer.write(original)
    sys.stdout.buffer.flush()


def _is_mark_ours(changed: bytes, original: bytes, settings: Config) -> bool:
    """Tell whether the MAC of a mark is that of a company and a key of this installation."""
    try:
        ring = load_key_ring(settings.link.key_ring)
        message_id = map_message(original).header("message-id") or b""
    except (KeyRingError, MapError) as error:
        fail(str(error))
    mark = read_mark(changed)
    ids = [company.id for company in settings.companies]
    return check_mark(ring, ids, message_id, mark.link_id, mark.mac) is not None


def inject_message(message: bytes, rules: Rules, *, force: bool) -> Outcome:
    """Return what becomes of a message from a file.

    With `force` it is not judged, and a sender who belongs to no company of ours gets the note of
    the first one.
    """
    try:
        message_map = map_message(message)
    except MapError as error:
        return passed(message, Reason(error.reason))
    envelope = envelope_from_header(message_map)
    if not force:
        return process(message, envelope, rules)
    company = find_company(message, envelope, rules) or next(iter(rules.companies), None)
    if company is None:
        return passed(message, Reason.NOT_OWN_COMPANY)
    # The verdict is asked for the language only.
    verdict = judge_letter(read_letter(message_map, envelope), company, rules)
    return add_note(message_map, envelope, company, verdict, rules)
