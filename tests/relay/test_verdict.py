"""From evidence to verdict."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.entries import Lexicons
from relay.evidence import Evidence
from relay.letter import Letter
from relay.verdict import WORDING, Kind, conclude, ground_of, judge
from relay.wording import (
    READ_ON_SCORE_MIN,
    Curve,
    Ground,
    Scale,
    Wording,
    rejection_score_min,
)
from tests.lexicons import installed_lexicons


@pytest.fixture(scope="module")
def lexicons() -> Lexicons:
    """Return the lexicons as installed."""
    return installed_lexicons()


def letter(text: str, subject: str = "") -> Letter:
    """Return a letter with this text."""
    return Letter(subject, "recruit@aoba.example.jp", "採用担当", ("a@mail.example.com",), text)


REJECTION = """山田 花子 様

青葉商会 採用担当です。このたびは営業職の最終面接にお越しいただき、ありがとうございました。
慎重に検討いたしましたが、今回は採用を見送らせていただくこととなりました。
今後のご活躍をお祈り申し上げます。"""

NO_REJECTIONS = {
    "offer": "最終面接の結果、山田様を採用させていただくことに決定いたしました。"
    "ご希望の部署には沿えず申し訳ございません。",
    "next step": "一次面接の結果、二次面接にお進みいただきたく存じます。"
    "ご希望の日程には沿えませんでした。",
    "acknowledgement": "ご応募を受け付けました。不採用の場合は書類を返却いたします。",
    "withdrawal": "慎重に検討した結果、貴社の選考を辞退いたします。ご期待に沿えずすみません。",
    "acknowledged": "選考辞退の件、承知いたしました。ご縁がなかったことは残念です。",
    "vendor": "貴社のお見積りを検討いたしましたが、今回は採用を見送らせていただきます。",
    "customer": "抽選の結果、ご希望に沿えませんでした。またのご応募をお待ちしております。",
    "agency": "ご推薦いただきました候補者様につきまして、今回は見送らせていただきます。",
    "internal": "お疲れ様です。稟議の件、候補者Aは採用を見送ることといたします。",
    "article": "お祈りメールの文例です。「今回は採用を見送らせていただきます」",
    "greeting": "ご退職にあたり、今後のご活躍をお祈り申し上げます。",
    "hold": "採用計画の見直しのため、選考を一時停止しております。結果は来月お知らせします。",
    "offer en": "We are pleased to offer you the position, and sorry that we are unable to offer "
    "you the Leeds office.",
    "withdrawal en": "After careful consideration I have decided to withdraw my application. I "
    "am moving forward with another company.",
    "thanks": "先日は面接にお越しいただき、ありがとうございました。お約束した資料をお送りします。",
    "expenses en": "Dear Tom,\n\nThank you for coming to the interview. We have paid your travel "
    "expenses to your account.\n\nAnn",
    "careers evening en": "Dear students,\n\nThank you for coming to our careers evening. It was "
    "great to meet so many of you. We hope to see your applications in autumn.\n\nAnn",
    "italian": "Grazie per la candidatura. Purtroppo abbiamo scelto un altro candidato.",
    "german": "Leider haben wir uns für einen anderen Bewerber entschieden.",
}


def test_a_rejection_is_recognised_with_what_it_says_of_itself(lexicons: Lexicons) -> None:
    """Verdict, language, stage and position group of a plain rejection."""
    verdict = judge(letter(REJECTION, "最終面接の結果について"), lexicons)
    assert verdict.kind is Kind.REJECTION
    assert verdict.score >= 0.8
    assert (verdict.language, verdict.stage, verdict.position) == ("ja", "final", "sales")


@pytest.mark.parametrize("text", NO_REJECTIONS.values(), ids=NO_REJECTIONS.keys())
def test_what_uses_the_same_words_is_no_rejection(text: str, lexicons: Lexicons) -> None:
    """Offers, next steps, withdrawals and refusals of other things are never taken for one."""
    assert judge(letter(text), lexicons).kind is not Kind.REJECTION


def test_no_heap_of_phrases_makes_up_for_a_missing_decision() -> None:
    """Without a decision the verdict is other, whatever else is found."""
    heap = tuple(Evidence(f"support.{n}", 5.0, "x") for n in range(100))
    assert conclude(heap) == (Kind.OTHER, 0.0)


def test_what_there_is_to_go_by() -> None:
    """A decision is plain with an application around it, contested with something against it."""
    decision = Evidence("decision.a", 3.0, "x")
    around = (Evidence("object.a", 2.0, "x"), Evidence("support.a", 1.0, "x"))
    against = Evidence("counter.a", -1.0, "x")
    assert ground_of((decision, *around)) is Ground.PLAIN
    assert ground_of((decision,)) is Ground.CLEAR
    assert ground_of((decision, *around, against)) is Ground.CONTESTED
    assert ground_of(around) is Ground.UNSTATED


def test_by_its_sound_alone_no_letter_is_a_rejection() -> None:
    """With the same score a letter that states a decision is a rejection, another is unsure."""
    curves = dict.fromkeys(Ground, Curve(0.0, 1.0))
    model = Wording(Scale(0.0, 1.0, curves), (), ())
    sound = Evidence(WORDING, 3.0 - 2.0, "the wording as a whole")
    about = Evidence("object.a", 2.0, "x")
    kind, score = conclude((about, sound), model)
    assert (kind, score) == (Kind.UNSURE, 0.9526)
    stated = (Evidence("decision.a", 1.0, "x"), Evidence("object.a", 1.0, "x"), sound)
    assert conclude(stated, model) == (Kind.REJECTION, 0.9526)


def test_no_rejection_is_left_unread() -> None:
    """What is not read on could not have come to a rejection."""
    assert all(rejection_score_min(ground) >= READ_ON_SCORE_MIN for ground in Ground)


@pytest.mark.parametrize(("weight", "kind"), [(4.9, Kind.REJECTION), (4.8, Kind.UNSURE)])
def test_a_lexicon_alone_needs_as_much_in_plain_cases(weight: float, kind: Kind) -> None:
    """What makes less enough was found for letters whose wording is known."""
    around = (Evidence("object.a", 2.0, "x"), Evidence("support.a", 1.0, "x"))
    evidence = (Evidence("decision.a", weight - 3.0, "x"), *around)
    assert ground_of(evidence) is Ground.PLAIN
    assert conclude(evidence)[0] is kind


def test_a_forbidding_counter_cue_cannot_be_outweighed() -> None:
    """No sum of decisions, objects and support reaches a rejection beside a weight of -10."""
    evidence = (
        *(Evidence(f"decision.{n}", 4.0, "x") for n in range(50)),
        *(Evidence(f"object.{n}", 4.0, "x") for n in range(50)),
        *(Evidence(f"support.{n}", 4.0, "x") for n in range(50)),
        Evidence("counter.any", -10.0, "x"),
    )
    assert conclude(evidence)[0] is Kind.OTHER


def test_in_between_is_unsure() -> None:
    """A decision with little around it is put before a person, not changed."""
    assert conclude((Evidence("decision.a", 3.0, "x"),))[0] is Kind.UNSURE


@given(st.text(max_size=400), st.text(max_size=60))
def test_any_text_has_a_verdict(text: str, subject: str) -> None:
    """Judging raises nothing and the score is a probability."""
    verdict = judge(letter(text, subject), _LEXICONS)
    assert 0.0 <= verdict.score <= 1.0


_LEXICONS = installed_lexicons()
