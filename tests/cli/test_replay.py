"""The command `replay`, on mailboxes made here."""

from __future__ import annotations

import hashlib
import html.parser
import json
import os
import pty
import pwd
import re
import signal
import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from relay.__main__ import app
from relay.cli.replayjudge import judge_for
from relay.cli.replayrun import Run
from relay.cli.replaystate import Progress, Seen, StateFile, identify
from relay.cli.replaysums import UNKNOWN, Finding, Place, Rate, Sums, estimate
from relay.cli.replaywords import POSITIONS, REASONS, STAGES
from relay.entries import Section
from relay.lexicons import load_lexicons
from relay.mailstore import SENT_NAMES, find_sources
from relay.policy import Reason
from tests.cli.process import CAREERRELAY, careerrelay, create
from tests.sampleyear import UNSURE, sample_year

ROOT = Path(__file__).parents[2]
REJECTION = (
    "このたびは弊社の求人にご応募いただき、ありがとうございました。\n書類選考の結果、"
    "誠に残念ながら、今回は採用を見送らせていただくことになりました。\n"
)
MARK = b"From hr@aozora.example.jp Mon Jan  6 09:00:00 2025\n"
MEBIBYTE = 1024 * 1024


def letter(
    number: int = 1,
    *fields: str,
    text: str = REJECTION,
    sender: str = "recruit@aozora.example.jp",
    to: str = "a@mail.example.com",
    month: int = 1,
    subject: str = "Result of your application",
) -> bytes:
    """Return a letter of 2025."""
    date = format_datetime(datetime(2025, month, 6, 9, tzinfo=UTC))
    head = (
        *fields,
        f"Message-ID: <{number}@aozora.example.jp>",
        f"Date: {date}",
        f"From: {sender}",
        f"To: {to}",
        f"Subject: {subject}",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
    )
    return ("\n".join(head) + "\n\n" + text).encode()


def mbox(*messages: bytes) -> bytes:
    """Return an mbox of these messages."""
    return b"".join(MARK + message + b"\n" for message in messages)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a folder without a configuration, with a cache of its own."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "queue")]))
    monkeypatch.setenv("COLUMNS", "200")


def run(*arguments: str | Path) -> Result:
    """Return what a command says and how it ends."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def replay(*arguments: str | Path, code: int = 0) -> list[dict[str, Any]]:
    """Return the rows of a replay; the last is the summary."""
    done = run("replay", "--json", *arguments)
    assert done.exit_code == code, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def unsure(number: int) -> bytes:
    """Return a letter that may be a rejection, by the lexicons of today."""
    judge = judge_for(None)
    letters = (
        letter(number, text=text, subject=subject, sender="ken@aozora.example.jp")
        for subject, text in UNSURE
    )
    return next(one for one in letters if judge.find(one).reason is Reason.UNSURE)


def test_a_mailbox_is_judged_as_live_mail(tmp_path: Path) -> None:
    """Each letter meets the decision it would have met, and the sums say so."""
    box = tmp_path / "Sent"
    box.write_bytes(
        mbox(
            letter(1),
            letter(2, month=3),
            letter(3, text="The invoice is attached.\n"),
            letter(4, to="b@aozora.example.jp"),
            letter(5, "Auto-Submitted: auto-replied"),
            letter(6, "DKIM-Signature: v=1; b=x"),
            unsure(7),
        )
    )
    *rows, summary = replay(box)
    assert summary["by_reason"] == {
        "injected": 2,
        "auto_submitted": 1,
        "dkim_signed": 1,
        "internal_recipients": 1,
        "not_rejection": 1,
        "unsure": 1,
    }
    assert (summary["messages"], summary["letters"], summary["unsure"]) == (7, 2, 1)
    assert summary["unwritten_by_reason"] == {"dkim_signed": 1}
    assert summary["by_month"] == {
        "2025-01": {"letters": 1, "unwritten": 1, "unsure": 1},
        "2025-02": {"letters": 0, "unwritten": 0, "unsure": 0},
        "2025-03": {"letters": 1, "unwritten": 0, "unsure": 0},
    }
    assert (summary["by_stage"], summary["by_language"]) == ({"document": 2}, {"ja": 2})
    (shape,) = summary["shapes"]
    assert shape["count"] == 1
    assert shape["evidence"].startswith("decision.")
    assert shape["places"][0]["check"] == f"{box}:7"
    assert [(row["number"], row["verdict"], row["decision"]) for row in rows] == [
        (1, "rejection", "inject"),
        (2, "rejection", "inject"),
        (6, "rejection", "pass"),
        (7, "unsure", "pass"),
    ]
    assert list(rows[0]) == [
        "type",
        "file",
        "number",
        "offset",
        "check",
        "month",
        "verdict",
        "score",
        "decision",
        "reason",
        "language",
        "stage",
        "position",
        "evidence",
        "shape",
    ]
    assert box.read_bytes()[rows[2]["offset"] :].startswith(MARK + b"DKIM-Signature")


def test_a_place_of_the_report_can_be_looked_at(tmp_path: Path) -> None:
    """`check`, and `inject` and `restore` with it, take FILE:NUMBER."""
    box = tmp_path / "Sent"
    box.write_bytes(mbox(letter(1, text="Hello.\n"), letter(2)))
    *_, last = replay(box)[:-1]
    done = run("check", "--json", last["check"])
    assert json.loads(done.stdout)["verdict"] == "rejection"
    assert json.loads(run("check", "--json", f"{box}:1").stdout)["verdict"] == "other"
    done = run("check", f"{box}:3")
    assert (done.exit_code, "fewer messages" in done.stderr) == (2, True)


def test_the_configuration_rules_if_there_is_one(tmp_path: Path) -> None:
    """Its companies alone count; those that only watch are replayed as if they did not."""
    config = create(tmp_path / "installation")
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace('mode = "inject"', 'mode = "observe"'), encoding="utf-8")
    box = tmp_path / "Sent"
    box.write_bytes(mbox(letter(1), letter(2, sender="hr@other.example.com")))
    summary = replay(box, "--config", config)[-1]
    assert summary["configuration"] is True
    assert summary["by_reason"] == {"injected": 1, "not_own_company": 1}
    assert replay(box)[-1]["by_reason"] == {"injected": 2}
    done = run("replay", box, "--config", tmp_path / "missing.toml")
    assert done.exit_code == 2


def test_copies_of_a_letter_count_once(tmp_path: Path) -> None:
    """Also in another form and file; two letters with one Message-ID or none are two."""
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail/a.mbox").write_bytes(
        mbox(letter(1), letter(1), letter(1, text=REJECTION * 2))
    )
    copy = letter(1, "Received: by mx.example.jp").replace(b"\n", b"\r\n")
    (tmp_path / "mail/b.eml").write_bytes(copy)
    for number, to in enumerate(("x@mail.example.com", "y@mail.example.com")):
        without = re.sub(rb"Message-ID: .*\n", b"", letter(1, to=to))
        (tmp_path / f"mail/c{number}.eml").write_bytes(without)
    summary = replay(tmp_path / "mail")[-1]
    assert summary["not_judged"] == {"duplicate": 2}
    assert (summary["letters"], summary["messages"]) == (4, 6)
    assert summary["files"] == {"read": 4}


def test_of_a_gmail_export_only_sent_mail_counts(tmp_path: Path) -> None:
    """By its labels, in English and Japanese, or those that somebody names."""
    box = tmp_path / "All mail.mbox"
    labels = ("Sent,Opened", "=?UTF-8?B?6YCB5L+h5riI44G/?=", "Inbox,Opened", "HR out")
    box.write_bytes(
        mbox(*(letter(n, f"X-Gmail-Labels: {label}") for n, label in enumerate(labels)))
    )
    summary = replay(box)[-1]
    assert (summary["letters"], summary["not_judged"]) == (2, {"not_sent": 2})
    assert replay(box, "--label", "hr out", "--label", "INBOX")[-1]["letters"] == 2


def test_damaged_mail_is_counted_with_its_place(tmp_path: Path) -> None:
    """Nothing stops the run; what follows the damage is judged."""
    box = tmp_path / "box.mbox"
    cut = letter(3).replace(b"text/plain; charset=utf-8", b'multipart/mixed; boundary="b"')
    box.write_bytes(
        b"\x89garbage without a From_ line\n\n"
        + mbox(b"", letter(2) + b"\0\0\n", cut, b"no header here\n\nx\n", letter(5))
        + MARK
        + letter(6)[:150]
    )
    *rows, summary = replay(box)
    assert summary["damaged"] == {
        "broken_header": 1,
        "empty": 1,
        "no_from_line": 1,
        "nul_bytes": 1,
        "unclosed_multipart": 1,
    }
    assert [(row["number"], row["reason"]) for row in summary["damage"]] == [
        (1, "no_from_line"),
        (2, "empty"),
        (3, "nul_bytes"),
        (4, "unclosed_multipart"),
        (5, "broken_header"),
    ]
    assert [row["reason"] for row in rows if row["type"] == "damaged"] == [
        row["reason"] for row in summary["damage"]
    ]
    assert summary["letters"] == 1
    assert summary["messages"] == 7


@pytest.mark.parametrize(
    ("name", "data", "complaint"),
    [
        ("empty", b"", "empty"),
        ("picture.png", b"\x89PNG\r\n\x1a\n\0", "neither a letter nor an mbox"),
        ("takeout.zip", b"PK\x03\x04", "unpack it first"),
        ("broken.mbox", b"\0\1\2 no From_ line\n", "neither a letter nor an mbox"),
        ("empty.mbox", b"", "empty"),
        ("folder/readme", b"hello", "nothing found"),
        ("folder/sub/empty", b"", "nothing found"),
    ],
)
def test_what_is_no_mail_is_wrong_use(
    tmp_path: Path, name: str, data: bytes, complaint: str
) -> None:
    """Exit code 2, and what is expected instead."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    done = run("replay", tmp_path / name.split("/")[0])
    assert done.exit_code == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_path_and_wrong_options_are_wrong_use(tmp_path: Path) -> None:
    """Before anything is read."""
    box = tmp_path / "box"
    box.write_bytes(mbox(letter()))
    for arguments, complaint in (
        ((tmp_path / "missing",), "No such file"),
        ((box, "--click-rate", "200%"), "at most 100%"),
        ((box, "--click-rate", "20%-5%"), "the smaller first"),
        ((box, "--signup-rate", "many"), "such as 5%-20%"),
        ((box, "--html", tmp_path / "missing/page.html"), "does not exist"),
        ((box, "--html", box), "is not overwritten"),
        ((box, "--state", box), "not the state of a replay"),
        ((box, "--state", "/dev/null/x"), "--state"),
    ):
        done = run("replay", *arguments)
        assert (done.exit_code, complaint in done.stderr) == (2, True), done.stderr
    assert box.read_bytes() == mbox(letter())
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["box"]


def test_a_file_that_cannot_be_read_ends_with_1(tmp_path: Path) -> None:
    """The report is made all the same, and names the file."""
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail/a.eml").write_bytes(letter())
    (tmp_path / "mail/b.eml").symlink_to(tmp_path / "gone")
    (tmp_path / "mail/c.eml").write_bytes(b"\x89PNG")
    (tmp_path / "mail/d.txt").write_text("hello")
    summary = replay(tmp_path / "mail", code=1)[-1]
    assert summary["files"] == {"not_mail": 1, "other": 1, "read": 1, "unreadable": 1}
    assert [row["reason"] for row in summary["damage"]] == ["unreadable", "not_mail"]
    assert summary["letters"] == 1


def test_a_file_without_rights_is_named(tmp_path: Path) -> None:
    """Whoever named it hears why."""
    box = tmp_path / "box"
    box.write_bytes(mbox(letter()))
    box.chmod(0)
    user = os.geteuid()
    if user == 0:  # Root may read everything.
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        done = run("replay", box)
    finally:
        os.seteuid(user)
    assert (done.exit_code, "Permission denied" in done.stderr) == (2, True)


def run_and_measure(*arguments: str | Path) -> tuple[dict[str, Any], int]:
    """Return the summary of a replay and the most memory it took, in bytes."""
    process = subprocess.Popen(
        [*CAREERRELAY, "replay", "--json", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    with process.stdout:
        *_, last = process.stdout
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return json.loads(last), usage.ru_maxrss * 1024


def test_memory_does_not_grow_with_the_mail(tmp_path: Path) -> None:
    """200 MB with a line of 50 MB and a message over the limit take little more than one letter."""
    attachment = letter(0, text="x" * MEBIBYTE + "\n")
    small = tmp_path / "small"
    small.write_bytes(mbox(letter(1), attachment))
    box = tmp_path / "large"
    with box.open("wb") as file:
        file.write(mbox(letter(1)) + MARK + b"Subject: huge\n\n")
        file.seek(70 * MEBIBYTE, os.SEEK_CUR)  # A hole in the file, NULs to its reader.
        file.write(b"\n\n" + MARK + b"Subject: long\n\n" + b"x" * (51 * MEBIBYTE) + b"\n\n")
        for number in range(2, 82):
            file.write(mbox(attachment.replace(b"<0@", b"<%d@" % number)))
        file.write(mbox(letter(90)))
    _, little = run_and_measure(small)
    summary, much = run_and_measure(box)
    assert summary["bytes"] > 200 * MEBIBYTE
    assert (summary["letters"], summary["not_judged"]) == (2, {"too_large": 2})
    assert much - little < 24 * MEBIBYTE


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an invented year, long enough to be stopped in its middle."""
    path = tmp_path_factory.mktemp("year") / "sent.mbox"
    path.write_bytes(sample_year(part=2))
    return path


def start(box: Path, state: Path) -> subprocess.Popen[str]:
    """Start a replay whose rows are to be read."""
    return subprocess.Popen(
        [*CAREERRELAY, "replay", "--json", str(box), "--state", str(state)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_in_the_middle(box: Path, state: Path) -> None:
    """Kill a replay that has kept its state and is not done."""
    with start(box, state) as process:
        assert process.stdout is not None
        process.stdout.readline()
        # Meanwhile it fills the pipe and waits, so that its state is due when it goes on. And two
        # on one state would count everything twice.
        other = careerrelay("replay", box, "--state", state)
        assert (other.returncode, "another replay" in other.stderr) == (2, True)
        while not state.exists():
            assert process.stdout.readline(), "ended before its state was kept"
        process.kill()


def test_a_run_that_is_killed_ends_with_the_same_report(year: Path, tmp_path: Path) -> None:
    """kill -9 and Ctrl-C in the middle; the third run goes on and forgets nothing and no copy."""
    whole = replay(year)
    state = tmp_path / "state.json"
    kill_in_the_middle(year, state)
    kept = json.loads(state.read_text())
    assert 0 < kept["progress"]["offset"] < year.stat().st_size
    with start(year, state) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, error = process.communicate()
    assert process.returncode == 1
    assert "Going on after" in error
    assert "Give the same command again" in error
    rest = replay(year, "--state", state)
    assert rest[-1] == whole[-1]
    assert len(rest) < len(whole)
    assert not list(tmp_path.glob("state.json*"))


def test_a_run_may_be_stopped_behind_every_message(tmp_path: Path) -> None:
    """Whatever the file is, going on from what was kept counts all once."""
    folder, state = tmp_path / "mail", tmp_path / "mail/state.json"
    (folder / "Maildir/cur").mkdir(parents=True)
    (folder / "Maildir/new").mkdir()
    (folder / "Maildir/cur/1:2,S").write_bytes(letter(1))
    (folder / "Maildir/new/2").write_bytes(b"")
    (folder / "a.eml").write_bytes(b"")
    (folder / "b.eml").write_bytes(letter(2))
    (folder / "c.eml").symlink_to("gone")
    (folder / "d.mbox").write_bytes(b"garbage\n\n" + mbox(letter(1), letter(3), b"", letter(4)))
    (folder / "e.eml").write_bytes(letter(3))

    def through(go_on: Callable[[int], bool]) -> tuple[bool, Sums]:
        run_ = Run(judge, SENT_NAMES, MEBIBYTE, say=lambda _row: None, go_on=go_on)
        with StateFile(state) as file:
            identity, _ = identify(find_sources(folder), "rules")
            kept = file.read()
            assert kept is None or kept[0] == identity
            progress, seen = (Progress(), Seen()) if kept is None else kept[1:]
            file.begin(seen)
            finished = run_.through(find_sources(folder), progress, seen)
            file.write(identity, progress, seen)
            if finished:
                file.remove()
            return finished, progress.sums

    judge = judge_for(None)
    _, whole = through(lambda _done: True)
    stops = 0
    while not (ended := through(lambda _done: False))[0]:
        stops += 1
    assert ended[1] == whole
    assert stops == whole.messages == 10
    assert whole.not_judged == {"duplicate": 2, "empty": 3, "no_from_line": 1}
    assert whole.files == {"read": 6, "unreadable": 1}


def test_a_state_holds_no_words_of_letters(year: Path, tmp_path: Path) -> None:
    """Counts, codes and places."""
    state = tmp_path / "state.json"
    kill_in_the_middle(year, state)
    for file in (state, tmp_path / "state.json.seen"):
        assert b"@" not in file.read_bytes() or file.suffix == ".seen"
        assert file.stat().st_mode & 0o077 == 0
    text = state.read_text()
    assert not any(word in text for word in ("asagiri", "mail.example", "選考", "Your application"))


def test_mail_that_has_changed_is_counted_anew(year: Path, tmp_path: Path) -> None:
    """And it is said: sums of two different mailboxes would be those of none."""
    box, state = tmp_path / "box", tmp_path / "state.json"
    box.write_bytes(year.read_bytes())
    kill_in_the_middle(box, state)
    box.write_bytes(mbox(letter(1), letter(2)))
    done = run("replay", "--json", box, "--state", state)
    assert "Starting anew: the mail has changed" in done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["letters"] == 2


class _Page(html.parser.HTMLParser):
    """The tags and the words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.parametrize(
    ("language", "title"), [("en", "would have carried the line"), ("ja", "1行が入ったはず")]
)
def test_the_page_asks_nobody_for_anything(tmp_path: Path, language: str, title: str) -> None:
    """No script, no address, no word of a letter; a picture, and the table of its numbers."""
    box = tmp_path / "sent <b>.mbox"
    box.write_bytes(sample_year(part=12))
    target = tmp_path / "page.html"
    done = run("replay", box, "--html", target, "--language", language)
    assert done.exit_code == 0, done.stderr
    text = target.read_text(encoding="utf-8")
    page = _Page(text)
    assert title in text
    names = [tag for tag, _ in page.tags]
    assert not {"script", "link", "img", "iframe", "form"} & set(names)
    assert not [attrs for _, attrs in page.tags if {"src", "href", "action"} & set(attrs)]
    assert "://" not in text
    assert "@import" not in text
    assert (names.count("svg"), names.count("b")) == (1, 4)  # No "b" of the file's name.
    assert {"lang": language} in [attrs for tag, attrs in page.tags if tag == "html"]
    shown = " ".join(page.words)
    assert not any(word in shown for word in ("asagiri.example", "mail.example", "佐々木", "Holt"))
    assert all(f"2025-{month:02}" in page.words for month in range(1, 13))


def test_people_get_tables_with_the_assumptions(tmp_path: Path) -> None:
    """On a terminal, too, an estimate is a range that says what it rests on."""
    box = tmp_path / "[Gmail].Sent"
    box.write_bytes(mbox(*(letter(number) for number in range(40)), unsure(99)))
    done = run("replay", box, "--click-rate", "50%-100%", "--signup-rate", "0.5")
    assert done.exit_code == 0, done.stderr
    assert "40 of 41 messages would have carried the line, 1 is unsure" in done.stdout
    assert f"{box}:41" in done.stdout
    assert "50% to 100% of the links are opened" in done.stdout
    assert "10 to 20 referrals, 1 to 2 hires free of fees (1 for every 10" in done.stdout


def test_a_terminal_shows_how_far_it_has_come(year: Path, tmp_path: Path) -> None:
    """A bar of bytes, gone when the report comes."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*CAREERRELAY, "replay", str(year), "--state", str(tmp_path / "state")],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "120"},
    )
    os.close(theirs)
    seen = _read_all(ours)
    assert process.wait() == 0
    assert "Judging" in seen
    assert "MB/s" in seen
    assert "messages in" in seen


def _read_all(terminal: int) -> str:
    pieces: list[bytes] = []
    try:
        while piece := os.read(terminal, 65536):
            pieces.append(piece)
    except OSError:  # How a terminal says that the other side is gone.
        pass
    os.close(terminal)
    return b"".join(pieces).decode()


@pytest.mark.parametrize(
    ("letters", "clicks", "signups", "referrals", "slots"),
    [
        (0, Rate(0.1, 0.2), Rate(0.1, 0.2), (0, 0), (0, 0)),
        (1000, Rate(0.1, 0.1), Rate(0.3, 0.3), (30, 30), (3, 3)),
        (999, Rate(0.1, 0.2), Rate(0.1, 0.5), (9, 99), (0, 9)),
    ],
)
def test_an_estimate_is_rounded_down(
    letters: int,
    clicks: Rate,
    signups: Rate,
    referrals: Sequence[int],
    slots: Sequence[int],
) -> None:
    """Nothing is promised that is not whole."""
    worth = estimate(letters, clicks, signups, threshold=10, grant=1, policy="x")
    assert (worth.referrals, worth.slots) == (referrals, slots)


def test_sums_are_kept_and_read_as_they_were() -> None:
    """Between two runs nothing gets lost, and nothing grows without a limit."""
    sums = Sums()
    for number in range(3000):
        shape = hashlib.sha256(b"%d" % number).hexdigest()[:12]
        finding = Finding(Reason.UNSURE, shape=shape, month=f"20{number % 90 + 10}-01")
        sums.add(finding, Place("box", number + 1, 0))
        sums.add_damage("empty", Place("box", number + 1, 0))
    sums.add(Finding(Reason.UNSURE, shape="last", month=UNKNOWN), Place("box", 1, 0))
    kept = json.loads(json.dumps(sums.encode()))
    assert Sums.decode(kept) == sums
    assert Sums.decode(kept).summary() == sums.summary()
    assert len(sums.summary()["shapes"]) == 1001
    assert sum(shape["count"] for shape in sums.summary()["shapes"]) == 3001
    assert (len(sums.damage), sums.damaged["empty"]) == (100, 3000)
    # A wrong date does not make a thousand empty months.
    assert len(sums.by_month()) == 91


def test_every_code_of_a_report_has_words() -> None:
    """A reason or a trade that is added is named in the report, too."""
    lexicons = load_lexicons().values()
    assert {reason for reason in Reason if not reason.name.startswith(("STORE", "TIME"))} <= set(
        REASONS
    )
    for section, words in ((Section.STAGE, STAGES), (Section.POSITION, POSITIONS)):
        codes = {entry.code for lexicon in lexicons for entry in lexicon.of(section)}
        assert codes <= set(words)
