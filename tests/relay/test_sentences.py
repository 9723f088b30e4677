"""Cutting text into sentences."""

from __future__ import annotations

import time

import pytest

from relay.sentences import language_of, languages_in, normalise, split


def texts(text: str, subject: str = "") -> list[str]:
    """Return the sentences of a text as read."""
    subject, text = normalise(subject), normalise(text)
    return [sentence.text for sentence in split(subject, text, language_of(text))]


def test_japanese_wrapped_in_mid_word_is_joined() -> None:
    """A line that the mail program broke reads on without white space."""
    wrapped = "慎重に検討いたしましたが、今回は採用を見\n送らせていただきます。\n敬具"
    assert texts(wrapped)[0] == "慎重に検討いたしましたが、今回は採用を見送らせていただきます。"


def test_english_wrapped_lines_are_joined_with_a_space() -> None:
    """English lines of full width read on."""
    wrapped = "We have decided to move forward with other candidates whose\nexperience fits."
    assert texts(wrapped) == [
        "We have decided to move forward with other candidates whose experience fits."
    ]


def test_what_a_mail_program_wraps_reads_as_it_was_typed() -> None:
    """The rest of a line counts with the line; a word and a colon or a number there is no item."""
    typed = (
        "ご面談の結果、今回は採用を見送らせていただくこととし、選考に関する書類は弊社で破棄いたし\n"
        "ますのでご了承ください。ご登録の情報（応募番号12）は、3月31日までに消去いたします。"
    )
    wrapped = (
        "ご面談の結果、今回は採用を見送らせていただくこととし、選考に関する\n書類は弊社で破棄いたし\n"
        "ますのでご了承ください。ご登録の情報（応募番号12）は、\n3月31日までに消去いたします。"
    )
    assert texts(wrapped) == texts(typed)
    wrapped = (
        "The marks that you lost were in the second\nscenario: you got there in the end but only\n"
        "with a hint. Thank you."
    )
    assert [text.strip() for text in texts(wrapped)] == [
        "The marks that you lost were in the second scenario: you got there in the end but only"
        " with a hint.",
        "Thank you.",
    ]


def test_labels_items_and_blank_lines_begin_a_sentence() -> None:
    """A result line of a form stands for itself."""
    assert texts("応募番号：12\n選考結果：不採用\n・書類は返却します") == [
        "応募番号:12",
        "選考結果:不採用",
        "・書類は返却します",
    ]


def test_widths_and_half_width_kana_read_alike() -> None:
    """NFKC makes full-width digits and half-width kana ordinary."""
    assert normalise("ﾊﾟｰﾄ　１２") == "パート 12"


def test_a_letter_all_in_katakana_is_read() -> None:
    """Old systems write particles and endings in katakana."""
    text = normalise("ｺﾉ度ﾊｺﾞ応募ｲﾀﾀﾞｷ有難ｳｺﾞｻﾞｲﾏｼﾀ｡今回ﾊ採用ｦ見送ﾗｾﾃ頂ｷﾏｽ｡")
    assert "採用を見送らせて頂きます" in text


def test_abbreviations_do_not_end_a_sentence() -> None:
    """Mr. and Dr. are followed by a name."""
    assert texts("Dear Mr. Smith, we met Dr. Jones. Thank you.") == [
        "Dear Mr. Smith, we met Dr. Jones.",
        "Thank you.",
    ]


def test_dots_that_lead_to_the_next_column_end_nothing() -> None:
    """What is said of an item stays with the item."""
    assert texts("Head of Sales ...... Not selected") == ["Head of Sales ...... Not selected"]
    assert texts("We thought about it... No.") == ["We thought about it...", "No."]


def test_both_languages_of_a_mixed_paragraph_are_told_apart() -> None:
    """A bilingual letter gives sentences for both lexicons."""
    text = normalise("We are sorry to say no. 残念ながら見送ります。Thank you for all.")
    found = split("", text, language_of(text))
    assert [sentence.language for sentence in found] == ["en", "ja", "en"]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("ご応募ありがとうございます。", "ja"),
        ("Thank you for your interest in the position.", "en"),
        ("지원해 주셔서 감사합니다.", "ko"),
        ("感谢您的申请，很遗憾您未能通过。", "zh"),
        ("Vielen Dank, wir haben uns nicht für Sie entschieden und bedauern das.", "de"),
        ("Nous vous remercions mais nous ne pouvons pas retenir votre candidature.", "fr"),
        ("Gracias por su interés, pero no podemos continuar con el proceso.", "es"),
        ("", ""),
    ],
)
def test_the_language_of_a_text(text: str, language: str) -> None:
    """Scripts and small words tell the language."""
    assert language_of(text) == language


@pytest.mark.parametrize("piece", ["あ", "a. ", "「", "選考：\n", "\n\n", "Mr. ", "。"])
def test_a_megabyte_is_cut_in_bounded_time(piece: str) -> None:
    """The text weighed is capped, so hostile length costs little."""
    started = time.perf_counter()
    texts(piece * (1_000_000 // len(piece)))
    assert time.perf_counter() - started < 2.0


def test_spaces_between_words_stay_where_words_have_them() -> None:
    """Only Japanese is squeezed: a doubled space or an accent does not glue words together."""
    assert texts("Your résumé was  read at the café today.") == [
        "Your résumé was  read at the café today."
    ]
    assert texts("採 用 を 見 送 り ま す 。") == ["採用を見送ります。"]


def test_korean_is_cut_at_its_full_stops_and_joined_where_it_reads_on() -> None:
    """Sentences end without a space once these are gone; behind a particle a line goes on."""
    wrapped = (
        "지원해 주셔서 감사합니다. 검토 결과를 알려드립니다.\n"
        "이번 채용에서는\n귀하를\n모시지 못합니다."
    )
    assert texts(wrapped) == [
        "지원해주셔서감사합니다.",
        "검토결과를알려드립니다.",
        "이번채용에서는귀하를모시지못합니다.",
    ]


def test_a_date_does_not_end_a_german_sentence() -> None:
    """An ordinal number has a full stop, and the month behind it a capital letter."""
    text = "Ihre Bewerbung vom 3. September liegt uns vor. Wir danken z. B. für das Zeugnis."
    assert texts(text) == [
        "Ihre Bewerbung vom 3. September liegt uns vor.",
        "Wir danken z. B. für das Zeugnis.",
    ]


@pytest.mark.parametrize("quoted", ["„Nein, danke“", "«Nein, danke»", "“Nein, danke”"])
def test_quotation_marks_of_all_countries_are_one(quoted: str) -> None:
    """What is quoted is told by one pattern."""
    assert normalise(quoted) == '"Nein, danke"'


def test_small_words_of_several_languages_do_not_change_a_sentence() -> None:
    """La, de and en are Spanish and French: the letter around a sentence decides."""
    text = (
        "Nous vous remercions de votre intérêt pour notre poste.\n\n"
        "La décision est de recruter en interne."
    )
    found = split("", text, language_of(text))
    assert [sentence.language for sentence in found] == ["fr", "fr"]


def test_a_sentence_in_another_language_is_told() -> None:
    """German above, English below: each goes to its own lexicon."""
    text = (
        "Wir danken Ihnen für die Bewerbung und melden uns bei Ihnen, sobald wir das Ergebnis"
        " haben.\n\nThank you for your interest in the position that you have seen."
    )
    found = split("", text, language_of(text))
    assert [sentence.language for sentence in found] == ["de", "en"]


@pytest.mark.parametrize(
    ("text", "languages"),
    [
        ("Thank you for your letter. We will look at it.", {"en"}),
        ("本日はお越しいただき、ありがとうございました。Thank you.", {"en", "ja"}),
        ("本日はありがとうございました。김민수様によろしくお伝えください。", {"en", "ja", "ko"}),
        ("Wir danken Ihnen für die Bewerbung.", {"de", "en", "es", "fr"}),
    ],
)
def test_most_mail_can_be_in_few_languages(text: str, languages: set[str]) -> None:
    """What no sentence can be in is not looked for."""
    assert languages_in(text) == languages
