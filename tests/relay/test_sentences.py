"""Cutting text into sentences."""

from __future__ import annotations

import time

import pytest

from relay.sentences import language_of, normalise, split


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
