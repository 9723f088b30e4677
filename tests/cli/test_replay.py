"""The command `replay`: what it reads and what it says of each letter."""

from __future__ import annotations

import json
import os
import pwd
import re
from pathlib import Path

import pytest

from tests.cli.mailboxes import MARK, REJECTION, letter, mbox, replay, run, unsure
from tests.cli.process import create

pytestmark = pytest.mark.usefixtures("elsewhere")


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
