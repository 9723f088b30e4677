"""Our mail to people who register: what it says, and the signed links in it.

Each mail says who writes, why, and how to be left alone; the link to opt out stands in the text and
behind the mail program's own button. Names are not in it: whoever typed a stranger's address could
have that stranger read what they like.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from ledger.mailaddress import lookup, quoted
from ledger.mailjobs import PersonalMail, mail_job
from ledger.pages import MailTexts
from ledger.people import PERSON, Person
from ledger.store_jobs import NewJob
from ledger.store_people import mail_name
from ledger.suppression import Suppression
from signer.confirmations import LIFETIMES, Purpose, make_confirmation
from signer.keyring import KeyRing

CONFIRM_PATH: Final = "confirm"
OPT_OUT_PATH: Final = "optout"
DELETE_PATH: Final = "delete"

_SUBJECTS: Final = {
    "confirm": {
        "ja": "【ご確認】ご登録のお手続きはまだ完了していません",
        "en": "Please confirm your registration",
    },
    "deleted": {"ja": "ご登録の内容を削除しました", "en": "Your data has been deleted"},
}


@dataclass(frozen=True, slots=True)
class Letterhead:
    """Who writes, and where our pages are: `base_url` ends in a slash."""

    base_url: str
    service: str
    contact: str
    licence: str


class RegistrationMail:
    """Makes the jobs that send it."""

    def __init__(
        self,
        letterhead: Letterhead,
        templates: Path,
        ring: Callable[[], KeyRing],
        suppression: Suppression,
        seal_key: bytes,
    ) -> None:
        self._letterhead = letterhead
        self._texts = MailTexts(templates)
        self._ring = ring
        self._suppression = suppression
        self._seal_key = seal_key

    def confirmation(self, person_id: str, person: Person, number: int, now: datetime) -> NewJob:
        """Return the job that asks a person to confirm, for the so many-th time."""
        language = person.language
        hashed = lookup(self._seal_key, PERSON, person.address).hex()
        links = {
            "confirm_url": self._link(CONFIRM_PATH, "c", Purpose.CONFIRM, person_id, language, now),
            "delete_url": self.delete_link(hashed, language, now),
            "days": LIFETIMES[Purpose.CONFIRM].days,
        }
        return self._job("confirm", mail_name(person_id, number), person, now, links)

    def deleted(self, person_id: str, person: Person, now: datetime) -> NewJob:
        """Return the job that tells a person that their data are gone."""
        return self._job("deleted", f"deleted/{person_id}", person, now, {})

    def delete_link(self, name: str, language: str, now: datetime) -> str:
        """Return the link to the page that deletes a person, in a language.

        `name` is `People.name_of`, the address and not one registration of it: a newer one may have
        taken its place before the link is followed, and is meant as well.
        """
        return self._link(DELETE_PATH, "d", Purpose.DELETE, name, language, now)

    def _link(
        self, path: str, name: str, purpose: Purpose, value: str, language: str, now: datetime
    ) -> str:
        token = make_confirmation(self._ring(), purpose, value, now)
        # The language last: where a link is cut short, it is what is not missed.
        return f"{self._letterhead.base_url}{path}?{name}={token}&lang={language}"

    def _job(
        self, kind: str, name: str, person: Person, now: datetime, values: Mapping[str, object]
    ) -> NewJob:
        head, language = self._letterhead, person.language
        hashed = self._suppression.hash_of(person.address).hex()
        opt_out = self._link(OPT_OUT_PATH, "u", Purpose.OPT_OUT, hashed, language, now)
        shown = {
            "language": language,
            "service": head.service,
            "contact": head.contact,
            "licence": head.licence,
            "opt_out_url": opt_out,
            "subject": _SUBJECTS[kind][language],
            **values,
        }
        mail = PersonalMail(
            recipient=quoted(person.address),
            subject=_SUBJECTS[kind][language],
            text=self._texts.render(f"{kind}.txt.j2", **shown),
            html=self._texts.render(f"{kind}.html.j2", **shown),
            sender_name=head.service,
            unsubscribe=opt_out,
        )
        return mail_job(self._seal_key, name, mail)
