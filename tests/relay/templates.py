"""Templates of our own, as a company's system fills them in, and mails made of them."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP


@dataclass(frozen=True, slots=True)
class Template:
    """A letter with places for `name`, `staff`, `position` and `date`, and its kind."""

    subject: str
    text: str
    # Edits of the text that make another letter of it: (what, by what).
    edits: tuple[tuple[str, str], ...] = ()

    @property
    def is_japanese(self) -> bool:
        """Whether lines may be wrapped inside a word."""
        return "。" in self.text


TEMPLATES = {
    "ja-document": Template(
        "選考結果のご連絡",
        "{name}　様\n\n"
        "いつもお世話になっております。あおぞら製作所 採用担当の{staff}です。\n"
        "先日は弊社{position}の求人へご応募くださり、心より御礼申し上げます。\n\n"
        "{date}にお預かりした書類をもとに社内で協議いたしましたところ、今回は採用を見送らせて"
        "いただくことになりました。\n"
        "ご希望に沿えず大変恐縮ですが、ご理解くださいますようお願いいたします。\n\n"
        "{name}様の今後のご健勝をお祈りいたします。\n",
        (
            (
                "今回は採用を見送らせていただくことになりました",
                "今回は採用させていただくことになりました",
            ),
            ("見送らせていただくことになりました", "見送らせていただくことにはなりませんでした"),
            (
                "見送らせていただくことになりました",
                "見送らせていただく場合には改めてご連絡いたします",
            ),
            (
                "お祈りいたします。\n",
                "お祈りいたします。\nつきましては一次面接にお越しください。\n",
            ),
            ("ご希望に沿えず大変恐縮ですが", "次の面接の日程ですが"),
        ),
    ),
    "ja-interview": Template(
        "面接の結果につきまして",
        "{name} 様\n\n"
        "{date}は面接にお越しいただきありがとうございました。\n"
        "慎重に検討を重ねた結果、{position}につきましては、誠に残念ながらご期待に沿えない結果と"
        "なりましたことをお知らせいたします。\n"
        "お送りいただいた履歴書は、弊社にて責任を持って破棄いたします。\n"
        "末筆ながら、今後ますますのご活躍をお祈り申し上げます。\n",
        (
            ("誠に残念ながらご期待に沿えない結果と", "めでたくご期待に沿える結果と"),
            ("ご期待に沿えない結果となりました", "ご期待に沿えない結果とはなりませんでした"),
            ("末筆ながら", "内定通知書は別便でお送りいたします。\n末筆ながら"),
        ),
    ),
    "en-application": Template(
        "Your application",
        "Dear {name},\n\n"
        "Thank you for applying for the {position} position and for sending us your portfolio on "
        "{date}. We read every application with care.\n\n"
        "Unfortunately, we have decided not to move forward with your application for the "
        "{position} role. We kept our notes short, and we are happy to share them, {name}.\n\n"
        "We wish you every success in your search.\n",
        (
            ("have decided not to move forward", "have decided to move forward"),
            ("we have decided not to", "if nothing changes by Friday, we will decide not to"),
            (
                "Unfortunately, we have decided not to move forward with",
                "We are glad to go on with",
            ),
            ("in your search.\n", "in your search. Please come to an interview on Monday.\n"),
            ("we have decided not to move", "we have not decided whether to move"),
        ),
    ),
    "en-interview": Template(
        "Interview outcome",
        "Hi {name},\n\n"
        "It was good to meet you on {date}. Our team enjoyed the conversation about your work.\n"
        "After much thought we are unable to offer you the {position} position.\n"
        "Your details stay with us for a year unless you tell us otherwise.\n",
        (
            ("we are unable to offer", "we are delighted to offer"),
            ("we are unable to offer", "we are not unable to offer"),
            (
                "unless you tell us otherwise.\n",
                "unless you tell us otherwise.\nWe offer you a role.\n",
            ),
        ),
    ),
    # The words find no decision in these two.
    "ja-unsaid": Template(
        "先日の件",
        "{name}様\n\n{date}はご足労いただきありがとうございました。\n"
        "皆で相談いたしましたが、{position}はほかの方にお任せする運びとなりました。"
        "どうぞ悪く思わないでください。\n",
        (
            ("ほかの方にお任せする", "あなたにお任せする"),
            ("お任せする運びとなり", "お任せしない運びとなり"),
        ),
    ),
    "en-unsaid": Template(
        "About the shop",
        "Hello {name},\n\nIt was lovely to have you in on {date}. The team thought it over, and "
        "somebody who lives next door will do the {position} job. Do come by for a coffee.\n",
        (("somebody who lives next door", "you, who live next door,"), ("will do", "will not do")),
    ),
}

NAMES = {
    True: ("三田村 佳乃", "佐々木 一郎", "林 さくら", "マリア・ロペス", "髙橋 凛"),
    False: ("Maria Lopez", "John", "Ms Jones", "Will Young", "Anh Nguyen"),
}
POSITIONS = {
    True: ("経理職", "営業職", "システムエンジニア職", "販売スタッフ"),
    False: ("Sales Manager", "Nurse", "senior accountant", "Head of People and Culture"),
}
DATES = {
    True: ("5月12日(月)", "2026年10月3日", "１１月１日", "10/3"),
    False: ("12 May 2026", "Monday, June 3rd at 10:00 am", "3/4", "May 3"),
}
STAFF = ("山田", "小林", "Anna Smith")


def mail(subject: str, text: str, *, name: str, staff: str, as_html: bool = False) -> bytes:
    """Return a mail with this text, plain or as HTML alone."""
    message = EmailMessage(policy=SMTP)
    message["Subject"] = subject
    message["From"] = Address(staff, "recruit", "aozora.example.jp")
    message["To"] = Address(name, "reader", "mail.example.com")
    message["Message-ID"] = "<1@aozora.example.jp>"
    if as_html:
        paragraphs = "".join(
            f"<p>{html.escape(block).replace(chr(10), '<br>')}</p>" for block in text.split("\n\n")
        )
        body = f"<html><body>{paragraphs}</body></html>"
        message.set_content(body, subtype="html", cte="base64")
    else:
        message.set_content(text, cte="base64")
    return message.as_bytes()


def filled(template: Template, choice: Mapping[str, str]) -> str:
    """Return the text of a letter."""
    return template.text.format(**choice)


def wrapped(text: str, width: int, *, inside_words: bool) -> str:
    """Return the text with its lines wrapped as a mail program does."""
    lines: list[str] = []
    for line in text.split("\n"):
        if inside_words:
            lines += [line[at : at + width] for at in range(0, len(line), width)] or [""]
            continue
        current = ""
        for word in line.split(" "):
            if current and len(current) + len(word) >= width:
                lines.append(current)
                current = word
            else:
                current = f"{current} {word}" if current else word
        lines.append(current)
    return "\n".join(lines)
