"""`careerrelay letters lint` and `preview`, and a service that uses a folder of templates."""

from __future__ import annotations

import json
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from relay.cli.notetemplates import SAMPLE_TOKEN
from relay.undo import restore
from relay.wire import unstuff
from signer.tokens import TOKEN_CHARS, find_token
from tests.cli.daemon import daemon
from tests.cli.process import careerrelay, create
from tests.relay.neighbours import Hop

SAMPLES = Path(__file__).parents[2] / "relay" / "samples"
DOCUMENT = SAMPLES / "01-rejection-document.eml"
FINAL = SAMPLES / "02-rejection-final-interview.eml"
REST = (
    "Career Relayは有料職業紹介サービスで、弊社は採用費用の優遇を受けます。\n"
    "お問い合わせ：{{ contact }}\n"
)


def write(folder: Path, stem: str, words: str) -> None:
    """Write a good template, as text and as HTML, that begins with these words."""
    (folder / stem).parent.mkdir(parents=True, exist_ok=True)
    text = f"【PR】{words}\n{{{{ link }}}}\n{REST}"
    (folder / f"{stem}.txt.j2").write_text(text, encoding="utf-8")
    markup = text.replace("{{ link }}", '<a href="{{ link }}">ご案内</a>').replace("\n", "<br>\n")
    (folder / f"{stem}.html.j2").write_text(markup, encoding="utf-8")


def spoil(folder: Path, name: str) -> None:
    """Promise a gift in a template."""
    path = folder / name
    path.write_text(path.read_text("utf-8").replace("。", "。お祝い金を進呈します。", 1), "utf-8")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Give an installation that injects and has a folder of templates."""
    config = create(tmp_path)
    text = config.read_text(encoding="utf-8")
    setting = '# [note]\n# templates = "templates"'
    assert setting in text
    config.write_text(text.replace(setting, setting.replace("# ", "")), encoding="utf-8")
    (tmp_path / "templates").mkdir()
    return config


def rows(*arguments: str | Path) -> list[dict[str, Any]]:
    """Return what `letters lint --json` says."""
    linted = careerrelay("letters", "lint", "--json", *arguments)
    found = [json.loads(line) for line in linted.stdout.splitlines()]
    assert linted.returncode == any(row["problems"] for row in found), linted.stderr
    return found


def test_lint_shows_what_the_configuration_uses(tmp_path: Path, config: Path) -> None:
    """The operator's files, and ours that they do not replace, each with what is wrong."""
    templates = tmp_path / "templates"
    write(templates, "ja/note", "ご案内です。")
    write(templates, "ja/aozora@final", "最終のご案内です。")
    linted = careerrelay("letters", "lint", "--config", config)
    assert linted.returncode == 0, linted.stderr
    lines = linted.stdout.splitlines()
    assert f"{templates}/ja/aozora@final.txt.j2: ok" in lines
    assert len(lines) == 8
    assert not any("/templates/note/ja/" in line for line in lines)
    spoil(templates, "ja/aozora@final.txt.j2")
    (templates / "ja" / "aozola.txt.j2").write_text("x")
    linted = careerrelay("letters", "lint", "--config", config)
    assert linted.returncode == 1
    assert "aozora@final.txt.j2: company aozora: gift word: 祝い金" in linted.stdout
    assert "aozola.txt.j2: no [[company]] has the id 'aozola': there are aozora" in linted.stdout
    wrong = {Path(row["file"]).name for row in rows("--config", config) if row["problems"]}
    assert wrong == {"aozora@final.txt.j2", "aozola.txt.j2"}


@pytest.mark.usefixtures("elsewhere")
def test_lint_of_a_folder_needs_no_configuration(tmp_path: Path) -> None:
    """Then any company may be meant; stages and languages are those there are."""
    folder = tmp_path / "new"
    write(folder, "ja/anybody@interview", "面接のご案内です。")
    assert rows(folder) == [
        {"file": f"{folder}/ja/anybody@interview.{kind}.j2", "problems": []}
        for kind in ("html", "txt")
    ]
    write(folder, "ja/note@interviews", "面接のご案内です。")
    write(folder, "jp/note", "ご案内です。")
    (folder / "ja" / "note.txt.j2").write_bytes("【PR】{% endif %}".encode())
    (folder / "ja" / "note.html.j2").write_bytes("ご案内".encode("cp932"))
    problems = {row["file"].removeprefix(f"{folder}/"): row["problems"] for row in rows(folder)}
    assert problems["jp"] == ["'jp' is no language: there are ja, en"]
    (problem,) = problems["ja/note@interviews.txt.j2"]
    assert problem == (
        "'interviews' is no stage: there are document, final, first, interview, second, test"
    )
    assert problems["ja/note.txt.j2"][0].startswith("line 1: Encountered unknown tag 'endif'")
    assert problems["ja/note.html.j2"] == ["byte 0 is not UTF-8: save the file as UTF-8"]


@pytest.mark.usefixtures("elsewhere")
def test_wrong_use(tmp_path: Path) -> None:
    """A folder that is none or empty, no configuration, a company that is not there."""
    missing = careerrelay("letters", "lint", tmp_path / "none")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert missing.stderr.startswith(f"{tmp_path}/none: No such file or directory")
    (tmp_path / "file").write_text("x")
    assert "Not a directory" in careerrelay("letters", "lint", tmp_path / "file").stderr
    empty = careerrelay("letters", "lint", tmp_path / "here")
    assert (empty.returncode, empty.stderr) == (
        1,
        f"{tmp_path}/here: there is no template in it\n",
    )
    without = careerrelay("letters", "lint")
    assert without.returncode == 2
    assert "`careerrelay init` writes one" in without.stderr
    folder = tmp_path / "new"
    write(folder, "ja/note", "ご案内です。")
    nobody = careerrelay("letters", "preview", folder, "--out", "out", "--company", "nobody")
    assert nobody.returncode == 2
    assert "--company nobody" in nobody.stderr
    assert not Path("out").exists()


def test_bad_template_stops_every_command(tmp_path: Path, config: Path) -> None:
    """The service does not start, and says which file it is and what to do."""
    templates = tmp_path / "templates"
    write(templates, "ja/note@final", "ご案内です。")
    (templates / "ja" / "note@final.txt.j2").unlink()
    for command in (["serve"], ["check", str(DOCUMENT)]):
        stopped = careerrelay(*command, "--config", config)
        assert stopped.returncode == 2
        assert f"{templates}/ja/note@final.html.j2: its twin ja/note@final.txt.j2 is missing" in (
            stopped.stderr
        )
    config.write_text(config.read_text("utf-8").replace('"templates"', '"templtes"'), "utf-8")
    for command in (["serve"], ["letters", "lint"]):
        stopped = careerrelay(*command, "--config", config)
        assert stopped.returncode == 2
        assert f"[note] templates: {tmp_path}/templtes: No such file" in stopped.stderr


def test_a_letter_gets_the_words_of_its_stage(tmp_path: Path, config: Path) -> None:
    """What the judgement reads off a letter chooses the template."""
    write(tmp_path / "templates", "ja/note@final", "最終面接のお時間をありがとうございました。")
    for letter, is_final in ((FINAL, True), (DOCUMENT, False)):
        checked = json.loads(careerrelay("check", letter, "--json", "--config", config).stdout)
        assert (checked["stage"] == "final") is is_final
        shown = careerrelay("check", letter, "--config", config).stdout
        assert ("最終面接のお時間をありがとうございました。" in shown) is is_final


def bodies_of(message: bytes) -> tuple[str, str]:
    """Return text and HTML of a mail, as a mail program reads them."""
    mail = message_from_bytes(message, _class=EmailMessage, policy=default)
    text, markup = (part.get_content().replace("\r\n", "\n") for part in mail.iter_parts())
    return text, markup


def test_preview_shows_each_template_in_a_letter(tmp_path: Path, config: Path) -> None:
    """Text and HTML of our letter with the real splice, and a link that is none."""
    write(tmp_path / "templates", "ja/aozora@final", "{{ company }}より最終のご案内です。")
    out = tmp_path / "out"
    shown = careerrelay("letters", "preview", "--out", out, "--config", config)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines() == [
        f"{out}/aozora.ja.eml: ja/note",
        f"{out}/aozora.ja.final.eml: ja/aozora@final",
        f"{out}/aozora.en.eml: en/note",
        f"{out}/aozora.en.ascii.eml: en/ascii",
    ]
    assert len(SAMPLE_TOKEN) == TOKEN_CHARS
    assert find_token(SAMPLE_TOKEN) is None
    link = f"https://r.example.jp/{SAMPLE_TOKEN}"
    for message in (path.read_bytes() for path in out.iterdir()):
        text, markup = bodies_of(message)
        assert f"\n{link}\n" in text
        assert f'href="{link}"' in markup
        # Behind the letter's own words, before the signature.
        for words in (text, markup):
            assert words.index("PR") < words.index(link) < words.index("-- ")
        assert SAMPLE_TOKEN not in "".join(bodies_of(restore(message)))
    text, markup = bodies_of((out / "aozora.ja.final.eml").read_bytes())
    assert "【PR】株式会社あおぞらより最終のご案内です。" in text
    assert "【PR】株式会社あおぞらより最終のご案内です。" in markup
    text, markup = bodies_of((out / "aozora.en.ascii.eml").read_bytes())
    assert "[PR]" in text
    assert "[PR]" in markup


@pytest.mark.usefixtures("elsewhere")
def test_preview_of_a_folder_needs_no_configuration(tmp_path: Path) -> None:
    """A sample company stands for those that files are named after."""
    write(tmp_path / "new", "ja/anybody", "ご案内です。")
    shown = careerrelay("letters", "preview", tmp_path / "new", "--out", "out")
    assert shown.returncode == 0, shown.stderr
    assert {path.name.partition(".")[0] for path in Path("out").iterdir()} == {"sample", "anybody"}
    assert "out/anybody.ja.eml: ja/anybody" in shown.stdout
    spoil(tmp_path / "new", "ja/anybody.txt.j2")
    refused = careerrelay("letters", "preview", tmp_path / "new", "--out", "other")
    assert refused.returncode == 1
    assert "anybody.txt.j2: gift word: 祝い金" in refused.stderr
    assert not Path("other").exists()


def test_preview_overwrites_nothing_unasked(tmp_path: Path, config: Path) -> None:
    """Either all letters are written or none."""
    command = ("letters", "preview", "--config", config, "--out")
    out = tmp_path / "deep" / "out"
    out.mkdir(parents=True)
    (out / "notes.txt").write_text("mine")
    (out / "aozora.en.eml").write_text("mine")
    kept = careerrelay(*command, out)
    assert (kept.returncode, kept.stdout) == (2, "")
    assert f"{out}/aozora.en.eml: is there already" in kept.stderr
    assert {path.name for path in out.iterdir()} == {"notes.txt", "aozora.en.eml"}
    assert careerrelay(*command, out, "--force").returncode == 0
    assert b"X-Career-Relay" in (out / "aozora.en.eml").read_bytes()
    assert (out / "notes.txt").read_text() == "mine"
    file = careerrelay(*command, out / "notes.txt")
    assert (file.returncode, file.stderr) == (2, f"{out}/notes.txt: is not a folder\n")
    below = careerrelay(*command, out / "notes.txt" / "out")
    assert below.returncode == 2
    assert "Not a directory" in below.stderr


def test_templates_are_read_again_at_sighup(tmp_path: Path, config: Path, next_hop: Hop) -> None:
    """The next letter has the new words; a bad template changes nothing and is named."""
    templates = tmp_path / "templates"
    write(templates, "ja/note", "第一のご案内です。")
    with daemon(config, next_hop.port) as running:
        running.wait_until_started()

        def words() -> str:
            count = len(next_hop.heard.wires)
            running.send(letter=FINAL.read_bytes())
            running.wait_for("message", count + 1)
            arrived = unstuff(next_hop.heard.wires[-1])
            return arrived.partition(b"\r\n\r\n")[2].decode("iso2022_jp")

        assert "第一のご案内です。" in words()
        write(templates, "ja/note@final", "第二のご案内です。")
        running.reload()
        running.wait_for("reloaded", changed=["note.templates"])
        assert "第二のご案内です。" in words()
        spoil(templates, "ja/note@final.txt.j2")
        running.reload()
        (line,) = running.wait_for("reload_failed")
        assert f"{templates}/ja/note@final.txt.j2: gift word: 祝い金" in line["error"]
        assert "第二のご案内です。" in words()
