"""A statement as people read it: the words of both languages, and the page of HTML.

HTML and PDF show the same view. The name of the company is shown as it is today; all else follows
from the log.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from ledger.accounts import Account, Unit
from ledger.pages import Pages
from ledger.policy import Policy
from ledger.statement import (
    HOLDERS,
    MOVEMENTS,
    TOKYO,
    Statement,
    digest_of,
    encode_json,
    on,
)

Language = Literal["ja", "en"]
_Word = Callable[[str], str]

# Japanese first, English second.
_WORDS: Final[dict[str, tuple[str, str]]] = {
    "title": ("無料採用枠 月次明細書", "Monthly statement of free placements"),
    "issued": ("確定", "Issued"),
    "provisional": ("暫定", "Provisional"),
    "provisional_note": (
        "この明細書は確定前のもので、内容は変わることがあります。",
        "This statement is not issued yet: its counts may still change.",
    ),
    "counts_only": (
        "件数のみを記載しています。応募者やリンクを特定できる情報は含みません。",
        "Counts only: nothing here tells who an applicant is, or which link was used.",
    ),
    "REFERRAL": ("登録", "Referrals"),
    "SLOT": ("無料採用枠", "Free placements"),
    "item": ("残高", "Balance"),
    "movement": ("当月の動き", "In the month"),
    "opening": ("月初", "Opening"),
    "closing": ("月末", "Closing"),
    "count": ("件数", "Count"),
    "a:held": ("保留中", "Held"),
    "a:open": ("次の枠へ向けて計上済み", "Counted, towards the next placement"),
    "a:redeemed": ("枠に充当済み（累計）", "Redeemed (total)"),
    "a:available": ("利用可能", "Available"),
    "a:reserved": ("予約中", "Reserved"),
    "a:used": ("利用済み（累計）", "Used (total)"),
    "a:voided": ("取消済み（累計）", "Voided (total)"),
    "a:expired": ("失効（累計）", "Expired (total)"),
    "m:counted": ("計上", "Counted"),
    "m:held": ("保留", "Held"),
    "m:released": ("保留から計上", "Released from hold"),
    "m:rejected": ("保留から却下", "Rejected after hold"),
    "m:reversed": ("計上の取消", "Reversed"),
    "m:redeemed": ("枠に充当", "Redeemed"),
    "n:granted": ("付与", "Granted"),
    "n:reserved": ("予約", "Reserved"),
    "n:used": ("利用", "Used"),
    "n:released": ("予約の解除", "Reservation released"),
    "n:voided": ("取消", "Voided"),
    "n:expired": ("失効", "Expired"),
    "policy": ("適用した規約", "Policy in force"),
    "entries": ("記録の範囲", "Entries of the log"),
    "root": ("記録のルートハッシュ", "Root hash of the log"),
    "digest": ("明細データ（JSON）のSHA-256", "SHA-256 of the JSON statement"),
    "proof": ("記録との照合", "How to check it"),
}

_MONTHS: Final = (
    "January February March April May June July August September October November December"
).split()


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a label and counts under headings."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """What there is to say of one unit."""

    title: str
    balances: Table
    movements: Table


@dataclass(frozen=True, slots=True)
class View:
    """All words and numbers of a statement in their order."""

    language: Language
    title: str
    company: str
    month: str
    status: str
    is_issued: bool
    warning: str
    note: str
    sections: tuple[Section, ...]
    proof: str
    facts: tuple[tuple[str, str], ...]


def view_of(statement: Statement, language: Language, name: str) -> View:
    """Return the statement in words; `name` is what the company is called."""

    def word(key: str) -> str:
        return _WORDS[key][0 if language == "ja" else 1]

    status = "issued" if statement.is_issued else "provisional"
    return View(
        language=language,
        title=word("title"),
        company=name if name == statement.company else f"{name} ({statement.company})",
        month=_month(statement, language),
        status=word(status),
        is_issued=statement.is_issued,
        warning="" if statement.is_issued else word("provisional_note"),
        note=word("counts_only"),
        sections=tuple(_section(statement, unit, word) for unit in Unit),
        proof=word("proof"),
        facts=tuple(_facts(statement, language, word)),
    )


def render_html(view: View, templates: Path) -> bytes:
    """Return the page; it prints on one sheet of A4."""
    pages = Pages(templates, "statement.css")
    return pages.render("statement.html.j2", view=view).html.encode()


def _section(statement: Statement, unit: Unit, word: _Word) -> Section:
    accounts: tuple[Account, ...] = HOLDERS[unit]
    kind = "m" if unit is Unit.REFERRAL else "n"
    balances = tuple(
        (
            word(f"a:{account}"),
            f"{on(statement.opening, account, unit):,}",
            f"{on(statement.closing, account, unit):,}",
        )
        for account in accounts
    )
    movements = tuple(
        (word(f"{kind}:{name}"), f"{statement.moved(event, unit):,}")
        for name, event in MOVEMENTS[unit].items()
    )
    return Section(
        title=word(unit),
        balances=Table((word("item"), word("opening"), word("closing")), balances),
        movements=Table((word("movement"), word("count")), movements),
    )


def _facts(statement: Statement, language: Language, word: _Word) -> list[tuple[str, str]]:
    first, size = statement.first, statement.size
    if first == size:
        span = "なし" if language == "ja" else "none"
    elif language == "ja":
        span = f"{first:,}番から{size - 1:,}番まで（{size - first:,}件）"
    else:
        span = f"{first:,} to {size - 1:,} ({size - first:,})"
    facts = [(word("policy"), _policy(policy, language)) for policy in statement.policies]
    facts.append((word("entries"), span))
    facts.append((word("root"), base64.b64encode(statement.root).decode()))
    if statement.is_issued:
        facts.append((word("digest"), digest_of(encode_json(statement))))
    return facts


def _month(statement: Statement, language: Language) -> str:
    month = statement.month
    if language == "ja":
        return f"{month.year}年{month.number}月"
    return f"{_MONTHS[month.number - 1]} {month.year} (Japan time)"


def _policy(policy: Policy, language: Language) -> str:
    day = policy.valid_from.astimezone(TOKYO).date().isoformat()
    if language == "ja":
        rule = f"登録{policy.threshold}件ごとに{policy.grant}枠、{day}から"
        return f"{policy.id}（{rule}）"
    return f"{policy.id} ({policy.grant} for every {policy.threshold} referrals, from {day})"
