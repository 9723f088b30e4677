"""A company's own wordings: they decide for its letters alone, and a slip in them is named."""

from __future__ import annotations

from dataclasses import replace
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest

from relay.companylexicon import CompanyLexicons, extended, for_company
from relay.entries import LexiconError
from relay.envelope import Envelope
from relay.pipeline import process
from relay.policy import Reason
from tests.lexicons import installed_lexicons
from tests.relay.running import AOZORA, rules

LEXICONS = installed_lexicons()
HOKUTO = replace(AOZORA, id="hokuto", name="株式会社ほくと", domains=("hokuto.example.jp",))
THREAD = """
language = "ja"

[words]
thread = "(?:ご縁の)?糸"

[[decision]]
name = "no-thread"
comment = "糸が結ばれない"
weight = 3.0
object_min = 1.0
patterns = ["{thread}(?:が|は)結ばれません"]
"""
ODD = (
    "中野 澄江 様\n\n面談の日は雨でした。\n"
    "今回はご縁の\n糸が結ばれませんでした。\n"
    "紫陽花が咲くころ、また工房を開けます。\n"
)
DRAWER = """
language = "en"

[[decision]]
name = "drawer"
comment = "The papers go into the drawer"
weight = 3.0
object_min = 1.0
phrases = ["stays in our drawer"]
"""
ODD_ENGLISH = (
    "Dear Ms Archer,\n\nIt was good to see you on Tuesday.\n"
    "The folder with your application as a bookkeeper stays in our\ndrawer.\n"
)


def letter(text: str, domain: str = "aozora.example.jp", subject: str = "選考の件") -> bytes:
    """Return a letter of a company to one person."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = f"recruit@{domain}"
    mail["To"] = "sumie@mail.example.com"
    mail["Subject"] = subject
    mail["Message-ID"] = "<1@example.jp>"
    mail.set_content(text, cte="base64")
    return mail.as_bytes()


def reason(text: str, own: CompanyLexicons, domain: str = "aozora.example.jp") -> Reason:
    """Return what becomes of a letter of one of two companies, of which one has own wordings."""
    both = replace(rules(AOZORA, HOKUTO), own={"aozora": own})
    envelope = Envelope(f"recruit@{domain}", ("sumie@mail.example.com",))
    return process(letter(text, domain), envelope, both).decision.reason


@pytest.mark.parametrize(("text", "entries"), [(ODD, THREAD), (ODD_ENGLISH, DRAWER)])
def test_an_odd_sentence_becomes_a_decision(text: str, entries: str) -> None:
    """With the company's wording its letter gets the line; another company's does not."""
    own = for_company(LEXICONS, entries, "own.toml")
    assert reason(text, own) is Reason.INJECTED
    assert reason(text, own, "hokuto.example.jp") in (Reason.NOT_REJECTION, Reason.UNSURE)


@pytest.mark.parametrize(
    "text",
    [
        ODD.replace("糸が結ばれませんでした。", "糸が結ばれませんでしたら、ご連絡いたします。"),
        ODD.replace("紫陽花", "ぜひ弊社にお迎えしたく、採用内定をご通知申し上げます。\n紫陽花"),
        "本日の会議の資料をお送りします。ご縁の糸が結ばれませんでした。",
    ],
)
def test_the_rules_hold_for_own_wordings(text: str) -> None:
    """A condition, an offer beside it, or a letter about something else still passes."""
    assert reason(text, for_company(LEXICONS, THREAD, "own.toml")) is not Reason.INJECTED


def test_an_own_counter_cue_forbids() -> None:
    """A company can also say what none of its rejections says."""
    entries = """
language = "ja"
[[counter]]
name = "garden"
comment = "庭園に招くのは内定者だけ"
weight = -10.0
phrases = ["星の庭園でお待ちしております"]
"""
    text = ODD.replace(
        "今回はご縁の\n糸が結ばれませんでした。", "今回は採用を見送らせていただきます。"
    )
    own = for_company(LEXICONS, entries, "own.toml")
    assert reason(text, own) is Reason.INJECTED
    garden = f"{text}\n星の庭園でお待ちしております。\n"
    assert reason(garden, own) is Reason.NOT_REJECTION
    assert reason(garden, own, "hokuto.example.jp") is Reason.INJECTED


@pytest.mark.parametrize("page", ["languages.md", "languages.ja.md"])
def test_the_sample_of_the_page_works(page: str) -> None:
    """What the page shows as a company's file decides the letter that it was written for."""
    text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    (sample,) = (block for block in text.split("```") if "no-thread" in block)
    assert reason(ODD, for_company(LEXICONS, sample.removeprefix("toml"), page)) is Reason.INJECTED


def test_ours_are_left_as_they_are() -> None:
    """Extending makes another lexicon of one language and shares the rest."""
    before = LEXICONS["ja"].entries
    whole = extended(LEXICONS, THREAD, "own.toml")
    assert LEXICONS["ja"].entries is before
    assert whole["en"] is LEXICONS["en"]
    own = for_company(LEXICONS, THREAD, "own.toml").own
    assert own == {"decision.no-thread"}


ENTRY = THREAD[THREAD.index("[[decision]]") :]
TAKEN = LEXICONS["ja"].entries["decision"][0].name  # type: ignore[index]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"ja"', '"xx"', "own.toml: 'language' must be one of de, en, es, fr, ja, ko, zh"),
        ('language = "ja"', "", "own.toml: 'language' must be one of"),
        ("[[decision]]", "[[reader]]", "own.toml: 'reader' is nothing a company can add; known:"),
        ("[words]", "[spellings]", "own.toml: 'spellings' is nothing a company can add"),
        ("[[decision]]", "[decision]", "own.toml: write [[decision]] before each entry"),
        ("[[decision]]", "[[decision", "own.toml: not TOML: "),
        ("no-thread", TAKEN, "another entry has this name, perhaps one of ours"),
        ("3.0", "-1.0", "'no-thread': 'weight' of a decision must be above 0, at most 4"),
        ("3.0", "4.5", "'weight' of a decision must be above 0, at most 4"),
        ("object_min = 1.0", "", "'no-thread': 'object_min' must be 0.5 or more"),
        ("1.0", "nan", "'no-thread': 'object_min' must be 0.5 or more"),
        ("3.0", "100", "'no-thread': 'weight' must be from -10 to 10"),
        ("3.0", "nan", "'no-thread': 'weight' must be from -10 to 10"),
        ("3.0", '"much"', "'no-thread': 'weight' must be a number"),
        ("{thread}", "{string}", "uses {string}, not in [words]"),
        ("結ばれません", "結ばれ(ません", "is no regular expression"),
        ("{thread}(?:が|は)結ばれません", "(?:糸が)?", "'(?:糸が)?' matches every sentence"),
        ("結ばれません", "(?:結.+)+ません", "repeats a part in which something is repeated"),
        ("糸が結ばれない", '", hint = "', "not TOML"),
        ("weight = 3.0", "wait = 3.0", "'no-thread': unknown key 'wait'"),
        ("[words]", "support = 3\n[words]", "own.toml: write [[support]] before each entry"),
        (ENTRY, "", "own.toml: expected 1 to 500 entries, found 0"),
        (ENTRY, ENTRY * 501, "own.toml: expected 1 to 500 entries, found 501"),
        (ENTRY, ENTRY * 2, "another entry has this name"),
    ],
)
def test_mistakes_are_named(old: str, new: str, expected: str) -> None:
    """File, entry and what is expected."""
    assert old in THREAD
    with pytest.raises(LexiconError) as caught:
        extended(LEXICONS, THREAD.replace(old, new), "own.toml")
    assert expected in str(caught.value)
