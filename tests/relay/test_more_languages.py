"""Rejections in Korean, Chinese, German, French and Spanish are found, and nothing else is.

Each language has forty letters of either kind, and further wordings in a letter each. No
look-alike is taken for a rejection, no letter that somebody quotes, and none of its decisions once
it is a condition.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import pytest

from relay.entries import Lexicons, Section
from relay.envelope import Envelope
from relay.letter import Letter, read_letter
from relay.mimemap import map_message
from relay.newest import own_lines
from relay.verdict import Kind, Verdict, judge
from tests.lexicons import installed_lexicons

LANGUAGES = ("de", "es", "fr", "ko", "zh")
# The address of a recruiter makes every refusal look a little more like a rejection.
SENDERS = [("x@example.jp", ""), ("recruit@example.jp", "採用担当")]


@cache
def lexicons() -> Lexicons:
    """Return the lexicons as installed."""
    return installed_lexicons()


def rows(section: str) -> list[tuple[str, str, str]]:
    """Return language, subject and text of all letters of a kind."""
    found: list[tuple[str, str, str]] = []
    for language in LANGUAGES:
        path = Path(__file__).parent / f"letters_{language}.toml"
        letters = tomllib.loads(path.read_text(encoding="utf-8"))[section]
        found += [(language, row["subject"], row["text"].strip()) for row in letters]
    return found


def further(section: str) -> list[tuple[str, str, str]]:
    """Return the same of the further wordings."""
    path = Path(__file__).parent / "further_letters.toml"
    letters = tomllib.loads(path.read_text(encoding="utf-8"))[section]
    return [(row["language"], row["subject"], row["text"].strip()) for row in letters]


REJECTIONS = rows("rejection")
OTHERS = rows("other")


def named(value: object) -> str:
    """Return the beginning of a text as the name of a test."""
    return str(value)[:30]


def judged(subject: str, text: str, sender: tuple[str, str] = SENDERS[0]) -> Verdict:
    """Return the verdict on a letter sent by `sender`."""
    return judge(Letter(subject, *sender, ("y@mail.example.com",), text), lexicons())


@pytest.mark.parametrize("sender", SENDERS, ids=["person", "recruiter"])
@pytest.mark.parametrize(
    ("language", "subject", "text"), [*REJECTIONS, *further("rejection")], ids=named
)
def test_a_rejection_is_found(
    language: str, subject: str, text: str, sender: tuple[str, str]
) -> None:
    """Short or long, formal or not, in its own language."""
    verdict = judged(subject, text, sender)
    assert verdict.kind is Kind.REJECTION
    assert verdict.language == language


@pytest.mark.parametrize("sender", SENDERS, ids=["person", "recruiter"])
@pytest.mark.parametrize(("language", "subject", "text"), [*OTHERS, *further("other")], ids=named)
def test_a_look_alike_is_not_taken_for_one(
    language: str, subject: str, text: str, sender: tuple[str, str]
) -> None:
    """Tenders, flats, loans, schools, contests, customers, colleagues, applicants, even from HR."""
    assert judged(subject, text, sender).kind is not Kind.REJECTION, language


ANSWERS = {
    "de": ("Danke für die Nachricht.", "Am {} um 09:12 schrieb HR <hr@example.de>:"),
    "fr": ("Bien reçu, merci.", "Le {} à 09:12, RH <rh@example.fr> a écrit :"),
    "es": ("Recibido, gracias.", "El {} a las 9:12, RRHH <rrhh@example.es> escribió:"),
    "ko": ("확인했습니다.", "2026년 10월 1일 (목) 오전 9:12, 인사팀 <hr@example.kr>님이 작성:"),
    "zh": ("收到，谢谢。", "在 2026年10月1日 09:12，人事部 <hr@example.cn> 写道："),
}  # fmt: skip


@pytest.mark.parametrize("mark", ["> ", ""], ids=["marked", "bare"])
@pytest.mark.parametrize(("language", "subject", "text"), REJECTIONS, ids=named)
def test_a_quoted_rejection_is_none(language: str, subject: str, text: str, mark: str) -> None:
    """Below another text, the letter is somebody else's."""
    answer, attribution = ANSWERS[language]
    quoted = [mark + line for line in text.split("\n")]
    lines = [answer, "", attribution.format("01.10.2026"), *quoted]
    own = "\n".join(own_lines(lines))
    assert own.strip() == answer
    assert judged(f"Re: {subject}", own).kind is not Kind.REJECTION


QUOTES = {
    "de": "Frau Berger erhielt dieses Schreiben: „{}“ Sie war enttäuscht.",
    "fr": "Elle a reçu cette lettre : « {} » Elle était déçue.",
    "es": "Recibió esta carta: «{}» Estaba decepcionada.",
    "ko": "이런 메일을 받았다고 합니다. “{}” 많이 실망했어요.",
    "zh": "她收到了这样一封信：“{}”她很失望。",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_in_quotes_decide_nothing(language: str) -> None:
    """The quotation marks of the language enclose somebody else's words."""
    for of, subject, text in REJECTIONS:
        if of == language:
            flat = " ".join(text.split())[:390].replace("“", "").replace("„", "")
            assert judged(subject, QUOTES[language].format(flat)).kind is not Kind.REJECTION


THANKS = {
    "de": "Vielen Dank für Ihre Bewerbung als Technikerin. Wir prüfen Ihren Lebenslauf.",
    "fr": "Merci pour votre candidature au poste de technicienne. Nous étudions votre CV.",
    "es": "Gracias por su candidatura al puesto de técnica. Revisamos su currículum.",
    "ko": "개발자 채용에 지원해 주셔서 감사합니다. 이력서를 검토하고 있습니다.",
    "zh": "感谢您应聘工程师岗位，我们正在阅读您的简历。",
}
CONDITIONALS = {
    "de": [
        "Sollten wir Ihre Bewerbung nicht berücksichtigen können, schreiben wir Ihnen.",
        "Falls wir uns für einen anderen Bewerber entscheiden, erhalten Sie eine Absage.",
        "Wenn Sie bis Mai nichts hören, konnten wir Ihnen die Stelle leider nicht anbieten.",
        "Die Stelle ist noch nicht besetzt.",
    ],
    "fr": [
        "Si votre candidature n'est pas retenue, nous vous écrirons.",
        "Sans nouvelles d'ici mai, considérez que nous avons choisi un autre candidat.",
        "En cas de réponse négative, votre dossier sera supprimé.",
        "Le poste n'est pas encore pourvu.",
    ],
    "es": [
        "Si su candidatura no es seleccionada, le escribiremos.",
        "En caso de no recibir noticias, su candidatura habrá sido descartada.",
        "Cuando la vacante esté cubierta, avisaremos a quienes no hayan sido seleccionados.",
        "La vacante aún no está cubierta.",
    ],
    "ko": [
        "불합격하신 경우에는 메일로 알려드립니다.",
        "연락이 없으면 아쉽게도 함께하지 못하게 된 것으로 생각해 주세요.",
        "탈락하더라도 다음에 다시 지원하실 수 있습니다.",
        "채용은 아직 마감되지 않았습니다.",
    ],
    "zh": [
        "如未通过面试，恕不另行通知。",
        "若两周内没有收到通知，即表示您未被录用。",
        "未录用者的资料将会销毁。",
        "该岗位尚未招满。",
    ],
}


@pytest.mark.parametrize(
    ("language", "condition"), [(code, each) for code in LANGUAGES for each in CONDITIONALS[code]]
)
def test_a_condition_decides_nothing(language: str, condition: str) -> None:
    """What is said of a case that may come is no decision, be it said by a recruiter."""
    text = f"{THANKS[language]}\n\n{condition}"
    assert judged("", text, SENDERS[1]).kind is not Kind.REJECTION


@pytest.mark.parametrize("section", Section)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_section_is_there(language: str, section: Section) -> None:
    """Each language reads off all that Japanese and English do."""
    assert lexicons()[language].of(section)


OLD_CHARSETS = {
    "gb2312": "李女士您好：\n\n感谢您应聘我公司会计岗位。很遗憾，您未被录用。",
    "big5": "李小姐您好：\n\n感謝您應徵本公司會計一職，很遺憾未能錄取您。",
    "euc-kr": "김하나 님,\n\n채용에 지원해 주셔서 감사합니다.\n아쉽게도 불합격하셨습니다.",
    "iso-8859-1": "Liebe Frau Groß,\n\nwir können Ihnen die Stelle nicht anbieten. Viele Grüße",
    "windows-1252": "Bonjour,\n\nVotre candidature d’infirmière à Nîmes n’a pas été retenue.",
}


@pytest.mark.parametrize(("charset", "text"), OLD_CHARSETS.items(), ids=OLD_CHARSETS.keys())
def test_old_charsets_are_read(charset: str, text: str) -> None:
    """Mail programs of these countries still write what they wrote before Unicode."""
    head = f"Subject: Re\r\nContent-Type: text/plain; charset={charset}\r\n\r\n".encode()
    envelope = Envelope("recruit@example.com", ("y@mail.example.com",))
    body = text.replace("\n", "\r\n").encode(charset)
    letter = read_letter(map_message(head + body), envelope)
    assert letter.text == text
    assert judge(letter, lexicons()).kind is Kind.REJECTION


def test_a_letter_in_two_languages_is_read() -> None:
    """German above English, or Chinese below: the decision counts in either."""
    german = next(text for code, _, text in REJECTIONS if code == "de")
    english = "Dear applicant,\n\nThank you for your interest in our company.\n\n"
    assert judged("", f"{german}\n\n---\n\n{english}").kind is Kind.REJECTION


def test_a_japanese_name_makes_no_chinese_letter_japanese() -> None:
    """A single kana, as shops in Taiwan have it in their names, does not hide the decision."""
    text = "您好：\n\n感謝您應徵山の屋門市人員。經評估後，很遺憾此次未能錄取您，敬請見諒。"
    verdict = judged("", text)
    assert (verdict.kind, verdict.language) == (Kind.REJECTION, "zh")


def test_other_languages_keep_their_letters() -> None:
    """Japanese and English stay what they are, whatever words they share with the others."""
    japanese = "山田様\n\n採用選考の結果、誠に残念ながら不採用とさせていただきます。"
    assert judged("", japanese).language == "ja"
    english = "Dear Kim,\n\nWe regret that your application for the post was not successful."
    assert judged("", english).language == "en"
