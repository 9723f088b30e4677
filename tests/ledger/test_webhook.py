"""The form and signature of a registration service's calls."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.problems import Problem
from ledger.webhook import check_signature, digest_signup, make_webhook, parse_signup

NOW = datetime(2026, 1, 15, 3, 4, 10, tzinfo=UTC)
WEBHOOK = make_webhook("whsec_" + base64.b64encode(b"s" * 32).decode())
BODY = b'{"hello":"world"}'


def signed(body: bytes = BODY, at: datetime = NOW) -> dict[str, str]:
    """Return the headers of a good call."""
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": WEBHOOK.sign("msg_1", at, body.decode()),
    }


def message(**changes: Any) -> dict[str, Any]:
    """Return a good body with changes in its data."""
    data = {
        "signup_id": "sgn_1",
        "token": "a" * 43,
        "person_ref": "person-4711",
        "verified_at": "2026-01-15T03:04:05Z",
        "verification": "double_opt_in",
        "consent_version": "2026-01",
    }
    return {"type": "signup.verified", "timestamp": "2026-01-15T03:04:06Z", "data": data | changes}


def test_known_signature_fits() -> None:
    """The example of the Standard Webhooks specification, made with its own tools, is accepted."""
    webhook = make_webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    at = datetime.fromtimestamp(1614265330, UTC)
    check_signature(webhook, headers, b'{"test": 2432232314}', at)


def test_one_good_signature_of_several_is_enough() -> None:
    """While a sender changes its secret, it signs with both."""
    headers = signed()
    headers["webhook-signature"] = f"v1,AAAA v2,xx {headers['webhook-signature']}"
    check_signature(WEBHOOK, headers, BODY, NOW)


OLD, NEW = ("whsec_" + base64.b64encode(letter * 32).decode() for letter in (b"s", b"n"))


def test_a_secret_is_changed_without_a_gap() -> None:
    """First we have both, then the sender changes, then the old one goes: each call is good."""
    both = make_webhook(f"{NEW}\n{OLD}\n")
    for secret in (OLD, NEW):
        headers = signed() | {"webhook-signature": make_webhook(secret).sign("msg_1", NOW, "{}")}
        check_signature(both, headers, b"{}", NOW)
    headers = signed() | {"webhook-signature": both.sign("msg_1", NOW, "{}")}
    for secret in (OLD, NEW):
        check_signature(make_webhook(secret), headers, b"{}", NOW)
    with pytest.raises(Problem):
        check_signature(make_webhook(NEW), signed(), BODY, NOW)
    check_signature(make_webhook(OLD), signed(), BODY, NOW)


def test_the_number_of_secrets_is_limited() -> None:
    """Five at most, and each must be one."""
    make_webhook(" ".join([OLD] * 5))
    for wrong in (" ".join([OLD] * 6), f"{OLD} whsec_", f"{OLD} whsec_A"):
        with pytest.raises(ValueError, match="whsec_"):
            make_webhook(wrong)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_clocks_may_differ_by_five_minutes(seconds: int) -> None:
    """Five minutes either way are within the tolerance."""
    check_signature(WEBHOOK, signed(at=NOW + timedelta(seconds=seconds)), BODY, NOW)


@pytest.mark.parametrize("seconds", [-301, 301])
def test_clock_skew_is_refused(seconds: int) -> None:
    """A good signature over a time more than five minutes off is 401."""
    with pytest.raises(Problem) as caught:
        check_signature(WEBHOOK, signed(at=NOW + timedelta(seconds=seconds)), BODY, NOW)
    assert (caught.value.body.status, caught.value.name) == (401, "clock_skew")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("webhook-id", ""),
        ("webhook-id", "msg_2"),
        ("webhook-id", "m" * 2000),
        ("webhook-timestamp", ""),
        ("webhook-timestamp", "NaN"),
        ("webhook-timestamp", "9" * 12),
        ("webhook-timestamp", "9" * 400),
        ("webhook-timestamp", "٣٣٣"),
        ("webhook-signature", ""),
        ("webhook-signature", "v1"),
        ("webhook-signature", "v1,%%%"),
        ("webhook-signature", "v1,a,b"),
        ("webhook-signature", "v1,あ"),
        ("webhook-signature", "v1," + "A" * 44),
    ],
)
def test_bad_headers_are_refused(header: str, value: str) -> None:
    """Whatever is wrong with a header, the answer is 401 and no other error."""
    with pytest.raises(Problem) as caught:
        check_signature(WEBHOOK, signed() | {header: value}, BODY, NOW)
    assert caught.value.body.status == 401
    assert caught.value.headers["WWW-Authenticate"]


@given(st.binary(max_size=60))
def test_any_other_body_is_refused(body: bytes) -> None:
    """A signature fits one body only, and bytes that are no text are refused like others."""
    if body != BODY:
        with pytest.raises(Problem) as caught:
            check_signature(WEBHOOK, signed(), body, NOW)
        assert caught.value.body.status == 401


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_A", "whsec_あ"])
def test_unusable_secret_is_named(secret: str) -> None:
    """A secret that is none is found at the start, with the form it should have."""
    with pytest.raises(ValueError, match="whsec_"):
        make_webhook(secret)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_problem_at_worst(body: bytes) -> None:
    """Random bytes are no registration, and are refused with our own error."""
    with pytest.raises(Problem) as caught:
        parse_signup(body, NOW)
    assert caught.value.body.status in (400, 422)


@pytest.mark.parametrize(
    "time",
    ["2026-01-15T02:59:00.123456789012Z", "2026-01-15t02:59:00z", "2026-01-15T11:59:00+09:00"],
)
def test_times_are_those_of_rfc_3339(time: str) -> None:
    """Whatever fraction, offset and case the standard allows."""
    found = parse_signup(json.dumps(message(verified_at=time)).encode(), NOW)
    assert found.data.verified_at.replace(microsecond=0) == datetime(2026, 1, 15, 2, 59, tzinfo=UTC)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 5000, b'{"type":"\\ud800"}'])
def test_malformed_json_is_400(body: bytes) -> None:
    """What is no JSON is 400, not 422."""
    with pytest.raises(Problem) as caught:
        parse_signup(body, NOW)
    assert caught.value.body.status == 400


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("signup_id", ""),
        ("signup_id", "x" * 129),
        ("signup_id", 7),
        ("token", "t" * 513),
        ("person_ref", None),
        ("person_ref", "p" * 257),
        ("verified_at", "yesterday"),
        ("verified_at", "2026-01-15T03:04:05+01:75"),
        ("verified_at", "2026-01-15T03:04:05"),
        ("verified_at", 1768446245),
        ("verified_at", "1768446245"),
        ("verified_at", "2026-01-15"),
        ("verified_at", "2026-01-15T03:04Z"),
        ("verified_at", "2026-01-15 03:04:05Z"),
        ("verified_at", "2026-01-15T03:04:05+0900"),
        ("verified_at", "2026-01-15T04:00:00Z"),
        ("verification", "with spaces"),
        ("consent_version", "v" * 65),
        ("flags", "own_domain"),
        ("flags", None),
        ("flags", ["own_domain"] * 3),
    ],
)
def test_bad_field_is_named_without_its_value(field: str, value: object) -> None:
    """422 points at the field; what stood in it may be personal and is not repeated."""
    with pytest.raises(Problem) as caught:
        parse_signup(json.dumps(message(**{field: value})).encode(), NOW)
    body = caught.value.body
    assert body.status == 422
    assert [error.pointer for error in body.errors] == [f"/data/{field}"]
    if value not in ("", None, 7):
        assert str(value) not in body.model_dump_json()


def test_missing_fields_are_all_named() -> None:
    """One answer names everything that is missing."""
    with pytest.raises(Problem) as caught:
        parse_signup(b'{"type":"signup.verified","data":{"signup_id":"x"}}', NOW)
    pointers = {error.pointer for error in caught.value.body.errors}
    assert pointers >= {"/timestamp", "/data/token", "/data/person_ref", "/data/verified_at"}


def test_unknown_fields_are_left_out() -> None:
    """A sender that says more than it must is understood."""
    body = json.dumps(message(colour="blue") | {"more": [1]}).encode()
    assert parse_signup(body, NOW).data.signup_id == "sgn_1"


def test_digest_is_of_the_meaning() -> None:
    """Order, white space and the time's spelling do not count; everything said does."""
    first = parse_signup(json.dumps(message()).encode(), NOW)
    again = message(verified_at="2026-01-15T12:04:05+09:00")
    second = parse_signup(json.dumps(again, indent=3, sort_keys=True).encode(), NOW)
    assert digest_signup(first, "h:x") == digest_signup(second, "h:x")
    other = parse_signup(json.dumps(message(consent_version="2026-02")).encode(), NOW)
    assert digest_signup(first, "h:x") != digest_signup(other, "h:x")
    assert digest_signup(first, "h:x") != digest_signup(first, "h:y")


def test_flags_are_part_of_what_is_said() -> None:
    """In any order they are the same call; without any it is the call that it was before."""
    digests = {
        digest_signup(parse_signup(json.dumps(message(**more)).encode(), NOW), "h:x")
        for more in (
            {"flags": ["own_domain", "disposable_domain"]},
            {"flags": ["disposable_domain", "own_domain"]},
        )
    }
    bare = digest_signup(parse_signup(json.dumps(message()).encode(), NOW), "h:x")
    empty = digest_signup(parse_signup(json.dumps(message(flags=[])).encode(), NOW), "h:x")
    assert len(digests) == 1
    assert bare == empty
    assert bare not in digests


def test_a_flag_that_there_is_not_is_named() -> None:
    """The set is closed: a misspelt flag is an error, not a registration that counts."""
    with pytest.raises(Problem) as caught:
        parse_signup(json.dumps(message(flags=["own_domian"])).encode(), NOW)
    assert [error.pointer for error in caught.value.body.errors] == ["/data/flags/0"]


def test_digest_does_not_depend_on_the_person_in_clear() -> None:
    """Only the reference goes in: a guessed name cannot be tried against the log."""
    first = parse_signup(json.dumps(message()).encode(), NOW)
    second = parse_signup(json.dumps(message(person_ref="someone else")).encode(), NOW)
    assert digest_signup(first, "h:x") == digest_signup(second, "h:x")
