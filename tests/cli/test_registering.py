"""The registration in production: from the letter to the confirmation, and out again."""

from __future__ import annotations

import base64
import email
import email.policy
import json
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from ledger.keyfiles import load_person_keys, load_subject_key
from ledger.people import People
from ledger.store import Store
from relay.cli.common import now
from tests.cli.daemon import LINK, WAIT_SECONDS, Daemon, daemon
from tests.cli.process import careerrelay, create
from tests.relay.neighbours import Hop

YUI = "yui@mail.example.com"
FORM = {"name": "佐藤 結衣", "address": YUI, "job_group": "it", "privacy": "yes"}
LINKS = re.compile(r"https://r\.example\.jp(/\w+\?\w=[A-Za-z0-9._-]+)")


class Arrivals:
    """Waits for what the next hop takes."""

    def __init__(self, next_hop: Hop) -> None:
        self._hop = next_hop
        self._more = threading.Semaphore(0)
        self._seen = 0
        next_hop.answers["end"] = self._answer

    def next(self) -> bytes:
        """Return the message that arrives next."""
        assert self._more.acquire(timeout=WAIT_SECONDS), f"{self._seen} messages, and no more"
        self._seen += 1
        return self._hop.heard.wires[self._seen - 1]

    def _answer(self, _connection: int, _line: str) -> bytes:
        self._more.release()
        return b"250 2.0.0 queued as 4F2A"


def links_in(wire: bytes) -> dict[str, str]:
    """Return the links of a mail of ours by the page that they lead to."""
    message = email.message_from_bytes(wire, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    body = message.get_body(("plain",))
    assert body
    return {link[1:].partition("?")[0]: link for link in LINKS.findall(body.get_content())}


@contextmanager
def registered(
    running: Daemon, arrivals: Arrivals
) -> Generator[tuple[httpx.Client, dict[str, str]]]:
    """Send a letter, register by its link and confirm; lend a browser and the mail's links."""
    running.send(YUI)
    (token,) = LINK.findall(arrivals.next())
    base = f"http://127.0.0.1:{running.ports.intake}"
    with httpx.Client(base_url=base, follow_redirects=True, timeout=30) as browser:
        page = browser.get(f"/{token.decode()}")
        assert "<form" in page.text
        assert "まだ登録は完了していません" in browser.post(str(page.url), data=FORM).text
        links = links_in(arrivals.next())
        assert "登録が完了しました" in browser.post(links["confirm"], data={"sure": "yes"}).text
        yield browser, links


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """An installation that registers people."""
    path = create(tmp_path)
    text = path.read_text(encoding="utf-8")
    text = text.replace('# [mail]\n# from = "relay@', '[mail]\nfrom = "relay@')
    path.write_text(text, encoding="utf-8")
    return path


def test_from_the_letter_to_the_list(next_hop: Hop, config: Path, tmp_path: Path) -> None:
    """The referral is counted; who opts out gets the next letter untouched; deletion is mailed."""
    arrivals = Arrivals(next_hop)
    with daemon(config, next_hop.port) as running:
        running.wait_until_started()
        with registered(running, arrivals) as (browser, links):
            assert "削除しました" in browser.post(links["delete"], data={"sure": "yes"}).text
            gone = email.message_from_bytes(arrivals.next(), policy=email.policy.default)
            assert gone["Subject"] == "ご登録の内容を削除しました"
            browser.post(links["optout"], data={"sure": "yes"})
        running.send("Yui@MAIL.example.com")
        assert not LINK.search(arrivals.next())
        running.wait_for("message", reason="suppressed")
        running.send("ken@mail.example.com")
        assert LINK.search(arrivals.next())
        text = "".join(json.dumps(line, ensure_ascii=False) for line in running.lines("message"))
    for path in tmp_path.iterdir():
        if path.is_file():
            for mark in (b"yui@", "結衣".encode(), base64.b64encode(b"yui@mail")[:8]):
                assert mark not in path.read_bytes(), path.name
    assert "yui" not in text.lower()


def test_opted_out_is_honoured_after_a_restart(next_hop: Hop, config: Path) -> None:
    """The list is read before the first letter comes."""
    arrivals = Arrivals(next_hop)
    with daemon(config, next_hop.port) as running:
        running.wait_until_started()
        with registered(running, arrivals) as (browser, links):
            browser.post(links["optout"], data={"sure": "yes"})
    with daemon(config, next_hop.port) as running:
        running.wait_until_started()
        running.send(YUI)
        assert not LINK.search(arrivals.next())


def test_keys_are_changed_and_people_erased_by_hand(
    next_hop: Hop, config: Path, tmp_path: Path
) -> None:
    """A new key seals anew what the old one sealed; an operator erases by address."""
    arrivals = Arrivals(next_hop)
    with daemon(config, next_hop.port) as running:
        running.wait_until_started()
        with registered(running, arrivals):
            pass
    added = careerrelay("keys", "person", "add", "--config", config, "--json")
    assert json.loads(added.stdout) == {"keys": 2}
    for renewed in (1, 0):
        done = careerrelay("keys", "person", "rotate", "--config", config, "--json")
        assert json.loads(done.stdout) == {"renewed": renewed}
    store = Store(f"sqlite:///{tmp_path}/careerrelay.db")
    newest = load_person_keys(tmp_path / "person-keys")[1:]
    people = People(store, newest, load_subject_key(tmp_path / "subject-key"), now)
    (row,) = people.waiting_for_handover()
    assert people.open(row.id, "test", "me").person.name == "佐藤 結衣"
    done = careerrelay("erase", "YUI@mail.example.com", "--config", config, "--json")
    assert json.loads(done.stdout)["erased"] is True
    assert people.states() == {"erased": 1}
    store.close()


def test_without_keys_nothing_starts(config: Path, tmp_path: Path) -> None:
    """The message names the file and what makes it."""
    (tmp_path / "person-keys").unlink()
    done = careerrelay("serve", "--config", config)
    assert done.returncode == 2
    assert "person-keys" in done.stderr
    assert "careerrelay init" in done.stderr
    assert careerrelay("init", tmp_path).returncode == 0
    assert (tmp_path / "person-keys").exists()
