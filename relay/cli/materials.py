"""What a service is made of: all that is read from files, checked, before anything runs.

Read once at the start, and again at every SIGHUP. A mistake is a `MaterialError` that names file,
key and what is expected; nothing here ends the process, so that a service which is running can go
on with what it has.
"""

from __future__ import annotations

import base64
import gc
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pydantic import BaseModel

from ledger.checkpoint import CheckpointError, LogKey, load_log_key, log_origin
from ledger.credits import Policy
from ledger.intake import IntakeSettings
from ledger.keyfiles import load_person_keys, load_subject_key
from ledger.policies import read_policies
from ledger.scanranges import RangesError, ScannerRanges, load_ranges
from ledger.store import LedgerError
from ledger.webhook import SECRETS_MAX
from ledger.webhookout import Endpoint
from relay.approved import ApprovedLetters
from relay.approvedfile import ApprovedFileError, load_approved
from relay.arcseal import ArcSealer
from relay.cli.parts import (
    PartError,
    make_doors,
    make_hop_settings,
    make_limits,
    make_resigner,
    make_sealer,
)
from relay.cli.secretfile import SecretFileError, read_secret
from relay.cli.warmlexicons import load_warm_lexicons
from relay.companylexicon import load_company_lexicons
from relay.config import Config, ConfigError, load_config
from relay.dkimkeys import DkimKeyError
from relay.door import Door, Limits
from relay.entries import LexiconError
from relay.lexicons import stages_of
from relay.nexthops import HopSettings
from relay.note import TemplateError, load_templates
from relay.pipeline import Rules, make_rules
from signer.errors import KeyRingError
from signer.keyring_file import load_key_ring
from signer.revocations_file import revocations_path

FILE_MAX_BYTES = 1024 * 1024  # More than any of them may hold.
WEBHOOK_SECRET_BYTES = range(24, 65)  # What Standard Webhooks asks for.

# What these say is fixed with the start: sockets, rights and the store are not changed under mail.
_FIXED = ("relay.processes", "relay.run_as", "store", "webhook", "mail", "audit", "handover")
_FIXED_ENDING = (".listen", ".trusted_proxies", ".auditors")
# The first is made when a letter is approved, the second needed where people register, the third
# made when the store is away.
_MAY_BE_MISSING = ("relay.approved_letters", "store.person_keys", "store.spill")
# Of no meaning to a service.
_UNUSED = ("outside",)

# Python looks for rings of objects that keep each other alive after so many new ones; 700 is less
# than a few letters or clicks under way have. Large messages may wait in such a ring, so not more.
YOUNG_OBJECTS_MAX = 5_000


class MaterialError(Exception):
    """A file cannot be used; the text has a line for each mistake."""


@dataclass(frozen=True, slots=True)
class Materials:
    """All that was read from files, checked."""

    config: Config
    rules: Rules
    policies: tuple[Policy, ...]
    log_key: LogKey
    subject_key: bytes
    # None where nobody registers with us.
    person_keys: tuple[bytes, ...]
    intake: IntakeSettings
    doors: tuple[Door, ...]
    next_hop: HopSettings
    limits: Limits
    sealer: ArcSealer | None
    endpoints: tuple[Endpoint, ...]
    # "" where the placement service is not called.
    handover_secret: str
    # Every key of the configuration with its value, of files with the digest of their content.
    values: Mapping[str, object]

    def changed_since(self, earlier: Materials) -> tuple[str, ...]:
        """Return the names of the keys whose values, or whose files, are not what they were."""
        missing = object()
        return tuple(
            name
            for name in sorted({*self.values, *earlier.values})
            if self.values.get(name, missing) != earlier.values.get(name, missing)
        )


def is_fixed(name: str) -> bool:
    """Say whether a key takes effect with the next start only."""
    return name.endswith(_FIXED_ENDING) or _is_below(name, _FIXED)


def load_all(path: Path) -> Materials:
    """Return what the configuration in `path` and its files give."""
    try:
        config = load_config(path)
    except ConfigError as error:
        raise MaterialError(str(error)) from error
    return load_materials(config)


def load_materials(config: Config) -> Materials:
    """Return what a configuration and its files give."""
    try:
        ring = load_key_ring(config.link.key_ring)
        lexicons = load_warm_lexicons()
        templates = load_templates(config.note.templates, config.companies, stages_of(lexicons))
        log_origin(config.store.installation, "x")
        subject_key = load_subject_key(config.store.subject_key)
        return Materials(
            config=config,
            rules=make_rules(
                config.companies,
                lexicons,
                templates,
                ring,
                config.link.base_url,
                ApprovedLetters(load_approved(config.relay.approved_letters)),
                load_company_lexicons(lexicons, config.company_lexicons),
                make_resigner(config),
            ),
            policies=read_policies(),
            log_key=load_log_key(config.store.log_key),
            subject_key=subject_key,
            person_keys=_person_keys(config),
            intake=_intake_settings(config, subject_key),
            doors=make_doors(config),
            next_hop=make_hop_settings(config),
            limits=make_limits(config),
            sealer=make_sealer(config),
            endpoints=_endpoints(config),
            handover_secret=_handover_secret(config),
            values=dict(_values("", config)),
        )
    except (
        KeyRingError,
        LexiconError,
        TemplateError,
        LedgerError,
        CheckpointError,
        PartError,
        RangesError,
        ApprovedFileError,
        DkimKeyError,
    ) as error:
        raise MaterialError(str(error)) from error


def settle() -> None:
    """Take all that was read out of Python's garbage collection.

    It is kept to the end, and looking through it each time would hold up the mail for 45 ms.
    """
    gc.set_threshold(YOUNG_OBJECTS_MAX)
    gc.unfreeze()  # What a reload has replaced may go.
    gc.collect()
    gc.freeze()


def files_of(config: Config) -> tuple[Path, ...]:
    """Return every file that the configuration names and that is there, besides the store."""
    return tuple(
        file
        for name, path in _leaves("", config)
        if isinstance(path, Path) and (name not in _MAY_BE_MISSING or os.access(path, os.F_OK))
        for file in _files_of(name, path)
    )


def _person_keys(config: Config) -> tuple[bytes, ...]:
    """Return what people's data are sealed with, where our page can ask for them: it sends mail."""
    if config.intake.registration != "builtin" or not config.mail.sender:
        return ()
    return load_person_keys(config.store.person_keys)


def _intake_settings(config: Config, subject_key: bytes) -> IntakeSettings:
    intake = config.intake
    return IntakeSettings(
        companies=tuple(company.id for company in config.companies),
        registration_url=intake.registration_url if intake.registration == "external" else "",
        service=intake.service,
        contact=intake.contact,
        licence=intake.licence,
        webhook_secret=_read_webhook_secret(intake.webhook_secret),
        seal_key=subject_key,
        scanner_ranges=load_ranges(intake.scanner_ranges)
        if intake.scanner_ranges
        else ScannerRanges(),
        attribution_days=config.link.attribution_days,
    )


def _handover_secret(config: Config) -> str:
    """Return what the calls to the placement service are signed with, "" where it is not called."""
    secret = config.handover.secret
    return _read_webhook_secret(secret) if config.handover.by == "webhook" and secret else ""


def _read_webhook_secret(path: Path) -> str:
    """Return the secret in a file, or several, each on a line; others may not read it."""
    try:
        text = read_secret(path, "`careerrelay init` makes one").decode("ascii", "replace").strip()
    except SecretFileError as error:
        raise MaterialError(str(error)) from error
    secrets = text.split()
    if not 0 < len(secrets) <= SECRETS_MAX or not all(map(_is_webhook_secret, secrets)):
        raise MaterialError(
            f'{path}: expected "whsec_" and {WEBHOOK_SECRET_BYTES[0]} to 64 bytes in base64,'
            f" on at most {SECRETS_MAX} lines"
        )
    return text


def _is_webhook_secret(text: str) -> bool:
    try:
        size = len(base64.b64decode(text.removeprefix("whsec_"), validate=True))
    except ValueError:  # binascii.Error is one.
        return False
    return text.startswith("whsec_") and size in WEBHOOK_SECRET_BYTES


def _endpoints(config: Config) -> tuple[Endpoint, ...]:
    return tuple(
        Endpoint(
            name=one.name,
            url=one.url,
            secret=_read_webhook_secret(one.secret),
            events=frozenset(one.events),
            logs=one.companies,
        )
        for one in config.webhook
    )


def _values(name: str, section: BaseModel) -> Iterator[tuple[str, object]]:
    for key, value in _leaves(name, section):
        if not _is_below(key, _UNUSED):
            files = _files_of(key, value) if isinstance(value, Path) else ()
            yield key, [(file, _digest(file)) for file in files] or value


def _leaves(name: str, section: BaseModel) -> Iterator[tuple[str, object]]:
    """Yield every value with its name, like `company.aozora.mode`."""
    for key, value in section:
        whole = f"{name}.{key}" if name else key
        if isinstance(value, BaseModel):
            yield from _leaves(whole, value)
        elif parts := _parts_of(value):
            for index, part in enumerate(parts):
                # A listener is known by its address, a company by its id: others may come before.
                known_by = getattr(part, "id", None) or getattr(part, "listen", None) or index
                yield from _leaves(f"{whole}.{known_by}", part)
        else:
            yield whole, value


def _parts_of(value: object) -> tuple[BaseModel, ...]:
    whole = cast("tuple[object, ...]", value) if isinstance(value, tuple) else ()
    return tuple(part for part in whole if isinstance(part, BaseModel))


def _digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.sha256(file.read(FILE_MAX_BYTES)).digest()
    except OSError:
        return b""  # Whoever needs the file has said so before.


def _files_of(name: str, path: Path) -> list[Path]:
    """Return what is at a path, and what belongs to it."""
    beside = revocations_path(path) if name == "link.key_ring" else None
    own = [beside] if beside is not None and os.access(beside, os.F_OK) else []
    return [*_files_at(path), *own]


def _files_at(path: Path) -> list[Path]:
    """Return a file, or a folder of templates with the folders of languages and all in them."""
    if not os.path.isdir(path):  # Unlike `Path.is_dir` it does not raise where we may not look.
        return [path]
    return [path, *sorted(file for depth in ("*", "*/*") for file in path.glob(depth))]


def _is_below(name: str, names: tuple[str, ...]) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in names)
