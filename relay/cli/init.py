"""`careerrelay init`: a commented configuration, a key ring, the log key and the webhook secret."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from ledger.keyfiles import create_log_key, create_person_keys, create_subject_key
from ledger.store import LedgerError
from relay.cli.common import FILE_NAME, FOUND_WRONG, fail
from signer.errors import SignerError
from signer.keyring import KeyRing
from signer.keyring_file import save_key_ring

KEY_RING_NAME = "keys.json"
LOG_KEY_NAME = "log-key"
SUBJECT_KEY_NAME = "subject-key"
PERSON_KEYS_NAME = "person-keys"
WEBHOOK_SECRET_NAME = "webhook-secret"  # noqa: S105 (a file name)
WEBHOOK_SECRET_BYTES = 32  # Standard Webhooks wants 24 to 64.

TEMPLATE = """\
# Career Relay: the configuration. Every key can be overridden in the environment, as in
# CAREERRELAY_RELAY__NEXT_HOP=mx.example.jp:25. Relative paths are relative to this file.

[relay]
# Where your mail system hands us its outgoing mail: listeners without TLS, for your own networks.
listen = ["{relay}"]
# Where all of it goes on to: the server that sends it to the outside world today. Several are tried
# in their order: ["mx1.example.jp:25", "mx2.example.jp:25"].
next_hop = "{next_hop}"
# The networks that may use the relay: your own mail systems, nobody else.
allow = ["127.0.0.0/8", "::1/128"]
# Processes that share the port; as many as there are cores is the most that helps.
processes = 1
# Fingerprints of the letters you approve; `careerrelay letters` writes it.
approved_letters = "approved-letters.json"
# Bare CR or LF in a message: "normalise" makes them CRLF, "refuse" answers 554.
line_endings = "normalise"
# hostname = "relay.example.jp"        # what we call ourselves; default: the name of this machine
# run_as = "careerrelay"               # what root becomes once the ports are open
# size_max_bytes = 52428800            # larger messages are refused with 552
# connections_max = 500                # more clients at a time get 421
# connections_per_address_max = 0      # of one address; 0: no limit of its own
# recipients_max = 1000                # of one message; more get 452
# reply_max_seconds = 90               # below your mail system's patience (Postfix' filter: 100 s)

# A listener with its own ways in; any number of such tables. docs/admin/listeners.md has them all.
# [[relay.listener]]
# listen = "0.0.0.0:25"
# allow = ["192.0.2.0/24"]             # default: the networks above
# tls = "required"                     # "off", "optional", "required" (STARTTLS), "implicit"
# certificate = "relay.pem"
# private_key = "relay.key"
# auth = true                          # name and password, for the users below
# [[relay.user]]
# name = "ats"
# password = "$argon2id$..."           # `careerrelay hash-password` makes it

[next_hop]
# "off", "opportunistic" (where offered), "required" (never in plain text) or "verified" (and the
# certificate proves the name).
tls = "opportunistic"
# user = "relay"                       # with a password_file, over TLS only

[link]
# What the links in letters begin with; your web server passes it to [intake] below.
# At most 32 characters, so that the whole link stays on one line of mail.
base_url = "{base_url}"
# The keys that sign them. Keep a copy in a safe place: links of lost keys cannot be checked.
key_ring = "{key_ring}"
# attribution_days = 365               # how long after its letter a registration counts

[store]
# Events, log and ledger: one file here, or a server: "postgresql+psycopg://careerrelay@db/careerrelay".
url = "sqlite:///careerrelay.db"
# Who tells the workers of other machines: "redis://broker:6379/0" or "amqp://user@broker:5672/".
broker = "embedded"
# Clicks are kept here while the store is away, and taken in later.
spill = "spill"
# Signs the checkpoints of the log, in the name of this installation.
log_key = "{log_key}"
installation = "{installation}"
# Makes references of people, so that no address stands in the log.
subject_key = "{subject_key}"
# Seal what people tell us on our own registration page. Keep a copy apart from the database's.
person_keys = "{person_keys}"

[intake]
# The HTTP side: clicks, and signups that the registration service reports.
listen = "{intake}"
# "builtin": our own page; "external": registration_url, to which the token is added.
registration = "builtin"
# registration_url = "https://career.example.jp/register"
# What our pages call the placement service, and whom a candidate writes to: the service, never
# your company, which must not learn who registers.
service = "Career Relay"
contact = "{service_contact}"
# The placement service's licence (職業紹介事業の許可番号), which our pages and mail show.
# licence = "13-ユ-000000"
# The secret that the registration service signs its reports with (Standard Webhooks). While it is
# changed, the file has both, each on a line.
webhook_secret = "{webhook_secret}"
# trusted_proxies = ["127.0.0.0/8"]    # web servers in front that say X-Forwarded-For
# scanner_ranges = "scanner-ranges"    # networks of mail security scanners; see docs/admin/links.md

# Who gets the signed checkpoint of all logs each day, and whom our mail comes from. With mail.from
# set, people register on our own page and confirm by a mail; without it, it says whom to write to.
# [audit]
# auditors = ["audit@example.jp"]
{mail}[mail]
{mail}from = "{mail_sender}"
# server = "127.0.0.1:25"              # default: the first next hop

# Who hears of slots and statements; docs/admin/queue.md.
# [[webhook]]
# name = "hr"
# url = "https://hr.example.jp/hooks/careerrelay"
# secret = "hr-secret"                 # a file with "whsec_" and base64

# How confirmed registrations reach the placement service; docs/admin/handover.md.
# [handover]
# by = "webhook"                       # "none", "webhook", "mail" or "export"
# url = "https://career.example.jp/hooks/registrations"
# secret = "handover-secret"           # a file with "whsec_" and base64
# adviser = "adviser@example.jp"       # for by = "mail"
# keep_days = 30                       # how long we keep what was handed over

# For your monitoring: /metrics, /healthz and /readyz.
# [admin]
# listen = "127.0.0.1:9464"

[outside]
# The page of `careerrelay run` that shows what arrived; `careerrelay serve` does not use it.
listen = "{outside}"

# Templates of your own for the line; see docs/admin/letters.md.
# [note]
# templates = "templates"

# A key that signs changed letters, for dkim = "resign". Its public half goes into the DNS:
# `careerrelay keys dkim` prints the record.
# [[dkim]]
# domain = "aozora.example.jp"
# selector = "relay1"
# key = "dkim.pem"

# An ARC seal on changed letters; see docs/admin/dkim.md.
# [arc]
# domain = "relay.example.jp"
# selector = "arc1"
# key = "arc.pem"
# authserv_id = "relay.example.jp"

# Who is asked for public keys; without, the system's resolver.
# [dns]
# resolver = "127.0.0.1:53"

# One table per company whose letters pass here.
[[company]]
id = "aozora"
name = "株式会社あおぞら"
# Domains of the envelope sender or of From.
domains = ["aozora.example.jp"]
# "off", "observe" (judge and record, change nothing) or "inject". Watch first, then switch.
mode = "{mode}"
# "recognised": every letter we recognise. "approved": only letters that you approved with
# `careerrelay letters approve FILE`; see docs/admin/letters.md.
accept = "recognised"
# Letters with a DKIM signature that our line would break: "pass" leaves them alone, "strip" sets
# the signature aside for a system behind us that signs, "resign" puts ours in its place ([[dkim]]).
dkim = "pass"
language = "ja"
# Whom a candidate may ask about the line.
contact = "recruit@aozora.example.jp"
# auditors = ["audit@aozora.example.jp"]  # get the signed checkpoint of this company's log each day
# Tags for recruiters: with one in its subject a letter gets no line, and the tag is taken out. The
# others are for you: see docs/admin/overrides.md.
no_relay = ["[no-relay]"]
# stop_phrases = ["社内異動"]           # a letter that holds one of these gets no line
# must_phrases = ["選考結果"]           # a letter that holds none of these gets no line
# lexicon = "aozora.toml"              # your own wordings of a rejection, see docs/languages.md
"""


@dataclass(frozen=True, slots=True)
class Choices:
    """What differs between a production configuration and that of `careerrelay run`."""

    mode: str = "observe"
    relay: str = "127.0.0.1:2525"
    next_hop: str = "127.0.0.1:2526"
    base_url: str = "https://r.example.jp/"
    intake: str = "127.0.0.1:8080"
    outside: str = "127.0.0.1:8025"
    service_contact: str = ""
    mail_sender: str = ""  # None: people cannot register on our page yet.


def create_installation(directory: Path, choices: Choices) -> list[Path]:
    """Make what is missing in `directory` and return it; never touch what is there.

    The configuration comes last: a crash before it leaves keys that the next try keeps.
    """
    directory.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []

    def make(name: str, create: Callable[[Path], object]) -> None:
        path = directory / name
        if not path.exists():
            create(path)
            made.append(path)

    ring = KeyRing.generate(datetime.now(UTC))
    make(KEY_RING_NAME, lambda path: save_key_ring(path, ring, replace=False))
    make(LOG_KEY_NAME, create_log_key)
    make(SUBJECT_KEY_NAME, create_subject_key)
    make(PERSON_KEYS_NAME, create_person_keys)
    make(WEBHOOK_SECRET_NAME, _create_webhook_secret)
    text = TEMPLATE.format(
        key_ring=KEY_RING_NAME,
        log_key=LOG_KEY_NAME,
        subject_key=SUBJECT_KEY_NAME,
        person_keys=PERSON_KEYS_NAME,
        webhook_secret=WEBHOOK_SECRET_NAME,
        mode=choices.mode,
        relay=choices.relay,
        next_hop=choices.next_hop,
        base_url=choices.base_url,
        installation=urlsplit(choices.base_url).hostname,
        intake=choices.intake,
        outside=choices.outside,
        service_contact=choices.service_contact,
        mail="" if choices.mail_sender else "# ",
        mail_sender=choices.mail_sender or "relay@example.jp",
    )
    make(FILE_NAME, lambda path: path.write_text(text, encoding="utf-8"))
    return made


def _create_webhook_secret(path: Path) -> None:
    # The form of Standard Webhooks: "whsec_" and base64.
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(WEBHOOK_SECRET_BYTES)).decode()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secret + "\n")


def init(
    directory: Annotated[Path, typer.Argument(help="Where to put the files.")] = Path(),
) -> None:
    """Write a commented configuration and the keys beside it. Touches nothing that exists."""
    try:
        made = create_installation(directory, Choices())
    except OSError as error:
        fail(f"careerrelay init: {error.filename or directory}: {error.strerror}")
    except (SignerError, LedgerError) as error:
        fail(f"careerrelay init: {error}")
    if not made:
        fail(f"{directory}: everything is there already; nothing was changed", FOUND_WRONG)
    for path in made:
        typer.echo(f"wrote {path}")
    typer.echo(f"Next: set next_hop and your [[company]] in {directory / FILE_NAME}.")
