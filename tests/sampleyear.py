"""An invented company's sent mail of one year, as an mbox: for pictures of the docs and for tests.

    python -m tests.sampleyear FILE.mbox

The people, firms and letters are made up, the same in every run; domains are those for examples.
"""

from __future__ import annotations

import base64
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from email.header import Header
from email.utils import format_datetime
from pathlib import Path

COMPANY = "株式会社あさぎり製作所"
SENDER = "recruit@asagiri.example.jp"
YEAR = 2025
JST = timezone(timedelta(hours=9))

FAMILIES = "佐々木 三浦 大石 久保田 新井 望月 平川 堀江 若林 戸田 藤沢 江口 長尾 水谷 岩間".split()
GIVEN = "美咲 拓也 彩 亮太 真理 健吾 楓 大輔 千尋 圭 優子 直樹 遥 浩平 葵".split()
ENGLISH = "Mary Holt|Tom Reyes|Anna Lindqvist|Priya Nair|George Okoro|Lena Fuchs".split("|")
JOBS = "生産技術エンジニア 経理事務 法人営業 プロダクトデザイナー 物流管理 研究開発職".split()
ENGLISH_JOBS = ("Process Engineer", "Sales Manager", "Product Designer", "Office Assistant")

SIGNATURE = f"\n\n--\n{COMPANY} 人事部 採用担当\n{SENDER}\n"

# Rejections: subject, text. Many at the end of the graduate season, few in August.
REJECTIONS = (
    (
        "書類選考結果のご連絡",
        "{name} 様\n\nこのたびは弊社の{job}の求人にご応募いただき、誠にありがとうございました。\n"
        "書類選考の結果、誠に残念ながら今回はご期待に沿いかねる結果となりました。\n"
        "末筆ながら、{name}様の今後のご活躍をお祈り申し上げます。",
    ),
    (
        "一次面接の結果について",
        "{name} 様\n\n先日は一次面接にお越しいただき、ありがとうございました。\n"
        "慎重に検討いたしましたが、今回は採用を見送らせていただくこととなりました。\n"
        "ご希望に添えず申し訳ございませんが、ご了承くださいますようお願いいたします。",
    ),
    (
        "最終面接の結果のお知らせ（{job}）",
        "{name} 様\n\n最終面接の結果、誠に遺憾ながら不採用とさせていただくことになりました。\n"
        "お預かりした応募書類は、弊社にて責任をもって破棄いたします。",
    ),
)
ENGLISH_REJECTION = (
    "Your application for {job}",
    "Dear {name},\n\nThank you for applying for the position of {job} and for the time you took.\n"
    "We have decided not to move forward with your application.\n\nKind regards,\nAsagiri HR",
)
UNSURE = (
    (
        "お仕事の件",
        "{name} 様\n\nあの件は今回はなしということで。また声をかけます。",
    ),
    (
        "ご連絡",
        "{name} 様\n\n先日の面談ではありがとうございました。\n"
        "またの機会にお会いできればと存じます。",
    ),
    (
        "採用の件",
        "{name} 様\n\nいろいろ考えましたが、今回はご期待に添えそうにありません。また何かの折に。",
    ),
    (
        "Interview",
        "Hi {name},\n\nit was good to meet you. Perhaps another time.\n\nBest,\nKen",
    ),
)
ORDINARY = (
    ("10月分ご請求書の送付", "経理ご担当者様\n\n請求書をお送りします。ご確認をお願いいたします。"),
    ("お見積りの件", "お世話になっております。\nお見積書を添付いたします。納期は3週間です。"),
    ("面接日程のご案内", "{name} 様\n\n一次面接の日程をご案内します。10時に受付へお越しください。"),
    ("内定のご連絡", "{name} 様\n\n選考の結果、{job}として採用を内定いたしました。"),
    ("Re: 工場見学について", "見学の件、承知しました。当日は正門でお待ちしております。"),
    ("Drawing A-113", "Hello,\n\nplease find the drawing attached. The tolerance is 0.02 mm."),
)
APPLICATIONS_BY_MONTH = (42, 54, 131, 186, 162, 108, 66, 24, 48, 84, 60, 36)
ORDINARY_PER_MONTH = 900
UNSURE_SHARE = 8  # One of so many.


@dataclass(frozen=True)
class _Letter:
    when: datetime
    recipient: str
    subject: str
    text: str
    header: str = ""
    sender: str = f"{Header(COMPANY, 'utf-8').encode()} <{SENDER}>"


def sample_year(part: int = 1) -> bytes:
    """Return the year as an mbox, in the form that Gmail's export has, or a part of it."""
    dice = random.Random(YEAR)  # noqa: S311 (an invented year, not a secret)
    letters = sorted(_letters(dice, part), key=lambda letter: letter.when)
    return b"".join(_stored(letter, number) for number, letter in enumerate(letters, 1)) + _ODD


def _letters(dice: random.Random, part: int) -> Iterator[_Letter]:
    for month, applications in enumerate(APPLICATIONS_BY_MONTH, 1):
        for _ in range(applications // part):
            yield _rejection(dice, month)
        for _ in range(applications // part // UNSURE_SHARE):
            subject, text = dice.choice(UNSURE)
            yield replace(_letter(dice, month, subject, text), sender="ken@asagiri.example.jp")
        for number in range(ORDINARY_PER_MONTH // part):
            subject, text = dice.choice(ORDINARY)
            if number % 9 == 0:
                yield _letter(dice, month, subject, text, recipient="kaigi@asagiri.example.jp")
            elif number % 31 == 0:
                yield _letter(dice, month, subject, text, header="Auto-Submitted: auto-replied\n")
            else:
                yield _letter(dice, month, subject, text)


def _rejection(dice: random.Random, month: int) -> _Letter:
    roll = dice.random()
    if roll < 0.16:
        return _letter(dice, month, *ENGLISH_REJECTION, is_english=True)
    header = "DKIM-Signature: v=1; a=rsa-sha256; b=AAAA\n" if roll < 0.2 else ""
    subject, text = REJECTIONS[0 if roll < 0.7 else 1 if roll < 0.9 else 2]
    return _letter(dice, month, subject, text + SIGNATURE, header=header)


def _letter(
    dice: random.Random,
    month: int,
    subject: str,
    text: str,
    *,
    recipient: str = "",
    header: str = "",
    is_english: bool = False,
) -> _Letter:
    day, minute = dice.randrange(1, 28), dice.randrange(9 * 60, 18 * 60)
    name = dice.choice(ENGLISH) if is_english else f"{dice.choice(FAMILIES)} {dice.choice(GIVEN)}"
    job = dice.choice(ENGLISH_JOBS if is_english else JOBS)
    return _Letter(
        datetime(YEAR, month, day, tzinfo=JST) + timedelta(minutes=minute),
        recipient or f"person{dice.randrange(10_000)}@mail.example.com",
        subject.format(name=name, job=job),
        text.format(name=name, job=job),
        header,
    )


def _stored(letter: _Letter, number: int) -> bytes:
    utc = letter.when.astimezone(UTC)
    body = base64.encodebytes(letter.text.encode()).decode()
    return (
        f"From {1_800_000_000_000 + number}@xxx {utc:%a %b %d %H:%M:%S +0000 %Y}\n"
        f"X-GM-THRID: {1_800_000_000_000 + number}\n"
        f"X-Gmail-Labels: {Header('送信済み,開封済み', 'utf-8').encode()}\n"
        f"{letter.header}"
        "MIME-Version: 1.0\n"
        f"Date: {format_datetime(letter.when)}\n"
        f"Message-ID: <{number}@asagiri.example.jp>\n"
        f"From: {letter.sender}\n"
        f"To: {letter.recipient}\n"
        f"Subject: {Header(letter.subject, 'utf-8').encode()}\n"
        "Content-Type: text/plain; charset=UTF-8\n"
        "Content-Transfer-Encoding: base64\n\n"
        f"{body}\n"
    ).encode()


# What every mailbox has: a letter that was received, and one that is cut short.
_ODD = (
    b"From 1@xxx Thu Jan 01 00:00:00 +0000 2026\n"
    b"X-Gmail-Labels: Inbox\nFrom: mary@mail.example.com\nTo: recruit@asagiri.example.jp\n"
    b"Subject: my application\n\nHello.\n\n"
    b"From 2@xxx Thu Jan 01 00:00:00 +0000 2026\n"
    b"X-Gmail-Labels: Sent\nFrom: recruit@asagiri.example.jp\nTo: mary@mail.example.com\n"
    b'Content-Type: multipart/mixed; boundary="b"\n\n--b\n\nDear Mary, your appl\n'
)


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(sample_year())
