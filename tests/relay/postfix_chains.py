"""Postfix, the relay, Postfix, and a scripted hop for the world: the set-ups of the admin's page.

What is tested is what `docs/admin/postfix.md` prints: configurations are read from the page, and
only addresses and ports are put in. `REFUSALS` are added to the far side, so that it has something
to say no to.
"""

from __future__ import annotations

import json
import re
import smtplib
import subprocess
import tomllib
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from relay.envelope import domain_of
from relay.undo import restore
from relay.wire import unstuff
from tests.cli.process import Ports, create, free_port, serving
from tests.relay.neighbours import Hop
from tests.relay.postfix_instance import PostfixInstance, postfix_instance

PAGE = Path(__file__).parents[2] / "docs" / "admin" / "postfix.md"
LETTERS = Path(__file__).parents[1] / "letters"
FRONT_HOST = "out.aozora.example.jp"
BACK_HOST = "smtp.aozora.example.jp"
SENDER = "recruit@aozora.example.jp"
RECIPIENT = "yui@mail.example.com"
LINK = re.compile(rb"https://r\.example\.jp/[a-z2-7]{43}")

UNKNOWN = "nobody@mail.example.com"
UNKNOWN_TEXT = "No such person here"
UNWANTED_SENDER = "unwanted@aozora.example.jp"
UNWANTED_TEXT = "We take no such letters"
# Later settings of a service replace those of the page, so these name the page's as well.
REFUSALS = f"""
   -o {{ smtpd_recipient_restrictions = check_recipient_access inline:{{ {{ {UNKNOWN} =
       550 5.1.1 {UNKNOWN_TEXT} }} }}, permit_mynetworks, reject }}
   -o {{ smtpd_end_of_data_restrictions = check_sender_access inline:{{ {{ {UNWANTED_SENDER} =
       554 5.7.1 {UNWANTED_TEXT} }} }} }}
"""
# The page: set it where long lines must stay. Letter 021 has one.
LONG_LINES = {"smtp_line_length_limit": "0"}
# The two listeners of a machine that sends its mail on: main.cf of the page says where to.
PLAIN_SERVICE = "127.0.0.1:{port} inet n - n - - smtpd\n   -o syslog_name=postfix/{name}\n"


def printed(name: str, places: Mapping[str, str]) -> str:
    """Return the page's block under `<!-- test: name -->`, with these places put in."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(rf"<!-- test: {name} -->\n```\w+\n(.*?)```", text, re.DOTALL)
    assert found is not None, f"{PAGE.name} has no block {name}"
    block = found[1]
    for place, ours in places.items():
        assert place in block, f"{place} is not in block {name} of {PAGE.name}"
        block = block.replace(place, ours)
    return block


def relay_config(folder: Path, table: str) -> Path:
    """Make an installation that injects, with this [relay] table; return its configuration.

    Its company has all domains from which a sample letter is to be changed.
    """
    config = create(folder)
    text = config.read_text(encoding="utf-8")
    text, tables = re.subn(r"\[relay\]\n.*?(?=\n\[)", lambda _: table, text, flags=re.DOTALL)
    domains = json.dumps(sorted({domain_of(SENDER)} | _changed_domains()))
    text, lists = re.subn(r"^domains = .*$", f"domains = {domains}", text, flags=re.MULTILINE)
    assert tables == lists == 1
    config.write_text(text, encoding="utf-8")
    return config


def _changed_domains() -> set[str]:
    letters = [tomllib.loads(path.read_text("utf-8")) for path in LETTERS.glob("*.toml")]
    return {domain_of(each["sender"]) for each in letters if each["decision"] == "inject"}


@dataclass(frozen=True, slots=True)
class Chain:
    """A set-up: mail goes in at `port`, through the relay, and from `back` to the hop."""

    name: str
    front: PostfixInstance
    back: PostfixInstance
    port: int
    hop: Hop
    config: Path
    ports: Ports

    @property
    def is_before_queue(self) -> bool:
        """Whether the client hears the far side itself; else the front has queued the mail."""
        return self.name in ("five", "before")

    def relay(self) -> AbstractContextManager[subprocess.Popen[bytes]]:
        """Run the relay until the end of the block."""
        return serving(self.config, self.ports)

    def send(
        self,
        message: bytes,
        *recipients: str,
        sender: str = SENDER,
        client: str = "127.0.0.1",
        mail_options: Sequence[str] = (),
        rcpt_options: Sequence[str] = (),
    ) -> dict[str, tuple[int, bytes]]:
        """Send a message from a loopback address; return who was refused, and how."""
        with smtplib.SMTP(
            "127.0.0.1", self.port, "ats.aozora.example.jp", 60, source_address=(client, 0)
        ) as session:
            return session.sendmail(
                sender, recipients or (RECIPIENT,), message, mail_options, rcpt_options
            )

    def arrived(self, count: int) -> list[bytes]:
        """Wait for as many messages at the hop; return them without the chain's Received fields."""
        wires = self.hop.heard.wires
        self.back.until(f"{count} messages at the hop", lambda: len(wires) >= count)
        assert len(wires) == count
        return [without_trace(unstuff(wire)) for wire in wires]

    def heard(self, verb: str) -> list[str]:
        """Return the hop's commands of this verb."""
        return [line for _, line in self.hop.heard.commands if line.startswith(verb)]


def without_trace(message: bytes) -> bytes:
    """Return a message without the Received fields of the chain, in front of it or of our mark."""
    fields = (
        rb"(?:Received: [^\r]*\r\n\tby (?:out|smtp)\.aozora\.example\.jp (?:.*\r\n[ \t])*.*\r\n)*"
    )
    mark = rb"(X-Career-Relay: (?:.*\r\n[ \t])*.*\r\n)?"
    return re.sub(rb"\A" + fields + mark + fields, rb"\1", message)


def restored(message: bytes) -> bytes:
    """Return what the relay got, without the chain's Received fields."""
    return without_trace(restore(message))


@contextmanager
def without_relay(name: str, folder: Path, hop: Hop) -> Generator[Chain]:
    """Run the Postfix side of one of the page's set-ups.

    With one Postfix `five`, `before`, `after` and `pickup`; with two `relayhost`, or `sender` for
    one company's mail alone.
    """
    make = _two_postfixes if name in ("relayhost", "sender") else _one_postfix
    with make(name, folder, hop) as chain:
        yield chain


@contextmanager
def running_chain(name: str, folder: Path, hop: Hop) -> Generator[Chain]:
    """Run all of one of the page's set-ups."""
    with without_relay(name, folder, hop) as chain, chain.relay():
        yield chain


@contextmanager
def _one_postfix(name: str, folder: Path, hop: Hop) -> Generator[Chain]:
    ports, port = Ports.free(), free_port()
    # `serving` has a plain listener; the page's complete set-up names one of its own instead.
    way_in = ports.relay if name == "five" else free_port()
    back = f"127.0.0.1:{ports.next_hop}"
    is_filter = name in ("after", "pickup")
    ways = (
        {"[127.0.0.1]:10025": f"[127.0.0.1]:{way_in}"}
        if is_filter
        else {"127.0.0.1:10025": f"127.0.0.1:{way_in}"}
    )
    places = ways | {"127.0.0.1:10026": back}
    places |= {"10587 ": f"{port} "} if name == "five" else {"127.0.0.1:10587": f"127.0.0.1:{port}"}
    services = printed("after" if is_filter else name, places).rstrip("\n") + REFUSALS
    if name == "pickup":
        services += printed(name, ways)
    table = printed(
        "relay" if name == "five" else "relay-complete",
        {"127.0.0.1:10025": f"127.0.0.1:{way_in}", "127.0.0.1:10026": back},
    )
    settings = {"relayhost": f"[127.0.0.1]:{hop.port}"} | LONG_LINES
    with postfix_instance(FRONT_HOST, services, settings) as postfix:
        yield Chain(name, postfix, postfix, port, hop, relay_config(folder, table), ports)


@contextmanager
def _two_postfixes(name: str, folder: Path, hop: Hop) -> Generator[Chain]:
    port, back_port = free_port(), free_port()
    ports = Ports.free(next_hop=back_port)
    printed_way = "[relay.aozora.example.jp]:2525" if name == "relayhost" else "[127.0.0.1]:10025"
    way = printed(name, {printed_way: f"[127.0.0.1]:{ports.relay}"})
    table = printed(
        "behind",
        {
            "192.0.2.25:2525": f"127.0.0.1:{ports.relay}",
            "192.0.2.10/32": "127.0.0.1/32",
            "smtp.aozora.example.jp:25": f"127.0.0.1:{back_port}",
        },
    )
    world = {"relayhost": f"[127.0.0.1]:{hop.port}"} | LONG_LINES
    key, _, value = way.strip().partition(" = ")
    far = PLAIN_SERVICE.format(port=back_port, name="back").rstrip("\n") + REFUSALS
    near = PLAIN_SERVICE.format(port=port, name="out")
    with (
        postfix_instance(BACK_HOST, far, world) as back,
        postfix_instance(FRONT_HOST, near, world | {key: value}) as front,
    ):
        yield Chain(name, front, back, port, hop, relay_config(folder, table), ports)
