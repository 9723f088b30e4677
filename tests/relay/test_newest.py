"""Where the own newest text ends, in the quoting forms of the common mail programs."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from relay.newest import end_of_own_text, own_lines

OWN_JA = [
    "青木 様",
    "",
    "社内で検討いたしましたが、今回は採用を見送らせていただきます。",
    "末筆ながら、今後のご活躍をお祈り申し上げます。",
]
OWN_EN = [
    "Dear Ms Doe,",
    "",
    "we have decided to go with another candidate.",
    "We wish you every success in your search.",
]

HISTORY = {
    "outlook-ja": [
        "-----元のメッセージ-----",
        "差出人: 青木",
        "件名: 結果",
        "",
        "結果はいつですか。",
    ],
    "outlook-en": ["-----Original Message-----", "From: A", "Sent: B", "", "Any news?"],
    "outlook-header-ja": [
        "________________________________",
        "差出人: 青木 <aoki@mail.example.com>",
        "送信日時: 2025年4月1日 10:00",
        "宛先: 採用担当",
        "件名: 結果について",
        "結果はいつですか。",
    ],
    "outlook-header-en": [
        "From: A <a@example.com>",
        "Sent: Monday",
        "To: B",
        "Subject: C",
        "",
        "X.",
    ],
    "outlook-header-bold": ["*From:* A", "*Sent:* Monday", "*To:* B", "*Subject:* C", "", "Hello."],
    "gmail-en": ["On Mon, 6 Jan 2025 at 10:00, A <a@example.com> wrote:", "> Any news?"],
    "gmail-en-wrapped": ["On Mon, 6 Jan 2025 at 10:00, A", "<a@example.com> wrote:", "", "> News?"],
    "gmail-ja": ["2025年1月6日(月) 10:00 青木 <aoki@mail.example.com>:", "", "> いつですか。"],
    "apple-ja": ["2025/01/06 10:00、青木 <aoki@mail.example.com>のメール:", "", "> いつですか。"],
    "thunderbird-ja": ["On 2025/01/06 10:00, 青木 wrote:", "> いつですか。"],
    "forward-gmail": ["---------- Forwarded message ---------", "From: A", "", "Dear B,"],
    "forward-apple": ["Begin forwarded message:", "", "From: A", "Hello."],
    "forward-ja": ["-------- 転送メッセージ --------", "件名: 結果", "", "本文です。"],
    "outlook-de": ["Von: A", "Gesendet: Montag", "An: B", "Betreff: C", "", "Gibt es etwas Neues?"],
    "outlook-fr": ["De : A", "Envoyé : lundi", "À : B", "Objet : C", "", "Bonjour."],
    "no-marks": ["On Mon, 6 Jan 2025 at 10:00, A <a@example.com> wrote:", "Any news on the job?"],
    "bare-quote": ["> 結果はいつですか。", "> お待ちしております。"],
}


@pytest.mark.parametrize("history", HISTORY.values(), ids=HISTORY.keys())
@pytest.mark.parametrize("own", [OWN_JA, OWN_EN], ids=["ja", "en"])
def test_quoted_history_is_cut_off(own: list[str], history: list[str]) -> None:
    """Each form of quoted history ends the own text, and the blank line above it stays outside."""
    assert end_of_own_text([*own, "", *history]) == len(own)


SIGNATURES = {
    "rfc3676": ["-- ", "青木商店 人事部"],
    "ruler-ja": ["━━━━━━━━━━", "株式会社青葉 人事部 山田", "TEL: 03-0000-0000", "━━━━━━━━━━"],
    "ruler-en": ["==========", "Acme Inc., Talent Team", "Phone: 555 000 1234"],
    "names-ja": ["株式会社青葉", "人事部　山田 花子"],
    "name-en": ["Anna Smith"],
    "valediction": ["Kind regards,", "Anna Smith", "Talent Acquisition"],
    "phone": ["Anna", "", "Sent from my iPhone"],
    "footer-ja": ["※本メールは送信専用です。ご返信いただいてもお答えできません。"],
    "footer-en": ["This e-mail is confidential and intended for the addressee only."],
}


@pytest.mark.parametrize("signature", SIGNATURES.values(), ids=SIGNATURES.keys())
@pytest.mark.parametrize("own", [OWN_JA, OWN_EN], ids=["ja", "en"])
def test_signature_and_footer_are_cut_off(own: list[str], signature: list[str]) -> None:
    """Signatures with and without a ruler, and footers, begin where the own text ends."""
    history = HISTORY["outlook-en"]
    assert end_of_own_text([*own, "", *signature]) == len(own)
    assert end_of_own_text([*own, "", *signature, "", *history]) == len(own)


@pytest.mark.parametrize("word", ["敬具", "以上", "草々"])
def test_closing_words_belong_to_the_text(word: str) -> None:
    """The closing word of a formal letter stays inside, the name below it does not."""
    assert end_of_own_text([*OWN_JA, f"　　　{word}", "", "人事部　山田"]) == len(OWN_JA) + 1


def test_a_ruler_inside_the_letter_does_not_end_it() -> None:
    """A boxed paragraph with prose below is part of the letter."""
    lines = [*OWN_JA, "━━━━━━━━", "日時: 4月1日 10:00", "━━━━━━━━", "ご返信をお待ちしております。"]
    assert end_of_own_text(lines) == len(lines)


def test_an_answer_below_the_quote_is_own_text() -> None:
    """Bottom posting: the quoted lines are left out, the answer below them is read."""
    quote = ["On Mon, 6 Jan 2025, A wrote:", "> Any news?", ""]
    lines = [*quote, "We went with someone else.", "", "Anna"]
    assert end_of_own_text(lines) == 4
    assert [line for line in own_lines(lines) if line] == ["We went with someone else."]


def test_a_forward_without_a_word_has_no_own_text() -> None:
    """When nothing is written above a forwarded letter, there is no own text."""
    assert end_of_own_text(HISTORY["forward-gmail"]) == 0


def test_a_single_line_is_never_taken_for_a_signature() -> None:
    """The first line of prose stays, however short it is."""
    assert end_of_own_text(["Position Filled"]) == 1
    assert end_of_own_text([]) == 0


def test_the_mention_of_this_mail_in_a_sentence_is_no_footer() -> None:
    """「このメールをもちまして」 opens a sentence of the letter."""
    lines = [*OWN_JA, "このメールをもちまして、お知らせに代えさせていただきます。"]
    assert end_of_own_text(lines) == len(lines)


@pytest.mark.parametrize(
    "text",
    ["> " * 400_000, "On x\ny\n" * 100_000, ("-" * 239 + "\n") * 4000, "kind " * 200_000,
     ("2025年1月1日 " * 20 + "\n") * 4000, ("Tel 03-0000-0000\n") * 50_000],
    ids=["marks", "on", "rulers", "kind", "dates", "phones"],
)  # fmt: skip
def test_hostile_text_is_read_in_linear_time(text: str) -> None:
    """About a megabyte built against the patterns takes well under the time box of a message."""
    started = time.perf_counter()
    own_lines(text.split("\n"))
    assert time.perf_counter() - started < 2.0


@pytest.mark.parametrize("change", [str.lower, str.upper, str.title, str.swapcase])
@pytest.mark.parametrize(
    "line",
    [
        *("This e-mail is confidential", "The contents of this email", "Confidential"),
        *("Disclaimer", "Legal notice", "Important notice", "Privacy notice", "Unsubscribe"),
        *("You are receiving this", "If you wish to unsubscribe", "To unsubscribe"),
        *("Copyright (c) Aozora", "© Aozora", "Please consider the environment"),
        *("Please do not reply to this", "Don't reply to this", "Dİsclaimer", "dısclaimer"),
        *("Sent from my phone", "Get Outlook for iOS", "iPhoneから送信", "androidから送信"),
        *("Von meinem iPhone gesendet", "Envoyé de mon iPhone", "Enviado desde mi iPhone"),
    ],
)
def test_footers_are_known_in_any_letter_case(line: str, change: Callable[[str], str]) -> None:
    """The look at the first characters of a line leaves out none that the patterns know."""
    words = change(line) if line.isascii() else line
    # A full stop makes it no name, which would be cut off as well.
    assert end_of_own_text(["We met on Monday.", "", f"{words} and is for the two of us."]) == 1
