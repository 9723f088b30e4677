"""Letters made of rejections that are none: conditional, the applicant's own, about something else.

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


# --- Something else

OBJECTS_JA = {
    "tender": {
        "不採用": "不採択",
        "中途採用": "一般競争入札",
        "新卒採用": "指名入札",
        "採用選考": "入札審査",
        "採用担当": "購買担当",
        "採用": "発注",
        "書類選考": "書類審査",
        "選考": "審査",
        "最終面接": "最終ヒアリング",
        "一次面接": "一次ヒアリング",
        "面接": "ヒアリング",
        "面談": "ヒアリング",
        "応募書類": "入札書類",
        "ご応募": "ご入札",
        "応募者": "入札者",
        "応募": "入札",
        "求人": "公示",
        "募集": "公募",
        "履歴書": "提案書",
        "職務経歴書": "見積書",
        "ご経歴": "ご実績",
        "経歴": "実績",
        "ご経験": "ご実績",
        "人事部": "購買部",
        "人事課": "調達課",
        "人事": "購買",
        "入社": "契約",
        "候補者": "入札者",
        "内定": "落札",
        "就職活動": "営業活動",
        "転職活動": "営業活動",
        "就職": "受注",
        "転職": "受注",
        "キャリア": "事業",
        "職種": "品目",
        "ご活躍": "ご発展",
        "エントリー": "入札",
    },
    "loan": {
        "不採用": "否決",
        "採用選考": "融資審査",
        "採用担当": "融資担当",
        "採用": "ご融資",
        "書類選考": "書類審査",
        "選考": "融資審査",
        "最終面接": "最終面談",
        "一次面接": "一次面談",
        "面接": "面談",
        "応募書類": "お申込書類",
        "ご応募": "お申し込み",
        "応募者": "お申込者",
        "応募": "融資のお申し込み",
        "求人": "住宅ローン",
        "募集": "ローンの取り扱い",
        "履歴書": "所得証明書",
        "職務経歴書": "返済計画書",
        "ご経歴": "ご返済計画",
        "経歴": "返済計画",
        "ご経験": "ご返済計画",
        "人事部": "融資部",
        "人事課": "融資課",
        "人事": "融資",
        "入社": "契約",
        "候補者": "お申込者",
        "内定": "承認",
        "就職活動": "資金計画",
        "転職活動": "資金計画",
        "就職": "借り入れ",
        "転職": "借り換え",
        "キャリア": "お住まい",
        "職種": "商品",
        "エントリー": "お申し込み",
    },
    "contest": {
        "不採用": "落選",
        "採用選考": "作品審査",
        "採用担当": "コンテスト担当",
        "採用": "入選",
        "書類選考": "一次審査",
        "選考": "作品審査",
        "最終面接": "最終審査",
        "一次面接": "一次審査",
        "面接": "公開審査",
        "面談": "公開審査",
        "応募書類": "応募作品",
        "応募者": "出品者",
        "ご応募": "ご出品",
        "応募": "出品",
        "求人": "フォトコンテスト",
        "募集": "作品募集",
        "履歴書": "応募票",
        "職務経歴書": "作品解説",
        "ご経歴": "ご作品",
        "経歴": "作品",
        "ご経験": "ご作品",
        "人事部": "コンテスト事務局",
        "人事課": "コンテスト事務局",
        "人事": "コンテスト",
        "入社": "展示",
        "候補者": "出品者",
        "内定": "入賞",
        "就職活動": "制作活動",
        "転職活動": "制作活動",
        "就職": "制作",
        "転職": "制作",
        "キャリア": "制作",
        "職種": "部門",
        "エントリー": "出品",
    },
}
# "営業職", "経理スタッフ": what the letter is about.
_TRADE = r"[一-鿿ァ-ヶー]{1,8}(?:職(?!種|務|場|歴)|スタッフ|エンジニア|社員)"
TRADES = {"tender": "清掃業務", "loan": "住宅ローン", "contest": "写真部門"}
# What still tells of a job when the nouns have been exchanged: such a letter is left out.
_JOB_JA = re.compile(
    r"採用|職|仕事|介護|ヘルパー|勤め|膝|ガイド|異動|増員|補充|入社|勤務|年収|給与|社員|新卒|中途|インターン|エンジニア|学生|大学|看護|アルバイト|パート"
    r"|スキル|人材|働|ポジション|チーム|雇用|営業(?!活動)|就活|免許|志望|経験|能力|健康診断|資格|人柄|定員|現場|マイページ|兼務|メンバー"
    r"|通勤|スカウト|シフト|夜勤|店舗|調理|接客|開発|研究|実技|課題|適性|筆記|辞退|推薦|紹介|ランチ|内定|お人柄|試験|選考会|説明会|受験"
)
OBJECTS_EN = {
    "tender": {
        "job application": "tender",
        "applications": "tenders",
        "application": "tender",
        "candidacy": "tender",
        "applicants": "bidders",
        "applicant": "bidder",
        "candidates": "bidders",
        "candidate": "bidder",
        "applying": "tendering",
        "applied": "tendered",
        "apply": "tender",
        "interviewed": "presented",
        "interviews": "presentations",
        "interviewing": "presenting",
        "interview": "presentation",
        "positions": "contracts",
        "position": "contract",
        "roles": "contracts",
        "role": "contract",
        "jobs": "contracts",
        "job": "contract",
        "vacancy": "contract",
        "openings": "contracts",
        "opening": "contract",
        "resume": "price schedule",
        "résumé": "price schedule",
        "cv": "price schedule",
        "hiring team": "procurement team",
        "hiring manager": "buyer",
        "hiring": "procurement",
        "recruiting": "procurement",
        "recruitment": "procurement",
        "recruiter": "buyer",
        "talent acquisition": "procurement",
        "human resources": "procurement",
        "careers": "markets",
        "career": "business",
        "employment": "supply",
        "experience": "offer",
        "qualifications": "price",
        "skills": "prices",
        "background": "offer",
    },
    "loan": {
        "job application": "loan application",
        "applications": "loan applications",
        "application": "loan application",
        "candidacy": "loan application",
        "candidates": "borrowers",
        "candidate": "borrower",
        "interviews": "appointments",
        "interviewing": "meeting",
        "interviewed": "met",
        "interview": "appointment",
        "positions": "loans",
        "position": "mortgage",
        "roles": "loans",
        "role": "mortgage",
        "jobs": "loans",
        "job": "mortgage",
        "vacancy": "mortgage",
        "openings": "loans",
        "opening": "mortgage",
        "resume": "bank statement",
        "résumé": "bank statement",
        "cv": "bank statement",
        "hiring team": "lending team",
        "hiring manager": "loan officer",
        "hiring": "lending",
        "recruiting": "lending",
        "recruitment": "lending",
        "recruiter": "loan officer",
        "talent acquisition": "lending",
        "human resources": "lending",
        "careers": "finances",
        "career": "finances",
        "employment": "credit",
        "experience": "credit history",
        "qualifications": "income",
        "skills": "savings",
        "background": "credit history",
    },
    "contest": {
        "job application": "entry",
        "applications": "entries",
        "application": "entry",
        "candidacy": "entry",
        "applicants": "entrants",
        "applicant": "entrant",
        "candidates": "entrants",
        "candidate": "entrant",
        "applying": "entering",
        "applied": "entered",
        "apply": "enter",
        "interviews": "readings",
        "interviewing": "reading",
        "interviewed": "read",
        "interview": "reading",
        "positions": "prizes",
        "position": "poetry prize",
        "roles": "prizes",
        "role": "poetry prize",
        "jobs": "prizes",
        "job": "poetry prize",
        "vacancy": "prize",
        "openings": "prizes",
        "opening": "prize",
        "resume": "poem",
        "résumé": "poem",
        "cv": "poem",
        "hiring team": "jury",
        "hiring manager": "jury chair",
        "hiring": "judging",
        "recruiting": "judging",
        "recruitment": "judging",
        "recruiter": "judge",
        "talent acquisition": "poetry",
        "human resources": "poetry",
        "careers": "writing",
        "career": "writing",
        "employment": "publication",
        "experience": "poems",
        "qualifications": "poems",
        "skills": "voice",
        "background": "poems",
    },
}
_JOB_EN = re.compile(
    r"\b(?:jobs?|roles?|hir(?:e|ed|ing)|recruit\w*|employ\w*|careers?|salary|talent\w*|engineer\w*"
    r"|developer|manager|analyst|designer|nurse|teacher|intern\w*|internship|assistant|associate"
    r"|trainee|officer|teams?|work(?:ed|ing)?|onboard\w*|colleagues?|staff|graduate|degree|faculty"
    r"|professor\w*|school|student|linkedin|HR|start date|shift\w*|driver|chef|sales\w*|panel"
    r"|programme|assignment|assessment|coding|technical|codebase|references?|sponsor\w*|visa|hours"
    r"|relocat\w*|headcount|founders?|seat|shortlist\w*|appoint(?:ed|ment)?|job-?hunt\w*|specialist|consultant|director|lead)\b",
    re.IGNORECASE,
)
SENDERS = {
    "tender": (
        "購買部 <koubai@yamanami.example.jp>",
        "Procurement <tenders@saltmarsh.example.com>",
    ),
    "loan": (
        "融資部 <yushi@yamanami-bank.example.jp>",
        "Lending <loans@saltmarsh-bank.example.com>",
    ),
    "contest": (
        "作品展事務局 <ten@yamanami.example.jp>",
        "Poetry Prize <prize@saltmarsh.example.com>",
    ),
}


# One noun alone may stand in a letter about anything.
NOUNS_EXCHANGED_MIN = 2


def about(text: str, thing: str) -> str | None:
    """Return the letter as one about a tender, a loan or a contest; `None` where jobs remain."""
    wide = is_wide(text)
    table = (OBJECTS_JA if wide else OBJECTS_EN)[thing]
    words = sorted(table, key=len, reverse=True)
    if wide:
        pattern = re.compile("|".join([_TRADE, *map(re.escape, words)]))
        changed = pattern.sub(lambda met: table.get(met[0], TRADES[thing]), text)
        left = _JOB_JA.search(pattern.sub("", text))
    else:
        pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})\b", re.IGNORECASE)
        changed = pattern.sub(lambda met: _cased(table[met[0].lower()], met[0]), text)
        changed = _ARTICLE.sub(lambda met: f"{met[1]}{'n' if met[2] in 'aeio' else ''} ", changed)
        left = _JOB_EN.search(pattern.sub("", text))
    exchanged = len(pattern.findall(text))
    return None if exchanged < NOUNS_EXCHANGED_MIN or left else changed


_ARTICLE = re.compile(r"\b([Aa])n? (?=(\w))")


def _cased(word: str, like: str) -> str:
    return word[0].upper() + word[1:] if like[0].isupper() else word
