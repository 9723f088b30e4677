"""The words of a replay's report for its codes: reasons, stages, languages, positions, faults.

English and Japanese side by side, for people who have not read our code. A code without words is
shown as it is: lexicons and reasons grow.
"""

from __future__ import annotations

from collections.abc import Mapping

from relay.cli.replayrun import DUPLICATE, NOT_SENT
from relay.mailstore import Fault
from relay.policy import Reason

_Words = Mapping[str, tuple[str, str]]

REASONS: _Words = {
    Reason.INJECTED: ("would have carried the line", "1行が入ったはずのメール"),
    Reason.NOT_REJECTION: ("not a rejection letter", "不採用通知ではない"),
    Reason.UNSURE: ("unsure, so left alone", "判断がつかず、変更しない"),
    Reason.NOT_OWN_COMPANY: ("sender is none of your companies", "送信元が登録企業ではない"),
    Reason.MODE_OFF: ('the company has mode = "off"', 'mode = "off" の企業'),
    Reason.OBSERVE: ("the company only watches", "監視のみの企業"),
    Reason.NOT_APPROVED: ("not one of your approved letters", "承認済みの文面ではない"),
    Reason.SUPPRESSED: ("the recipient wants no line", "受信者が案内の停止を希望"),
    Reason.INTERNAL_RECIPIENTS: ("mail inside the company", "社内宛て"),
    Reason.NO_RECIPIENTS: ("nobody in To, Cc or Bcc", "宛先がない"),
    Reason.STOP_PHRASE: ("holds one of your stop_phrases", "stop_phrases の語句がある"),
    Reason.MUST_PHRASE_MISSING: ("holds none of your must_phrases", "must_phrases の語句がない"),
    Reason.OVERRIDE: ("the recruiter's tag in the subject", "件名に担当者の印（タグ）がある"),
    Reason.OVERRIDE_KEPT: (
        "the same, and the tag stays in the subject",
        "同上。印は件名に残る",
    ),
    Reason.LIST_MAIL: ("mailing lists and bulk mail", "メーリングリスト・一斉配信"),
    Reason.AUTO_SUBMITTED: ("automatic replies", "自動返信"),
    Reason.NULL_SENDER: ("bounces", "不達通知など（送信者が空）"),
    Reason.DELIVERY_REPORT: ("delivery and read reports", "配信・開封の報告"),
    Reason.CALENDAR: ("calendar invitations", "会議の招待"),
    Reason.ENCRYPTED: ("encrypted", "暗号化されている"),
    Reason.SIGNED: ("signed (S/MIME)", "電子署名付き（S/MIME）"),
    Reason.PGP: ("PGP", "PGP"),
    Reason.TNEF: ("Outlook's own format (TNEF)", "Outlook独自形式（TNEF）"),
    Reason.AMBIGUOUS_MIME: ("mail programs would read it differently", "構造が一通りに読めない"),
    Reason.NO_TEXT_PART: ("no place for a line in its text", "本文に行を入れる場所がない"),
    Reason.TOO_LARGE: ("too large to be changed", "大きすぎて変更できない"),
    Reason.TOO_MANY_PARTS: ("too many parts", "パートが多すぎる"),
    Reason.TOO_DEEP: ("too deeply nested", "入れ子が深すぎる"),
    Reason.BROKEN_HEADER: ("broken header", "ヘッダーが壊れている"),
    Reason.UNCLOSED_MULTIPART: ("cut short (multipart not closed)", "途中で切れている"),
    Reason.HEADER_TOO_LARGE: ("header too large", "ヘッダーが大きすぎる"),
    Reason.NUL_BYTES: ("NUL bytes", "NULバイトを含む"),
    Reason.BROKEN_ENCODING: ("broken transfer encoding", "符号化が壊れている"),
    Reason.UNKNOWN_ENCODING: ("unknown transfer encoding", "符号化の種類が不明"),
    Reason.CHARSET_UNSUPPORTED: ("charset cannot be written", "文字コードに対応していない"),
    Reason.STRUCTURE_UNSUPPORTED: (
        "readers would differ on what is shown",
        "表示が読み手で異なる構造",
    ),
    Reason.BODY_DIGEST_HEADER: (
        "header counts or hashes the body",
        "ヘッダーに本文の長さや要約値がある",
    ),
    Reason.NOT_REVERSIBLE: ("could not be undone", "元に戻せない"),
    Reason.DKIM_SIGNED: ("DKIM signature would break", "DKIM署名が壊れる"),
    Reason.DKIM_NO_KEY: ("signed, and no key to sign anew", "DKIM署名があり、再署名の鍵がない"),
    Reason.DKIM_NOT_VALID: (
        "signed, but not validly by its sender",
        "送信元の有効な署名がない",
    ),
    Reason.DKIM_FAILED: ("signed, and could not be signed anew", "DKIM署名があり、再署名できない"),
    Reason.ALREADY_MARKED: ("carries our line already", "すでに1行が入っている"),
    Reason.ALREADY_LINKED: ("conversation has our link already", "やり取りにすでにリンクがある"),
    Reason.TEMPLATE_MISSING: ("no words for it (template)", "文面のテンプレートがない"),
    Reason.INTERNAL_ERROR: ("an error of ours", "本ソフトウェアの内部エラー"),
    NOT_SENT: ("received, not sent (Gmail label)", "送信メールではない（Gmailのラベル）"),
    DUPLICATE: ("copy of a letter counted before", "数え済みのメールの写し"),
    Fault.UNREADABLE: ("file cannot be read", "ファイルを読めない"),
    Fault.NOT_MAIL: ("file is no mail", "メールのファイルではない"),
    Fault.CHANGED: ("file changed while it was read", "読み込み中にファイルが変わった"),
    Fault.EMPTY: ("empty", "空"),
    Fault.NO_FROM_LINE: ("mbox does not begin with a message", "mboxの先頭がメールではない"),
}
# What the same code says of a message that was not even judged.
TOO_LARGE_TO_JUDGE = ("over the size limit, skipped", "サイズの上限を超えるため対象外")

STAGES: _Words = {
    "document": ("documents", "書類選考"),
    "test": ("test", "筆記・適性検査"),
    "first": ("first interview", "一次面接"),
    "second": ("second interview", "二次面接"),
    "final": ("final interview", "最終面接"),
    "interview": ("interview", "面接"),
    "internship": ("internship", "インターン"),
    "unknown": ("not said", "記載なし"),
}
POSITIONS: _Words = {
    "design": ("design", "デザイン"),
    "education": ("education", "教育"),
    "engineering": ("engineering", "技術・開発"),
    "internship": ("internship", "インターン"),
    "logistics": ("logistics", "物流"),
    "medical": ("medical", "医療・介護"),
    "office": ("office", "事務・管理"),
    "research": ("research", "研究"),
    "sales": ("sales", "営業・販売"),
    "service": ("service", "サービス"),
    "unknown": ("not said", "記載なし"),
}
LANGUAGES: _Words = {
    "ja": ("Japanese", "日本語"),
    "en": ("English", "英語"),
    "de": ("German", "ドイツ語"),
    "fr": ("French", "フランス語"),
    "es": ("Spanish", "スペイン語"),
    "ko": ("Korean", "韓国語"),
    "zh": ("Chinese", "中国語"),
    "unknown": ("unknown", "不明"),
}


def word(words: _Words, code: str, language: str) -> str:
    """Return the words for a code in English or Japanese, the code itself where it has none."""
    known = words.get(code)
    return code.replace("_", " ") if known is None else known[language == "ja"]
