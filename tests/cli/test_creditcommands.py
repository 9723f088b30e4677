"""`careerrelay credits …`, run as commands: two people, slots, statements, the rebuild."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import text

from ledger.keyfiles import create_log_key
from ledger.store import Store
from tests.cli.test_record import COMPANY, CONFIG, careerrelay, rows
from tests.ledger.parts import applier_on, letters_and_signups, signup, store_in, submit

HELD = signup(50).id.partition(":")[2]
# Of `clock`, by which the events came in.
MONTH = "2026-04"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An installation with nine referrals, one held, and one slot of another company."""
    (tmp_path / "careerrelay.toml").write_text(
        CONFIG + COMPANY.format("aozora") + COMPANY.format("midori")
    )
    create_log_key(tmp_path / "log-key")
    store = store_in(tmp_path)
    submit(
        store,
        [
            *letters_and_signups(9),
            signup(50),
            *letters_and_signups(10, "midori", start=100),
        ],
    )
    applier_on(store).apply_all()
    store.close()
    return tmp_path


def credits_(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of `credits`."""
    return careerrelay(folder, "credits", *arguments)


def judge(
    folder: Path, action: str, by: str, target: str = HELD
) -> subprocess.CompletedProcess[str]:
    """Let a person decide."""
    return credits_(folder, action, target, "--by", by, "--why", "looked at it")


def test_two_people_release_a_referral(folder: Path) -> None:
    """The first proposes, the same person cannot confirm, the second does, and a slot follows."""
    first = judge(folder, "release", "sato")
    assert (first.returncode, first.stdout[:9]) == (0, "proposed:")
    again = judge(folder, "release", "sato")
    assert again.returncode == 1
    assert "second person" in again.stderr
    _, waiting = rows(folder, "credits", "held")
    assert [(row["company"], row["id"], row["state"]) for row in waiting] == [
        ("aozora", HELD, "held")
    ]
    assert waiting[0]["reasons"] == ["no_letter_on_record"]
    assert [(x["action"], x["by"]) for x in waiting[0]["proposals"]] == [("release", "sato")]
    second = judge(folder, "release", "suzuki")
    assert second.returncode == 0
    assert "proposed by sato, confirmed by suzuki" in second.stdout
    _, found = rows(folder, "credits", "balance")
    assert (found[0]["held"], found[0]["open"], found[0]["slots_available"]) == (0, 0, 1)
    assert "Nothing waits" in credits_(folder, "held").stdout


def test_a_decision_that_cannot_be_is_refused(folder: Path) -> None:
    """What counts cannot be released: exit code 1, on record, nothing moved."""
    counted = signup(0).id
    done = judge(folder, "release", "sato", counted)
    assert done.returncode == 1
    assert "refused" in done.stderr
    assert "wrong_state" not in done.stderr
    code, found = rows(folder, "credits", "reject", counted, "--by", "sato", "--why", "no")
    assert code == 1
    assert (found[0]["result"], found[0]["reasons"]) == ("refused", ["wrong_state"])
    code, found = rows(folder, "credits", "rebuild")
    assert (code, [row["equal"] for row in found]) == (0, [True, True])


def test_a_reversal_waits_in_the_list_of_decisions(folder: Path) -> None:
    """What was proposed of a counted referral is shown until a second person has decided."""
    counted = signup(3).id.partition(":")[2]
    assert judge(folder, "reverse", "sato", f"referral.counted:{counted}").returncode == 0
    _, waiting = rows(folder, "credits", "held", "aozora")
    assert [(row["id"], row["state"]) for row in waiting] == [(HELD, "held"), (counted, "counted")]
    assert judge(folder, "reverse", "suzuki", counted).returncode == 0
    _, waiting = rows(folder, "credits", "held", "aozora")
    assert [row["id"] for row in waiting] == [HELD]
    _, found = rows(folder, "credits", "balance", "aozora")
    assert found[0]["open"] == 8


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("release", "nobody", "--by", "sato", "--why", "x"), "no such referral"),
        (("release", HELD, "--by", "sato@example.jp", "--why", "x"), "short id"),
        (("release", HELD, "--by", "sato", "--why", " "), "reason"),
        (("held", "akane"), "no such company"),
        (("transfers", "akane"), "no such company"),
        (("slot", "list", "akane"), "no such company"),
        (("slot", "use", "midori/2", "--by", "sato"), "no such slot"),
        (("slot", "reserve", "midori/1", "--by", "sato", "--days", "0"), "--days"),
        (("statement", "akane", "2026-04"), "no such company"),
        (("statement", "aozora", "2026-13"), "not a month"),
        (("rebuild", "--company", "akane"), "nothing is on record"),
    ],
)
def test_wrong_use_is_exit_code_two(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    """What cannot be meant ends with 2 and says what was expected."""
    done = credits_(folder, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_slot_from_grant_to_use(folder: Path) -> None:
    """Reserved, given back, reserved again, used; what is not legal is refused."""
    code, found = rows(folder, "credits", "slot", "list")
    assert (code, [(row["slot"], row["state"]) for row in found]) == (
        0,
        [("midori/1", "available")],
    )
    by = ("--by", "sato")
    assert credits_(folder, "slot", "use", "midori/1", *by).returncode == 1
    assert credits_(folder, "slot", "reserve", "midori", *by).returncode == 0
    assert credits_(folder, "slot", "reserve", "midori", *by).returncode == 1
    _, found = rows(folder, "credits", "slot", "list", "midori")
    assert found[0]["state"] == "reserved"
    assert found[0]["until"] > found[0]["granted"]
    given = credits_(folder, "slot", "release", "midori/1", *by, "--why", "went elsewhere")
    assert given.returncode == 0
    code, found = rows(folder, "credits", "slot", "reserve", "midori/1", "--days", "30", *by)
    assert (code, found[0]["result"], found[0]["slots_available"]) == (0, "done", 0)
    used = credits_(folder, "slot", "use", "midori/1", *by)
    assert "midori/1 is used" in used.stdout
    void = credits_(folder, "slot", "void", "midori/1", *by, "--why", "x")
    assert (void.returncode, void.stdout) == (1, "")


def test_two_people_void_a_slot(folder: Path) -> None:
    """One proposes, the list shows it, another one confirms."""
    for by in ("sato", "suzuki"):
        done = credits_(folder, "slot", "void", "midori/1", "--by", by, "--why", "by mistake")
        assert done.returncode == 0
        if by == "sato":
            _, waiting = rows(folder, "credits", "held", "midori")
            assert [(row["id"], row["state"]) for row in waiting] == [("midori/1", "available")]
    _, found = rows(folder, "credits", "slot", "list", "midori")
    assert found[0]["state"] == "voided"
    assert rows(folder, "credits", "held", "midori")[1] == []


def test_transfers_are_listed_in_the_log_s_order(folder: Path) -> None:
    """Each with its place, rule, policy and legs, which sum to zero."""
    code, found = rows(folder, "credits", "transfers", "midori")
    assert code == 0
    assert [row["rule"] for row in found] == ["referral.counted"] * 10 + ["slot.granted"]
    assert [row["seq"] for row in found] == sorted(row["seq"] for row in found)
    for row in found:
        assert sum(leg["amount"] for leg in row["postings"]) == 0
    shown = credits_(folder, "transfers", "midori").stdout
    assert "service -1 SLOT, available +1 SLOT" in shown


def test_a_ledger_that_differs_is_exit_code_one(folder: Path) -> None:
    """The rebuild names the first difference, for machines and for people."""
    store = Store(f"sqlite:///{folder}/careerrelay.db")
    with store.write() as transaction:
        transaction.execute(text("UPDATE balance SET amount = 8 WHERE account = 'open'"))
    store.close()
    code, found = rows(folder, "credits", "rebuild", "--company", "aozora")
    assert (code, found[0]["equal"]) == (1, False)
    assert found[0]["difference"] == "balance open REFERRAL 8 does not follow from the log"
    assert "different: balance open" in credits_(folder, "rebuild").stdout


def test_a_damaged_store_ends_in_one_line(folder: Path) -> None:
    """A row that cannot be read is a finding that names the store, not a traceback."""
    store = Store(f"sqlite:///{folder}/careerrelay.db")
    with store.write() as transaction:
        transaction.execute(text("UPDATE slot SET state = 'lost'"))
        transaction.execute(text("UPDATE referral SET time_ms = 'then' WHERE state = 'held'"))
    store.close()
    for arguments in (("held",), ("slot", "list"), ("release", HELD, "--by", "a", "--why", "b")):
        done = credits_(folder, *arguments)
        assert done.returncode == 1, arguments
        assert "damaged" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_statement_in_every_form(folder: Path) -> None:
    """JSON, CSV and beancount on standard output, HTML and PDF into files."""
    done = credits_(folder, "statement", "midori", MONTH)
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert (found["status"], found["slots"]["movements"]["granted"]) == ("provisional", 1)
    assert "midori," in credits_(folder, "statement", "midori", MONTH, "--format", "csv").stdout
    digests: dict[str, set[str]] = {}
    for form in ("html", "pdf", "beancount"):
        for number in range(2):
            path = folder / f"{number}.{form}"
            arguments = ("--format", form, "-o", str(path), "--language", "en")
            assert credits_(folder, "statement", "midori", MONTH, *arguments).returncode == 0
            digests.setdefault(form, set()).add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert all(len(each) == 1 for each in digests.values())
    assert (folder / "0.pdf").read_bytes().startswith(b"%PDF-")
    assert "Monthly statement" in (folder / "0.html").read_text()
    missing = folder / "none" / "x.json"
    assert credits_(folder, "statement", "midori", MONTH, "-o", str(missing)).returncode == 1
