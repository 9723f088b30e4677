"""`careerrelay inject` and `restore`: bytes on stdout, the reason on stderr, exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from relay.cli import splice
from relay.cli.init import Choices, create_installation

app = typer.Typer()
app.command("inject")(splice.inject)
app.command("restore")(splice.restore)

REJECTION = (
    "From: =?utf-8?B?5o6h55So?= <recruit@aozora.example.jp>\r\n"
    "To: yamada@post.example.com\r\n"
    "Subject: 書類選考の結果について\r\n"
    "Message-ID: <1@aozora.example.jp>\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\n"
    "\r\n"
    "山田様\r\n"
    "\r\n"
    "このたびは弊社の営業職にご応募いただき、誠にありがとうございました。\r\n"
    "書類選考の結果、誠に残念ながら今回は採用を見送らせていただくこととなりました。\r\n"
    "山田様の今後のご活躍をお祈り申し上げます。\r\n"
).encode()
INVOICE = (
    b"From: sales@other.example.com\r\nSubject: Invoice\r\n\r\nPlease find the invoice below.\r\n"
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Give the configuration of a fresh installation in mode inject."""
    create_installation(tmp_path, Choices(mode="inject"))
    return tmp_path / "careerrelay.toml"


def run(*arguments: str | Path) -> Result:
    """Run a command as from a shell."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def letter(tmp_path: Path, message: bytes) -> Path:
    """Write a message to a file."""
    path = tmp_path / "letter.eml"
    path.write_bytes(message)
    return path


def test_rejection_gets_the_note_and_comes_back(tmp_path: Path, config: Path) -> None:
    """What `inject` writes, `restore` turns into the bytes of the file."""
    result = run("inject", "--config", config, letter(tmp_path, REJECTION))
    assert result.exit_code == 0
    assert b"https://r.example.jp/" in result.stdout_bytes
    assert result.stdout_bytes.startswith(b"X-Career-Relay: v=1;")
    restored = run("restore", letter(tmp_path, result.stdout_bytes))
    assert (restored.exit_code, restored.stdout_bytes) == (0, REJECTION)


def test_same_letter_gets_the_same_link(tmp_path: Path, config: Path) -> None:
    """The link follows from the letter, not from the time."""
    path = letter(tmp_path, REJECTION)
    first, second = (run("inject", "--config", config, path).stdout_bytes for _ in range(2))
    assert first == second


def test_other_mail_passes_with_its_reason(tmp_path: Path, config: Path) -> None:
    """Nothing on stdout, the reason on stderr, exit code 1."""
    result = run("inject", "--config", config, letter(tmp_path, INVOICE))
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "not_own_company\n")


def test_force_skips_the_judgement(tmp_path: Path, config: Path) -> None:
    """Any letter can be tried; a stranger's gets the note of the first company."""
    result = run("inject", "--force", "--config", config, letter(tmp_path, INVOICE))
    assert result.exit_code == 0
    assert b"recruit@aozora.example.jp" in result.stdout_bytes
    restored = run("restore", letter(tmp_path, result.stdout_bytes))
    assert restored.stdout_bytes == INVOICE


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (INVOICE.replace(b"Subject", b"DKIM-Signature: v=1\r\nSubject"), "dkim_signed"),
        (b"no header\r\n\r\nwords", "broken_header"),
        (b"Content-Type: application/pdf\r\n\r\nx", "no_text_part"),
    ],
)
def test_force_keeps_the_safety_rules(
    tmp_path: Path, config: Path, message: bytes, reason: str
) -> None:
    """What a change could break is not changed by force."""
    result = run("inject", "--force", "--config", config, letter(tmp_path, message))
    assert (result.exit_code, result.stderr) == (1, reason + "\n")


def test_restore_refuses_what_is_not_ours(tmp_path: Path) -> None:
    """A letter without our mark has no original."""
    result = run("restore", letter(tmp_path, INVOICE))
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "no_mark\n")


def test_missing_file_is_wrong_use(tmp_path: Path, config: Path) -> None:
    """Exit code 2 and the name of the file."""
    for arguments in (["restore"], ["inject", "--config", str(config)]):
        result = run(*arguments, tmp_path / "missing.eml")
        assert result.exit_code == 2
        assert "missing.eml" in result.stderr


def test_missing_configuration_is_wrong_use(tmp_path: Path) -> None:
    """Without a configuration there is no note to inject."""
    result = run("inject", "--config", tmp_path / "none.toml", letter(tmp_path, INVOICE))
    assert result.exit_code == 2


def test_restore_knows_its_own_marks(tmp_path: Path, config: Path) -> None:
    """With the installation's keys the MAC counts, and that of another one does not."""
    changed = run("inject", "--config", config, letter(tmp_path, REJECTION)).stdout_bytes
    file = letter(tmp_path, changed)
    restored = run("restore", "--config", config, file)
    assert (restored.exit_code, restored.stdout_bytes) == (0, REJECTION)
    create_installation(tmp_path / "other", Choices(mode="inject"))
    refused = run("restore", "--config", tmp_path / "other" / "careerrelay.toml", file)
    assert (refused.exit_code, refused.stdout_bytes) == (1, b"")
    assert "mark_not_valid" in refused.stderr
    start = changed.index(b"mac=") + 4
    forged = changed[:start] + b"a" * 26 + changed[start + 26 :]
    assert run("restore", "--config", config, letter(tmp_path, forged)).exit_code == 1
