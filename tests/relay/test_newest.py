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
    "wrote-with-a-date-ja": [
        "山田 太郎 さんは書きました(2024/03/01 10:00):",
        "> いつ頃でしょうか。",
    ],
    "wrote-at-ja": ["山田 太郎 さんが 2024/03/01 10:00 に書きました。", "> いつ頃でしょうか。"],
    "header-source-ja": [
        "送信元: 青木 <aoki@mail.example.com>",
        "送信日時: 2025年4月1日 10:00",
        "宛先: 採用担当",
        "件名: 結果について",
        "結果はいつですか。",
    ],
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
    "gmail-de": ["Am Mo., 6. Jan. 2025 um 10:00 Uhr schrieb A", "<a@example.com>:", "> Neues?"],
    "apple-de": ["> Am 06.01.2025 um 10:00 schrieb A <a@example.com>:", "> ", "> Neues?"],
    "original-de": ["-----Ursprüngliche Nachricht-----", "Von: A", "", "Hallo"],
    "gmail-fr": ["Le lun. 6 janv. 2025 à 10:00, A <a@example.com> a", "écrit :", "> Alors ?"],
    "original-fr": ["-----Message d’origine-----", "De : A", "", "Bonjour"],
    "gmail-es": ["El lun, 6 ene 2025 a las 10:00, A (<a@example.com>) escribió:", "> ¿Y bien?"],
    "outlook-es": ["De: A", "Enviado el: lunes", "Para: B", "Asunto: C", "", "Hola."],
    "gmail-ko": ["2025년 1월 6일 (월) 오전 10:00, A <a@example.com>님이 작성:", "", "> 결과는요?"],
    "outlook-ko": ["보낸 사람: A", "보낸 날짜: 월요일", "받는 사람: B", "제목: C", "", "결과는요?"],
    "apple-ko": ["발신: A <a@example.com>", "제목: C", "날짜: 월요일", "수신: B", "", "결과는요?"],
    "daum": ["--------- 원본 메일 ---------", "보낸사람: A", "", "결과는요?"],
    "forward-ko": ["전달된 메시지 시작:", "", "> 발신: A", "> 결과는요?"],
    "gmail-zh": ["李雷 <a@example.com> 于2025年1月6日周一 10:00写道：", "", "> 有结果了吗？"],
    "gmail-tw": ["李雷 <lilei@example.com> 於 2025年1月6日 上午10:00寫道：", "", "> 結果呢？"],
    "apple-zh": ["在 2025年1月6日，10:00，李雷 <a@example.com> 写道：", "", "> 有结果了吗？"],
    "outlook-zh": ["发件人: A", "发送时间: 周一", "收件人: B", "主题: C", "", "有结果了吗？"],
    "outlook-tw": ["寄件者: A", "寄件日期: 週一", "收件者: B", "主旨: C", "", "有結果了嗎？"],
    "outlook-hk": ["寄件人: A", "傳送時間: 週一", "收件人: B", "主旨: C", "", "有結果了嗎？"],
    "qq": ["------------------ 原始邮件 ------------------", "发件人: A;", "", "有结果了吗？"],
    "netease": ["---- 回复的原邮件 ----", "发件人 A", "主题 C", "有结果了吗？"],
    "forward-zh": ["开始转发邮件：", "", "> 发件人: A", "> 有结果了吗？"],
    "no-marks": ["On Mon, 6 Jan 2025 at 10:00, A <a@example.com> wrote:", "Any news on the job?"],
    "forward-gmail-ja": [
        "---------- 転送されたメッセージ ----------",
        "差出人: 青木",
        "",
        "本文です。",
    ],
    "outlook-ja-wide": [
        "差出人： 青木",
        "送信日時： 月曜",
        "宛先： 採用",
        "件名： 結果",
        "本文です。",
    ],
    "header-with-gaps": [
        "From: A",
        "",
        "Sent: Monday",
        "",
        "",
        "To: B",
        "",
        "Subject: C",
        "Hello.",
    ],
    "header-in-one-line": ["From: A Sent: Monday To: B Subject: C", "", "Any news on the job?"],
    "header-in-one-line-ja": ["差出人: 青木 送信日時: 月曜 宛先: 採用 件名: 結果", "いつですか。"],
    "subject-first": ["Subject: C", "Date: Monday", "From: A", "To: B", "", "Any news on the job?"],
    "subject-first-ja": [
        "件名: 結果",
        "日付: 月曜",
        "差出人: 青木",
        "宛先: 採用",
        "",
        "本文です。",
    ],
    "apple-ja-name": ["2025/01/06 10:00、青木のメール:", "", "結果はいつですか。"],
    "apple-ja-noon": ["2025/01/06 午前10:00、青木 <a@example.jp>のメール：", "> いつですか。"],
    "google-groups-ja": ["2025年1月6日月曜日 10時12分31秒 UTC+9 青木:", "", "> いつですか。"],
    "gmail-ja-wrapped": [
        "2025年1月6日(月) 10:00 青木（人事の部署） <",
        "a@example.jp>:",
        "> いつですか。",
    ],
    "thunderbird-de": ["Am 06.01.25 um 10:00 schrieb A:", "> Any news?"],
    "notes": ["-----A <a@example.com> wrote: -----", "To: B", "Any news on the job?"],
    "wrote-at": ["A <a@example.com> wrote at 10:12:", "> Any news?"],
    "quoted-from-here": ["-------- 引用ここから --------", "結果はいつですか。"],
    "wide-marks": ["青木さんは書きました：", "＞結果はいつですか。"],
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
    "corners": [
        "☆━━━━━━━━━━☆",
        "　株式会社青葉",
        "　採用 山田",
        "Mail: hr@example.jp",
        "☆━━━━━━━━━━☆",
    ],
    "dots": ["+‥‥‥‥‥‥‥‥‥‥+", "青葉 人事部", "TEL: 03-0000-0000", "+‥‥‥‥‥‥‥‥‥‥+"],
    "names-ja": ["株式会社青葉", "人事部　山田 花子"],
    "name-en": ["Anna Smith"],
    "valediction": ["Kind regards,", "Anna Smith", "Talent Acquisition"],
    "phone": ["Anna", "", "Sent from my iPhone"],
    "footer-ja": ["※本メールは送信専用です。ご返信いただいてもお答えできません。"],
    "footer-ja-long": [
        "--------------------",
        "このメールは送信専用アドレスから配信されています。",
        "ご返信いただいてもお答えできませんのでご了承ください。",
    ],
    "footer-ja-wrapped": [
        "※本メールは送信専用アドレスから配信しています。ご返信いただいても",
        "お答えできません。",
    ],
    "footer-and-ruler": [
        "※本メールは送信専用です。",
        "",
        "──────────",
        "株式会社青葉 人事部",
        "──────────",
    ],
    "ruler-and-names": [
        "**********",
        "独立行政法人 青葉機構",
        "人事課　新里（にいさと）",
        "**********",
    ],
    "half-width": ["------------------", "(株)青葉 ｻｲﾖｳﾀﾝﾄｳ", "ＴＥＬ ０３－００００－００００"],
    "footer-ja-notice": ["【ご注意】本メールは宛先の方のみを対象としています。"],
    "outlook-ios-ja": ["Outlook for iOS を入手"],
    "footer-en-wrapped": [
        "This e-mail is confidential and intended for the addressee only. If it reached you",
        "in error, please delete it and tell us. We are unable to read replies.",
    ],
    "footer-en-registered": ["Registered in England No. 1234567, 1 High Street, London."],
    "footer-en-mailbox": ["Please note that this mailbox is not monitored, nobody reads it."],
    "footer-en": ["This e-mail is confidential and intended for the addressee only."],
    "valediction-de": ["Viele Grüße aus Berlin", "das Team von Pixelhof"],
    "by-order-de": ["Mit freundlichen Grüßen", "i. A. Sabine Rötger"],
    "valediction-fr": ["Bien cordialement,", "Élodie Perrin", "chargée de recrutement"],
    "unit-fr": ["Le service des ressources humaines"],
    "valediction-es": ["Reciba un cordial saludo,", "la dirección"],
    "names-ko": ["가온테크 인사팀 박지훈 드림"],
    "unit-ko": ["가온테크 인사팀", "Tel. 02-000-0000"],
    "names-zh": ["此致", "敬礼", "恒远机电有限公司 人力资源部"],
    "footer-de": ["Diese E-Mail ist vertraulich und nur für den Empfänger bestimmt."],
    "footer-fr": ["Ce message est confidentiel et réservé à son destinataire."],
    "footer-es": ["Este correo puede contener información confidencial."],
    "footer-workday": [
        "This email was intended for sam@example.com",
        "Replies to this message are undeliverable and will not reach the team.",
        "Click here to view the notification details.",
    ],
    "footer-greenhouse": ["** Please note: Do not reply to this email. It is not monitored."],
    "footer-contents": ["The contents of this communication are confidential."],
    "thread-id": ["Aozora HR Team", "", "ref:_00D123._500456:ref"],
    "footer-ko": ["본 메일은 발신전용이므로 회신되지 않습니다."],
    "footer-zh": ["本邮件由系统自动发送，请勿回复。"],
    "phone-ko": ["나의 iPhone에서 보냄"],
    "phone-zh": ["发自我的iPhone"],
}


@pytest.mark.parametrize("signature", SIGNATURES.values(), ids=SIGNATURES.keys())
@pytest.mark.parametrize("own", [OWN_JA, OWN_EN], ids=["ja", "en"])
def test_signature_and_footer_are_cut_off(own: list[str], signature: list[str]) -> None:
    """Signatures with and without a ruler, and footers, begin where the own text ends."""
    history = HISTORY["outlook-en"]
    assert end_of_own_text([*own, "", *signature]) == len(own)
    assert end_of_own_text([*own, "", *signature, "", *history]) == len(own)


@pytest.mark.parametrize(
    "line",
    [
        "很遺憾未能錄取您",
        "祝您求職順利",
        "感谢您的理解",
        "이번에는 모시지 못하게 되었습니다",
        "앞날에 행운이 있기를 바랍니다",
        "이 메일을 보내 드리게 되어 죄송합니다",
    ],
)
def test_the_last_sentence_without_a_full_stop_is_text(line: str) -> None:
    """Chinese and Korean letters often leave it out; a name says nothing to the reader."""
    lines = ["Kim:", "", line]
    assert end_of_own_text(lines) == len(lines)


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


def test_a_footer_above_the_letter_does_not_end_it() -> None:
    """「このメールは自動送信です」 may stand over the letter itself."""
    lines = ["青木様", "このメールは自動送信です。", *OWN_JA[2:], "返信は不要です。"]
    assert end_of_own_text(lines) == len(lines)


@pytest.mark.parametrize(
    "wrapped",
    [
        ["We wish you all the best and hope that our paths will cross", "again."],
        ["Thank you for writing to our imaginary angry customers so", "kindly."],
        ["青木様のご経験を必要とされる企業との出会いがありますことを心", "よりお祈り申し上げます"],
    ],
)
def test_the_rest_of_a_wrapped_sentence_is_no_signature(wrapped: list[str]) -> None:
    """A last line of one word that did not fit reads like a name or a valediction."""
    lines = [*OWN_EN, *wrapped]
    assert end_of_own_text([*lines, "", "Anna Smith"]) == len(lines)


def test_a_list_of_dates_is_no_quoted_header() -> None:
    """Labels of the same kind without a sender are the letter's own."""
    lines = [*OWN_EN, "Date: Monday", "Subject: your interview", "To: our office in Leeds.", "OK."]
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
