"""Lives in which the process is asked to stop, killed, or told to read its files again.

The real command, `careerrelay serve`, with a rejection letter; signals are the only means.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass

from relay.wire import stuff
from tests.cli.daemon import Daemon
from tests.relay.lives_stage import FROM, HELLO, REJECTION, TO, Caller
from tests.relay.lives_way import Held
from tests.relay.neighbours import WAIT_SECONDS, Hop

WIRE = stuff(REJECTION)
HALF = len(WIRE) // 2


@dataclass
class Service:
    """The running command, the hop behind it, and the client of this life."""

    daemon: Daemon
    hop: Hop
    caller: Caller

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.daemon.process.send_signal(number)

    def stop(self) -> None:
        """Ask it to stop, and return when it has heard."""
        self.signal(signal.SIGTERM)
        self.daemon.wait_for("stopping")

    def kill(self) -> None:
        """End it at once."""
        self.signal(signal.SIGKILL)
        self.daemon.process.wait(WAIT_SECONDS)

    def hear_the_end(self) -> None:
        """Note what the client hears to the end, a reset or not; the process ends, too."""
        try:
            self.caller.hear_the_end()
        except ConnectionResetError:
            self.caller.note("", "")
        self.daemon.process.wait(WAIT_SECONDS)


def _say(service: Service, *commands: str) -> None:
    assert service.caller.begin(*commands)


def _begin_message(service: Service) -> None:
    assert service.caller.begin()
    service.caller.send(WIRE[:HALF])


def _send(service: Service) -> None:
    assert service.caller.begin()
    service.caller.send(WIRE)


def _stop_while_idle(service: Service) -> None:
    assert service.caller.step(HELLO)
    service.stop()
    service.hear_the_end()


def _stop_in_the_dialogue(service: Service) -> None:
    _say(service, FROM, TO)
    service.stop()
    service.hear_the_end()


def _stop_while_receiving(service: Service) -> None:
    _begin_message(service)
    service.stop()
    service.caller.send(WIRE[HALF:])
    service.hear_the_end()


def _stop_while_the_hop_decides(service: Service) -> None:
    held = Held(service.hop, "end", b"250 2.0.0 kept")
    _send(service)
    held.wait()
    service.stop()
    held.release()
    service.hear_the_end()


def _stop_asked_twice(service: Service) -> None:
    held = Held(service.hop, "end", b"250 2.0.0 kept")
    _send(service)
    held.wait()
    service.stop()
    service.signal(signal.SIGTERM)
    service.hear_the_end()
    held.release()


def _killed_in_the_dialogue(service: Service) -> None:
    _say(service, FROM, TO)
    service.kill()
    service.hear_the_end()


def _killed_while_receiving(service: Service) -> None:
    _begin_message(service)
    service.kill()
    service.hear_the_end()


def _killed_at(step: str, answer: bytes) -> Callable[[Service], None]:
    def play(service: Service) -> None:
        held = Held(service.hop, step, answer)
        _send(service)
        held.wait()
        service.kill()
        service.hear_the_end()
        held.release()

    return play


def _killed_behind_the_hops_yes(service: Service) -> None:
    """The process is halted, so that it cannot hear what the hop says meanwhile."""
    held = Held(service.hop, "end", b"250 2.0.0 kept")
    _send(service)
    held.wait()
    service.signal(signal.SIGSTOP)
    held.release()
    service.kill()
    service.hear_the_end()


def _reload(service: Service) -> None:
    service.daemon.reload()
    service.daemon.wait_for("reloaded")


def _hangup_in_the_dialogue(service: Service) -> None:
    _say(service, FROM, TO)
    _reload(service)
    assert service.caller.step("DATA")
    service.caller.send(WIRE)
    service.caller.hear_verdict()


def _hangup_while_the_hop_decides(service: Service) -> None:
    held = Held(service.hop, "end", b"250 2.0.0 kept")
    _send(service)
    held.wait()
    _reload(service)
    held.release()
    service.caller.hear_verdict()


LIVES: dict[str, Callable[[Service], None]] = {
    "stopped-while-idle": _stop_while_idle,
    "stopped-in-the-dialogue": _stop_in_the_dialogue,
    "stopped-while-receiving": _stop_while_receiving,
    "stopped-while-the-hop-decides": _stop_while_the_hop_decides,
    "stopped-twice": _stop_asked_twice,
    "killed-in-the-dialogue": _killed_in_the_dialogue,
    "killed-while-receiving": _killed_while_receiving,
    "killed-before-the-message-is-sent": _killed_at("DATA", b"354 go ahead"),
    "killed-while-the-hop-decides": _killed_at("end", b"250 2.0.0 kept"),
    "killed-behind-the-hops-yes": _killed_behind_the_hops_yes,
    "hangup-in-the-dialogue": _hangup_in_the_dialogue,
    "hangup-while-the-hop-decides": _hangup_while_the_hop_decides,
}
