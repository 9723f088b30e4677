"""`careerrelay keys`: what is on record of keys, links that are revoked, and what a link says."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Generator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ledger import store_log
from ledger.apply import Applier
from ledger.events import Event, link_issued, parse
from ledger.policies import read_policies
from ledger.report import report
from ledger.store import Store
from signer.base32 import ALPHABET
from signer.keyring_file import load_key_ring
from signer.tokens import make_token
from tests.cli.process import CAREERRELAY, careerrelay
from tests.ledger.intake_world import NOON

LINKS = tuple(letter * 16 for letter in ALPHABET[:5])


class Installation:
    """An installation whose store has five letters, one an hour from noon on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ring = load_key_ring(folder / "keys.json")
        self.store = Store(f"sqlite:///{folder}/careerrelay.db")
        letters = [
            link_issued(
                "aozora",
                link,
                NOON + timedelta(hours=hour),
                language="ja",
                stage="document",
                position="sales",
            )
            for hour, link in enumerate(LINKS)
        ]
        self.put(letters)

    def put(self, events: Sequence[Event]) -> None:
        """Put events into the logs."""
        report(self.store, events, NOON)
        self.apply()

    def apply(self) -> None:
        """Have the worker take in what waits."""
        Applier(self.store, read_policies(), clock=lambda: NOON).apply_all()

    def events(self, log: str, kind: str) -> list[Event]:
        """Return what a log has of a kind."""
        self.apply()
        with self.store.read() as transaction:
            chunks = store_log.entries(transaction, log)
            every = [parse(row.body) for chunk in chunks for row in chunk]
        return [event for event in every if event.type.startswith(kind)]

    def keys(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command about keys."""
        return careerrelay("keys", *arguments, "--config", self.folder / "careerrelay.toml")

    def token(self, link: str) -> str:
        """Return the token of a letter."""
        return make_token(self.ring, "aozora", link)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what `careerrelay init` makes."""
    folder = tmp_path_factory.mktemp("fresh")
    assert careerrelay("init", folder).returncode == 0
    return folder


@pytest.fixture
def installation(tmp_path: Path, fresh: Path) -> Generator[Installation]:
    """Return an installation."""
    shutil.copytree(fresh, tmp_path, dirs_exist_ok=True)
    made = Installation(tmp_path)
    yield made
    made.store.close()


def test_changes_are_on_record(installation: Installation) -> None:
    """Added, activated, retired and revoked: each once, at its time, in the installation's log."""
    for arguments in (("add",), ("activate", "b"), ("revoke", "a")):
        assert installation.keys(*arguments).returncode == 0
    found = installation.events("_installation", "key.")
    assert [(event.type, event.data["key"]) for event in found] == [
        ("key.added", "a"),
        ("key.activated", "a"),
        ("key.added", "b"),
        ("key.retired", "a"),
        ("key.activated", "b"),
        ("key.revoked", "a"),
    ]
    ring = load_key_ring(installation.folder / "keys.json")
    assert found[-1].time == _in_milliseconds(ring.keys[0].revoked)
    text = str([event.data for event in found])
    assert not any(key.secret.hex() in text for key in ring.keys)


def _in_milliseconds(time: datetime | None) -> datetime:
    assert time is not None
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def test_failed_record_is_made_up_for(installation: Installation) -> None:
    """The change stands when the store cannot be asked, and the next command records it as well.

    A leaked key is revoked whatever the store does.
    """
    installation.store.close()
    database = installation.folder / "careerrelay.db"
    aside = database.rename(installation.folder / "aside")
    database.write_bytes(b"this is not a database" * 100)
    failed = installation.keys("add")
    assert failed.returncode == 1
    assert "the key ring was changed, and this could not be put on record" in failed.stderr
    for path in installation.folder.glob("careerrelay.db*"):
        path.unlink()
    aside.rename(database)
    assert installation.keys("add").returncode == 0
    installation.store = Store(f"sqlite:///{database}")
    added = [one.data["key"] for one in installation.events("_installation", "key.added")]
    assert added == ["a", "b", "c"]


def test_two_commands_at_once(installation: Installation) -> None:
    """Two `keys add` give two keys."""
    command = [
        *CAREERRELAY,
        "keys",
        "add",
        "--config",
        str(installation.folder / "careerrelay.toml"),
    ]
    running = [subprocess.Popen(command) for _ in range(2)]
    assert [each.wait(60) for each in running] == [0, 0]
    assert len(load_key_ring(installation.folder / "keys.json").keys) == 3


def test_links_are_revoked_however_they_are_named(installation: Installation) -> None:
    """By id, token, a whole damaged link, from a file: each once, with the reason, on record."""
    url = f"https://r.example.jp/{installation.token(LINKS[2]).upper()}。"
    file = installation.folder / "mistaken"
    file.write_text(f"# sent twice\n{LINKS[3]}\n\n{installation.token(LINKS[1])}\n")
    arguments = (LINKS[0], installation.token(LINKS[1]), url, "--file", file, "--why", "誤送信")
    done = installation.keys("revoke-links", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert installation.keys("revoke-links", *arguments).returncode == 0
    assert load_key_ring(installation.folder / "keys.json").revoked_links == set(LINKS[:4])
    found = installation.events("aozora", "link.revoked")
    assert {str(event.data["link_id"]) for event in found} == set(LINKS[:4])
    assert len(found) == 4
    assert {event.data["why"] for event in found} == {"誤送信"}
    assert "Links revoked singly: 4" in installation.keys("list").stdout


def test_mistaken_batch_is_found_in_the_log(installation: Installation) -> None:
    """All letters of a company from a time on, up to another; a dry run changes nothing."""
    times = ("--company", "aozora", "--since", "2026-01-15T13:00", "--until", "2026-01-15T06:00Z")
    dry = installation.keys("revoke-links", *times, "--dry-run", "--json")
    assert json.loads(dry.stdout) == {"links": {"aozora": 2}, "revoked": False}
    assert load_key_ring(installation.folder / "keys.json").revoked_links == set()
    assert installation.keys("revoke-links", *times, "--why", "wrong letter").returncode == 0
    assert load_key_ring(installation.folder / "keys.json").revoked_links == set(LINKS[1:3])


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ((LINKS[0],), 2, "expected a reason"),
        ((LINKS[0], "--why", " "), 2, "expected a reason"),
        (("--why", "x"), 2, "expected links, or --company"),
        (("--why", "x", "q" * 16), 1, "no letter with the link qqqqqqqqqqqqqqqq is on record"),
        (("--why", "x", "nonsense"), 1, "no link of ours: nonsense"),
        (("--why", "x", "--since", "2026", "--until", "2027-01-01"), 2, "no such company: ''"),
        (
            ("--why", "x", "--company", "aozora", "--since", "noon", "--until", "2027-01-01"),
            2,
            "--since: 'noon': expected a time",
        ),
        (("--why", "two\nlines", LINKS[0]), 1, "a reason is 1 to 200 characters on one line"),
    ],
)
def test_wrong_use_is_named(
    installation: Installation, arguments: tuple[str, ...], code: int, text: str
) -> None:
    """Nothing is revoked by a slip of the pen, and the command says what it wants."""
    done = installation.keys("revoke-links", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert text in done.stderr
    assert load_key_ring(installation.folder / "keys.json").revoked_links == set()


def test_what_a_link_says(installation: Installation) -> None:
    """Key and state, company, link id, revoked or not; from a damaged URL as well; no secret."""
    token = installation.token(LINKS[0])
    url = f"<https://r.example.jp/{token[:20]}=\r\n{token[20:]}>?utm_source=mail"
    shown = installation.keys("show-token", url, "--json")
    assert shown.returncode == 0
    assert json.loads(shown.stdout) == {
        "token": token,
        "verdict": "good",
        "key": "a",
        "key_state": "active",
        "company": "aozora",
        "link_id": LINKS[0],
        "revoked": "",
        "why": "",
    }
    installation.keys("revoke-links", LINKS[0], "--why", "sent by mistake")
    revoked = installation.keys("show-token", token)
    assert revoked.returncode == 1
    assert "verdict: revoked\n" in revoked.stdout
    assert "why: sent by mistake\n" in revoked.stdout
    assert "company: aozora\n" in revoked.stdout
    changed = installation.keys("show-token", token[:-1] + ("a" if token[-1] != "a" else "b"))
    assert changed.returncode == 1
    assert "company: -\n" in changed.stdout
    nothing = installation.keys("show-token", "hello")
    assert (nothing.returncode, nothing.stderr) == (1, "no token is in this text\n")
    wrapped = f"https://nam.safelinks.example/?url=https%3A%2F%2Fr.example.jp%2F{token}&data=05%7C"
    assert f"token: {token}\n" in installation.keys("show-token", wrapped).stdout
