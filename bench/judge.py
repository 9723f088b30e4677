"""What judging one message costs, station by station, beside a parse by the standard library.

Measures the gate, the map, the reading and the verdict for ordinary mail (nothing in it turns
anybody down) and for a rejection, on one core, and all that `process` does, with the note in the
rejection. Prints microseconds, the median of many runs, and the ratio to what `email` takes to
parse the same message and decode its text. Texts of 4 KiB say the same several times over.

    python bench/judge.py [--runs 300]
"""

from __future__ import annotations

import argparse
import email
import email.policy
import statistics
import time
from base64 import encodebytes
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage

from relay.company import Company, Mode
from relay.envelope import Envelope
from relay.gate import dismiss
from relay.letter import read_letter
from relay.lexicons import load_lexicons
from relay.mimemap import map_message
from relay.note import load_templates
from relay.pipeline import Rules, make_rules, process
from relay.verdict import judge_mail
from signer.keyring import Key, KeyRing, KeyState

ENVELOPE = Envelope("hr@aozora.example.jp", ("yui@mail.example.com",))
COMPANY = Company(
    "aozora", "Aozora", ("aozora.example.jp",), mode=Mode.INJECT, contact="hr@aozora.example.jp"
)
RING = KeyRing((Key("a", bytes(32), KeyState.ACTIVE, datetime(2026, 1, 1, tzinfo=UTC)),))

# What the relay's own benchmark sends, and what a page of text comes to.
SIZE_BYTES = 4096
# One run of these takes milliseconds.
LARGE_BYTES = 1_000_000

ORDINARY_JA = """木下 結衣 様

いつもお世話になっております。株式会社あおぞらの水野でございます。

先日ご依頼いただいた資料の件ですが、担当の部署に確認しましたところ、
来週の火曜日までに最新版をご用意できるとのことでした。準備ができ次第、
共有フォルダーに置いてあらためてご連絡いたします。

また、次回の打ち合わせは十月十四日の午後三時から、弊社の本社三階の
会議室でお願いできればと存じます。議題は前回と同じく進み具合の確認と、
年末の予定のすり合わせです。

よろしくお願いいたします。

------------------------------
株式会社あおぞら 営業部
水野 さくら
〒100-0000 東京都千代田区
TEL 03-0000-0000
------------------------------

2026年10月1日(木) 9:12 木下 結衣 <yui@mail.example.com>:
> 水野様
>
> お世話になっております。木下です。
> 資料の更新についてご確認をお願いいたします。
> 次回の打ち合わせの日時もあわせてお知らせいただけますと助かります。
"""
ORDINARY_EN = """Hi Yui,

Thanks for the pictures from the workshop, they came out very well. I put them into the shared
folder and told everybody in the team where to find them.

The new desks arrive on Wednesday morning. Could you ask the caretaker to leave the side door open
from eight to ten? The driver said that he would call half an hour before he is there.

About the report: the numbers for September are in, and I added a page on the two new shops. Please
have a look at the chart on page four when you find a moment.

See you on Thursday,

Kind regards,
Sakura Mizuno
Aozora Ltd, Sales
Phone +81 3 0000 0000

On Thu, 1 Oct 2026 at 09:12, Yui Kinoshita <yui@mail.example.com> wrote:
> Hi Sakura,
> here are the pictures of last week. I hope they are of use.
> When do the desks arrive?
"""
REJECTION_JA = """木下 結衣 様

この度は弊社の求人にご応募いただき、誠にありがとうございました。

書類選考の結果、慎重に検討いたしましたが、誠に残念ながら今回は採用を
見送らせていただくこととなりました。ご希望に沿えず大変恐縮ですが、何卒
ご了承くださいますようお願い申し上げます。

末筆ながら、木下様の今後のご活躍をお祈り申し上げます。

------------------------------
株式会社あおぞら 人事部
採用担当 水野 さくら
TEL 03-0000-0000
------------------------------
"""


def grown(text: str, size_bytes: int) -> str:
    """Return the letter with its first paragraphs repeated up to a size, its ends as they were."""
    salutation, first, second, *rest = text.split("\n\n", 3)
    body = f"{first}\n\n{second}"
    missing = max(size_bytes - len(text.encode()), 0)
    more = [body] * (missing // len(body.encode()) + 1)
    return "\n\n".join((salutation, *more, body, *rest))


def ordinary_multipart(attached_bytes: int) -> bytes:
    """Return an ordinary mail with an HTML twin and a document attached."""
    message = EmailMessage(policy=email.policy.SMTP)
    message["Subject"], message["Message-ID"] = "資料の件", "<2@aozora.example.jp>"
    message["From"], message["To"] = (
        "水野 <hr@aozora.example.jp>",
        "木下 結衣 <yui@mail.example.com>",
    )
    message.set_content(ORDINARY_JA)
    lines = "".join(f"<p>{line}</p>\n" for line in ORDINARY_JA.splitlines())
    message.add_alternative(f"<html><body>{lines}</body></html>", subtype="html")
    message.add_attachment(bytes(attached_bytes), "application", "pdf", filename="plan.pdf")
    return message.as_bytes()


def only_html(text: str) -> bytes:
    """Return a mail without a plain text."""
    lines = "".join(f"<p><span>{line or '&nbsp;'}</span></p>\n" for line in text.splitlines())
    message = plain("資料の件", f"<html><body>{lines}</body></html>", "utf-8")
    return message.replace(b"text/plain", b"text/html", 1)


def plain(subject: str, text: str, charset: str) -> bytes:
    """Return a message with one text in base64, as most mail programs send Japanese."""
    message = EmailMessage(policy=email.policy.SMTP)
    message["Subject"], message["Message-ID"] = subject, "<1@aozora.example.jp>"
    message["From"], message["To"] = (
        "水野 <hr@aozora.example.jp>",
        "木下 結衣 <yui@mail.example.com>",
    )
    message["Content-Type"] = f"text/plain; charset={charset}"
    message["Content-Transfer-Encoding"] = "base64"
    body = encodebytes(text.replace("\n", "\r\n").encode(charset)).replace(b"\n", b"\r\n")
    return message.as_bytes().rstrip(b"\r\n") + b"\r\n\r\n" + body


def parse(message: bytes) -> None:
    """Do what a plain reader does: parse, find the text, decode it."""
    part = email.message_from_bytes(message, policy=email.policy.default).get_body()
    assert isinstance(part, EmailMessage)
    part.get_content()


def median(work: Callable[[], object], runs: int) -> float:
    """Return the median time of a run in microseconds."""
    times: list[float] = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        times.append(1e6 * (time.perf_counter() - started))
    return statistics.median(times)


def measure(message: bytes, rules: Rules, runs: int) -> list[float]:
    """Return the median times of the stations, of all together and of a plain parse."""
    message_map = map_message(message)
    letter = read_letter(message_map, ENVELOPE)
    return [
        median(lambda: dismiss(message, ENVELOPE, COMPANY), runs),
        median(lambda: map_message(message), runs),
        median(lambda: read_letter(message_map, ENVELOPE), runs),
        median(lambda: judge_mail(letter, rules.lexicons), runs),
        median(lambda: process(message, ENVELOPE, rules), runs),
        median(lambda: parse(message), max(runs // 10, 5)),
    ]


def main() -> None:
    """Measure each message and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    runs: int = parser.parse_args().runs
    rules = make_rules((COMPANY,), load_lexicons(), load_templates(), RING, "https://r.example.jp/")
    messages = {
        "Japanese": plain("資料の件", ORDINARY_JA, "iso-2022-jp"),
        "Japanese, 4 KiB": plain("資料の件", grown(ORDINARY_JA, SIZE_BYTES), "iso-2022-jp"),
        "English": plain("Desks", ORDINARY_EN, "utf-8"),
        "English, 4 KiB": plain("Desks", grown(ORDINARY_EN, SIZE_BYTES), "utf-8"),
        "HTML only, 4 KiB": only_html(grown(ORDINARY_JA, SIZE_BYTES)),
        "HTML twin, 200 KB file": ordinary_multipart(200_000),
        "HTML twin, 5 MB file": ordinary_multipart(3_800_000),
        "rejection": plain("選考結果のご連絡", REJECTION_JA, "iso-2022-jp"),
        "rejection, 4 KiB": plain("選考結果", grown(REJECTION_JA, SIZE_BYTES), "iso-2022-jp"),
    }
    print(
        "".join(f"{name:>9}" for name in ("", "", "gate", "map", "read", "judge", "all", "email"))
    )
    for name, message in messages.items():
        repeated = runs if len(message) < LARGE_BYTES else max(runs // 10, 5)
        *times, beside = measure(message, rules, repeated)
        row = "".join(f"{value:9.0f}" for value in (*times, beside))
        print(f"{name:25}{row}   all / email = {times[-1] / beside:.2f}")


if __name__ == "__main__":
    main()
