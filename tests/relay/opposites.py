"""Letters made of rejections that are none: conditional, reported, the applicant's own.

Each function keeps most words of the letter and gives `None` where it finds nothing to change, so
that a test can count. All names are invented.
"""

from __future__ import annotations

import re

from tests.relay.rewriting import is_wide


def sentences(text: str) -> list[str]:
    """Return the sentences of a letter whose lines are not wrapped."""
    wide = is_wide(text)
    joined = "\n\n".join(
        ("" if wide else " ").join(line.strip() for line in block.split("\n"))
        for block in re.split(r"\n\s*\n", text)
    )
    found = re.findall(r"[^。\n]+。", joined) if wide else _LATIN_SENTENCE.findall(joined)
    return [sentence.strip() for sentence in found]


_LATIN_SENTENCE = re.compile(r"[A-Z\"“'](?:[^.!?\n]|[.](?=\w))+[.!?](?=\s|$)")

# --- Conditional

# A decision as it ends a Japanese sentence, and the same as something that may come.
_STATED = (
    (
        r"(見送らせ|見合わせさせ|見合わせ)て(?:いただ|頂|戴)(?:きます|きました|きたく存じます|きたいと思います"
        r"|く(?:こと|運び|結果|判断|形)(?:と|に|を)?(?:なりました|なります|(?:いた|致)しました|決定いたしました))。",
        r"\1ていただく場合がございます。",
    ),
    (
        r"(お?見送り)(?:と|に)?(?:させて(?:いただ|頂)(?:きます|きました|きたく存じます"
        r"|くこと(?:と|に)(?:なりました|いたしました))|させてください|させて下さい)。",
        r"\1とさせていただく場合がございます。",
    ),
    (r"(お?見送り)と(?:なりました|いたしました|いたします)。", r"\1となる場合がございます。"),
    (
        r"(見送る|見合わせる)(?:こと|結果|結論|形|判断)(?:と|に)(?:なりました|(?:いた|致)しました"
        r"|至りました|決定いたしました|させていただきました)。",
        r"\1場合がございます。",
    ),
    (r"(見送)(?:ります|りました)。", r"\1る場合がございます。"),
    (
        r"(不採用|不合格)(?:と|に|とさせていただくことに)(?:なりました|決定いたしました|いたしました"
        r"|させていただきます)。",
        r"\1となる場合がございます。",
    ),
    (
        r"(採用|合格|選考通過|内定)に(?:は)?(?:至りませんでした|至らないという結論になりました)。",
        r"\1に至らない場合がございます。",
    ),
    (
        r"((?:[ご御](?:希望|期待|意向)|貴意)に)(?:(?:添|沿|そ)(?:えない|い[か兼]ねる|えず)"
        r"(?:という)?(?:結果|結論|こと)?(?:と|に)?(?:なりました|なります)"
        r"|(?:添|沿|そ)うことが?できませんでした)。",
        r"\1沿えない場合がございます。",
    ),
    (
        r"お断り(?:させていただ(?:きます|くことになりました)|申し上げます|いたします)。",
        "お断りする場合がございます。",
    ),
    (
        r"[ご御]縁が(?:なかった)(?:もの|こと|という)(?:と|に)?(?:させていただ|させて頂)"
        r"(?:きます|くことに(?:なりました|いたしました))。",
        "ご縁がなかったものとさせていただく場合がございます。",
    ),
)
_CONDITIONS_JA = (
    "応募者多数の際には、",
    "もし必要な資格をお持ちでない場合は、",
    "適性検査の結果によっては、",
    "募集人数に達したときは、",
)
_CONDITIONAL_JA = """{salutation}

このたびはご応募いただき、ありがとうございます。書類を受け付けました。
これから選考に入ります。{decision}あらかじめご了承ください。
結果は十日以内にご連絡いたします。"""

_STATED_EN = (
    (
        r"\b(?:we|I)(?: have|'ve|’ve)?(?: made the decision| decided| chosen| opted| elected)"
        r"(?: not)? to (.+)[.!]$",
        None,
    ),
    (
        r"\bwe (?:will not|won't|won’t) be "
        r"((?:mov|proceed|tak|progress|go|offer|invit|pursu|advanc)\w* .+)[.!]$",
        "we would not be {0}.",
    ),
    (r"\bwe (?:are|'re|’re) (?:unable|not able) to (.+)[.!]$", "we would be unable to {0}."),
    (
        r"\bwe (?:cannot|can't|can’t|could not) "
        r"((?:offer|move|take|proceed|progress|invite) .+)[.!]$",
        "we could not {0}.",
    ),
    (
        r"\byou (?:have|were|are|had)(?: not|n't|n’t) (?:been )?(selected|successful|shortlisted"
        r"|chosen|appointed)(.*)[.!]$",
        "you would not be {0}{1}.",
    ),
    (
        r"\byour application (?:was|has been|is)(?: not| un)\s?(?:been )?(success\w*|select\w*"
        r"|accept\w*)(.*)[.!]$",
        "your application would not be {0}{1}.",
    ),
    (
        r"\b(?:the|this|that) (position|role|job|vacancy|post) (?:has been|was|is) (?:now )?(filled"
        r"|taken|closed)(.*)[.!]$",
        "the {0} would be {1}{2}.",
    ),
)
_CONDITIONS_EN = (
    "If your test falls below the mark, ",
    "If more people apply than we can meet, ",
    "Should you not hold the licence by then, ",
    "If the budget is not approved, ",
)
_CONDITIONAL_EN = """{salutation}

Thank you for your application. It has reached us and we will start reading next week.
{decision} You will hear from us within ten days either way."""


def conditional(text: str, number: int) -> str | None:
    """Return a receipt that says under what condition the letter's decision would be taken."""
    decision = _conditional_decision(text, number)
    if decision is None:
        return None
    form = _CONDITIONAL_JA if is_wide(text) else _CONDITIONAL_EN
    return form.format(salutation=_salutation(text), decision=decision)


def _conditional_decision(text: str, number: int) -> str | None:
    wide = is_wide(text)
    for sentence in sentences(text):
        for pattern, replacement in _STATED if wide else _STATED_EN:
            met = re.search(pattern, sentence, re.IGNORECASE)
            if met is None:
                continue
            if wide:
                # What stands before the last comma tells how it came to the decision.
                clause = sentence[: met.start()].rpartition("、")[2] + met.expand(replacement or "")
                return _CONDITIONS_JA[number % len(_CONDITIONS_JA)] + clause
            condition = _CONDITIONS_EN[number % len(_CONDITIONS_EN)]
            if replacement is None:
                negation = "not to " if " not to " in met[0] else "to "
                return f"{condition}we would decide {negation}{met[1]}."
            return condition + replacement.format(*met.groups())
    return None


def _salutation(text: str) -> str:
    first = next((line.strip() for line in text.split("\n") if line.strip()), "")
    if len(first) <= 30 and (first.endswith(("様", "さん", ",", "殿")) or first.startswith("Dear")):
        return first
    return "砂川 様" if is_wide(text) else "Dear Ms Okonkwo,"


# --- The applicant's mouth

_REPORTED_JA = """採用ご担当者様

砂川と申します。先日はご連絡をいただき、ありがとうございました。
「{decision}」とのこと、承知いたしました。
差し支えなければ、今後のために理由を教えていただけますでしょうか。

砂川 美帆"""
_REPORTED_EN = """Dear hiring team,

I am writing about the message I got from you on Friday. In it you wrote: "{decision}"
I was sorry to read that, and I would be glad of a few words about the reasons.

Thaddeus Okonkwo"""
_WITHDRAWN_JA = """採用ご担当者様

砂川と申します。先日は面接のお時間をいただき、ありがとうございました。
検討を重ねましたが、誠に勝手ながら、{decision}
ご期待に沿えず申し訳ございません。末筆ながら、貴社のますますのご発展をお祈り申し上げます。

砂川 美帆"""
_WITHDRAWN_EN = """Dear hiring team,

thank you for the time you took to meet me and for telling me about the team.
{decision} I wish you every success in finding the right person.

Thaddeus Okonkwo"""
_OWN_JA = (
    (
        r"(?:採用|選考|ご応募|今回)?を?お?見送(?:ら|り|る)",
        "今回は応募を見送らせていただきたく存じます。",
    ),
    (r"お断り", "今回のお話はお断りさせていただきます。"),
    (
        r"(?:添|沿|そ)え|至りませんでした|不採用|不合格",
        "選考を辞退させていただくことにいたしました。",
    ),
)
_OWN_EN = (
    (
        r"\b[Ww]e(?:'ve|’ve| have)? (decided|chosen|opted)(?: not)? to (.+)[.!]$",
        "I have {0} not to {1}.",
    ),
    (
        r"\b[Ww]e (?:will not|won't|won’t) be "
        r"(moving|proceeding|going|progressing|taking) (.+)[.!]$",
        "I will not be {0} {1}.",
    ),
    (
        r"\b[Ww]e (?:are unable|are not able) to (move|proceed|go|progress|take|pursue) (.+)[.!]$",
        "I am unable to {0} {1}.",
    ),
)
_SWAPPED = (
    (r"\byour (application|candidacy)\b", r"my \1"),
    (r"\bwith you\b", "with you"),
    (r"\bour\b", "your"),
    (r"\bus\b", "me"),
)


def reported(text: str) -> str | None:
    """Return what the applicant writes back, with the decision in quotation marks."""
    decision = decision_of(text)
    if decision is None:
        return None
    return (_REPORTED_JA if is_wide(text) else _REPORTED_EN).format(decision=decision.rstrip("。"))


def withdrawn(text: str) -> str | None:
    """Return the applicant's own refusal in the words of the letter."""
    decision = decision_of(text)
    if decision is None:
        return None
    if is_wide(text):
        own = next((said for pattern, said in _OWN_JA if re.search(pattern, decision)), None)
        return None if own is None else _WITHDRAWN_JA.format(decision=own)
    for pattern, said in _OWN_EN:
        met = re.search(pattern, decision)
        if met is not None:
            own = said.format(*met.groups())
            for theirs, ours in _SWAPPED:
                own = re.sub(theirs, ours, own)
            # What was done to the reader cannot be done by him.
            if not re.search(
                r"\b(?:you|we|offer|other|another|someone|folks|candidates?|people)\b", own
            ):
                return _WITHDRAWN_EN.format(decision=own)
    return None


def decision_of(text: str) -> str | None:
    """Return the sentence of a letter that states its decision in frequent words."""
    patterns = [pattern for pattern, _ in (_STATED if is_wide(text) else _STATED_EN)]
    for sentence in sentences(text):
        if any(re.search(pattern, sentence, re.IGNORECASE) for pattern in patterns):
            return sentence
    return None
