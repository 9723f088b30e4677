"""The record's parts, put together from what was read: the worker and what it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from starlette.routing import Route

from ledger.apply import Applier
from ledger.checkpoint import Checkpointer
from ledger.checkpointmail import CheckpointMails
from ledger.deadletters import oldest_seconds, queue_state
from ledger.events import INSTALLATION
from ledger.handover import GIVE_UP_SECONDS as HANDOVER_GIVE_UP_SECONDS
from ledger.handover import HAND_OVER, RECALL, Channel, Handover, MailChannel, WebhookChannel
from ledger.jobs import Jobs, Kind
from ledger.keyfiles import LOG_KEY, load_key
from ledger.mailer import Mailer, MailSettings
from ledger.mailjobs import SEND_MAIL, MailJobs
from ledger.people import People
from ledger.statement_store import issue_due
from ledger.store import LedgerError, Store
from ledger.tiles import log_address, log_routes
from ledger.timetable import ISSUE_STATEMENT, MAIL_CHECKPOINT, Timetable
from ledger.webhookout import DELIVER_WEBHOOK, GIVE_UP_SECONDS, Outlet
from ledger.witness import complaints
from ledger.worker import Queue, Worker
from relay.cli.materials import Materials
from relay.config import Config

# An auditor's mail server that is away for three days is away; the next day's mail says more.
MAIL_GIVE_UP_SECONDS = 3 * 24 * 3600
# A statement waits for a store that is repaired, however long.
STATEMENT_GIVE_UP_SECONDS = 365 * 24 * 3600


def make_queue(config: Config) -> Queue:
    """Return the broker's side of a process, without threads yet; raises `BrokerError`."""
    return Queue(config.store.broker, f"careerrelay-{config.store.installation}")


def make_worker(
    materials: Materials,
    store: Store,
    queue: Queue,
    now: Callable[[], datetime],
    observe: Callable[[Mapping[str, float]], None],
) -> Worker:
    """Return the worker of a process; `observe` hears every second how the queue stands."""
    config = materials.config
    installation = config.store.installation
    checkpointer = Checkpointer(
        store,
        materials.log_key,
        installation=installation,
        directory=config.store.log_key.parent,
        clock=now,
    )
    jobs = Jobs(store, now)
    auditors = auditors_of(config)
    outlet = Outlet(store, materials.endpoints, now)
    mailer = Mailer(mail_settings(config))
    mails = CheckpointMails(
        store,
        mailer,
        installation=installation,
        public_key=materials.log_key.public,
        auditors=auditors,
        clock=now,
    )
    applier = Applier(store, materials.policies, clock=now)
    timetable = Timetable(
        store,
        jobs,
        applier,
        checkpointer,
        now,
        auditors=auditors,
        statements=lambda moment: issue_due(store, materials.policies, moment),
        attribution_days=config.link.attribution_days,
    )
    jobs.kinds |= {
        MAIL_CHECKPOINT: Kind(mails.run, MAIL_GIVE_UP_SECONDS),
        SEND_MAIL: Kind(MailJobs(mailer, materials.subject_key, now).run, MAIL_GIVE_UP_SECONDS),
        DELIVER_WEBHOOK: Kind(outlet.run, GIVE_UP_SECONDS),
        ISSUE_STATEMENT: Kind(timetable.issue, STATEMENT_GIVE_UP_SECONDS),
    }

    handover = _make_handover(materials, store, mailer, now)
    if handover is not None:
        jobs.kinds |= {
            HAND_OVER: Kind(handover.run, HANDOVER_GIVE_UP_SECONDS),
            RECALL: Kind(handover.recall, HANDOVER_GIVE_UP_SECONDS),
        }

    collect_handovers = handover.collect if handover is not None else _nothing

    def report_state() -> None:
        state = queue_state(store, now())
        observe(
            {
                "pending": state.pending,
                "age_seconds": state.oldest_seconds,
                "lag_seconds": worker.lag_seconds,
                "jobs_due": state.jobs_due,
                "dead": state.dead,
            }
        )

    worker = Worker(
        queue,
        applier,
        checkpointer,
        jobs,
        (timetable.tick, outlet.collect, collect_handovers, report_state),
        waited=lambda: oldest_seconds(store, now()),
    )
    return worker


def _make_handover(
    materials: Materials, store: Store, mailer: Mailer, now: Callable[[], datetime]
) -> Handover | None:
    """Return what hands people over, where the worker does that."""
    settings = materials.config.handover
    channel: Channel
    if not materials.person_keys:
        return None  # Nobody registers with us.
    if settings.by == "webhook":
        channel = WebhookChannel(settings.url, materials.handover_secret)
    elif settings.by == "mail":
        channel = MailChannel(mailer, settings.adviser)
    else:
        return None
    people = People(
        store,
        materials.person_keys,
        materials.subject_key,
        now,
        handed_over_kept=timedelta(days=settings.keep_days),
    )
    return Handover(store, people, channel, now)


def _nothing() -> None:
    """Do nothing."""


def make_log_routes(materials: Materials, store: Store) -> list[Route]:
    """Return where the logs are published: checkpoints and tiles."""
    config = materials.config
    logs = (*(company.id for company in config.companies), INSTALLATION)
    addresses = {log: log_address(load_key(config.store.log_key, LOG_KEY), log) for log in logs}
    return log_routes(store, lambda log: addresses.get(log, ""), lambda: logs)


def restored(materials: Materials, store: Store) -> list[str]:
    """Return what speaks for an older copy of the store having been put in its place."""
    config = materials.config
    try:
        return complaints(
            store,
            public_key=materials.log_key.public,
            installation=config.store.installation,
            directory=config.store.log_key.parent,
        )
    except LedgerError as error:
        return [f"cannot be told: {error}"]  # A witness that cannot be read stops no work.


def auditors_of(config: Config) -> Callable[[str], Sequence[str]]:
    """Return who gets the checkpoints of a log."""
    own = {section.id: section.auditors for section in config.company}

    def auditors(log: str) -> Sequence[str]:
        more = () if log == INSTALLATION else own.get(log, ())
        return tuple(dict.fromkeys((*config.audit.auditors, *more)))

    return auditors


def mail_settings(config: Config) -> MailSettings:
    """Return how our own mail is sent."""
    server = config.mail.server or config.relay.next_hop[0]
    return MailSettings(server.host, server.port, config.mail.sender, config.mail.tls)
