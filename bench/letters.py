"""The letters that `bench/smtp.py` sends: nine of ten ordinary business mail, one a rejection.

All come from the sending company, so that every one is judged. They are Japanese and English, plain
text and text with an HTML twin, in ISO-2022-JP, base64 and quoted-printable, as mail programs write
them: about 4 KiB each, or with a document attached. Every person in them is invented. The same
arguments give the same letters.
"""

from __future__ import annotations

import email.policy
import random
from dataclasses import dataclass
from email.message import EmailMessage
from html import escape
from itertools import cycle, islice
from pathlib import Path

SENDER = "recruit@aozora.example.jp"
REJECTIONS_EVERY = 10  # One letter in ten.
SMALL_BYTES = 4096
SERIAL = "0000000000"  # Ten digits that the source replaces: each letter sent is another letter.
STEP_BYTES = 200  # About what one more line makes.
LINE_MAX_BYTES = 800  # The most it makes: Japanese in quoted-printable, in text and HTML.
FIRST_PARAGRAPHS = 4  # All of a rejection; an ordinary letter has more where they find room.
LETTERS_COUNT = 200  # So many that names, forms and charsets meet in many ways.
LARGE_LETTERS_COUNT = 20  # Held in memory by the source: 100 MiB.

NAMES_JA = (
    *("木下 結衣", "小野寺 岳", "三枝 千尋", "早瀬 航平", "藤沢 葵", "真田 理央", "久我 陽斗"),
    *("八木沢 すみれ", "白石 みなと", "柏崎 悠", "水野 さくら", "森本 直樹", "西園 遥"),
)
NAMES_EN = (
    *("Oliver Strand", "Maya Linden", "Tom Ashdown", "Priya Raman", "Jonas Feld", "Clara Whitmore"),
    *("Ben Okafor", "Sofia Marchetti", "Liam Corrigan", "Hana Fujimori", "Eva Nordahl"),
)
POSITIONS_JA = ("営業職", "経理職", "システムエンジニア", "広報職", "教材編集職", "デザイナー職")
POSITIONS_EN = ("Curriculum Editor", "Data Engineer", "Account Manager", "Accountant", "Designer")

ORDINARY_JA = (
    "いつもお世話になっております。株式会社あおぞらの水野でございます。",
    "先日ご依頼いただいた資料の件ですが、担当の部署に確認しましたところ、\n"
    "来週の火曜日までに最新版をご用意できるとのことでした。準備ができ次第、\n"
    "共有フォルダーに置いてあらためてご連絡いたします。",
    "次回の打ち合わせは十月十四日の午後三時から、弊社本社三階の会議室で\n"
    "お願いできればと存じます。議題は前回と同じく進み具合の確認と、年末の\n"
    "予定のすり合わせです。",
    "添付の見積書では、送料を別の行に分けて記載いたしました。ご不明な点が\n"
    "ございましたら、お手数ですがお電話かメールでお知らせください。",
    "なお、九月分の請求書は本日付で郵送いたしましたので、届きましたら内容を\n"
    "ご確認いただけますと幸いです。",
    "倉庫の棚卸しは二十八日の午前中に行います。当日は北側の搬入口が使えません\n"
    "ので、配送の方には南側へお回りいただくようお伝えください。",
    "新しい教材のサンプルを三部お送りします。表紙の色と紙の厚さについて、\n"
    "先生方のご感想をうかがえましたら、次の版に反映いたします。",
)
ORDINARY_EN = (
    "Thanks for the pictures from the workshop, they came out very well. I put them into\n"
    "the shared folder and told everybody in the team where to find them.",
    "The new desks arrive on Wednesday morning. Could you ask the caretaker to leave the\n"
    "side door open from eight to ten? The driver will call half an hour before.",
    "About the report: the numbers for September are in, and I added a page on the two new\n"
    "shops. Please have a look at the chart on page four when you find a moment.",
    "The invoice for the second delivery went out today. Shipping is on a line of its own\n"
    "this time, as your accounts department asked.",
    "Our next call is on Thursday at three. I would like to go through the open questions\n"
    "of the last one and settle the dates for the winter issue.",
    "The printer in the second floor is repaired. If it jams again, take the paper out of\n"
    "the lower tray first - the café's old menu cards are still in there.",
)
REJECTION_JA = (
    "株式会社あおぞら 採用担当の白石です。",
    "このたびは弊社の{position}にご応募いただき、また履歴書と職務経歴書を\n"
    "お送りいただきまして、誠にありがとうございました。",
    "社内で慎重に選考いたしました結果、誠に残念ではございますが、今回は採用を\n"
    "見送らせていただくことになりました。ご期待に沿えず申し訳ございませんが、\n"
    "何卒ご了承くださいますようお願いいたします。",
    "末筆ではございますが、{name}様の今後のご活躍をお祈り申し上げます。",
)
REJECTION_EN = (
    "Thank you for applying for the {position} position at Aozora and for the time you took.",
    "After careful consideration, we regret to inform you that we will not be moving forward\n"
    "with your application. We had several strong candidates and have chosen one whose\n"
    "experience is closer to what the team needs.",
    "We appreciate your interest in our company and wish you every success.",
)
# What the other side wrote before; quoted below a letter until it has its size.
QUOTED_JA = (
    "お世話になっております。ご連絡をいただき、ありがとうございます。",
    "資料は本日中に拝見し、気づいた点をまとめてお返事いたします。",
    "来週は火曜日と木曜日の午後に時間がございます。場所はお任せいたします。",
    "書類は郵送でもお送りしましたので、届いておりましたらお知らせください。",
)
QUOTED_EN = (
    "thank you for your message, I have read it with interest.",
    "I will go through the papers today and send you my remarks in the evening.",
    "Next week I am free on Tuesday and on Thursday in the afternoon.",
    "I posted the originals as well; please tell me when they are there.",
)


@dataclass(frozen=True, slots=True)
class Form:
    """How a mail program writes a letter."""

    charset: str
    encoding: str
    has_html: bool
    mailer: str


FORMS_JA = (
    Form("iso-2022-jp", "7bit", False, "Microsoft Office Outlook 12.0"),
    Form("utf-8", "base64", False, "Microsoft Outlook 16.0"),
    Form("utf-8", "quoted-printable", True, "Mozilla Thunderbird"),
    Form("iso-2022-jp", "7bit", False, "Becky! ver. 2.81"),
    Form("utf-8", "base64", True, "Microsoft Outlook 16.0"),
)
FORMS_EN = (
    Form("utf-8", "quoted-printable", True, "Apple Mail (2.3826.500)"),
    Form("utf-8", "quoted-printable", False, "Mozilla Thunderbird"),
    Form("utf-8", "base64", True, "Microsoft Outlook 16.0"),
)


class Writer:
    """Writes letters that differ in names, words, form and language, in a fixed order."""

    def __init__(self) -> None:
        self._chance = random.Random(7)  # noqa: S311 - variety, not secrecy
        self._number = 0
        # Ordinary mail and rejections turn through the forms apart: each form carries both.
        self._forms = {
            (is_japanese, is_rejection): cycle(FORMS_JA if is_japanese else FORMS_EN)
            for is_japanese in (True, False)
            for is_rejection in (True, False)
        }

    def letter(self, *, is_rejection: bool, attachment_bytes: int) -> bytes:
        """Return the next letter, with a document of this size if that is not 0."""
        self._number += 1
        # Two of three in Japanese; a rejection is every tenth, and 10 and 3 share no divisor.
        is_japanese = self._number % 3 != 0
        form = next(self._forms[is_japanese, is_rejection])
        name = self._chance.choice(NAMES_JA if is_japanese else NAMES_EN)
        paragraphs = self._paragraphs(name, is_japanese=is_japanese, is_rejection=is_rejection)
        shown, quoted = FIRST_PARAGRAPHS, list[str]()
        supply = cycle(QUOTED_JA if is_japanese else QUOTED_EN)
        while True:
            own = letter_of(name, paragraphs[:shown], is_japanese=is_japanese)
            message = self._message(name, own, quoted, form, is_japanese, is_rejection)
            missing = SMALL_BYTES - STEP_BYTES - len(message.as_bytes())
            if missing < 0 or attachment_bytes:
                break
            # The writer's own words first; when there are no more, those of the other side.
            if shown < len(paragraphs):
                shown += 1
            else:
                quoted += islice(supply, 1 + missing // LINE_MAX_BYTES)
        if attachment_bytes:
            document = self._chance.randbytes(attachment_bytes)
            message.add_attachment(document, "application", "pdf", filename="catalogue.pdf")
            message.set_boundary(f"=_whole-{self._number}")
        return message.as_bytes()

    def _paragraphs(self, name: str, *, is_japanese: bool, is_rejection: bool) -> list[str]:
        if is_rejection:
            position = self._chance.choice(POSITIONS_JA if is_japanese else POSITIONS_EN)
            return [
                paragraph.format(name=name, position=position)
                for paragraph in (REJECTION_JA if is_japanese else REJECTION_EN)
            ]
        if is_japanese:
            return [ORDINARY_JA[0], *self._chance.sample(ORDINARY_JA[1:], len(ORDINARY_JA) - 1)]
        return self._chance.sample(ORDINARY_EN, len(ORDINARY_EN))

    def _message(
        self,
        name: str,
        own: str,
        quoted: list[str],
        form: Form,
        is_japanese: bool,
        is_rejection: bool,
    ) -> EmailMessage:
        address = f"person{self._number}@mail.example.com"
        message = EmailMessage(policy=email.policy.SMTP.clone(max_line_length=76))
        message["Message-ID"] = f"<{SERIAL}.bench@aozora.example.jp>"
        message["Date"] = "Mon, 02 Nov 2026 10:30:00 +0900"
        message["From"] = f"あおぞら採用 <{SENDER}>" if is_japanese else f"Aozora <{SENDER}>"
        message["To"] = f"{name} <{address}>"
        message["Subject"] = subject(is_japanese=is_japanese, is_rejection=is_rejection)
        message["X-Mailer"] = form.mailer
        history = history_of(f"{name} <{address}>", quoted, is_japanese=is_japanese)
        message.set_content(own + history, charset=form.charset, cte=form.encoding)
        if form.has_html:
            message.add_alternative(html_of(own, quoted), "html", "utf-8", form.encoding)
            message.set_boundary(f"=_letter-{self._number}")
        return message


def letter_of(name: str, paragraphs: list[str], *, is_japanese: bool) -> str:
    """Return the text from the greeting to the signature."""
    text = "\n\n".join(paragraphs)
    if is_japanese:
        end = "-- \n株式会社あおぞら 人事部\n白石 みなと\nrecruit@aozora.example.jp\n"
        return f"{name} 様\n\n{text}\n\n{end}"
    end = "Kind regards,\nMinato Shiraishi\n\n-- \nAozora Inc.\nrecruit@aozora.example.jp\n"
    return f"Dear {name.split()[0]},\n\n{text}\n\n{end}"


def subject(*, is_japanese: bool, is_rejection: bool) -> str:
    """Return what the letter is about, in its own words."""
    if is_japanese:
        return (
            "選考結果のご連絡（株式会社あおぞら）"
            if is_rejection
            else "Re: 資料と次回の打ち合わせの件"
        )
    return "Your application at Aozora" if is_rejection else "Re: Desks, report, Thursday"


def history_of(author: str, quoted: list[str], *, is_japanese: bool) -> str:
    """Return the earlier mail as mail programs quote it below an answer."""
    if not quoted:
        return ""
    lines = "".join(f"> {line}\n" for line in quoted)
    if is_japanese:
        return f"\n2026年10月30日(金) 9:12 {author}:\n{lines}"
    return f"\nOn Fri, 30 Oct 2026 at 09:12, {author} wrote:\n{lines}"


def html_of(own: str, quoted: list[str]) -> str:
    """Return the same letter for those who read HTML."""
    paragraphs = "\n".join(
        f"<p>{escape(paragraph).strip().replace(chr(10), '<br>' + chr(10))}</p>"
        for paragraph in own.split("\n\n")
    )
    history = "<br>\n".join(escape(line) for line in quoted)
    below = f'<blockquote type="cite">{history}</blockquote>\n' if quoted else ""
    return f"<html><head></head><body>\n{paragraphs}\n{below}</body></html>\n"


def write_letters(path: Path, size_bytes: int) -> int:
    """Write letters of about this size for `source.c`; return the mean size in wire form."""
    # Base64 makes 78 of 57 bytes, line ends included.
    attachment_bytes = (size_bytes - SMALL_BYTES // 2) * 57 // 78 if size_bytes > SMALL_BYTES else 0
    count = LARGE_LETTERS_COUNT if attachment_bytes else LETTERS_COUNT
    writer = Writer()
    total = 0
    with path.open("wb") as file:
        for number in range(1, count + 1):
            is_rejection = number % REJECTIONS_EVERY == 0
            message = writer.letter(is_rejection=is_rejection, attachment_bytes=attachment_bytes)
            wire = message.replace(b"\r\n.", b"\r\n..").removesuffix(b"\r\n") + b"\r\n.\r\n"
            place = wire.index(SERIAL.encode())
            recipient = f"person{number}@mail.example.com"
            file.write(f"{len(wire)} {place} {SENDER} {recipient}\n".encode() + wire)
            total += len(wire)
    return total // count
