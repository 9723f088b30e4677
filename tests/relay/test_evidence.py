"""Who says what about which object in which mood, sentence by sentence."""

from __future__ import annotations

import time

import pytest

from relay.candidates import find_candidates
from relay.entries import Lexicons
from relay.evidence import weigh, weigh_texts
from relay.letter import Letter
from tests.lexicons import installed_lexicons

THANKS = "このたびは当社の求人にご応募いただき、ありがとうございました。\n"


@pytest.fixture(scope="module")
def lexicons() -> Lexicons:
    """Return the lexicons as installed."""
    return installed_lexicons()


def names(text: str, lexicons: Lexicons, subject: str = "") -> set[str]:
    """Return the names of the evidence in a text."""
    letter = Letter(subject, "x@example.com", "", ("y@example.com",), text)
    return {item.name for item in weigh(letter, lexicons)}


def decisions(text: str, lexicons: Lexicons) -> set[str]:
    """Return the names of the decisions in a text."""
    return {name for name in names(text, lexicons) if name.startswith("decision.")}


@pytest.mark.parametrize(
    "sentence",
    [
        "誠に残念ながら、今回は採用を見送らせていただくこととなりました。",
        "今回は採用をお見送りさせて頂きます。",
        "慎重に検討いたしましたが、採用には至りませんでした。",
        "選考の結果、不採用とさせていただきます。",
        "選考結果：不採用",
        "残念ながら貴意に添いかねる結果となりました。",
        "今回はご期待に沿えない結果となりました。",
        "このたびはご縁がなかったものとさせていただきます。",
        "他の候補者の方で進めさせていただくことになりました。",
        "採用者が決定いたしましたので、募集を終了いたしました。",
        "募集枠がすべて埋まりました。",
        "面接のご案内を差し上げることができません。",
        "ご活躍いただける場をご用意することができませんでした。",
        "We have decided to move forward with other candidates.",
        "We will not be progressing your application.",
        "The position has been filled.",
        "Your application was not successful on this occasion.",
        "We are unable to offer you the position.",
        "You have not been shortlisted for an interview.",
        "We've decided not to proceed with your candidacy.",
    ],
)
def test_a_refusal_is_a_decision(sentence: str, lexicons: Lexicons) -> None:
    """Stock phrases and plain statements alike say that the reader is not taken."""
    assert decisions(THANKS + sentence, lexicons)


@pytest.mark.parametrize(
    "sentence",
    [
        "不採用の場合は、履歴書を返却いたします。",
        "残念ながらご縁がなかった場合には、書面でお知らせします。",
        "期日までにご返信がない場合は、選考を終了とさせていただきます。",
        "採用に至らなかった方にも、文書でお知らせいたします。",
        "採用を見送らせていただく場合がございます。",
        "先方からは、今回は見送りとのことです。",
        "選考を打ち切るものではございません。",
        "面接を見送られるとのこと、承知いたしました。",
        "If you are not selected, we will let you know by e-mail.",
        "You might not be selected for this role.",
        "Have you decided to move forward with other candidates?",
        "We will not be moving forward with him.",
    ],
)
def test_what_is_not_asserted_is_no_decision(sentence: str, lexicons: Lexicons) -> None:
    """Conditions, possibilities, reports, questions and others' fate decide nothing."""
    assert not decisions(THANKS + sentence, lexicons)


@pytest.mark.parametrize(
    "sentence",
    [
        "今回のお見積りは採用を見送らせていただきます。",
        "社内で検討した結果、ご提案いただいた件は見送りとさせていただきます。",
        "抽選の結果、今回はご希望に沿えませんでした。",
        "We are unable to accept your proposal.",
        "Your manuscript was not accepted for publication.",
    ],
)
def test_a_refusal_of_something_else_is_no_decision(sentence: str, lexicons: Lexicons) -> None:
    """The noun beside the refusal tells what is refused."""
    assert not decisions(sentence, lexicons)


def test_a_long_quotation_is_somebody_elses(lexicons: Lexicons) -> None:
    """A quoted rejection decides nothing, an emphasised word does."""
    quoted = "部長は「今回は採用を見送らせていただきます」と書きました。"
    assert not decisions(THANKS + quoted, lexicons)
    assert decisions(THANKS + "残念ながら「不採用」とさせていただきます。", lexicons)


def test_ordinary_mail_holds_no_evidence(lexicons: Lexicons) -> None:
    """Nothing in it speaks for a rejection; at most that it says nothing to an applicant."""
    nothing = {"counter.reader-not-addressed"}
    assert names("お世話になっております。明日の会議室は三階です。", lexicons) <= nothing
    assert names("The meeting is at three, bring the slides.", lexicons) <= nothing


def test_the_subject_of_a_reply_is_the_other_persons(lexicons: Lexicons) -> None:
    """A subject decides only where the writer chose it."""
    reply = names("承知しました。", lexicons, subject="Re: 不採用のお知らせ")
    assert not any(name.startswith(("decision.", "support.subject-")) for name in reply)
    own = names("件名のとおりです。応募書類は裁断しました。", lexicons, subject="不採用のお知らせ")
    assert any(name.startswith("decision.") for name in own)


@pytest.mark.parametrize(
    "piece",
    ["採用を", "見送", "ご期待に沿", "他の方", "募集を", "面接の", "(((", "not ", "other ",
     "the position has ", "we will not be able to offer ", "\"「『", "場合", "a b c d e f "],
)  # fmt: skip
def test_hostile_text_is_weighed_in_bounded_time(piece: str, lexicons: Lexicons) -> None:
    """A megabyte built from the words of the patterns cannot hold the relay up."""
    text = piece * (1_000_000 // len(piece)) + "見送り not other"
    started = time.perf_counter()
    names(text, lexicons)
    assert time.perf_counter() - started < 0.5  # A fifth of it on one core of 2025.


def test_talk_about_an_applicant_is_not_said_to_one(lexicons: Lexicons) -> None:
    """A decision without a word to its reader counts less."""
    finding = "counter.reader-not-addressed"
    assert finding in names("関さんは不採用としました。", lexicons)
    assert finding in names("We have decided not to move forward with Tom as clerk.", lexicons)
    assert finding not in names("木下様\n選考の結果、不採用としました。", lexicons)
    assert finding not in names("We will not move forward with your application.", lexicons)


def test_an_application_for_anything_is_no_job(lexicons: Lexicons) -> None:
    """Where no job is named, an unsuccessful application may be one for a grant."""
    finding = "counter.no-job-named"
    refusal = "I am sorry, your application was not successful."
    assert finding in names(refusal, lexicons)
    assert finding not in names(
        f"Thank you for applying for the post of clerk. {refusal}", lexicons
    )


def test_texts_normalised_before_weigh_the_same(lexicons: Lexicons) -> None:
    """A letter and its texts made ready give the same evidence."""
    letter = Letter("", "x@example.com", "", (), f"{THANKS}今回は採用を見送ります。")
    candidates = find_candidates("", letter.text, lexicons)
    weighed = weigh_texts(letter, "", letter.text, "ja", candidates, lexicons)
    assert weigh(letter, lexicons) == weighed != ()
