"""The part of the configuration that the record has: store, broker, mail to auditors, webhooks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from relay.configvalues import (
    check_mail_address,
    check_optional_mail_address,
    check_registration_url,
    check_server_url,
    matching,
)
from relay.relayconfig import OptionalAddress, Section

SQLITE = "sqlite:///"
# A company has a handful of auditors; more is a mistake.
AUDITORS_MAX = 20
WEBHOOKS_MAX = 100

Auditors = Annotated[
    tuple[Annotated[str, AfterValidator(check_mail_address)], ...], Field(max_length=AUDITORS_MAX)
]


class StoreSection(Section):
    """`[store]`: where events, log and ledger live, and what carries the jobs."""

    url: Annotated[
        str,
        AfterValidator(
            matching(
                rf"{SQLITE}[^?\x00-\x1f]+|postgresql\+psycopg://[^\x00-\x20]+",
                '"sqlite:///FILE" or "postgresql+psycopg://USER@HOST/DATABASE"',
            )
        ),
        AfterValidator(check_server_url),
    ] = "sqlite:///careerrelay.db"
    broker: Annotated[
        str,
        AfterValidator(
            matching(
                r"embedded|(rediss?|amqps?)://[^\x00-\x20]+",
                '"embedded", "redis://HOST:6379/0" or "amqp://USER@HOST:5672/"',
            )
        ),
        AfterValidator(check_server_url),
    ] = "embedded"
    # Where clicks are kept while the store is away.
    spill: Path = Path("spill")
    log_key: Path = Path("log-key")
    subject_key: Path = Path("subject-key")
    # The keys that seal what people tell us on our own page.
    person_keys: Path = Path("person-keys")
    # The name under which checkpoints are signed; an auditor knows the logs by it.
    installation: Annotated[
        str, AfterValidator(matching(r"[a-z0-9][a-z0-9.-]{0,99}", "1 to 100 of a-z, 0-9, . and -"))
    ] = "careerrelay"


class MailSection(Section):
    """`[mail]`: how mail of our own is sent; without `from` none is."""

    server: OptionalAddress = None  # None: the first next hop.
    sender: Annotated[str, AfterValidator(check_optional_mail_address)] = Field(
        default="", alias="from"
    )
    tls: Literal["off", "opportunistic", "verified"] = "opportunistic"


class AuditSection(Section):
    """`[audit]`: who gets the checkpoint of every log each day."""

    auditors: Auditors = ()


class WebhookSection(Section):
    """`[[webhook]]`: who hears of what happens in the companies' logs."""

    name: Annotated[
        str, AfterValidator(matching(r"[a-z0-9][a-z0-9-]{0,31}", "1 to 32 of a-z, 0-9 and -"))
    ]
    url: Annotated[str, Field(min_length=1), AfterValidator(check_registration_url)]
    secret: Path
    events: tuple[
        Literal[
            "referral.counted",
            "referral.held",
            "referral.released",
            "referral.rejected",
            "referral.reversed",
            "slot.granted",
            "slot.reserved",
            "slot.used",
            "slot.released",
            "slot.voided",
            "slot.expired",
            "slot.expiry_noticed",
            "statement.issued",
        ],
        ...,
    ] = ("slot.granted", "slot.expiry_noticed", "slot.expired", "statement.issued")
    companies: tuple[str, ...] = ()  # None: all.
