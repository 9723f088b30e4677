"""The part of the configuration that the mail path has: listeners, who may use them, next hops.

`relay.config` puts the sections together. A listener that would be an open relay, a password that
would cross the network in plain text and a relay that sends to itself are mistakes, found before
the first socket opens.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)
from pydantic_settings import NoDecode

from relay.addresses import Address, is_loopback
from relay.configvalues import (
    Network,
    check_address,
    check_domain,
    check_name_pattern,
    check_network,
    check_next_hops,
    matching,
)
from relay.passwords import check_password_hash

# A network wider than this, allowed on an address that others can reach, is an open relay.
ALLOWED_PREFIX_MIN = {4: 8, 6: 16}
# So many addresses in all, for the same reason: halves of everything are everything.
ALLOWED_ADDRESSES_MAX = {4: 2**26, 6: 2**114}
PROCESSES_MAX = 64  # As many as a large mail server has cores.
# Postfix' proxy filter waits 100 s for a reply: ours comes before it, or the letter comes twice.
REPLY_SECONDS = 90
# RFC 5321 §4.5.3.2.6 has a client wait 10 minutes for the reply to its final dot.
REPLY_SECONDS_MAX = 570

# NoDecode: from the environment it comes as it is, not as JSON.
ListenAddress = Annotated[Address, NoDecode, BeforeValidator(check_address)]
OptionalAddress = Annotated[Address | None, NoDecode, BeforeValidator(check_address)]
Networks = tuple[Annotated[Network, BeforeValidator(check_network)], ...]
Host = Annotated[
    str, AfterValidator(matching(r"[A-Za-z0-9.:\[\]-]{0,255}", 'a name like "mx.example.jp"'))
]


class Section(BaseModel):
    """A table of the file: closed and frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


def widest(networks: Networks) -> str:
    """Return what of these networks is too much of the world, or nothing."""
    for network in networks:
        if network.prefixlen < ALLOWED_PREFIX_MIN[network.version]:
            return str(network)
    for version, most in ALLOWED_ADDRESSES_MAX.items():
        own = {network for network in networks if network.version == version}
        if sum(network.num_addresses for network in own) > most:
            return f"(over {most} addresses of IPv{version})"
    return ""


class ListenerSection(Section):
    """`[[relay.listener]]`: one address with its own ways in."""

    listen: ListenAddress
    allow: Networks | None = Field(default=None, max_length=256)  # None: as in [relay].
    tls: Literal["off", "optional", "required", "implicit"] = "off"
    certificate: Path | None = None
    private_key: Path | None = None
    client_ca: Path | None = None
    client_names: tuple[Annotated[str, AfterValidator(check_name_pattern)], ...] = Field(
        default=(), max_length=100
    )
    auth: bool = False
    proxy_from: Networks = Field(default=(), max_length=256)
    xforward: Networks = Field(default=(), max_length=256)
    senders: tuple[Annotated[str, AfterValidator(check_domain)], ...] = Field(
        default=(), max_length=1000
    )
    mark: Literal["changed", "all"] = "changed"
    received: bool = False

    @model_validator(mode="after")
    def _holds_together(self) -> ListenerSection:
        has_tls = self.tls != "off"
        if has_tls and (self.certificate is None or self.private_key is None):
            raise ValueError(f'tls = "{self.tls}" needs certificate and private_key')
        if self.auth and not has_tls:
            raise ValueError(
                'auth = true needs tls = "optional", "required" or "implicit": passwords do not '
                "cross the network in plain text"
            )
        if self.client_ca is not None and not has_tls:
            raise ValueError('client_ca needs tls = "optional", "required" or "implicit"')
        if (self.client_ca is None) != (not self.client_names):
            raise ValueError(
                "client_ca and client_names go together: which authority, and whose certificates"
            )
        return self


class UserSection(Section):
    """`[[relay.user]]`: who may say AUTH."""

    name: Annotated[
        str, AfterValidator(matching(r"[^\x00-\x1f\x7f]{1,255}", "1 to 255 characters"))
    ]
    password: Annotated[str, AfterValidator(check_password_hash)] = Field(repr=False)


class RelaySection(Section):
    """`[relay]`: where mail comes in, who may send it, where it goes."""

    listen: tuple[ListenAddress, ...] = Field(default=(Address("127.0.0.1", 2525),), max_length=16)
    listener: tuple[ListenerSection, ...] = Field(default=(), max_length=64)
    next_hop: Annotated[tuple[Address, ...], NoDecode, BeforeValidator(check_next_hops)] = (
        Address("127.0.0.1", 2526),
    )
    allow: Networks = Field(
        default=(ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")),
        max_length=256,
    )
    user: tuple[UserSection, ...] = Field(default=(), max_length=1000)
    run_as: Annotated[
        str, AfterValidator(matching(r"|[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}", "the name of a user"))
    ] = ""
    processes: int = Field(default=1, ge=1, le=PROCESSES_MAX)
    approved_letters: Path = Path("approved-letters.json")
    line_endings: Literal["normalise", "refuse"] = "normalise"
    hostname: Host = ""
    size_max_bytes: int = Field(default=50 * 1024 * 1024, ge=64 * 1024, le=1024**3)
    connections_max: int = Field(default=500, ge=1, le=10_000)
    # One mail system in front is the rule: 0 leaves it all of `connections_max`.
    connections_per_address_max: int = Field(default=0, ge=0, le=10_000)
    recipients_max: int = Field(default=1000, ge=100, le=100_000)
    reply_max_seconds: int = Field(default=REPLY_SECONDS, ge=10, le=REPLY_SECONDS_MAX)

    @property
    def listeners(self) -> tuple[ListenerSection, ...]:
        """Every listener; the plain ones of `listen` first, unless only tables were written."""
        has_plain = "listen" in self.model_fields_set or not self.listener
        plain = tuple(ListenerSection(listen=address) for address in self.listen)
        return (plain if has_plain else ()) + self.listener

    def allowed(self, listener: ListenerSection) -> tuple[Network, ...]:
        """Return the networks that may use a listener for their address alone."""
        return self.allow if listener.allow is None else listener.allow

    @model_validator(mode="after")
    def _has_listeners_of_their_own(self) -> RelaySection:
        if not self.listeners:
            raise ValueError("expected an address in listen, or a [[relay.listener]]")
        seen: set[Address] = set()
        for listener in self.listeners:
            if listener.listen in seen:
                raise ValueError(f"{listener.listen} is listened on twice")
            if listener.listen.port:
                seen.add(listener.listen)
            if listener.auth and not self.user:
                raise ValueError(f"auth = true on {listener.listen} needs a [[relay.user]]")
        return self

    @model_validator(mode="after")
    def _is_no_open_relay(self) -> RelaySection:
        for listener in self.listeners:
            # Behind a proxy the client may be anywhere, whatever address the proxy comes to.
            if is_loopback(listener.listen.host) and not listener.proxy_from:
                continue
            allowed = self.allowed(listener)
            if not allowed and not listener.auth and not listener.client_names:
                raise ValueError(
                    f"listen on {listener.listen} with an empty allow, without auth and without "
                    "client_names would be an open relay; expected the networks of your own mail "
                    "systems in allow"
                )
            for key, networks in (
                ("allow", allowed),
                ("proxy_from", listener.proxy_from),
                ("xforward", listener.xforward),
            ):
                if wide := widest(networks):
                    raise ValueError(
                        f"listen on {listener.listen} with {key} {wide} would be an open relay; "
                        f"expected the networks of your own mail systems in {key}"
                    )
        return self

    @model_validator(mode="after")
    def _does_not_send_to_itself(self) -> RelaySection:
        for hop in self.next_hop:
            for listener in self.listeners:
                address = listener.listen
                # The wildcard addresses take what is sent to this machine, too.
                is_here = is_loopback(address.host) or address.host in ("0.0.0.0", "::")  # noqa: S104
                if address.port == hop.port and (
                    address.host == hop.host or (is_here and is_loopback(hop.host))
                ):
                    raise ValueError(
                        f"next_hop {hop} is the relay's own listener, and mail would go in a "
                        "circle; expected the server that mail is passed on to"
                    )
        return self


class NextHopSection(Section):
    """`[next_hop]`: how we speak to the next hops of `[relay]`."""

    tls: Literal["off", "opportunistic", "required", "verified"] = "opportunistic"
    implicit_tls: bool = False
    ca: Path | None = None
    server_name: Host = ""
    certificate: Path | None = None
    private_key: Path | None = None
    user: str = Field(default="", max_length=255)
    password_file: Path | None = None

    @model_validator(mode="after")
    def _holds_together(self) -> NextHopSection:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key go together")
        if bool(self.user) != (self.password_file is not None):
            raise ValueError("user and password_file go together")
        is_always_encrypted = self.tls in ("required", "verified")
        if self.user and not is_always_encrypted:
            raise ValueError(
                'user needs tls = "verified" (or "required"): the password does not cross the '
                "network in plain text"
            )
        if self.implicit_tls and not is_always_encrypted:
            raise ValueError('implicit_tls = true needs tls = "verified" (or "required")')
        if (self.ca is not None or self.server_name) and self.tls != "verified":
            raise ValueError('ca and server_name are looked at with tls = "verified" only')
        return self


class AdminSection(Section):
    """`[admin]`: metrics and health, for your own monitoring."""

    listen: OptionalAddress = None
