"""Letters made of rejections that are about something else: a tender, a loan, a contest.

The nouns of a letter are exchanged; where what is left still tells of a job, there is none. All
names are invented.
"""

from __future__ import annotations

import re

from tests.relay.rewriting import is_wide

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
