"""Runs of the command `replay`: their memory, and what stops them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from relay.cli.replayjudge import judge_for
from relay.cli.replayrun import Run
from relay.cli.replaystate import Progress, Seen, StateFile, identify
from relay.cli.replaysums import Sums
from relay.mailstore import SENT_NAMES, find_sources
from tests.cli.mailboxes import MARK, MEBIBYTE, letter, mbox, replay, run
from tests.cli.process import CAREERRELAY, careerrelay

pytestmark = pytest.mark.usefixtures("elsewhere")


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
