"""History and forwarded messages as Lotus and HCL Notes write them, without quote marks."""

from __future__ import annotations

import time
from html import escape

import pytest

from relay.company import Company
from relay.inject import Mark, NotInjected, inject
from relay.lotusnotes import is_doubtful
from relay.mimemap import map_message
from relay.newest import end_of_own_text
from relay.note import load_templates
from relay.undo import restore

OWN = {
    "ja": [
        "青木 様",
        "",
        "社内で検討いたしましたが、今回は採用を見送らせていただきます。",
        "末筆ながら、今後のご活躍をお祈り申し上げます。",
    ],
    "en": [
        "Dear Ms Doe,",
        "",
        "we have decided to go with another candidate.",
        "We wish you every success in your search.",
    ],
}
SIGNATURES = {
    "none": [],
    "ja": ["", "株式会社あおぞら 人事部", "山田 花子"],
    "en": ["", "Kind regards,", "Anna Smith"],
}
ASKED = ["", "先日の面接の結果はいつ頃いただけますでしょうか。", "お待ちしております。"]
DASHES = "-" * 22

HISTORY = {
    "labels-and-tabs": [
        "From:\tTaro Aoki <aoki@mail.example.com>",
        "To:\t<hr@aozora.example.jp>",
        "Cc:\t",
        "Date:\t2026/11/20 10:00",
        "Subject:\tResult",
    ],
    "labels-and-spaces": [
        "From:        Taro Aoki/Tokyo/Midori",
        "To:        HR/Aozora@AOZORA",
        "Date:        11/20/2026 10:00 AM",
        "Subject:        Result",
        "Sent by:        Jiro Kato",
    ],
    "labels-indented": [
        "\tFrom:\tTaro Aoki <aoki@mail.example.com>",
        "\t\t\tTo:\tHR",
        "\t\t\tSubject:\tResult",
    ],
    "labels-ja": [
        "差出人:\t青木 太郎 <aoki@mail.example.com>",
        "宛先:\t採用係 <hr@aozora.example.jp>",
        "cc:\t",
        "日付:\t2026/11/20 10:00",
        "件名:\t結果について",
    ],
    "labels-ja-wide": [
        "差出人　　：青木 太郎",
        "宛先　　　：採用係",
        "日付　　　：2026/11/20 10:00",
        "件名　　　：結果について",
    ],
    "values-below-the-labels": [
        "差出人:",
        "\t青木 太郎",
        "宛先:",
        "\t採用係",
        "件名:",
        "\t結果について",
    ],
    "sender-ja": [
        "発信者:  青木 太郎/営業/みどり",
        "宛先:  採用係/あおぞら",
        "件名:  結果について",
    ],
    "name-and-date": [
        "Taro Aoki/Tokyo/Midori",
        "2026/11/20 10:00",
        "",
        "To:\tHR/Aozora@AOZORA",
        "cc:\t",
        "Subject:\tResult",
    ],
    "name-and-date-indented": [
        "\tTaro Aoki",
        "\t11/20/2026 10:00 AM",
        "\t\t",
        "\t\t To: HR/Aozora@AOZORA",
        "\t\t cc: ",
        "\t\t Subject: Result",
    ],
    "name-sent-by-and-date": [
        "Taro Aoki@MIDORI",
        "Sent by: Jiro Kato@MIDORI",
        "11/20/2026 10:00 AM",
        "To: HR/Aozora",
        "cc:",
        "Subject: Result",
    ],
    "labels-without-colons": [
        '"Taro Aoki" <aoki@mail.example.com> ',
        "11/20/2026 10:00 AM",
        "Please respond to",
        "aoki@mail.example.com",
        "",
        "",
        "To",
        "<hr@aozora.example.jp>",
        "cc",
        "",
        "Subject",
        "Result",
    ],
    "labels-without-colons-ja": [
        "青木 太郎/営業/みどり",
        "2026/11/20 10:00",
        "",
        "宛先",
        "採用係/あおぞら",
        "cc",
        "",
        "件名",
        "結果について",
    ],
    "labels-without-colons-and-tabs-ja": [
        "青木 太郎",
        "2026年11月20日 午前 10:00",
        "宛先\t採用係/あおぞら",
        "cc\t",
        "件名\t結果について",
    ],
    "name-far-above-the-labels-ja": [
        "青木 太郎/営業/みどり",
        "送信者: 加藤 次郎",
        "",
        "2026/11/20 10:00",
        "",
        "宛先: 採用係/あおぞら",
        "cc: ",
        "件名: 結果について",
    ],
    "one-line": ['"Taro Aoki" <aoki@mail.example.com> 2026/11/20 10:00'],
    "one-line-ja": ["青木 太郎 <aoki@mail.example.com>  2026/11/20 (金) 10:00"],
    "one-line-on": [
        '"Aoki, Taro" <aoki@mail.example.com> on 11/20/2026 10:00:04 AM',
        "To:\tHR@aozora.example.jp",
        "cc:\t ",
        "Subject:\tResult",
    ],
    "one-line-and-labels": [
        "Taro Aoki   2026/11/20 10:00",
        "To: HR/Aozora",
        "cc:",
        "Subject: Result",
    ],
    "address-and-date": ["青木 太郎 <aoki@mail.example.com>", "2026/11/20 10:00"],
    "wrote": [
        "-----Taro Aoki <aoki@mail.example.com> wrote: -----",
        "To: HR",
        "From: Taro Aoki",
        "Date: 11/20/2026 10:00AM",
        "Subject: Result",
    ],
    "wrote-only": ['-----"Taro Aoki" <aoki@mail.example.com> wrote: -----'],
    "wrote-wrapped": [
        '-----"Taro Aoki" <taro.aoki.of.midori@mail.example.com>',
        "wrote: -----",
    ],
    "wrote-ja": ["-----青木 太郎 さんは書きました: -----", "宛先: 採用係"],
    "wrote-de": ["-----Max Muster schrieb: -----", "An: HR"],
    "wrote-fr": ["-----Anne Morel a écrit : -----", "A : RH"],
    "forwarded": ["----- Forwarded by Taro Aoki/Tokyo/Midori on 2026/11/20 10:00 -----"],
    "forwarded-long": [f"{DASHES} Forwarded by Taro Aoki/Tokyo/Midori on 11/20/2026 {DASHES}"],
    "forwarded-wrapped": [
        f"{DASHES} Forwarded by Taro Aoki/Tokyo/Midori on 11/20/2026 ",
        f"10:00 AM {DASHES}-----",
    ],
    "forwarded-ja": ["----- 転送者 青木 太郎/営業/みどり 日付 2026/11/20 10:00 -----"],
    "forwarded-ja-wide": [f"{DASHES} 転送者：青木 太郎/営業/みどり {DASHES}"],
    "forwarded-ja-done": ["----- 青木 太郎/営業/みどり によって転送済み 2026/11/20 10:00 -----"],
    "forwarded-ja-done-wrapped": [
        "----- 青木 太郎/営業/みどり によって転送済み",
        "2026/11/20 10:00 -----",
    ],
    "forwarded-de": ["----- Weitergeleitet von Max Muster/Koeln/Midori am 20.11.2026 10:00 -----"],
    "forwarded-fr": ["----- Réacheminé par Anne Morel/Paris/Midori le 20/11/2026 10:00 -----"],
    "forwarded-es": ["----- Remitido por Eva Ruiz/Madrid/Midori con fecha 20/11/2026 10:00 -----"],
    "forwarded-zh": ["----- 转发人 李雷/上海/Midori 时间 2026/11/20 10:00 -----"],
    "forwarded-any": ["----- Przekazane przez Ewa Nowak/Krakow/Midori 2026-11-20 10:00 -----"],
}


@pytest.mark.parametrize("signature", SIGNATURES.values(), ids=SIGNATURES.keys())
@pytest.mark.parametrize("history", HISTORY.values(), ids=HISTORY.keys())
@pytest.mark.parametrize("own", OWN.values(), ids=OWN.keys())
def test_history_of_notes_is_cut_off(
    own: list[str], history: list[str], signature: list[str]
) -> None:
    """Each form ends the letter's own text, above it a signature or none."""
    lines = [*own, *signature, "", *history, *ASKED]
    assert end_of_own_text(lines) == len(own)


@pytest.mark.parametrize("history", HISTORY.values(), ids=HISTORY.keys())
def test_a_forward_without_a_word_has_no_own_text(history: list[str]) -> None:
    """Where history begins the letter, nothing of it is the writer's."""
    assert end_of_own_text([*history, *ASKED]) == 0


OWN_LINES = {
    "an-appointment": ["面接日時", "2026年11月20日 10:00", "会場", "本社"],
    "an-appointment-in-a-line": ["面接日時　2026年11月20日(金) 10:00"],
    "a-place": ["Venue: Leeds", "11/20/2026 10:00 AM", "Subject: your interview"],
    "what-was-applied-for": ["応募日時: 2026/11/20 10:00", "応募職種: 営業", "件名: 新卒採用"],
    "by-whom": ["受付: 採用係 <hr@aozora.example.jp> 2026/11/20 10:00"],
    "a-heading": ["----- 面接について 2026/11/20 10:00 -----"],
}


@pytest.mark.parametrize("middle", OWN_LINES.values(), ids=OWN_LINES.keys())
def test_a_date_in_the_letter_is_no_history(middle: list[str]) -> None:
    """A date under a heading, or with one label, is what the writer says."""
    own = [*OWN["ja"][:3], "", *middle, "", OWN["ja"][3]]
    assert end_of_own_text([*own, "", "人事部 山田"]) == len(own)


LINK = "https://r.example.jp/" + "k" * 43
NOTES = load_templates().notes(
    Company(id="a", name="株式会社あおぞら", domains=(), contact="hr@aozora.example.jp"), "ja", LINK
)
MARK = Mark("abcdefghijklmnop", "m" * 26)


def with_note(body: str, kind: str, charset: str) -> str:
    """Return a body with the note in it, after a letter of one part was made of it and restored."""
    head = (
        f"From: hr@aozora.example.jp\r\nSubject: x\r\nContent-Type: text/{kind}; charset={charset}"
    )
    encoding = "7bit" if charset == "iso-2022-jp" else "8bit"
    fields = f"{head}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    message = fields.encode() + body.replace("\n", "\r\n").encode(charset)
    changed = inject(map_message(message), NOTES, MARK).message
    assert restore(changed) == message
    return changed.partition(b"\r\n\r\n")[2].decode(charset).replace("\r\n", "\n")


def lines_as_html(lines: list[str]) -> str:
    """Return lines as Notes sets them: a font and a line break for each."""
    return "".join(f'<font size=2 face="sans-serif">{escape(x)}</font><br>\n' for x in lines)


@pytest.mark.parametrize("kind", ["plain", "html"])
@pytest.mark.parametrize("history", HISTORY.values(), ids=HISTORY.keys())
def test_the_note_stands_above_the_history(history: list[str], kind: str) -> None:
    """In text and in HTML, above the signature that stands over the history."""
    own, signature = OWN["ja"], SIGNATURES["ja"]
    lines = [*own, *signature, "", *history, *ASKED]
    charset = "iso-2022-jp" if is_jis(lines) else "utf-8"
    body = "\n".join(lines) if kind == "plain" else lines_as_html(lines)
    changed = with_note(body, kind, charset)
    assert changed.index(own[-1]) < changed.index(LINK) < changed.index(signature[1])


def is_jis(lines: list[str]) -> bool:
    """Tell whether ISO-2022-JP has all of the letters."""
    try:
        "".join(lines).encode("iso-2022-jp")
    except UnicodeEncodeError:
        return False
    return True


CELLS = """<p>{own}</p><p>山田 花子<br>株式会社あおぞら 人事部</p><br>
<table width=100%><tr valign=top><td width=40%><font size=1 face="sans-serif"><b>青木/営業</b>
</font><p><font size=1 face="sans-serif">2026/11/20 10:00</font></p></td>
<td width=59%><table width=100%>
<tr valign=top><td><div align=right><font size=1>宛先</font></div></td><td>採用係</td></tr>
<tr valign=top><td><div align=right><font size=1>cc</font></div></td><td></td></tr>
<tr valign=top><td><div align=right><font size=1>件名</font></div></td><td>結果</td></tr>
</table></td></tr></table><br><br><tt>先日の面接の結果はいつ頃でしょうか。</tt>"""


def test_the_header_may_stand_in_cells_of_a_table() -> None:
    """Notes draws its header as a table, labels without colons in cells of their own."""
    changed = with_note(CELLS.format(own=OWN["ja"][2]), "html", "utf-8")
    assert changed.index(OWN["ja"][2]) < changed.index(LINK) < changed.index("山田 花子")


DOUBTFUL = {
    "two-lines": ["青木 太郎/営業/みどり", "2026/11/20 10:00", *ASKED],
    "one-line": ["Taro Aoki/Tokyo/Midori 11/20/2026 10:00 AM", *ASKED],
}


@pytest.mark.parametrize("kind", ["plain", "html"])
@pytest.mark.parametrize("lines", DOUBTFUL.values(), ids=DOUBTFUL.keys())
def test_a_name_and_a_date_without_labels_leave_the_letter_alone(
    lines: list[str], kind: str
) -> None:
    """It may be the letter's own list or what somebody else wrote: nothing is put in."""
    lines = [*OWN["ja"], "", *lines]
    with pytest.raises(NotInjected, match="no_text_part"):
        with_note("\n".join(lines) if kind == "plain" else lines_as_html(lines), kind, "utf-8")


MIXED = {
    "notes-over-marks": [*HISTORY["labels-ja"], "", "> 結果はいつですか。", "> 青木"],
    "marks-over-notes": ["> 結果はいつですか。", "", *HISTORY["one-line"], *ASKED],
    "outlook-over-notes": [
        "-----Original Message-----",
        "From: B",
        "",
        "転送します。",
        *HISTORY["forwarded-ja"],
        *HISTORY["labels-ja"],
    ],
    "notes-over-notes": [*HISTORY["name-and-date"], *ASKED, *HISTORY["name-and-date-indented"]],
    "forwarded-and-a-name": [*HISTORY["forwarded-wrapped"], "", *HISTORY["one-line-on"]],
    "half-width": [
        "差出人:\tｱｵｷ ﾀﾛｳ",
        "宛先:\tｻｲﾖｳｶﾞｶﾘ",
        "日付:\t２０２６／１１／２０　１０：００",
        "件名:\tｹｯｶ",
    ],
    "full-width-date": [
        "青木 太郎",
        "２０２６／１１／２０　１０：００",
        "宛先：採用",
        "件名：結果",
    ],
}


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r\n\t", "  \n"], ids=repr)
@pytest.mark.parametrize("history", MIXED.values(), ids=MIXED.keys())
def test_histories_of_several_programs_are_cut_off(history: list[str], line_end: str) -> None:
    """The first of them ends the letter's text, whatever the ends of its lines."""
    lines = line_end.join([*OWN["ja"], "", *history, *ASKED]).split("\n")
    assert end_of_own_text(lines) == len(OWN["ja"])


HEADINGS = {
    "labels": ["Date: 11/20/2026 10:00 AM", "To: Taro Aoki", "Subject: Your application"],
    "labels-ja": ["送信日時： 2026/11/20 10:00", "宛先： 青木 太郎 様", "件名： 選考結果のご連絡"],
    "nobody": ["2026年11月20日 10:00", "宛先 青木 太郎 様", "件名 選考結果のご連絡"],
    "brackets": ["Backend Engineer (m/w/d)", "2026-11-02 09:15"],
    "brackets-ja": ["販売スタッフ（正社員/パート） 2026年11月2日 9:15"],
    "letterhead": ["株式会社あおぞら/人事部/採用課", "2026年11月20日 10:00"],
    "writer": ["採用担当/山田 2026/11/20 10:00"],
}


@pytest.mark.parametrize("heading", HEADINGS.values(), ids=HEADINGS.keys())
def test_a_heading_of_the_letters_own_is_no_history(heading: list[str]) -> None:
    """A date with a label or below nobody's name is not what Notes writes; nor is (m/w/d)."""
    letter = [*heading, "", *OWN["ja"]]
    assert end_of_own_text(letter) == len(letter)
    assert not is_doubtful(letter)


@pytest.mark.parametrize(
    "text",
    [
        "x 2026/11/20 10:00\n" * 40_000,
        ("a " * 90 + "2026/11/20 10:00\n") * 4_000,
        "2026/11/20 10:00\n" * 40_000,
        ("-" * 40 + " Forwarded by A/B\n") * 15_000,
        ("-----" + " a/b 2026/1/1 1:11" * 10 + "\n") * 4_000,
        ("-----" + " a/b 2026/1/1" * 17 + "--\n") * 4_000,
        "To\n2026/11/20 10:00\n" * 30_000,
        "To:\n" * 80_000,
    ],
    ids=["named", "spaces", "dates", "dividers", "somebody", "nobody", "labels", "colons"],
)
def test_hostile_text_is_read_in_linear_time(text: str) -> None:
    """What is built against the patterns takes well under the time box of a message."""
    started = time.perf_counter()
    end_of_own_text(text.split("\n"))
    assert time.perf_counter() - started < 2.0
