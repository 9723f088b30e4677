"""`careerrelay keys revoke-links` and `show-token`: single links, and what a link says."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ledger.clickevents import link_revoked
from relay.cli.common import (
    FOUND_WRONG,
    ConfigOption,
    JsonOption,
    fail,
    now,
    print_json,
    printable,
    read_config,
)
from relay.cli.issuedlinks import issued_between, owners_of
from relay.cli.keyevents import record_all
from relay.config import Config
from signer.damage import find_candidates
from signer.errors import KeyRingError
from signer.keyring import KeyRing
from signer.keyring_file import load_key_ring
from signer.revocations import Revocations, is_link_id
from signer.revocations_file import change_revocations, load_revocations, revocations_path
from signer.tokens import Reading, read_token

RELOAD = "reload relay and intake (SIGHUP) to use it"
FILE_MAX_BYTES = 32 * 1024 * 1024  # Whole URLs of all links that can be revoked.
TEXT_MAX_BYTES = 64 * 1024  # Of what is read, the first kilobyte is looked at.

_MEANINGS = {
    "": "good",
    "malformed": "no token: another form",
    "unknown_key": "of a key that is not in the ring",
    "bad_tag": "signed by nobody here: changed on its way, or not ours",
    "revoked": "of a revoked key",
    "link_revoked": "revoked",
}


def revoke_links(
    links: Annotated[
        list[str] | None, typer.Argument(help="Link ids, tokens, or whole links.")
    ] = None,
    why: Annotated[str, typer.Option(help="The reason; it is put on record.")] = "",
    file: Annotated[Path | None, typer.Option(help="A file with one of them a line.")] = None,
    company: Annotated[str, typer.Option(help="All links of this company's letters …")] = "",
    since: Annotated[str, typer.Option(help="… from this time on (2026-01-15T09:00) …")] = "",
    until: Annotated[str, typer.Option(help="… up to this time.")] = "",
    is_dry: Annotated[
        bool, typer.Option("--dry-run", help="Say how many; change nothing.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke single links, or all of a mistaken batch: they lead to the front page from then on.

    Times without a zone are Japan's. What is revoked cannot be taken back.
    """
    settings = read_config(config)
    if not why.strip() and not is_dry:
        fail('expected a reason: --why "sent by mistake"')
    named = [*(links or ()), *(_lines(file) if file else ())]
    if bool(named) == bool(since or until):
        fail("expected links, or --company with --since and --until")
    if named:
        found = _by_company(settings, named, company)
    else:
        found = {company: issued_between(settings, company, since, until)}
    if not is_dry:
        _revoke(settings, found, why)
    count = sum(map(len, found.values()))
    if as_json:
        print_json(
            {"links": {name: len(ids) for name, ids in found.items()}, "revoked": not is_dry}
        )
    elif is_dry:
        typer.echo(f"{count} links would be revoked")
    else:
        typer.echo(f"{count} links are revoked; {RELOAD}")


def show_token(
    text: Annotated[str, typer.Argument(help="A token or a link, whole or damaged; -: read it.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a link says: its key, the company it is of, its link id, revoked or not."""
    settings = read_config(config)
    if text == "-":
        text = sys.stdin.buffer.read(TEXT_MAX_BYTES).decode("utf-8", "replace")
    found = _readings(settings, text.strip())
    if not found:
        fail("no token is in this text", FOUND_WRONG)
    token, reading = next((one for one in found if one[1].company is not None), found[0])
    row = _shown(settings, token, reading)
    if as_json:
        print_json(row)
    else:
        for name, value in row.items():
            typer.echo(f"{name.replace('_', ' ')}: {printable(value) or '-'}")
    if reading.refusal:
        raise typer.Exit(FOUND_WRONG)


def _shown(config: Config, token: str, reading: Reading) -> dict[str, str]:
    row = {
        "token": token,
        "verdict": _MEANINGS[reading.refusal],
        "key": reading.key_id,
        "key_state": reading.state.value if reading.state else "",
        "company": reading.company or "",
        "link_id": reading.link_id,
        "revoked": "",
        "why": "",
    }
    try:
        revoked = load_revocations(revocations_path(config.link.key_ring))
    except KeyRingError as error:
        fail(str(error))
    if batch := revoked.find(reading.link_id):
        row |= {"revoked": batch.revoked.isoformat(timespec="seconds"), "why": batch.why}
    return row


def _revoke(config: Config, found: dict[str, list[str]], why: str) -> None:
    moment = now()

    def change(known: Revocations) -> Revocations:
        for company, ids in found.items():
            known = known.with_batch(company, ids, moment, why)
        return known

    try:
        changed = change_revocations(config.link.key_ring, change)
    except KeyRingError as error:
        fail(str(error), FOUND_WRONG)
    wanted = {link_id for ids in found.values() for link_id in ids}
    # As they stand in the file: what was revoked before is on record with the reason of then.
    events = [
        link_revoked(batch.company, link_id, batch.revoked, why=batch.why)
        for batch in changed.batches
        for link_id in batch.links
        if link_id in wanted
    ]
    record_all(config, events, "the links are revoked")


def _by_company(config: Config, texts: Sequence[str], company: str) -> dict[str, list[str]]:
    """Return the link ids by company; ends the command where it is not known whose one is."""
    found: dict[str, list[str]] = {}
    bare: list[str] = []
    for text in texts:
        if is_link_id(text):
            bare.append(text)
            continue
        reading = next((each for _, each in _readings(config, text) if each.company), None)
        if reading is None or reading.company is None:
            fail(f"no link of ours: {printable(text[:100])}", FOUND_WRONG)
        found.setdefault(reading.company, []).append(reading.link_id)
    companies = [one.id for one in config.companies]
    owners = owners_of(config, bare) if bare and not company else dict.fromkeys(bare, company)
    for link_id in bare:
        owner = owners.get(link_id, "")
        if owner not in companies:
            fail(f"no letter with the link {link_id} is on record: give its --company", FOUND_WRONG)
        found.setdefault(owner, []).append(link_id)
    return found


def _readings(config: Config, text: str) -> list[tuple[str, Reading]]:
    ring = _load(config)
    companies = [one.id for one in config.companies]
    return [(each, read_token(ring, each, companies)) for each in find_candidates(text)]


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            text = file.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        fail(f"{path}: {error.strerror}")
    if len(text) > FILE_MAX_BYTES:
        fail(f"{path}: larger than {FILE_MAX_BYTES} bytes")
    lines = (line.strip() for line in text.decode("utf-8", "replace").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _load(config: Config) -> KeyRing:
    try:
        return load_key_ring(config.link.key_ring)
    except KeyRingError as error:
        fail(str(error))
