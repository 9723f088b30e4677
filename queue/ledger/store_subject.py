"""People in the log: `h:` references, and the salts that make them erasable.

A reference is an HMAC of company and person under a salt of that person's own, mixed with a key
kept outside the database. The same person is one reference per company, so that two companies'
auditors cannot tell that they share one. Deleting the salt makes every reference of the person
one that nobody can connect to anyone again, while all hashes and proofs of the log still hold.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

from sqlalchemy import delete, insert, select

from ledger.store import Transaction, as_bytes
from ledger.store_tables import subject_salt

SALT_SIZE_BYTES: Final = 32

# 26 base32 characters are 130 bits: no two people meet by accident.
REFERENCE_LENGTH: Final = 26


def reference(
    transaction: Transaction, key: bytes, company: str, person: str, fresh_salt: bytes
) -> str:
    """Return the person's reference in this company's log; keeps `fresh_salt` for a new person."""
    lookup = _lookup(key, person)
    query = select(subject_salt.c.salt).where(subject_salt.c.lookup == lookup)
    salt = transaction.execute(query).scalar()
    if salt is None:
        transaction.execute(insert(subject_salt).values(lookup=lookup, salt=fresh_salt))
        salt = fresh_salt
    own = hmac.digest(key, b"careerrelay salt\n" + as_bytes(salt), hashlib.sha256)
    text = f"careerrelay reference\n{company}\n{person}".encode("utf-8", "surrogatepass")
    digest = base64.b32encode(hmac.digest(own, text, hashlib.sha256)).decode().lower()
    return "h:" + digest[:REFERENCE_LENGTH]


def is_known(transaction: Transaction, key: bytes, person: str) -> bool:
    """Tell whether the person has a salt, and so a reference in some log."""
    query = select(subject_salt.c.lookup).where(subject_salt.c.lookup == _lookup(key, person))
    return transaction.execute(query).first() is not None


def erase(transaction: Transaction, key: bytes, person: str) -> bool:
    """Delete the person's salt; tells whether there was one."""
    found = transaction.execute(
        delete(subject_salt).where(subject_salt.c.lookup == _lookup(key, person))
    )
    return found.rowcount > 0


def _lookup(key: bytes, person: str) -> bytes:
    text = b"careerrelay person\n" + person.encode("utf-8", "surrogatepass")
    return hmac.digest(key, text, hashlib.sha256)
