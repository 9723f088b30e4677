"""The commands `check` and `evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from relay.cli import judge

LETTERS = Path(__file__).parents[1] / "letters"

app = typer.Typer()
app.command()(judge.check)
app.command()(judge.evaluate)

ROWS: list[dict[str, Any]] = [
    {
        "id": "1",
        "label": "rejection",
        "kind": "standard",
        "lang": "ja",
        "subject": "選考結果のご連絡",
        "body": "このたびは当社の求人にご応募いただき、ありがとうございました。\n"
        "今回は採用を見送らせていただきます。",
    },
    {
        "id": "2",
        "label": "negative",
        "kind": "offer",
        "lang": "en",
        "subject": None,
        "body": "We are pleased to offer you the position.",
        "from": "HR <hr@example.com>",
        "to": "not an address",
        "html": "<p>We are pleased to offer you the position.</p>",
    },
    {
        "id": "3",
        "label": "rejection",
        "kind": "standard",
        "lang": "en",
        "subject": None,
        "body": "Let us talk about the weather on the way to the station.",
    },
]


@pytest.fixture
def rows_file(tmp_path: Path) -> Path:
    """Return a file with the rows."""
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps(row, ensure_ascii=False) for row in ROWS]
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path


def run(*arguments: str | Path) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of a command."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def test_evaluate_ends_with_the_measures(rows_file: Path) -> None:
    """One row a letter, then the counts in all, by kind and by language."""
    code, out, _ = run("evaluate", rows_file, "--json")
    *rows, summary = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [(row["id"], row["verdict"]) for row in rows] == [
        ("1", "rejection"),
        ("2", "other"),
        ("3", "other"),
    ]
    counts = {key: summary[key] for key in ("n", "rejections", "true_positive", "false_negative")}
    assert counts == {"n": 3, "rejections": 2, "true_positive": 1, "false_negative": 1}
    assert (summary["false_positive"], summary["unsure"]) == (0, 0)
    assert (summary["precision"], summary["recall"]) == (1.0, 0.5)
    assert summary["by_kind"]["standard"]["rejections"] == 2
    assert summary["by_lang"]["ja"]["true_positive"] == 1


def test_evaluate_prints_a_table(rows_file: Path) -> None:
    """For people: a table by kind and the two measures."""
    code, out, _ = run("evaluate", rows_file)
    assert code == 0
    assert "standard" in out
    assert "precision 1.000, recall 0.500" in out


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "expected a JSON object"),
        ("[]", "found list"),
        ('{"id": 1}', "'id' must be a string"),
        (json.dumps({**ROWS[0], "label": "maybe"}), '"rejection" or "negative"'),
        (json.dumps({**ROWS[0], "body": None}), "'body' must be a string"),
        (json.dumps({**ROWS[0], "html": 1}), "'html' must be a string or null"),
    ],
)
def test_a_wrong_row_is_named_by_its_line(tmp_path: Path, line: str, complaint: str) -> None:
    """Wrong use ends with 2 and says file, line and what is expected."""
    path = tmp_path / "wrong.jsonl"
    path.write_text(json.dumps(ROWS[0]) + "\n" + line + "\n", encoding="utf-8")
    code, _, error = run("evaluate", path, "--json")
    assert code == 2
    assert "wrong.jsonl: line 2" in error
    assert complaint in error


def test_an_empty_or_missing_file_is_wrong_use(tmp_path: Path) -> None:
    """Nothing to measure is told, not measured."""
    (tmp_path / "empty.jsonl").write_text("\n")
    assert run("evaluate", tmp_path / "empty.jsonl")[0] == 2
    assert run("evaluate", tmp_path / "missing.jsonl")[0] == 2
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe")
    assert run("evaluate", tmp_path / "binary.jsonl")[0] == 2


def test_check_explains_letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One object a line with the stable names; without a configuration it judges only."""
    monkeypatch.chdir(tmp_path)
    files = sorted(LETTERS.glob("00[12]-*.eml"))
    code, out, _ = run("check", *files, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [row["file"] for row in rows] == [str(file) for file in files]
    assert list(rows[0]) == [
        "file",
        "verdict",
        "score",
        "decision",
        "reason",
        "language",
        "stage",
        "position",
        "evidence",
        "shape",
        "is_approved",
        "phrase",
        "kept",
    ]
    assert (rows[0]["verdict"], rows[0]["decision"]) == ("rejection", "inject")
    assert set(rows[0]["evidence"][0]) == {"name", "weight", "text"}


def test_check_shows_the_words_to_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The human form names verdict, decision, and each finding with its words."""
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("check", next(LETTERS.glob("001-*.eml")))
    assert code == 0
    assert "rejection" in out
    assert "decision." in out


def test_a_letter_steers_no_terminal(tmp_path: Path) -> None:
    """What would clear the screen or name the window is shown, not sent."""
    file = tmp_path / "letter.eml"
    file.write_bytes(
        b"From: hr@aozora.example.jp\r\nTo: yui@mail.example.com\r\n"
        b"Subject: =?utf-8?q?Your_application_=1B[2J?=\r\n\r\n"
        b"Thank you for applying.\x1b]0;accepted\x07 You have not been selected.\r\n"
    )
    code, out, _ = run("check", file)
    assert code == 0
    assert "\\x1b[2J" in out
    assert "\x1b" not in out
    assert "\x07" not in out


def test_a_letter_built_of_a_row_reads_as_the_row() -> None:
    """Subject, addresses and both texts survive the way through a mail."""
    message = judge.build_message(ROWS[1])
    assert b"From: HR <hr@example.com>" in message
    assert b"multipart/alternative" in message
    odd = {**ROWS[0], "from": '"\n<x', "to": "山田 <yamada@example.jp>", "body": "\ud800"}
    assert b"yamada@example.jp" in judge.build_message(odd)


def test_check_marks_the_sentences_and_gives_the_reasons(tmp_path: Path) -> None:
    """A person sees what was read, what weighed, which way, and what follows."""
    file = tmp_path / "letter.eml"
    file.write_bytes(
        judge.build_message(
            {
                "subject": "選考結果のご連絡",
                "from": "採用担当 <saiyo@kaede.example.jp>",
                "to": "水野 様 <mizuno@mail.example.com>",
                "body": "水野 様\n\n"
                "この度は弊社の事務職にご応募いただき、誠にありがとうございました。\n"
                "書類選考の結果、誠に残念ながら今回は採用を見送らせていただくこととなりました。\n"
                "末筆ながら、今後のご活躍をお祈り申し上げます。\n",
            }
        )
    )
    code, out, _ = run("check", file)
    assert code == 0
    marked = next(line for line in out.splitlines() if "見送らせていただく" in line)
    assert marked.lstrip().startswith("++")
    assert "turns the reader down" in out
    assert "wording.as-a-whole" in out
    assert "A rejection: the score is" in out


def test_check_says_what_rules_a_rejection_out(tmp_path: Path) -> None:
    """A counter-cue that forbids is named, whatever else is there."""
    file = tmp_path / "letter.eml"
    file.write_bytes(
        judge.build_message(
            {
                "subject": "選考結果のご連絡",
                "from": "採用担当 <saiyo@kaede.example.jp>",
                "to": "水野 様 <mizuno@mail.example.com>",
                "body": "水野 様\n\n"
                "この度は弊社の事務職にご応募いただき、誠にありがとうございました。\n"
                "ご辞退のお申し出を承り、今回は採用を見送らせていただくことといたしました。\n"
                "ご縁がなく残念ですが、今後のご活躍を心よりお祈り申し上げます。\n",
            }
        )
    )
    code, out, _ = run("check", file)
    assert code == 0
    assert "No rejection: counter." in out
    assert "rules it out, whatever else is there" in out
