"""Parts of the mail path as the configuration describes them; certificates and keys are read here.

Every mistake is a `PartError` that names the file and what is expected of it.
"""

from __future__ import annotations

import socket
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from relay.cli.secretfile import SecretFileError, read_secret
from relay.config import Config
from relay.dkimkeys import DkimKey, DkimKeyError, load_dkim_key
from relay.door import Door, Limits, Tls
from relay.nexthops import HopSettings
from relay.passwords import PASSWORD_MAX_BYTES, Users
from relay.relayconfig import ListenerSection, NextHopSection
from relay.tls import Certificate, TlsError, TlsMode, client_context, server_context, validity

if TYPE_CHECKING:
    from relay.arcseal import ArcSealer
    from relay.dnskeys import DnsKeys
    from relay.resign import Resigner

log = structlog.get_logger("service")


class PartError(Exception):
    """A file that the configuration names cannot be used; the text says which and why."""


def make_limits(config: Config) -> Limits:
    """Return how much of everything."""
    relay = config.relay
    return Limits(
        size_max_bytes=relay.size_max_bytes,
        connections_max=relay.connections_max,
        connections_per_address_max=relay.connections_per_address_max,
        recipients_max=relay.recipients_max,
    )


def make_doors(config: Config) -> tuple[Door, ...]:
    """Return a door for every listener."""
    # One for all doors: how many passwords are checked at once is a limit of the process.
    users = Users({user.name: user.password for user in config.relay.user})
    return tuple(_make_door(config, listener, users) for listener in config.relay.listeners)


def make_resigner(config: Config, *, is_patient: bool = False) -> Resigner | None:
    """Return who signs changed letters anew, if anybody does.

    For a command, which holds no mail, it is patient with a slow DNS.
    """
    keys = make_dkim_keys(config)
    if not keys:
        return None
    from relay.resign import Resigner  # With dkimpy and dnspython, a tenth of a second.

    resolver = _resolver(config, is_patient=is_patient)
    return Resigner(keys, resolver, resolver.ask)


def make_dkim_keys(config: Config) -> tuple[DkimKey, ...]:
    """Return the keys that sign changed letters; `DkimKeyError` names a file that is none."""
    return tuple(load_dkim_key(one.key, one.domain, one.selector) for one in config.dkim)


def make_sealer(config: Config) -> ArcSealer | None:
    """Return who seals changed letters, if anybody does."""
    arc = config.arc
    if arc is None:
        return None
    key = load_dkim_key(arc.key, arc.domain, arc.selector)
    if not key.algorithm.startswith("rsa"):
        raise DkimKeyError(f"{arc.key}: expected an RSA key: ARC knows no other (RFC 8617 §4.1.2)")
    from relay.arcseal import ArcSealer  # As above.

    return ArcSealer(key, arc.authserv_id, _resolver(config))


def _resolver(config: Config, *, is_patient: bool = False) -> DnsKeys:
    from relay.dnskeys import QUESTION_SECONDS_MAX, WAIT_SECONDS_MAX, DnsKeys, NoResolver

    asked = config.dns.resolver
    wait = QUESTION_SECONDS_MAX if is_patient else WAIT_SECONDS_MAX
    try:
        if asked:
            return DnsKeys((asked.host,), asked.port, wait_seconds=wait)
        return DnsKeys(wait_seconds=wait)
    except NoResolver as error:
        raise DkimKeyError(
            f"the system names no resolver ({error}); set [dns] resolver, or leave out [[dkim]] "
            "and [arc]"
        ) from error


def make_hop_settings(config: Config) -> HopSettings:
    """Return how the next hops are reached."""
    section = config.next_hop
    mode = TlsMode(section.tls)
    try:
        context = client_context(mode, section.ca, _client_certificate(section))
    except TlsError as error:
        raise PartError(f"[next_hop]: {error}") from error
    return HopSettings(
        addresses=config.relay.next_hop,
        hostname=own_name(config),
        tls=mode,
        is_implicit_tls=section.implicit_tls,
        context=context,
        server_name=section.server_name,
        user=section.user,
        password=_read_password(section.password_file) if section.password_file else b"",
        reply_max_seconds=float(config.relay.reply_max_seconds),
    )


def own_name(config: Config) -> str:
    """Return what we call ourselves."""
    return config.relay.hostname or socket.getfqdn()


def complain_of_certificates(config: Config, now: datetime) -> None:
    """Log the certificates that have run out or soon will: their clients may refuse them."""
    pairs = [(each.certificate, each.private_key) for each in config.relay.listeners]
    pairs.append((config.next_hop.certificate, config.next_hop.private_key))
    for chain, key in pairs:
        if chain is not None and key is not None:
            complaint = validity(Certificate(chain, key)).complaint(now)
            if complaint:
                log.warning("certificate", file=str(chain), complaint=complaint)


def _make_door(config: Config, listener: ListenerSection, users: Users) -> Door:
    return Door(
        address=listener.listen,
        hostname=own_name(config),
        allow=config.relay.allowed(listener),
        tls=_make_tls(listener),
        users=users if listener.auth else None,
        proxies=listener.proxy_from,
        xforward=listener.xforward,
        senders=listener.senders,
        marks_all=listener.mark == "all",
        has_received=listener.received,
    )


def _make_tls(listener: ListenerSection) -> Tls | None:
    if listener.certificate is None or listener.private_key is None or listener.tls == "off":
        return None
    certificate = Certificate(listener.certificate, listener.private_key)
    try:
        context = server_context(certificate, listener.client_ca, requires_client_certificate=False)
    except TlsError as error:
        raise PartError(f"[[relay.listener]] {listener.listen}: {error}") from error
    return Tls(
        context,
        is_implicit=listener.tls == "implicit",
        is_required=listener.tls == "required",
        client_names=listener.client_names,
    )


def _client_certificate(section: NextHopSection) -> Certificate | None:
    if section.certificate is None or section.private_key is None:
        return None
    return Certificate(section.certificate, section.private_key)


def _read_password(path: Path) -> bytes:
    try:
        password = read_secret(path, "set next_hop.password_file")
    except SecretFileError as error:
        raise PartError(str(error)) from error
    if not 0 < len(password) <= PASSWORD_MAX_BYTES:
        raise PartError(f"{path}: expected a password of 1 to {PASSWORD_MAX_BYTES} bytes")
    return password
