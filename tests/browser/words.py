"""What our pages say, by language: what a test presses, ticks, fills in and looks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Words:
    """Labels of fields and buttons, and headings of pages, in one language."""

    language: str
    other: str
    form: str
    name: str
    address: str
    job: str
    job_it: str
    agree: str
    company: str
    send: str
    check_mail: str
    again: str
    sent_again: str
    ask_confirm: str
    sure: str
    confirm: str
    confirmed: str
    take_back: str
    change_mind: str
    ask_delete: str
    sure_delete: str
    delete: str
    deleted: str
    ask_opt_out: str
    sure_opt_out: str
    opt_out: str
    opted_out: str
    opt_in: str
    opted_in: str
    wrong: str
    expired: str
    broken: str
    gone: str
    welcome: str
    interest: str


WORDS: Final = {
    "ja": Words(
        language="ja",
        other="English",
        form="転職・就職の相談に登録する",
        name="お名前",
        address="メールアドレス",
        job="希望する職種",
        job_it="IT・ソフトウェア",
        agree="私が入力した内容を、人材紹介サービスが",
        company="応募先の企業が、別の求人について",
        send="確認のメールを受け取る",
        check_mail="メールをご確認ください",
        again="確認のメールをもう一度送る",
        sent_again="もう一度お送りしました。",
        ask_confirm="登録を確定しますか",
        sure="私が登録しました。",
        confirm="登録を確定する",
        confirmed="登録が完了しました",
        take_back="今すぐ取り消して内容を削除する",
        change_mind="登録を取り消して内容を削除する",
        ask_delete="登録を取り消して削除しますか",
        sure_delete="私の登録を取り消し、内容を削除します。",
        delete="取り消して削除する",
        deleted="削除しました",
        ask_opt_out="配信を停止しますか",
        sure_opt_out="このアドレスへの配信を停止します。",
        opt_out="配信を停止する",
        opted_out="配信を停止しました",
        opt_in="停止を取りやめる",
        opted_in="停止を取りやめました",
        wrong="入力内容をご確認ください",
        expired="リンクの有効期限が過ぎました",
        broken="リンクが途中で切れているようです",
        gone="この登録は残っていません",
        welcome="ようこそ。このページで間違いありません",
        interest="【PR】",
    ),
    "en": Words(
        language="en",
        other="日本語",
        form="Register to talk about your next job",
        name="Name",
        address="Mail address",
        job="Kind of work you want",
        job_it="IT and software",
        agree="I agree that the placement service",
        company="The company I applied to may tell me",
        send="Send me the mail to confirm",
        check_mail="Please check your mail",
        again="Send the mail once more",
        sent_again="It is sent once more.",
        ask_confirm="Confirm your registration?",
        sure="It was me who registered.",
        confirm="Confirm my registration",
        confirmed="You are registered",
        take_back="Take it back and delete it at once",
        change_mind="Take it back and delete my data",
        ask_delete="Take it back and delete your data?",
        sure_delete="Take my registration back and delete my data.",
        delete="Delete my data",
        deleted="Your data are deleted",
        ask_opt_out="No more mail from us?",
        sure_opt_out="No more mail to this address.",
        opt_out="Stop the mail",
        opted_out="No more mail",
        opt_in="Take that back",
        opted_in="You get mail again",
        wrong="Please check what you entered",
        expired="The time of this link is over",
        broken="This link seems to be cut short",
        gone="This registration is not kept any more",
        welcome="Welcome, you are in the right place",
        interest="[PR]",
    ),
}
NAMES: Final = {"ja": "佐藤 結衣", "en": "Yui Sato"}
