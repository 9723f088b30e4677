"""Where stored mail is found, and what of it was sent."""

from __future__ import annotations

import mailbox
import os
from email.header import Header
from pathlib import Path

import pytest

from relay.mailstore import (
    Fault,
    Form,
    Source,
    find_sources,
    is_sent,
    look_at,
    read_one,
    read_source,
    sent_names_of,
)

LETTER = b"From: hr@example.jp\nTo: a@example.com\nSubject: result\n\nHello.\n"
MBOX = b"From hr@example.jp Mon Jan  6 09:00:00 2025\n" + LETTER + b"\n"
SIZE_MAX = 1000


def names(path: Path) -> list[str]:
    """Return what mail is found, by path from there."""
    return [str(source.path.relative_to(path)) for source in find_sources(path) if source.form]


def faults(source: Source) -> list[Fault | None]:
    """Return the fault of each message of a file."""
    return [stored.fault for stored in read_source(source, SIZE_MAX)]


@pytest.mark.parametrize(
    ("name", "data", "form"),
    [
        ("Sent", MBOX, Form.MBOX),
        ("sent.eml", MBOX, Form.MBOX),
        ("sent.mbox", LETTER, Form.MBOX),
        ("letter", LETTER, Form.LETTER),
        ("letter.txt", b"\xef\xbb\xbf\r\n" + LETTER, Form.LETTER),
        ("broken.mbox", b"\0\1\2" * 3000 + b"\n\n" + MBOX, Form.MBOX),
        ("empty.eml", b"", Form.LETTER),
        ("notes.txt", b"From Monday on: nothing\nSubject\n", None),
        ("todo.txt", b"Note: buy milk\n", None),
        ("empty", b"", None),
        ("sent.mbox.zip", b"PK\x03\x04....", None),
        ("picture.png", b"\x89PNG\r\n\x1a\n\0\0", None),
    ],
)
def test_files_are_known_by_what_is_in_them(
    tmp_path: Path, name: str, data: bytes, form: Form | None
) -> None:
    """The name counts only where the bytes do not tell."""
    path = tmp_path / name
    path.write_bytes(data)
    source = look_at(path)
    assert source.form is form
    assert source.is_other == (form is None)
    assert (look_at(path, is_named=True).fault is Fault.NOT_MAIL) == (form is None)


def test_a_wrong_form_says_what_to_do(tmp_path: Path) -> None:
    """Archives and mailboxes of other programs are named with the way out."""
    for data, advice in ((b"PK\x03\x04", "unpack"), (b"!BDN", "export"), (b"\x1f\x8b", "unpack")):
        (tmp_path / "file").write_bytes(data)
        assert advice in look_at(tmp_path / "file", is_named=True).detail
    assert look_at(tmp_path / "missing").fault is Fault.UNREADABLE


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    """Letters and mbox files at any depth; hidden files, links to folders and pipes are not."""
    for name in ("b.eml", "a/2.eml", "a/1.eml", "c/Sent.mbox/mbox", ".hidden", "a/.DS_Store"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(MBOX if path.name == "mbox" else LETTER)
    (tmp_path / "a/readme").write_text("nothing")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.eml")
    assert names(tmp_path) == ["a/1.eml", "a/2.eml", "b.eml", "c/Sent.mbox/mbox"]
    assert names(tmp_path) == names(tmp_path)


def test_of_a_maildir_only_the_folders_of_sent_mail_count(tmp_path: Path) -> None:
    """`.Sent` and its subfolders, also in modified UTF-7; the whole where there is none."""
    box = mailbox.Maildir(tmp_path / "Maildir")
    box.add(LETTER)
    assert len(names(tmp_path)) == 1
    for folder, count in (("Sent", 2), ("Sent.2025", 1), ("&kAFP4W4IMH8-", 3), ("Archive", 1)):
        below = box.add_folder(folder)
        for _ in range(count):
            below.add(LETTER)
    (tmp_path / "Maildir/dovecot-uidlist").write_text("3 V1\n")
    found = names(tmp_path)
    assert len(found) == 6
    assert {name.split("/")[1] for name in found} == {".Sent", ".Sent.2025", ".&kAFP4W4IMH8-"}
    # The folder itself may be named, too.
    assert len(names(tmp_path / "Maildir/.Archive")) == 1


def test_a_maildir_message_is_a_letter_whatever_it_holds(tmp_path: Path) -> None:
    """What lies in `cur` was mail for somebody: it is counted, not passed over."""
    for part in ("cur", "new", "tmp"):
        (tmp_path / part).mkdir()
    (tmp_path / "cur/1:2,S").write_bytes(b"\x89PNG")
    (tmp_path / "new/2").write_bytes(b"")
    (tmp_path / "tmp/3").write_bytes(LETTER)
    sources = list(find_sources(tmp_path))
    assert [source.form for source in sources] == [Form.LETTER, Form.LETTER]
    assert [faults(source) for source in sources] == [[None], [Fault.EMPTY]]


def test_what_cannot_be_read_is_a_fault_with_its_place(tmp_path: Path) -> None:
    """Too large, empty, no message at all: each is said of its message; the next follows."""
    big = LETTER + b"x" * SIZE_MAX
    mark = MBOX[: MBOX.index(b"\n") + 1]
    path = tmp_path / "box.mbox"
    path.write_bytes(b"garbage\0\n\n" + mark + big + b"\n\n" + mark + b"\n" + MBOX)
    source = look_at(path)
    found = list(read_source(source, SIZE_MAX))
    assert [stored.fault for stored in found] == [
        Fault.NO_FROM_LINE,
        Fault.TOO_LARGE,
        Fault.EMPTY,
        None,
    ]
    assert [stored.number for stored in found] == [1, 2, 3, 4]
    assert found[-1].message == LETTER
    assert path.read_bytes()[found[-1].offset :] == MBOX
    letter = tmp_path / "big.eml"
    letter.write_bytes(big)
    assert faults(look_at(letter)) == [Fault.TOO_LARGE]


def test_a_file_that_is_gone_or_changed_is_a_fault_of_the_file(tmp_path: Path) -> None:
    """Somebody's mail program may be at work meanwhile."""
    path = tmp_path / "box.mbox"
    path.write_bytes(MBOX)
    source = look_at(path)
    path.write_bytes(MBOX * 2)
    assert faults(source) == [None, Fault.CHANGED]
    path.unlink()
    (gone,) = read_source(source, SIZE_MAX)
    assert (gone.number, gone.fault) == (0, Fault.UNREADABLE)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (b"Sent", True),
        (b"Important,Opened,sent", True),
        (Header("開封済み,送信済み", "utf-8").encode().encode(), True),
        (Header("長いラベル" * 20 + ",送信済み,開封済み", "utf-8").encode().encode(), True),
        (b"Inbox,\n Sent", True),
        (b'"Sent Mail",Archived', True),
        (b"Inbox,Unsent", False),
        (b"Inbox", False),
        (b"", False),
    ],
)
def test_gmail_labels_say_what_was_sent(labels: bytes, expected: bool) -> None:
    """In whatever language, order and folding; a message without any was sent."""
    assert is_sent(b"X-Gmail-Labels: " + labels + b"\n" + LETTER) is expected
    assert is_sent(LETTER)
    assert is_sent(LETTER + b"\nX-Gmail-Labels: Inbox\n")


def test_names_of_sent_mail_can_be_chosen() -> None:
    """Case and width do not count."""
    assert is_sent(b"X-Gmail-Labels: HR Out\n" + LETTER, sent_names_of(["ｈｒ out"]))
    assert not is_sent(b"X-Gmail-Labels: Sent\n" + LETTER, sent_names_of(["HR out"]))


def test_one_message_is_found_by_its_number(tmp_path: Path) -> None:
    """The number is that of the report."""
    path = tmp_path / "box"
    path.write_bytes(MBOX + MBOX.replace(b"Hello", b"Second"))
    assert read_one(path, 2) == LETTER.replace(b"Hello", b"Second")
    assert read_one(path, 3) is None
