"""Where a signature begins: rulers of any signs, mottoes upon them, and twenty lines of offices."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from relay.newest import end_of_own_text

OWN = [
    "青木 様",
    "",
    "社内で検討いたしましたが、今回は採用を見送らせていただきます。",
    "末筆ながら、今後のご活躍をお祈り申し上げます。",
]
FORMAL = [*OWN, "", "　　　　　敬具"]
CONTACTS = ["株式会社あおぞら 人事部", "山田 花子", "TEL: 03-0000-0000", "hr@aozora.example.jp"]
MOTTO = "人と空をつなぐ会社です。"

RULERS = [
    *("ｰｰｰｰｰｰｰｰｰｰ", "･･･････････", "｡｡｡｡｡｡｡｡", "･ﾟ･*:.｡☆･ﾟ･*:.｡☆", "☆ﾟ+.☆ﾟ+.☆ﾟ+."),
    *(
        "*-*-*-*-*-*",
        "=-=-=-=-=",
        "-・-・-・-・-",
        "+:-:+:-:+:-:+",
        "=====*=====*=====",
        "^^^^^^^^",
    ),
    *(
        "〜〜〜〜〜〜〜〜",
        "～～～～～～～",
        "～*～*～*～*～",
        "￣￣￣￣￣￣",
        "。。。。。。。",
        "＃＃＃＃＃",
    ),
    *("◆◇◆◇◆◇◆◇", "≪≫≪≫≪≫", "〓〓〓〓〓〓", "⌒⌒⌒⌒⌒", "≡≡≡≡≡≡", "◢◤◢◤◢◤", "❀❀❀❀❀", "🌸🌸🌸🌸"),
    *(
        "----------◇----------",
        "／／／／／／",
        "::::::::",
        "〰〰〰〰〰",
        "➖➖➖➖➖",
        "〆〆〆〆〆",
    ),
    *("===== 署名 =====", "----- 連絡先 -----", "━━━━ あおぞら ━━━━"),
]
SHAPES: dict[str, Callable[[str], list[str]]] = {
    "contacts": lambda ruler: [ruler, *CONTACTS, ruler],
    "open": lambda ruler: [ruler, *CONTACTS],
    "a name only": lambda ruler: [ruler, "採用担当 山田", ruler],
    "motto in a box of its own": lambda ruler: [ruler, MOTTO, ruler, *CONTACTS],
    "motto first": lambda ruler: [ruler, MOTTO, *CONTACTS, ruler],
    "motto below": lambda ruler: [ruler, *CONTACTS, ruler, MOTTO],
    "mottoes": lambda ruler: [ruler, MOTTO, *CONTACTS, "空は、広い。", ruler],
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("ruler", RULERS)
@pytest.mark.parametrize("own", [OWN, FORMAL], ids=["plain", "formal"])
def test_rulers_of_any_signs_begin_a_signature(
    own: list[str], ruler: str, shape: Callable[[str], list[str]]
) -> None:
    """However a ruler is drawn, with a motto in the signature or not, all of it is cut off."""
    assert end_of_own_text([*own, "", *shape(ruler)]) == len(own)


BOX = [
    "┏━━━━━━━━━━━━━━━━┓",
    "┃　株式会社あおぞら　人事部　　　┃",
    "┃　　　　　　　　　　　　　　　　┃",
    "┃　採用係　山田　花子　　　　　　┃",
    "┃　〒100-0000 東京都千代田区1-1　┃",
    "┗━━━━━━━━━━━━━━━━┛",
]
MOTTOES = {
    "marks": ["～ 人と空をつなぐ ～"],
    "stars": ["★☆ 空を、もっと近くに ☆★"],
    "quotes": ["「人と空をつなぐ」"],
    "plain": ["未来を、もっと近くに"],
    "two": ["未来を、もっと近くに。", "～あおぞらグループ～"],
}


@pytest.mark.parametrize("below", [["━━━━━━", *CONTACTS, "━━━━━━"], BOX], ids=["ruler", "box"])
@pytest.mark.parametrize("motto", MOTTOES.values(), ids=MOTTOES.keys())
@pytest.mark.parametrize("own", [OWN, FORMAL], ids=["plain", "formal"])
def test_a_motto_upon_the_ruler_belongs_to_it(
    own: list[str], motto: list[str], below: list[str]
) -> None:
    """What speaks to nobody, or stands between marks, is the company's and not the letter's."""
    assert end_of_own_text([*own, "", *motto, *below]) == len(own)


def test_a_polite_motto_is_known_behind_the_closing_word() -> None:
    """Behind 敬具 the letter says nothing more."""
    assert end_of_own_text([*FORMAL, "", MOTTO, "━━━━━━", *CONTACTS]) == len(FORMAL)


@pytest.mark.parametrize(
    "last",
    [
        ["追伸　履歴書は返送いたします。"],
        ["なお、履歴書は返送いたしました。"],
        ["今後ともよろしくお願いいたします。"],
        ["お預かりした書類は廃棄いたします。", "ご了承ください。"],
        ["★またのご応募をお待ちしております★"],
        ["～ご応募ありがとうございました～"],
    ],
)
@pytest.mark.parametrize("own", [OWN, FORMAL], ids=["plain", "formal"])
def test_the_last_sentence_upon_a_ruler_is_the_letters(own: list[str], last: list[str]) -> None:
    """Not every line upon a ruler is a motto: what is said to somebody stays."""
    assert end_of_own_text([*own, "", *last, "━━━━━━", *CONTACTS]) == len(own) + 1 + len(last)


LONG = {
    "offices": [
        "━━━━━━━━━━━━━━━━━━━━",
        "株式会社あおぞら　人事本部　採用グループ",
        "山田 花子（やまだ はなこ）",
        "",
        "【本社】〒100-0000 東京都千代田区1-1-1 あおぞらビル",
        "TEL：03-0000-0000／FAX：03-0000-0001",
        "【大阪支社】〒530-0000 大阪府大阪市北区1-1-1",
        "TEL：06-0000-0000",
        "【福岡支社】〒810-0000 福岡県福岡市中央区1-1-1",
        "TEL：092-000-0000",
        "営業時間：平日9:00～18:00（土日祝休み）",
        "E-mail：hr@aozora.example.jp",
        "URL：https://www.aozora.example.jp/",
        "━━━━━━━━━━━━━━━━━━━━",
        "★新卒採用サイトを公開しました！★",
        "https://recruit.aozora.example.jp/",
        "おかげさまで弊社は創立五十周年を迎えました。",
        "これからも人と空をつないでまいります。",
        "【個人情報の取り扱いについて】",
        "お預かりした個人情報は、採用選考の目的にのみ利用します。",
        "https://www.aozora.example.jp/privacy/",
        "◆健康経営優良法人2026認定◆",
        "━━━━━━━━━━━━━━━━━━━━",
    ],
    "privacy": [
        "-------------------------------",
        "あおぞら商事株式会社",
        "総務部　鈴木",
        "〒100-0000 東京都港区1-2-3",
        "TEL 03-0000-0000 FAX 03-0000-0001",
        "mail: soumu@aozora.example.jp",
        "https://www.aozora.example.jp",
        "-------------------------------",
        "当社は個人情報の保護に努めています。",
        "いただいた情報は採用選考のためにのみ使用し、",
        "選考の終了後は当社が責任をもって廃棄いたします。",
        "-------------------------------",
    ],
    "no-ruler-but-banners": [
        "株式会社あおぞら 人事部",
        "山田 花子",
        "〒100-0000 東京都千代田区1-1-1",
        "TEL: 03-0000-0000",
        "https://www.aozora.example.jp/",
        "★新卒採用サイト公開中★",
        "【健康経営優良法人2026認定】",
        "＼中途採用も募集中！／",
    ],
    "en": [
        "____________________",
        "Anna Smith",
        "Talent Acquisition, Acme Ltd",
        "London: 1 High Street, EC1A 1AA, Phone +44 20 0000 0000",
        "Leeds: 2 Low Street, LS1 1AA, Phone +44 113 000 0000",
        "Web: https://www.acme.example/",
        "mail: jobs@acme.example",
        "* * * * * * * *",
        "We are proud to be an employer of the year.",
        "Find out what our people say about working with us.",
        "We process your data as our privacy policy says.",
    ],
}


@pytest.mark.parametrize("gap", [[], [""]], ids=["tight", "loose"])
@pytest.mark.parametrize("signature", LONG.values(), ids=LONG.keys())
@pytest.mark.parametrize("own", [OWN, FORMAL], ids=["plain", "formal"])
def test_long_signatures_are_cut_off_as_a_whole(
    own: list[str], signature: list[str], gap: list[str]
) -> None:
    """Offices, privacy and advertising of the company stand behind the note."""
    lines = [line for each in signature for line in (each, *gap)]
    assert end_of_own_text([*own, "", *lines]) == len(own)


BOXED = {
    "the decision": ["━━━━━━━━", "誠に残念ながら今回は見送りとなりました。", "ご了承ください。"],
    "an address to ask": [
        "━━━━━━━━",
        "お問い合わせ先 株式会社あおぞら 人事部",
        "TEL: 03-0000-0000",
        "━━━━━━━━",
        "お手数をおかけいたしますが、ご不明な点はお尋ねください。",
        "書類は一か月以内に返送いたします。",
        "ご応募いただき誠にありがとうございました。",
    ],
    "a heading": [
        "■□■ 選考結果 ■□■",
        "今回は見送りとさせていただきます。",
        "悪しからずご了承ください。",
    ],
    "a smile": ["(^^)/~~~", "またお会いできる日を楽しみにしています。", "お元気で。"],
    "silence": ["・・・・・・", "今回はご縁がありませんでした。", "お許しください。"],
}


@pytest.mark.parametrize("ruler", ["━━━━━━━━", "*-*-*-*-*", "〜〜〜〜〜〜"])
@pytest.mark.parametrize("boxed", BOXED.values(), ids=BOXED.keys())
def test_a_box_in_the_letter_is_the_letters(boxed: list[str], ruler: str) -> None:
    """Rulers around what the letter says do not end it, whatever signature stands below."""
    own = ["青木 様", "", "選考の結果をお知らせいたします。", *boxed]
    assert end_of_own_text([*own, "", ruler, *CONTACTS, ruler]) == len(own)


LISTS = {
    "記": ["応募職種：経理事務", "選考結果：不採用", "", "以上"],
    "選考結果": ["応募職種：経理事務", "選考結果：不採用", "--------------------"],
    "返却書類": ["履歴書 1通", "職務経歴書 1通", "", "以上"],
    "応募内容": ["受付番号：A-1029", "----- ここまで -----", "", "よろしくお願いいたします。"],
}


@pytest.mark.parametrize("name", LISTS)
def test_a_ruler_that_names_a_list_of_the_letter_does_not_end_it(name: str) -> None:
    """What is set off below "下記" is the letter's, and no address block."""
    own = [*OWN, "", f"------ {name} ------", *LISTS[name]]
    assert end_of_own_text([*own, "", *CONTACTS]) > len(OWN) + 1


@pytest.mark.parametrize(
    "last",
    [
        "履歴書は後日郵送にて返却の予定。",
        "書類は当社にて責任をもって廃棄のこと",
        "今回は見送りということになった。",
        "どうぞお体に気をつけて、がんばってね！",
    ],
)
def test_last_words_without_a_polite_ending_are_no_motto(last: str) -> None:
    """A letter's own sentence stays in it, also where it stands upon the signature's ruler."""
    assert end_of_own_text([*OWN, "", last, "━━━━━━", *CONTACTS]) == len(OWN) + 2


@pytest.mark.parametrize("line", ["(^^)/", "m(_ _)m", "(^_^;)", "！？", "→「A」", "・・・"])
def test_signs_that_do_not_come_again_are_no_ruler(line: str) -> None:
    """What people draw at the end of a letter stays in it."""
    assert end_of_own_text([*OWN, line, "またお会いしましょう。"]) == len(OWN) + 2


def test_a_link_that_the_letter_speaks_of_stays_with_it() -> None:
    """The note does not come between a sentence and the link below it."""
    own = [*OWN, "", "ほかの求人は下記よりご覧いただけます。", "https://www.aozora.example.jp/jobs"]
    assert end_of_own_text([*own, "", "━━━━━━", *CONTACTS]) == len(own)


@pytest.mark.parametrize("end", ["\r", "\r\r", " ", "\t", "\u3000", "\xa0", " \u3000\t"], ids=repr)
@pytest.mark.parametrize("signature", [*LONG.values(), BOX], ids=[*LONG.keys(), "box"])
def test_white_space_behind_lines_does_not_matter(signature: list[str], end: str) -> None:
    """Programs pad lines, and some write two carriage returns."""
    assert end_of_own_text([line + end for line in [*OWN, "", *signature]]) == len(OWN)


@pytest.mark.parametrize(
    "line",
    ["-*" * 119, "=" * 100 + "あ" * 20, "★" + "あ" * 118, "～" * 60 + "あ" * 59 + "～", "☆ﾟ+." * 40],
)
def test_hostile_rulers_take_linear_time(line: str) -> None:
    """A megabyte of lines that are nearly rulers takes well under the time box of a message."""
    started = time.perf_counter()
    end_of_own_text([line] * (1_000_000 // len(line)))
    assert time.perf_counter() - started < 2.0
