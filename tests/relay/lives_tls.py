"""Lives in which the client breaks off or falls silent in its TLS handshake, or in AUTH."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from relay import handshake
from relay.door import Tls
from relay.passwords import Users, hash_password
from relay.tls import server_context
from tests.relay.certificates import make_authority
from tests.relay.lives_stage import HELLO, Caller, Stage
from tests.relay.lives_way import QUICK_CLIENT, SHORT_SECONDS, Limit, Way
from tests.relay.neighbours import Hop
from tests.relay.running import DOOR

QUICK_HANDSHAKE: tuple[Limit, ...] = ((handshake, "HANDSHAKE_SECONDS", SHORT_SECONDS),)
Step = Callable[[Caller], None]


@cache
def _contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts of the door and of its clients."""
    with TemporaryDirectory() as folder:
        authority = make_authority(Path(folder))
        certificate = authority.issue(["relay.example"])
        server = server_context(certificate, None, requires_client_certificate=False)
        return server, authority.client_context()


@cache
def _users() -> Users:
    return Users({"exchange": hash_password(b"open sesame")})


def _door(_hop: Hop) -> Mapping[str, Any]:
    return {"door": replace(DOOR, tls=Tls(_contexts()[0]), users=_users())}


class TlsCaller(Caller):
    """A client that can go over to TLS."""

    def wrap(self) -> None:
        """Speak TLS from here on."""
        self.socket = _contexts()[1].wrap_socket(self.socket, server_hostname="relay.example")
        self._file = self.socket.makefile("rb")


def _asks_for_tls(stage: Stage) -> TlsCaller:
    caller = TlsCaller(stage.relay.port)
    stage.callers.append(caller)
    assert caller.step(HELLO)
    assert caller.step("STARTTLS")
    return caller


def _begins_auth(stage: Stage) -> TlsCaller:
    caller = _asks_for_tls(stage)
    caller.wrap()
    assert caller.step(HELLO)
    assert caller.say("AUTH LOGIN").startswith("334 ")
    return caller


def _is_let_go(caller: Caller) -> None:
    """Hear nothing that is a reply, up to the end."""
    with contextlib.suppress(ConnectionError):
        while caller.socket.recv(4096):
            pass
    caller.note("", "")


def _noise(caller: Caller) -> None:
    caller.send(b"EHLO client.example\r\n" * 20)
    _is_let_go(caller)


def _half_closes(caller: Caller) -> None:
    caller.socket.shutdown(1)
    caller.has_gone = True
    _is_let_go(caller)


def _way(name: str, come: Callable[[Stage], Caller], go: Step, *limits: Limit) -> Way:
    return Way(name, lambda stage: go(come(stage)), limits, _door)


LIVES: dict[str, tuple[Way, ...]] = {
    "client-leaves-in-the-handshake": (
        _way("resets", _asks_for_tls, Caller.reset),
        _way("half-closes", _asks_for_tls, _half_closes),
    ),
    "client-speaks-no-tls": (
        _way("speaks plain text", _asks_for_tls, _noise),
        _way("says nothing", _asks_for_tls, _is_let_go, *QUICK_HANDSHAKE),
    ),
    "client-leaves-in-auth": (
        _way("resets", _begins_auth, Caller.reset),
        _way("half-closes", _begins_auth, _half_closes),
    ),
    "client-silent-in-auth": (
        _way("says nothing", _begins_auth, Caller.hear_the_end, *QUICK_CLIENT),
    ),
}
