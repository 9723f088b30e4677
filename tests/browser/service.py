"""The real `careerrelay serve` with its registration, and the mail on both sides of it."""

from __future__ import annotations

import email
import email.policy
import itertools
import json
import re
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from signer.confirmations import Purpose, make_confirmation
from signer.keyring_file import load_key_ring
from tests.cli.daemon import REJECTION, WAIT_SECONDS, Daemon, daemon
from tests.cli.mailboxes import run
from tests.cli.process import create, free_port
from tests.relay.neighbours import Hop, hop

SERVICE, CONTACT, LICENCE = "キャリアリレー", "soudan@career.example.jp", "13-ユ-000000"
# What the letters of companies are told by, from our own mail.
_LETTER = next(line for line in REJECTION.splitlines() if line.startswith(b"Message-ID:"))


class Service:
    """A service that runs: letters go in, links and mail come out."""

    def __init__(self, running: Daemon, arrivals: Arrivals, base: str, folder: Path) -> None:
        self.base = base
        self.folder = folder
        self.store = folder / "careerrelay.db"
        self._running = running
        self._arrivals = arrivals
        self._numbers = itertools.count(1)
        self._link = re.compile(re.escape(base).encode() + rb"[a-z2-7]{43}")
        self._mailed = re.compile(re.escape(base) + r"(\w+)\?\w=[A-Za-z0-9._&=-]+")

    def new_candidate(self) -> tuple[str, str]:
        """Return an address that nobody has had yet, and a network."""
        number = next(self._numbers)
        return f"yui{number}@mail.example.com", f"198.18.{number}.1"

    def letter_to(self, address: str) -> list[str]:
        """Send a rejection to somebody; return the links in the letter that the next hop got."""
        self._running.send(address)
        wire = self._arrivals.next(lambda wire: _LETTER in wire.partition(b"\r\n\r\n")[0])
        return [link.decode() for link in sorted(set(self._link.findall(wire)))]

    def invite(self, address: str) -> str:
        """Send a rejection to somebody; return the link in it."""
        (link,) = self.letter_to(address)
        return link

    def mail_to(self, address: str) -> EmailMessage:
        """Return the next mail of ours to somebody."""
        head = f"\r\nTo: {address}\r\n".encode()
        message = email.message_from_bytes(
            self._arrivals.next(lambda wire: head in wire.partition(b"\r\n\r\n")[0] + b"\r\n"),
            policy=email.policy.default,
        )
        assert isinstance(message, EmailMessage)
        return message

    def links_to(self, address: str) -> dict[str, str]:
        """Return the links of the next mail to somebody by the page they lead to."""
        body = self.mail_to(address).get_body(("plain",))
        assert body
        found = self._mailed.finditer(body.get_content())
        return {link[1]: link[0] for link in found}

    def referrals(self) -> int:
        """Return how many referrals are counted, as the operator's command says it."""
        config = self.folder / "careerrelay.toml"
        said = run("credits", "balance", "--config", config, "--json")
        assert said.exit_code == 0, said.stderr
        row: dict[str, Any] = json.loads(said.stdout)
        return int(row["redeemed"]) + int(row["open"])

    def expired_link(self) -> str:
        """Return a link to confirm of eight days ago."""
        ring = load_key_ring(self.folder / "keys.json")
        then = datetime.now(UTC) - timedelta(days=8)
        return f"{self.base}confirm?c={make_confirmation(ring, Purpose.CONFIRM, 'a' * 20, then)}"


class Arrivals:
    """Waits for what the next hop takes."""

    def __init__(self, next_hop: Hop) -> None:
        self._hop = next_hop
        self._changed = threading.Condition()
        self._taken: set[int] = set()
        next_hop.answers["end"] = self._answer

    def next(self, is_wanted: Callable[[bytes], bool]) -> bytes:
        """Return the first message of a kind that was not returned before."""
        with self._changed:
            found = self._changed.wait_for(lambda: self._find(is_wanted) is not None, WAIT_SECONDS)
            number = self._find(is_wanted)
            assert found, f"{len(self._hop.heard.wires)} messages, and none as it is wanted"
            assert number is not None
            self._taken.add(number)
            return self._hop.heard.wires[number]

    def _find(self, is_wanted: Callable[[bytes], bool]) -> int | None:
        wires = enumerate(list(self._hop.heard.wires))
        found = (number for number, wire in wires if number not in self._taken and is_wanted(wire))
        return next(found, None)

    def _answer(self, _connection: int, _line: str) -> bytes:
        with self._changed:
            self._changed.notify_all()
        return b"250 2.0.0 queued as 4F2A"


@contextmanager
def serving(folder: Path, *, sender: bool = True) -> Generator[Service]:
    """Run a service on free ports until the end of the block; without `sender` it mails nobody."""
    config = create(folder)
    base = f"http://127.0.0.1:{free_port()}/"
    text = config.read_text("utf-8")
    text = text.replace('service = "Career Relay"', f'service = "{SERVICE}"')
    text = text.replace('contact = ""', f'contact = "{CONTACT}"')
    text = text.replace('# licence = "13-ユ-000000"', f'licence = "{LICENCE}"')
    text = text.replace('base_url = "https://r.example.jp/"', f'base_url = "{base}"')
    if sender:
        text = text.replace('# [mail]\n# from = "relay@', '[mail]\nfrom = "relay@')
    config.write_text(text, "utf-8")
    settings = {"CAREERRELAY_INTAKE__LISTEN": base.removeprefix("http://").rstrip("/")}
    with hop() as next_hop:
        arrivals = Arrivals(next_hop)
        with daemon(config, next_hop.port, settings=settings) as running:
            running.wait_until_started()
            yield Service(running, arrivals, base, folder)
