"""Lines that mail programs and systems put below a letter: "sent from", legal and other footers.

Pure; each pattern stands behind a test of a line's first character that most lines fail.
"""

from __future__ import annotations

import re

_SENT_FROM = re.compile(
    r"Sent from (?:my|Outlook|Mail|Yahoo|Proton)|Get Outlook for|Outlook for \w{3,10} を入手"
    r"|(?:iPhone|iPad|Android|スマートフォン|携帯電話?)から送信"
    r"|Von meinem \S{3,20} gesendet|Gesendet (?:von|mit|aus) |Envoyé (?:de(?:puis)? |à partir d)"
    r"|Enviado (?:desde|con) |(?:Télécharger|Obtener|Holen Sie sich) Outlook"
    r"|(?:나의 )?(?:iPhone|iPad|Galaxy)에서 보냄|[发發]自我的|[从從]我的\S{2,12}(?:发送|傳送|發送)",
    re.IGNORECASE,
)
SENT_FROM_INITIALS = frozenset("SsGgIiAaＡaスス携VvEeTtOoHh나发發从從")
FOOTER_INITIALS = frozenset(
    "※*＊【この本当誤お送配此본이발TtCcDdLlIiPpYyUuEeMmNnBbRr© \xa0\t\u3000"
)
_FOOTER = re.compile(
    r"[※*＊\s]{0,4}(?:この|本|当)(?:電子)?(?:メール|メッセージ)(?:は|に|の|及び|および)"
    r"(?!.{0,60}(?:応募|選考の?結果|採用の?結果))"
    r"|[※*＊\s]{0,4}(?:誤って|お心当たり|送信専用|配信停止)|【(?:ご注意|注意事項|免責事項|機密情報)"
    r"|[*\s]{0,4}(?:This (?:e-?mail|message|communication|transmission)\b.{0,80}"
    r"(?:confidential|intended|privileged|automated|automatically|sent (?:to|from|by)|may contain)"
    r"|The (?:information|contents?) (?:contained )?(?:in|of) this "
    r"(?:e-?mail|message|communication)"
    r"|Replies to this (?:e-?mail|message)|Click here to (?:view|manage|unsubscribe)"
    r"|\[?\s?ref:[\w!.]{6,60}:ref\b|\[?\s?thread::[\w-]{4,60}::"
    r"|CONFIDENTIAL|DISCLAIMER|LEGAL NOTICE|IMPORTANT NOTICE|PRIVACY NOTICE"
    r"|You(?:'re| are) receiving this|If you (?:no longer )?wish to (?:unsubscribe|stop receiving)"
    r"|To unsubscribe|Unsubscribe\b|Please consider the environment|©|Copyright \(c\)"
    r"|(?:Please note:? )?(?:Please )?(?:do not|don't) (?:reply|respond) (?:directly )?to this"
    r"|Please note that this (?:mail|in)?(?:box|address)|Equal opportunity employer"
    r"|Registered (?:in|office|address|company)\b.{0,80}(?:No\b|number|office|:|\d)"
    r"|Diese (?:E-?Mail|Nachricht)\b.{0,80}(?:vertraulich|ausschließlich|nur für|automatisch)"
    r"|(?:Bitte )?antworten Sie nicht auf diese"
    r"|Ce (?:message|courriel|mail|courrier)\b.{0,80}(?:confidentiel|destinataire|automatique)"
    r"|Merci de ne pas répondre à ce|Este (?:mensaje|correo)\b.{0,80}(?:confidencial|destinatari"
    r"|automátic)|No responda a este)"
    r"|[*\s]{0,4}[본이] ?(?:메일|이메일|메시지)[은는].{0,40}(?:발신 ?전용|회신|자동|기밀)"
    r"|[*\s]{0,4}발신 ?전용|[*\s]{0,4}[此本](?:电子|電子)?(?:邮件|郵件|信件|信)"
    r".{0,20}(?:自动|自動|系统|系統|勿回|勿直接|机密|機密|保密)",
    re.IGNORECASE,
)
# What a line below a footer speaks of that belongs to it: answering, asking, deleting, secrecy.
FOOTER_GOES_ON = re.compile(
    r"返信|問い?合わせ|お心当たり|破棄|削除|転送|機密|第三者"
    r"|\b(?:reply|replies|confidential|recipients?|delete|disclos\w+|unsubscribe"
    r"|in error|attachments?|monitored)\b",
    re.IGNORECASE,
)
# What lawyers write about secrecy takes ten lines of the usual width.
FOOTER_LINES_MAX = 12
# How a footer or a "sent from" in Latin letters begins. Of the second letters the engine takes
# letters beyond ASCII for equal to i only.
LATIN_BEGINNINGS = frozenset(
    first + second
    for start in (
        "an bi ce cl co di do en eq es ge ho if im ip le me no ob ou pl pr re se té th to un vo yo"
    ).split()
    for first in (start[0], start[0].upper())
    for second in ("iIİı" if start[1] == "i" else (start[1], start[1].upper()))
)


def is_footer(line: str) -> bool:
    """Tell whether a line, which has no more than a few hundred characters, begins a footer."""
    return line[:1] in FOOTER_INITIALS and _FOOTER.match(line) is not None


def is_sent_from(line: str) -> bool:
    """Tell whether a line names the program or telephone that a letter was written with."""
    return line[:1] in SENT_FROM_INITIALS and _SENT_FROM.match(line) is not None
