"""The same commands to a plain Postfix and to the relay in front of it: no 5xx of our own making.

A permanent refusal makes a mail system give up. Where Postfix, as Debian configures it, would have
taken a command or asked to try again, the relay may not refuse it for good. The differences we mean
are data, each with its reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.cli.process import free_port
from tests.relay.dialogue_cases import make_commands
from tests.relay.neighbours import Client
from tests.relay.postfix_instance import postfix_instance
from tests.relay.running import running

pytestmark = pytest.mark.postfix

SEQUENCES = 200
COMMANDS = 25
MESSAGE = b"From: a@b.example\r\nSubject: minutes\r\n\r\nSee you on Monday.\r\n.\r\n"
# QUIT ends the session, octets would follow BDAT, which we do not offer, and Postfix hangs up on
# what looks like a header field.
LEFT_OUT = re.compile(r"QUIT|BDAT|MAIL:|STARTTLS", re.IGNORECASE)
AGAIN = "EHLO client.example"  # Brings both to the same state.

SERVICES = """\
127.0.0.1:{beside} inet n - n - - smtpd
   -o syslog_name=postfix/beside
127.0.0.1:{behind} inet n - n - - smtpd
   -o syslog_name=postfix/behind
discard unix - - n - - discard
"""
SETTINGS = {
    # Accept all from here, and keep none of it.
    "default_transport": "discard",
    "relay_transport": "discard",
    "smtpd_relay_restrictions": "permit_mynetworks, reject",
    "smtpd_recipient_restrictions": "permit_mynetworks, reject",
    # So many mistakes are not an attack here: neither delay nor hang up.
    "smtpd_error_sleep_time": "0",
    "smtpd_soft_error_limit": "10000",
    "smtpd_hard_error_limit": "10000",
    "smtpd_junk_command_limit": "10000",
    "smtpd_forbidden_commands": "",  # GET and the like.
    "in_flow_delay": "0",  # Nor wait when more comes in than is thrown away.
}


@dataclass(frozen=True, slots=True)
class Meant:
    """A difference that we mean: which commands, and why."""

    commands: re.Pattern[str]
    reason: str


MEANT = (
    Meant(
        re.compile(r".*[\x00-\x08\x0a-\x1f\x7f]"),
        "A control character is part of no address; to the next server it could be anything.",
    ),
    Meant(
        re.compile(r" |.*\t"),
        "RFC 5321 §4.1.1: words are parted by one space, and none stands before the first.",
    ),
    Meant(
        re.compile(r".*(<<|>>|>,|< a@b.example >|:\s*a@b.example>|>SIZE)"),
        "No address: Postfix guesses what is meant, and no mail system sends it.",
    ),
    Meant(re.compile(r"ETRN\b"), "RFC 1985 is about a queue, and the relay has none."),
    Meant(
        re.compile(r"(?s).{4097}"),
        "Postfix cuts long commands at 2,048 octets and carries out what is left of them.",
    ),
)


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """Run both; yield the port of the Postfix beside us, and that of the relay."""
    beside, behind = free_port(), free_port()
    folder = tmp_path_factory.mktemp("relay")
    services = SERVICES.format(beside=beside, behind=behind)
    with (
        postfix_instance("mx.example", services, SETTINGS),
        running(behind, folder) as relay,
    ):
        yield beside, relay.port


def code(client: Client, command: str) -> int:
    """Say a command, and a message where it is asked for; return the last code."""
    reply = client.say(command)
    if reply.startswith("354"):
        client.send(MESSAGE)
        reply = client.reply()
    assert reply, f"hung up on {command!r}"
    return int(reply[:3])


def differences(ports: tuple[int, int], commands: list[str]) -> Iterator[tuple[str, int, int]]:
    """Yield each command that the relay refused for good and Postfix did not, with both codes."""
    with Client(ports[0]) as postfix, Client(ports[1]) as relay:
        for command in commands:
            if LEFT_OUT.match(command):
                continue
            theirs, ours = code(postfix, command), code(relay, command)
            if ours == 421:  # So many mistakes end a session of ours, as they do at Postfix.
                return
            if ours >= 500 > theirs:
                yield command, theirs, ours
            if theirs // 100 != ours // 100:
                assert code(postfix, AGAIN) == code(relay, AGAIN) == 250


def test_no_refusal_of_our_own(ports: tuple[int, int]) -> None:
    """Whatever the order and the spelling: what Postfix takes or postpones, we do not refuse."""
    found = [
        (seed, *each)
        for seed in range(SEQUENCES)
        for each in differences(ports, make_commands(seed, COMMANDS))
        if not any(meant.commands.match(each[0]) for meant in MEANT)
    ]
    assert found == []
