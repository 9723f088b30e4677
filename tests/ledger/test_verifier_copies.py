"""The auditor's verifier on copies of a log, saved mails, and bytes that mean it no good."""

from __future__ import annotations

import ast
import email
import subprocess
import sys
import tempfile
from email.message import EmailMessage, Message
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import recount, verifier
from ledger.checkpointmail import CheckpointMails, digest_of
from ledger.jobs import Jobs, Kind
from ledger.log import consistency_proof
from ledger.mailer import Mailer, MailSettings
from ledger.proofs import encode_consistency
from ledger.store_jobs import NewJob
from ledger.store_log import entries
from ledger.verifier import Refused
from tests.ledger.parts import KEY, clock, letters_and_signups, record, store_in
from tests.ledger.test_log import grow, naive_root
from tests.ledger.test_verifier import ORIGIN, TRUSTED, VKEY, proof_of, sign
from tests.relay.neighbours import hop

LOG = [b'{"entry":"%d \xe4\xb8\x80"}' % number for number in range(21)]


def export(folder: Path, entries: list[bytes], end: bytes = b"\n") -> str:
    """Write an export and return its name."""
    (folder / "export.jsonl").write_bytes(b"".join(entry + end for entry in entries))
    return str(folder / "export.jsonl")


def checkpoint_file(folder: Path, size: int, entries: list[bytes] = LOG) -> str:
    """Write a checkpoint and return its name."""
    (folder / f"checkpoint-{size}").write_bytes(sign(size, naive_root(entries[:size])))
    return str(folder / f"checkpoint-{size}")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run a command; return its exit code and what it said."""
    code = verifier.main(arguments)
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return code, captured.out, captured.err


def check_log(
    capsys: pytest.CaptureFixture[str], name: str, *checkpoints: str
) -> tuple[int, str, str]:
    """Check an export."""
    return run(capsys, "log", name, "--key", VKEY, *checkpoints)


def test_a_whole_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All sizes that were signed are found again, also after a trip through Windows."""
    checkpoints = [checkpoint_file(tmp_path, size) for size in range(1, 22)]
    for end in (b"\n", b"\r\n"):
        code, out, _ = check_log(capsys, export(tmp_path, LOG, end), *checkpoints)
        assert (code, out.partition(": ")[0]) == (0, "verified")
        assert f"21 of 21 entries of {ORIGIN}" in out


def test_what_is_not_signed_yet_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Entries behind the newest checkpoint are vouched for by nobody."""
    code, out, _ = check_log(capsys, export(tmp_path, LOG), checkpoint_file(tmp_path, 13))
    assert code == 0
    assert "13 of 21 entries" in out


@pytest.mark.parametrize(
    ("entries", "where"),
    [
        ([*LOG[:9], b'{"entry":"x"}', *LOG[10:]], "checkpoint-13: of entries 8 to 12"),
        ([*LOG[:3], *LOG[4:], LOG[3]], "checkpoint-8: of entries 0 to 7"),
        ([*LOG[:20], LOG[19]], "checkpoint-21: of entries 13 to 20"),
        ([*LOG[:13], b"", *LOG[13:]], "entry 13 is empty"),
        ([*LOG[:13], bytes(8193)], "entry 13 is empty or over 8192 bytes"),
        (LOG[:20], "20 entries, but"),
        ([], "0 entries, but"),
    ],
)
def test_what_is_wrong_is_named(
    entries: list[bytes], where: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Changed, moved, doubled, empty, endless and missing entries, with place and checkpoint."""
    checkpoints = [checkpoint_file(tmp_path, size) for size in (8, 13, 21)]
    code, out, err = check_log(capsys, export(tmp_path, entries), *checkpoints)
    assert (code, out) == (1, "")
    assert where in err
    assert err.count("\n") == 1


def test_two_histories_are_a_fork(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two checkpoints of one size and key that differ prove by themselves what was done."""
    one = checkpoint_file(tmp_path, 13)
    other = tmp_path / "other"
    other.mkdir()
    two = checkpoint_file(other, 13, [*LOG[:5], b"else", *LOG[6:]])
    code, _, err = check_log(capsys, export(tmp_path, LOG), one, two)
    assert code == 1
    assert "FORK" in err


def test_consistency_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A log that grew is told from one that was rewritten."""
    old, new = checkpoint_file(tmp_path, 8), checkpoint_file(tmp_path, 21)
    path = consistency_proof(8, 21, grow(LOG)[1])
    proof = tmp_path / "proof"
    proof.write_bytes(encode_consistency(8, path, Path(new).read_bytes()))
    arguments = ["consistency", old, new, str(proof), "--key", VKEY]
    code, out, _ = run(capsys, *arguments)
    assert (code, out) == (0, f"verified: {ORIGIN} of size 21 continues that of size 8\n")
    checkpoint_file(tmp_path, 8, [b"else", *LOG[1:]])
    code, _, err = run(capsys, *arguments)
    assert (code, "FORK" in err) == (1, True)
    checkpoint_file(tmp_path, 9)
    code, _, err = run(capsys, "consistency", str(tmp_path / "checkpoint-9"), *arguments[2:])
    assert (code, "not from size 9" in err) == (1, True)


# --------------------------------------------------------------------------------- mails


def mail(note: str, charset: str, encoding: str) -> bytes:
    """Return a mail with the note in its text."""
    message = EmailMessage()
    message["Subject"] = "記録の検証"
    message.set_content(f"本日の記録です。\n\n{note}\n以上\n", charset=charset, cte=encoding)
    message.add_attachment(b"other things", maintype="application", subtype="pdf", filename="x")
    return bytes(message)


def attached(note: str) -> bytes:
    """Return a mail with the note as an attachment."""
    message = EmailMessage()
    message.set_content("See the attached file.\n")
    message.add_attachment(note, filename="checkpoint.txt")
    return bytes(message)


NOTE = sign(21, naive_root(LOG)).decode()
OTHERS_NOTE = sign(5, bytes(32), origin="r.example.jp/midori").decode()


@pytest.mark.parametrize(
    "saved",
    [
        NOTE.encode(),
        NOTE.encode().replace(b"\n", b"\r\n"),
        NOTE.rstrip("\n").encode(),
        f"From: x\n\n本日の記録です。\n\n{NOTE}\n-- \n".encode(),
        f"{OTHERS_NOTE}\n{NOTE}".encode(),
        mail(NOTE, "utf-8", "base64"),
        mail(NOTE, "utf-8", "quoted-printable"),
        mail(NOTE, "utf-8", "8bit"),
        mail(NOTE.replace("—", "―"), "iso-2022-jp", "7bit"),
        mail(NOTE, "utf-8", "base64").replace(b"\n", b"\r\n"),
        mail(NOTE, "utf-8", "base64").replace(b'charset="utf-8"', b'charset="x-unheard-of"'),
        attached(NOTE),
        attached(f"{NOTE}\n{OTHERS_NOTE}"),
    ],
    ids=range(13),
)
def test_notes_are_found_in_saved_mails(saved: bytes, tmp_path: Path) -> None:
    """Plain, in all encodings of mail, attached, beside another log's, and however saved."""
    (tmp_path / "saved.eml").write_bytes(saved)
    (found,) = verifier.find_checkpoints(str(tmp_path / "saved.eml"), TRUSTED)
    assert found == (ORIGIN, 21, naive_root(LOG))


@pytest.mark.parametrize(
    ("saved", "said"),
    [
        (b"", "holds no checkpoint"),
        (b"From: x\n\nno note here\n", "holds no checkpoint"),
        (OTHERS_NOTE.encode(), f"holds no checkpoint of {ORIGIN}"),
        (mail(NOTE.replace("21", "22"), "utf-8", "base64"), "the text was changed"),
        (b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--x\n" * 5000, "holds no"),
        (b'Content-Type: text/plain; charset="\xff\x00"\n\n\x1b$B', "holds no"),
        (f"{ORIGIN}\n1\nx\n".encode() * 30_000, "holds no checkpoint"),
        (bytes((1 << 22) + 1), "over 4194304 bytes"),
    ],
    ids=range(8),
)
def test_mails_without_a_good_note(saved: bytes, said: str, tmp_path: Path) -> None:
    """What is not there, of another log, changed, or made to hurt, is said in a line."""
    (tmp_path / "saved.eml").write_bytes(saved)
    with pytest.raises(Refused, match=said):
        verifier.find_checkpoints(str(tmp_path / "saved.eml"), TRUSTED)


def test_the_mails_of_the_service_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What an auditor was really sent is a witness as it is, and as text that he copied out."""
    store = store_in(tmp_path)
    with hop() as server:
        mails = CheckpointMails(
            store,
            Mailer(MailSettings("127.0.0.1", server.port, "relay@r.example.jp")),
            installation="r.example.jp",
            public_key=KEY.public,
            auditors=lambda _log: ["audit@example.jp"],
            clock=clock,
        )
        jobs = Jobs(store, clock)
        jobs.kinds["mail"] = Kind(mails.run, 60)
        for day in range(3):
            record(store, tmp_path, letters_and_signups(4, start=4 * day))
            payload: dict[str, str | int] = {
                "log": "aozora",
                "day": f"2026-04-0{day + 1}",
                "auditor": digest_of("audit@example.jp"),
            }
            jobs.add(NewJob(f"mail:{day}", "mail", payload))
            assert jobs.run(f"mail:{day}")
        wires = server.heard.wires
    with store.read() as transaction:
        bodies = [row.body for rows in entries(transaction, "aozora") for row in rows]
    store.close()
    files = [str(tmp_path / f"mail-{day}.eml") for day in range(3)]
    for name, wire in zip(files, wires, strict=True):
        Path(name).write_bytes(wire)
    assert check_log(capsys, export(tmp_path, bodies), *files)[0] == 0
    code, _, err = check_log(capsys, export(tmp_path, [b"{}", *bodies[1:]]), *files)
    assert (code, "mail-0.eml: of entries 0 to 11" in err) == (1, True)
    code, _, err = check_log(capsys, export(tmp_path, bodies[:30]), *files)
    assert (code, "30 entries, but" in err) == (1, True)
    shown = email.message_from_bytes(wires[0]).get_payload(0)
    assert isinstance(shown, Message)
    text = shown.get_payload(decode=True)
    assert isinstance(text, bytes)
    (tmp_path / "copied.txt").write_bytes(text)
    (found,) = verifier.find_checkpoints(str(tmp_path / "copied.txt"), TRUSTED)
    assert found.size == 12


# -------------------------------------------------------------------------- as a program


@given(st.binary(max_size=300), st.sampled_from(["proof", "log", "consistency"]))
@settings(max_examples=200, deadline=None)
def test_no_bytes_make_it_fail(data: bytes, command: str) -> None:
    """Whatever a file holds, the answer is an exit code."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        path.write_bytes(data)
        more = {"proof": 0, "log": 1, "consistency": 2}[command]
        assert verifier.main([command, *[str(path)] * (more + 1), "--key", VKEY]) == 1
        assert recount.main([str(path)]) == (1 if data else 0)


def test_wrong_use_is_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files that are not there, and arguments that make no sense."""
    assert run(capsys, "proof", str(tmp_path / "none"), "--key", VKEY)[0] == 2
    assert run(capsys, "proof", str(tmp_path), "--key", VKEY)[0] == 2
    for wrong in (["proof", "x"], ["proof", "x", "--key", "y"], ["log", "x", "--key", VKEY], []):
        with pytest.raises(SystemExit) as ended:
            verifier.main(wrong)
        assert ended.value.code == 2
        assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("module", [verifier, recount], ids=["verifier", "recount"])
def test_it_stands_alone(module: object, tmp_path: Path) -> None:
    """A copy in an empty folder runs on the bare interpreter, and it imports nothing else."""
    source = Path(str(vars(module)["__file__"])).read_bytes()
    for item in ast.walk(ast.parse(source)):
        names = [alias.name for alias in item.names] if isinstance(item, ast.Import) else []
        names += [item.module or ""] if isinstance(item, ast.ImportFrom) else []
        assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names
    (tmp_path / "copy.py").write_bytes(source)
    (tmp_path / "file").write_bytes(proof_of([b"{}"], 0))
    arguments = ["proof", "file", "--key", VKEY] if module is verifier else ["file"]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "copy.py", *arguments],
        cwd=tmp_path,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    expected = (0, "") if module is verifier else (1, "DOES NOT HOLD: file: entry 0: is not an")
    assert (done.returncode, done.stderr[: len(expected[1])]) == expected
