"""Tags, phrases and wordings of a company through the real program: SIGHUP, `check`, mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.daemon import daemon
from tests.cli.process import careerrelay, create
from tests.relay.neighbours import Hop
from tests.relay.test_companylexicon import ODD, THREAD, letter

CONTACT = 'contact = "recruit@aozora.example.jp"\n'
PLAIN = ODD.replace("ご縁の\n糸が結ばれませんでした", "採用を見送らせていただきます")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the configuration of an installation that injects."""
    return create(tmp_path_factory.mktemp("installation"))


def with_settings(config: Path, settings: str) -> Path:
    """Return a configuration beside another one, with more settings of its company."""
    text = config.read_text(encoding="utf-8")
    assert text.count(CONTACT) == 1
    changed = config.with_name("changed.toml")
    changed.write_text(text.replace(CONTACT, CONTACT + settings), encoding="utf-8")
    return changed


def check(config: Path, message: bytes, *options: str) -> str:
    """Return what `check` says of a letter."""
    file = config.with_name("letter.eml")
    file.write_bytes(message)
    done = careerrelay("check", file, "--config", config, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_check_tells_of_a_tag(config: Path) -> None:
    """Which tag, that it goes, and what the candidate reads; or that it stays, and why."""
    tagged = letter(PLAIN, subject="[no-relay] 選考の件")
    told = check(config, tagged)
    assert "pass: override\n" in told
    assert (
        'no line: the subject holds "[no-relay]" (no_relay). It is taken out, and the candidate '
        'reads "選考の件"'
    ) in told
    signed = b"DKIM-Signature: v=1; h=from:subject; b=AA\r\n" + tagged
    told = check(config, signed)
    assert "pass: override_kept\n" in told
    assert "It stays, and the candidate sees it: a signature of the mail system (DKIM)" in told
    row = json.loads(check(config, signed, "--json"))
    assert (row["reason"], row["phrase"], row["kept"]) == (
        "override_kept",
        "[no-relay]",
        "dkim_signed",
    )


def test_check_tells_of_phrases(config: Path) -> None:
    """Which phrase stopped the line, or that a phrase is missing."""
    stopping = with_settings(config, 'stop_phrases = ["紫陽花が咲くころ"]\n')
    told = check(stopping, letter(PLAIN))
    assert "pass: stop_phrase\n" in told
    assert 'no line: the letter holds "紫陽花が咲くころ" (stop_phrases)' in told
    wanting = with_settings(config, 'must_phrases = ["選考番号"]\n')
    told = check(wanting, letter(PLAIN))
    assert "pass: must_phrase_missing\n" in told
    assert "no line: the letter holds none of the company's must_phrases" in told


def test_check_without_a_configuration_knows_the_usual_tag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A letter with [no-relay] gets no line, whoever's it is."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "letter.eml"
    file.write_bytes(letter(PLAIN, subject="[no-relay] 選考の件"))
    done = careerrelay("check", file)
    assert "pass: override\n" in done.stdout


def test_check_tells_of_own_wordings(config: Path) -> None:
    """A finding that the company's own lexicon made is named as such."""
    config.with_name("own.toml").write_text(THREAD, encoding="utf-8")
    told = check(with_settings(config, 'lexicon = "own.toml"\n'), letter(ODD))
    assert "inject: injected\n" in told
    assert "decision.no-thread is from the company's own lexicon" in told
    assert "own lexicon" not in check(config, letter(ODD))


@pytest.mark.parametrize(
    ("name", "octets", "expected"),
    [
        ("missing.toml", None, "No such file or directory; a [[company]] names it as lexicon"),
        ("latin.toml", b"language = '\xe9'", "byte 12 is not UTF-8"),
        ("large.toml", b"#" * 300_000, "larger than 262144 bytes"),
        ("slip.toml", THREAD.replace("3.0", "-3").encode(), "'no-thread': 'weight' of a decision"),
    ],
)
def test_a_broken_lexicon_stops_the_start(
    config: Path, name: str, octets: bytes | None, expected: str
) -> None:
    """`serve` and `check` end with 2 and name file and fault."""
    path = config.with_name(name)
    if octets is not None:
        path.write_bytes(octets)
    changed = with_settings(config, f'lexicon = "{name}"\n')
    for command in (("serve",), ("check", config)):
        done = careerrelay(*command, "--config", changed)
        assert done.returncode == 2
        assert str(path) in done.stderr
        assert expected in done.stderr


def test_sighup_reads_wordings_and_phrases_again(next_hop: Hop, tmp_path: Path) -> None:
    """A lexicon that changed counts from the next letter on; a broken one keeps the old one."""
    config = create(tmp_path)
    own = tmp_path / "own.toml"
    own.write_text(THREAD.replace("結ばれません", "切れました"), encoding="utf-8")
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace(CONTACT, f'{CONTACT}lexicon = "own.toml"\n'), encoding="utf-8")
    with daemon(config, next_hop.port) as running:
        running.wait_until_started()
        running.send(letter=letter(ODD))
        own.write_text(THREAD, encoding="utf-8")
        running.reload()
        (line,) = running.wait_for("reloaded")
        assert line["changed"] == ["company.aozora.lexicon"]
        running.send(letter=letter(ODD))
        own.write_text(THREAD.replace("[[decision]]", "[[decisions]]"), encoding="utf-8")
        running.reload()
        (line,) = running.wait_for("reload_failed")
        assert f"{own}: 'decisions' is nothing a company can add" in line["error"]
        running.send(letter=letter(ODD))
        own.write_text(THREAD, encoding="utf-8")
        stopped = 'stop_phrases = ["糸が結ばれませんでした"]\n'
        config.write_text(
            text.replace(CONTACT, f'{CONTACT}lexicon = "own.toml"\n{stopped}'), encoding="utf-8"
        )
        running.reload()
        assert running.wait_for("reloaded", 2)[1]["changed"] == ["company.aozora.stop_phrases"]
        running.send(letter=letter(ODD))
        reasons = [line["reason"] for line in running.wait_for("message", 4)]
    assert reasons[1:] == ["injected", "injected", "stop_phrase"]
    assert reasons[0] in ("not_rejection", "unsure")
    assert [b"X-Career-Relay: " in wire for wire in next_hop.heard.wires] == [
        False,
        True,
        True,
        False,
    ]
