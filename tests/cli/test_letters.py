"""`careerrelay letters`, and a service that goes by what was approved, through the real program."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from relay.undo import restore
from relay.wire import unstuff
from tests.cli.daemon import REJECTION, Daemon, daemon
from tests.cli.process import CAREERRELAY, careerrelay, create
from tests.relay.neighbours import Hop
from tests.relay.templates import DATES, NAMES, POSITIONS, TEMPLATES, filled, mail

OFFER = (
    "三田村 佳乃 様\n\n先日は面接にお越しいただきありがとうございました。\n"
    "慎重に選考いたしました結果、ぜひ弊社にお迎えしたく、採用内定をご通知申し上げます。\n"
)
LETTERS_A_PROCESS = 20  # Enough for both of two processes to have some.


def letter(name: str, number: int = 0) -> bytes:
    """Return the letter of a template to one of several people."""
    template = TEMPLATES[name]
    choices = NAMES, POSITIONS, DATES
    person, position, date = (
        values[template.is_japanese][number % len(values[template.is_japanese])]
        for values in choices
    )
    choice = {"name": person, "staff": "山田", "position": position, "date": date}
    return mail(template.subject, filled(template, choice), name=person, staff="山田")


def write(folder: Path, name: str, message: bytes) -> Path:
    """Write a letter to a file."""
    path = folder / f"{name}.eml"
    path.write_bytes(message)
    return path


def rows(config: Path, *options: str) -> list[dict[str, Any]]:
    """Return what `letters list --json` shows."""
    listed = careerrelay("letters", "list", "--json", "--config", config, *options)
    assert listed.returncode == 0, listed.stderr
    return [json.loads(line) for line in listed.stdout.splitlines()]


def approve(config: Path, *files: Path) -> None:
    """Approve letters."""
    done = careerrelay("letters", "approve", *files, "--config", config)
    assert done.returncode == 0, done.stderr


def test_approve_list_check_and_remove(tmp_path: Path) -> None:
    """A letter is approved twice, listed once, known by `check`, and taken back."""
    config = create(tmp_path)
    first = write(tmp_path, "first", letter("ja-document"))
    for label in ("", "書類選考"):
        done = careerrelay("letters", "approve", first, "--label", label, "--config", config)
        assert done.returncode == 0, done.stderr
        assert re.search(r"(rejection|unsure) \(\d", done.stdout)
    (row,) = rows(config)
    assert row["shape"] in done.stdout
    assert row["is_approved"] is True
    assert (row["company"], row["language"], row["label"]) == ("aozora", "ja", "書類選考")
    other = write(tmp_path, "other", letter("ja-document", 1))
    checked = json.loads(careerrelay("check", other, "--json", "--config", config).stdout)
    assert (checked["shape"], checked["is_approved"]) == (row["shape"], True)
    strange = write(tmp_path, "strange", letter("ja-interview"))
    checked = json.loads(careerrelay("check", strange, "--json", "--config", config).stdout)
    assert checked["is_approved"] is False
    assert "not approved" in careerrelay("check", strange, "--config", config).stdout
    assert rows(config, "--company", "aozora") == [row]
    removed = careerrelay("letters", "remove", row["shape"], "--config", config)
    assert removed.returncode == 0, removed.stderr
    assert rows(config) == []
    again = careerrelay("letters", "remove", row["shape"], "--config", config)
    assert again.returncode == 1
    assert row["shape"] in again.stderr


def test_no_word_of_the_letter_is_in_the_file(tmp_path: Path) -> None:
    """The file holds hashes, and everybody may read it."""
    config = create(tmp_path)
    approve(config, write(tmp_path, "first", letter("en-application")))
    path = tmp_path / "approved-letters.json"
    text = path.read_text(encoding="utf-8").lower()
    for word in ("maria", "lopez", "sales", "portfolio", "unfortunately", "山田"):
        assert word not in text
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (mail("選考結果", OFFER, name="三田村 佳乃", staff="山田"), "counter."),
        (mail("Hello", "\n\n", name="Ann", staff="Jo"), "no text"),
        (mail("Hello", "Hi Ann,\n\nplease see above.\n", name="Ann", staff="Jo"), "too short"),
        (b"Subject: x\r\n\r\nSome text of a letter.\r\n", "--company"),
    ],
)
def test_what_cannot_be_approved(tmp_path: Path, message: bytes, says: str) -> None:
    """It is refused with the reason, and the letters beside it are approved all the same."""
    config = create(tmp_path)
    good = write(tmp_path, "good", letter("ja-document"))
    bad = write(tmp_path, "bad", message)
    done = careerrelay("letters", "approve", bad, good, "--config", config)
    assert done.returncode == 1
    assert says in done.stderr
    assert "bad.eml" in done.stderr
    assert len(rows(config)) == 1


def test_wrong_use(tmp_path: Path) -> None:
    """A company that is not there, a file that is not there, and a file that is damaged."""
    config = create(tmp_path)
    good = write(tmp_path, "good", letter("ja-document"))
    wrong = careerrelay("letters", "approve", good, "--company", "nobody", "--config", config)
    assert wrong.returncode == 2
    assert "aozora" in wrong.stderr
    missing = careerrelay("letters", "approve", good, tmp_path / "no.eml", "--config", config)
    assert missing.returncode == 2
    assert rows(config) == []
    (tmp_path / "approved-letters.json").write_text('{"format": "other", "letters": []}')
    damaged = careerrelay("letters", "list", "--config", config)
    assert damaged.returncode == 2
    assert "approved-letters.json: format" in damaged.stderr
    assert careerrelay("check", good, "--config", config).returncode == 2


def test_several_commands_at_a_time(tmp_path: Path) -> None:
    """None of them undoes what another has approved."""
    config = create(tmp_path)
    files = [write(tmp_path, name, letter(name)) for name in TEMPLATES]
    commands = [
        subprocess.Popen(
            [*CAREERRELAY, "letters", "approve", str(file), "--config", str(config)],
            stdout=subprocess.DEVNULL,
        )
        for file in files
    ]
    assert [command.wait(60) for command in commands] == [0] * len(files)
    assert len(rows(config)) == len(files)


def accept_approved(config: Path) -> None:
    """Have the company accept approved letters only."""
    text = config.read_text(encoding="utf-8")
    assert 'accept = "recognised"' in text
    config.write_text(text.replace('accept = "recognised"', 'accept = "approved"'), "utf-8")


def sent(running: Daemon, next_hop: Hop, message: bytes) -> tuple[str, bytes]:
    """Send a letter; return the reason that was logged and what arrived."""
    count = len(next_hop.heard.wires)
    running.send(letter=message)
    line = running.wait_for("message", count + 1)[-1]
    return line["reason"], unstuff(next_hop.heard.wires[-1])


def test_approved_letters_get_the_line_and_nothing_else_does(next_hop: Hop, tmp_path: Path) -> None:
    """Also where the words say nothing; a recognised rejection passes byte for byte."""
    config = create(tmp_path)
    accept_approved(config)
    approve(
        config,
        write(tmp_path, "one", letter("ja-document")),
        write(tmp_path, "two", letter("ja-unsaid")),
    )
    with daemon(config, next_hop.port) as running:
        running.wait_until_started()
        for name in ("ja-document", "ja-unsaid"):
            message = letter(name, 1)
            reason, arrived = sent(running, next_hop, message)
            assert reason == "injected"
            assert restore(arrived) == message
            assert arrived != message
        assert sent(running, next_hop, REJECTION) == ("not_approved", REJECTION)
        for name in ("ja-interview", "en-unsaid"):
            reason, arrived = sent(running, next_hop, letter(name))
            assert reason in ("not_approved", "unsure", "not_rejection")
            assert arrived == letter(name)
        # What is approved meanwhile counts from the next reading on.
        approve(config, write(tmp_path, "three", letter("ja-interview")))
        running.reload()
        running.wait_for("reloaded", changed=["relay.approved_letters"])
        assert sent(running, next_hop, letter("ja-interview", 2))[0] == "injected"
        # A file that is damaged changes nothing.
        (tmp_path / "approved-letters.json").write_bytes(b"{")
        running.reload()
        running.wait_for("reload_failed")
        assert sent(running, next_hop, letter("ja-interview", 3))[0] == "injected"


def test_letters_that_recur_are_counted_by_all_processes(next_hop: Hop, tmp_path: Path) -> None:
    """Counts of two processes add up, over a restart, and name what an admin may approve."""
    config = create(tmp_path)
    for life in (1, 2):
        with daemon(config, next_hop.port, processes=2) as running:
            running.wait_until_started()
            for number in range(LETTERS_A_PROCESS):
                running.send(f"p{number}@mail.example.com", letter("ja-document", number))
            running.send(letter=letter("ja-interview"))
            takers = {line["pid"] for line in running.wait_for("message", LETTERS_A_PROCESS + 1)}
            assert len(takers) == 2
        counted = {row["seen"]: row for row in rows(config)}
        most = counted[LETTERS_A_PROCESS * life]
        assert most["rejections"] + most["unsure"] == LETTERS_A_PROCESS * life
        assert (most["language"], most["is_approved"]) == ("ja", False)
        assert most["first_day"] <= most["last_day"]
        # A letter that came once is no template.
        assert set(counted) == {LETTERS_A_PROCESS * life, *range(2, life + 1)}
    shown = careerrelay("letters", "list", "--config", config).stdout
    assert f"was seen {LETTERS_A_PROCESS * 2} times" in shown
    assert most["shape"] in shown
    assert "letters approve" in shown
    approve(config, write(tmp_path, "one", letter("ja-document")))
    assert {row["shape"]: row["is_approved"] for row in rows(config)}[most["shape"]] is True
    assert "あおぞら製作所".encode() not in (tmp_path / "careerrelay.db").read_bytes()
