"""Passwords are hashed, hashes are checked before they are used, and names are not given away."""

from __future__ import annotations

import asyncio
import base64
import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import passwords
from relay.passwords import (
    CHECKS_MAX,
    PASSWORD_MAX_BYTES,
    Users,
    check_password_hash,
    hash_password,
)

PASSWORD = "正しい馬 電池ホチキス".encode()
HASH = hash_password(PASSWORD)
# Made by `careerrelay hash-password`; the same in every run, as the names of tests must be.
WRITTEN = (
    "$argon2id$v=19$m=19456,t=2,p=1$kg07sHYW/BlpQ7LsfAbPtw$"
    "JaOMsXp4ykbGZUYpyVT7TH43DVSDHjeeLMn+vItyqHo"
)
# Of the tests of the reference implementation (phc-winner-argon2): "password", "somesalt".
REFERENCE = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"


def knows(users: Users, name: str, password: bytes) -> bool:
    """Ask in a loop of its own, as users are made before any loop runs."""
    return asyncio.run(users.knows(name, password))


def test_a_user_is_known_by_name_and_password() -> None:
    """Only the exact name with the exact password is known."""
    users = Users({"ats@aozora.example.jp": HASH, "other": hash_password(b"other")})
    assert users
    assert knows(users, "ats@aozora.example.jp", PASSWORD)
    assert knows(users, "other", b"other")
    assert not knows(users, "ats@aozora.example.jp", b"other")
    assert not knows(users, "ATS@aozora.example.jp", PASSWORD)
    assert not knows(users, "ats@aozora.example.jp", PASSWORD + b" ")
    assert not knows(users, "ats@aozora.example.jp", b"")


def test_a_decoys_password_opens_nothing() -> None:
    """A name that nobody has is never known, whoever's password comes with it."""
    users = Users({"ats": HASH})
    assert not knows(users, "nobody", PASSWORD)
    assert not knows(users, "", PASSWORD)


def test_without_users_nobody_is_known() -> None:
    """An empty list of users is false, and knows nobody."""
    users = Users({})
    assert not users
    assert not knows(users, "", b"x")


def test_a_name_that_nobody_has_costs_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown name is checked against the costliest hash there is, so that it is no faster."""
    checked: list[str] = []
    real = passwords._fits  # pyright: ignore[reportPrivateUsage]

    def watched(password: bytes, text: str) -> bool:
        checked.append(text)
        return real(password, text)

    monkeypatch.setattr(passwords, "_fits", watched)
    users = Users({"light": HASH, "heavy": REFERENCE})
    assert not knows(users, "nobody", b"x")
    assert checked == [REFERENCE]


def test_many_checks_run_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask at once, all are answered, and no more are checked than the limit."""
    real = passwords._fits  # pyright: ignore[reportPrivateUsage]
    lock = threading.Lock()
    running: set[int] = set()
    most: list[int] = []

    def watched(password: bytes, text: str) -> bool:
        with lock:
            running.add(threading.get_ident())
            most.append(len(running))
        try:
            return real(password, text)
        finally:
            with lock:
                running.discard(threading.get_ident())

    monkeypatch.setattr(passwords, "_fits", watched)
    users = Users({"ats": HASH})

    async def ask() -> list[bool]:
        return await asyncio.gather(*(users.knows("ats", PASSWORD) for _ in range(12)))

    assert asyncio.run(ask()) == [True] * 12
    assert len(most) == 12
    assert max(most) <= CHECKS_MAX


def test_users_serve_more_than_one_loop() -> None:
    """Users made before any loop serve the loops that come."""
    users = Users({"ats": HASH})
    assert knows(users, "ats", PASSWORD)
    assert knows(users, "ats", PASSWORD)


def test_hashes_have_a_salt_of_their_own() -> None:
    """The same password twice gives two hashes, in the form other tools read, both accepted."""
    other = hash_password(PASSWORD)
    assert other != HASH
    for text in (HASH, other):
        assert re.fullmatch(r"\$argon2id\$v=19\$m=19456,t=2,p=1\$[^$]{22}\$[^$]{43}", text)
        assert check_password_hash(text) == text


def test_hashes_of_other_tools_work() -> None:
    """A hash that the reference implementation made is accepted, and its password is known."""
    assert check_password_hash(REFERENCE) == REFERENCE
    assert knows(Users({"ats": REFERENCE}), "ats", b"password")


def test_passwords_have_a_size() -> None:
    """No password and one over the limit are neither hashed nor known."""
    for password in (b"", b"x" * (PASSWORD_MAX_BYTES + 1)):
        with pytest.raises(ValueError, match="1 to 1024 bytes"):
            hash_password(password)
        assert not knows(Users({"ats": HASH}), "ats", password)
    longest = b"x" * PASSWORD_MAX_BYTES
    assert knows(Users({"ats": hash_password(longest)}), "ats", longest)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("secret", r"\$argon2id"),
        ("", r"\$argon2id"),
        ("$2b$12$abcdefghijklmnopqrstuv", r"\$argon2id"),
        (WRITTEN.replace("argon2id", "argon2i"), r"\$argon2id"),
        (WRITTEN.replace("v=19", "v=16"), r"\$argon2id"),
        (WRITTEN.replace("m=19456,t=2", "t=2,m=19456"), r"\$argon2id"),
        (WRITTEN.replace("19456", "１９４５６"), r"\$argon2id"),
        (WRITTEN + "\n", r"\$argon2id"),
        (WRITTEN.replace("m=19456", "m=8"), "m from 7168 to 262144"),
        (WRITTEN.replace("m=19456", "m=262145"), "m from 7168 to 262144"),
        (WRITTEN.replace("t=2", "t=11"), "t up to 10"),
        (WRITTEN.replace("t=2", "t=0"), r"\$argon2id"),
        (WRITTEN.replace("p=1", "p=17"), "p up to 16"),
        (WRITTEN[:-1], "a whole hash"),
        (WRITTEN[:-30], "a whole hash"),
        (REFERENCE.replace("c29tZXNhbHQ", "c29t"), "a whole hash"),
    ],
)
def test_what_is_no_hash_is_refused(text: str, expected: str) -> None:
    """Each mistake says what is expected and which command helps, and quotes nothing."""
    with pytest.raises(ValueError, match=f"{expected}.*careerrelay hash-password") as caught:
        check_password_hash(text)
    assert "secret" not in str(caught.value)
    assert HASH[40:60] not in str(caught.value)


@given(salt=st.binary(max_size=20), digest=st.binary(max_size=40), cut=st.integers(0, 3))
def test_what_is_accepted_can_be_checked(salt: bytes, digest: bytes, cut: int) -> None:
    """A hash that the configuration takes never fails at login for being malformed."""
    ends = [base64.b64encode(part).decode().rstrip("=") for part in (salt, digest)]
    text = f"$argon2id$v=19$m=7168,t=1,p=1${ends[0]}${ends[1]}"
    text = text[: len(text) - cut]
    try:
        check_password_hash(text)
    except ValueError:
        return
    assert not passwords._fits(b"password", text)  # pyright: ignore[reportPrivateUsage]
