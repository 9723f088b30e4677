"""`careerrelay log prove`, `verify-proof`, `checkpoint` and `verifier`.

A command is run in this process: there are many, and starting Python costs a second each time.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from ledger import verifier
from ledger.checkpoint import Checkpointer, load_log_key, verifier_key
from ledger.keyfiles import LOG_KEY, load_key
from ledger.store import Store
from ledger.tiles import log_address
from relay.__main__ import app
from tests.cli.test_record import folder, store
from tests.ledger.parts import applier_on, clock, letters_and_signups, submit

__all__ = ["folder", "store"]  # Fixtures.


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a command."""

    returncode: int
    stdout: str
    stderr: str


def careerrelay(folder: Path, *arguments: str) -> Done:
    """Run a command in a folder."""
    with contextlib.chdir(folder):
        result = CliRunner().invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def installation(folder: Path, store: Store) -> Iterator[Path]:
    """The folder of an installation with a signed log of 40 entries."""
    yield folder
    store.close()


def key_of(folder: Path, log: str = "aozora") -> str:
    """Return the verifier key of a log."""
    return verifier_key(f"r.example.jp/{log}", load_log_key(folder / "log-key").public)


def test_a_proof_from_one_end_to_the_other(installation: Path, tmp_path: Path) -> None:
    """The file that `prove` writes is checked by all three ways there are."""
    proof, key = tmp_path / "3.tlog-proof", key_of(installation)
    made = careerrelay(installation, "log", "prove", "3", "--log", "aozora", "-o", str(proof))
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")
    printed = careerrelay(installation, "log", "prove", "3", "--log", "aozora")
    assert printed.stdout.encode() == proof.read_bytes()
    event = json.loads(verifier.check_proof(proof.read_bytes(), verifier.read_key(key))[2])
    by_id = careerrelay(installation, "log", "prove", event["id"], "--log", "aozora")
    assert by_id.stdout == printed.stdout
    here = careerrelay(installation, "log", "verify-proof", str(proof))
    assert here.returncode == 0
    assert here.stdout.startswith("verified: entry 3 of r.example.jp/aozora, signed at 40:\n{")
    row = json.loads(careerrelay(installation, "log", "verify-proof", str(proof), "--json").stdout)
    assert (row["verified"], row["seq"], row["size"]) == (True, 3, 40)
    assert verifier.main(["proof", str(proof), "--key", key]) == 0


def test_checking_needs_nothing_of_ours(installation: Path, tmp_path: Path) -> None:
    """With the key there is neither configuration nor store; without it there must be."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    made = careerrelay(installation, "log", "prove", "0", "--log", "aozora")
    (elsewhere / "proof").write_bytes(made.stdout.encode())
    good = careerrelay(elsewhere, "log", "verify-proof", "proof", "--key", key_of(installation))
    assert (good.returncode, good.stderr) == (0, "")
    other = careerrelay(
        elsewhere, "log", "verify-proof", "proof", "--key", key_of(installation, "midori")
    )
    assert other.returncode == 1
    assert "not signed with the key" in other.stderr
    for arguments in (["proof"], ["none", "--key", key_of(installation)], ["proof", "--key", "x"]):
        wrong = careerrelay(elsewhere, "log", "verify-proof", *arguments)
        assert (wrong.returncode, wrong.stdout) == (2, "")
        assert wrong.stderr.count("\n") == 1


def test_a_changed_proof_is_refused(installation: Path, tmp_path: Path) -> None:
    """Also one of an installation that is not this."""
    made = careerrelay(installation, "log", "prove", "3", "--log", "aozora").stdout
    for changed in (
        made.replace("index 3", "index 4"),
        made.replace("r.example.jp", "x.example.jp"),
        "",
    ):
        (tmp_path / "proof").write_text(changed)
        found = careerrelay(installation, "log", "verify-proof", str(tmp_path / "proof"))
        assert (found.returncode, found.stdout) == (1, "")
        assert "Traceback" not in found.stderr


def test_growth(installation: Path, tmp_path: Path) -> None:
    """`prove --consistency` leads from a checkpoint that was kept to the newest."""
    shutil.copy(installation / "checkpoint-aozora", tmp_path / "old")
    store = Store(f"sqlite:///{installation}/careerrelay.db")
    submit(store, letters_and_signups(3, start=20))
    applier_on(store).apply_all()
    sign(store, installation)
    store.close()
    shutil.copy(installation / "checkpoint-aozora", tmp_path / "new")
    proof = careerrelay(installation, "log", "prove", "--consistency", "40", "--log", "aozora")
    assert proof.stdout.startswith("old 40\n")
    assert (
        proof.stdout
        == careerrelay(
            installation, "log", "prove", "--consistency", "40", "49", "--log", "aozora"
        ).stdout
    )
    (tmp_path / "proof").write_text(proof.stdout)
    files = [str(tmp_path / name) for name in ("old", "new", "proof")]
    assert verifier.main(["consistency", *files, "--key", key_of(installation)]) == 0


def sign(store: Store, folder: Path) -> None:
    """Sign what is not signed."""
    key = load_log_key(folder / "log-key")
    Checkpointer(store, key, installation="r.example.jp", directory=folder, clock=clock).sign_due()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["99", "--log", "aozora"], "no entry 99 is signed for: they end at 39"),
        (["1", "2", "--log", "aozora"], "too many arguments"),
        (["9" * 19, "--log", "aozora"], "no entry 999"),
        (["slot.granted:aozora/2", "--log", "aozora"], "no entry slot.granted:aozora/2"),
        (["--consistency", "x", "--log", "aozora"], "takes sizes, not x"),
        (["--consistency", "41", "--log", "aozora"], "must be from 1 to 40"),
        (["--consistency", "1", "39", "--log", "aozora"], "no checkpoint of size 39"),
        (["0", "--log", "midori"], "no checkpoint was signed yet"),
        (["0", "--log", "nobody"], "nobody: no such log; there are aozora, midori, _installation"),
        (["0"], "--log: which one? There are aozora, midori, _installation"),
        (["0", "--log", "aozora", "-o", "/none/x"], "/none/x: No such file or directory"),
    ],
)
def test_what_cannot_be_proved(installation: Path, arguments: list[str], said: str) -> None:
    """Wrong use is 2, with what to do in one line."""
    found = careerrelay(installation, "log", "prove", *arguments)
    assert (found.returncode, found.stdout) == (2, "")
    assert said in found.stderr


def test_a_damaged_log_is_a_finding(installation: Path, store: Store) -> None:
    """A proof that cannot be made because the log is damaged is 1."""
    with store.write() as transaction:
        transaction.execute(text("UPDATE entry SET body = 'x' WHERE seq = 3"))
    found = careerrelay(installation, "log", "prove", "3", "--log", "aozora")
    assert (found.returncode, found.stdout) == (1, "")
    assert "entry 3 is not the one that was signed for" in found.stderr
    with store.write() as transaction:
        transaction.execute(text("UPDATE checkpoint SET note = 'x'"))
    found = careerrelay(installation, "log", "prove", "5", "--log", "aozora")
    assert (found.returncode, found.stdout) == (1, "")
    assert "its newest checkpoint is damaged" in found.stderr


def test_what_an_auditor_is_given(installation: Path) -> None:
    """The newest note, the keys, the addresses; none where nothing was signed."""
    note = careerrelay(installation, "log", "checkpoint", "--log", "aozora")
    assert note.stdout.encode() == (installation / "checkpoint-aozora").read_bytes()
    row = json.loads(
        careerrelay(installation, "log", "checkpoint", "--log", "aozora", "--json").stdout
    )
    assert (row["log"], row["size"], row["checkpoint"]) == ("aozora", 40, note.stdout)
    keys = careerrelay(installation, "log", "checkpoint", "--key", "--json").stdout.splitlines()
    rows = {row["log"]: row for row in map(json.loads, keys)}
    assert list(rows) == ["aozora", "midori", "_installation"]
    assert rows["aozora"]["key"] == key_of(installation)
    address = log_address(load_key(installation / "log-key", LOG_KEY), "aozora")
    assert rows["aozora"]["address"] == f"https://r.example.jp/log/{address}/"
    shown = careerrelay(installation, "log", "checkpoint", "--key", "--log", "aozora").stdout
    assert key_of(installation) in shown
    assert key_of(installation, "midori") not in shown
    none = careerrelay(installation, "log", "checkpoint", "--log", "midori")
    assert (none.returncode, none.stdout) == (1, "")


def test_the_auditors_programs(installation: Path, tmp_path: Path) -> None:
    """`log verifier` writes two files that run without us."""
    given = tmp_path / "given"
    given.mkdir()
    assert careerrelay(tmp_path, "log", "verifier", "given").returncode == 0
    export = careerrelay(installation, "log", "export", "--log", "aozora")
    (given / "export.jsonl").write_text(export.stdout)
    (given / "mail.txt").write_bytes((installation / "checkpoint-aozora").read_bytes())
    for command, said in (
        (["verifier.py", "log", "export.jsonl", "--key", key_of(installation), "mail.txt"], "40"),
        (["recount.py", "export.jsonl"], "slots available: 1"),
    ):
        done = subprocess.run(
            [sys.executable, "-I", "-S", *command],
            cwd=given,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert said in done.stdout
    assert careerrelay(tmp_path, "log", "verifier", "none").returncode == 2
