"""Events and their canonical bytes."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.events import (
    EVENT_SIZE_MAX_BYTES,
    INSTALLATION,
    INTEGER_MAX,
    Event,
    EventError,
    EventType,
    derived,
    encode,
    fingerprint,
    format_time,
    installation_event,
    letter_delivered,
    letter_refused,
    parse,
    parse_time,
    signup_verified,
)
from tests.ledger.parts import NOW, click, issue, person, signup

# docs/formats.md, "Events": made by hand from the rules there.
VECTOR = (
    '{"company":"aozora","data":{"language":"ja","link_id":"link000000000007",'
    '"position":"エンジニア","stage":"一次"},"id":"letter.link_issued:link000000000007",'
    '"source":"/careerrelay","specversion":"1.0","subject":"link:link000000000007",'
    '"time":"2026-04-01T09:00:00.000Z","type":"letter.link_issued"}'
).encode()

events = st.builds(
    Event,
    id=st.from_regex(r"[a-z]{1,8}\.[a-z]{1,8}:[A-Za-z0-9_-]{1,40}", fullmatch=True),
    type=st.sampled_from(EventType),
    company=st.from_regex(r"[a-z0-9][a-z0-9_-]{0,62}", fullmatch=True),
    time=st.datetimes(datetime(2001, 1, 1), datetime(2998, 1, 1), timezones=st.just(UTC)),
    subject=st.text(st.characters(exclude_categories=["Cs"]), max_size=80),
    data=st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True),
        st.one_of(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=80),
            st.integers(-INTEGER_MAX, INTEGER_MAX),
        ),
        max_size=8,
    ),
)


def test_vector() -> None:
    """The documented event has the documented bytes."""
    assert encode(issue(7)) == VECTOR
    assert parse(VECTOR) == issue(7)


@given(events)
def test_encode_then_parse_is_the_identity(event: Event) -> None:
    """Every event comes back from its bytes, and they from it."""
    assert parse(encode(event)) == event
    assert encode(parse(encode(event))) == encode(event)


@given(events)
def test_bytes_are_those_of_a_canonical_json_writer(event: Event) -> None:
    """Python's `json` writes the same: keys sorted, no white space, RFC 8785's strings."""
    fields = {
        "id": event.id,
        "type": str(event.type),
        "company": event.company,
        "time": format_time(event.time),
        "subject": event.subject,
        "data": dict(event.data),
        "source": "/careerrelay",
        "specversion": "1.0",
    }
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert encode(event) == text.encode()


@given(st.binary(max_size=400))
def test_parsing_anything_raises_only_our_error(body: bytes) -> None:
    """Hostile bytes end in `EventError`."""
    with pytest.raises(EventError):
        parse(body)


@given(st.integers(0, len(VECTOR) - 1), st.integers(1, 255))
def test_a_changed_byte_is_never_the_same_event(place: int, change: int) -> None:
    """What differs in one byte is refused or another event."""
    changed = bytearray(VECTOR)
    changed[place] ^= change
    try:
        assert parse(bytes(changed)) != issue(7)
    except EventError:
        pass


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"[" * 8000, "event"),
        (b"9" * 8000, "event"),
        (b"x" * (EVENT_SIZE_MAX_BYTES + 1), "event"),
        (b"[]", "event"),
        (VECTOR.replace(b'"data":{', b'"data":[],"daten":{'), "daten"),
        (VECTOR[:27] + b'"x"' + VECTOR[VECTOR.index(b',"id"') :], "data"),
        (b"{}", "company"),
        (VECTOR.replace(b":", b": ", 1), "event"),
        (VECTOR.replace(b'"ja"', b'"ja","language":"ja"'), "event"),
        (VECTOR.replace(b'"ja"', b'"\\u006aa"'), "event"),
        (VECTOR.replace(b'"ja"', b"1.0"), "event"),
        (VECTOR.replace(b'"ja"', b"NaN"), "event"),
        (VECTOR.replace(b'"ja"', b"true"), "data.language"),
        (VECTOR.replace(b'"ja"', b"null"), "data.language"),
        (VECTOR.replace(b'"ja"', b"9007199254740992"), "data.language"),
        (VECTOR.replace(b'"language"', b'"Language"'), "data"),
        (VECTOR.replace(b'"1.0"', b'"1.1"'), "event"),
        (VECTOR.replace(b'"type":"letter.', b'"type":"litter.'), "type"),
        (VECTOR.replace(b'"aozora"', b'"AOZORA"'), "company"),
        (VECTOR.replace(b"2026-04-01T", b"2026-04-31T"), "time"),
        (VECTOR.replace(b"09:00:00.000Z", b"09:00:00Z"), "time"),
        (VECTOR.replace(b"2026-04", b"1026-04"), "time"),
        (VECTOR.replace(b'"id":"letter.', b'"id":"\xe6\x89\x8b.'), "id"),
        (VECTOR.replace(b'"subject":"link:link000000000007"', b'"subject":7'), "subject"),
    ],
)
def test_parse_names_what_is_wrong(body: bytes, where: str) -> None:
    """Every other spelling is refused, and the error says where."""
    with pytest.raises(EventError) as caught:
        parse(body)
    assert caught.value.where == where


def test_a_letter_sent_again_is_the_same_event() -> None:
    """The id of a link's event and its fingerprint do not depend on the hour."""
    later = issue(7, time=NOW + timedelta(minutes=5))
    assert later.id == issue(7).id
    assert fingerprint(later) == fingerprint(issue(7))
    assert fingerprint(issue(8)) != fingerprint(issue(7))


def test_a_signup_has_one_id_whatever_it_is_attributed_to() -> None:
    """One signup cannot become two by coming with another link or company."""
    assert signup(7).id == signup(7, "midori", of_link=9).id
    assert fingerprint(signup(7)) != fingerprint(signup(7, "midori"))
    assert "signup-7" not in encode(signup(7)).decode()


def test_replies_of_the_next_hop_are_events_of_their_own() -> None:
    """A letter refused and then delivered are two events."""
    refused = letter_refused("aozora", "link000000000007", NOW, 451)
    delivered = letter_delivered("aozora", "link000000000007", NOW, 250)
    assert refused.id != delivered.id
    assert parse(encode(refused)).data["code"] == 451


def test_personal_data_is_refused() -> None:
    """An address cannot stand where a reference belongs."""
    with pytest.raises(EventError):
        signup_verified(
            "aozora",
            "link000000000007",
            NOW,
            signup_id="1",
            person_ref="hanako@example.jp",
            verification="email",
            consent_version="1",
            body_digest="",
        )


def test_times_are_utc_and_cut_to_milliseconds() -> None:
    """A time of another zone is the same moment, to the millisecond."""
    tokyo = timezone(timedelta(hours=9))
    event = issue(7, time=datetime(2026, 4, 1, 18, 0, 0, 999, tzinfo=tokyo))
    assert event.time == NOW
    assert format_time(event.time) == "2026-04-01T09:00:00.000Z"
    assert parse_time("2026-04-01T09:00:00.000Z") == NOW
    with pytest.raises(EventError):
        issue(7, time=datetime(2026, 4, 1))


def test_values_are_frozen_and_can_be_copied() -> None:
    """An event keeps its own data, in every copy."""
    data: dict[str, str | int] = {"key_id": "a"}
    event = installation_event(EventType.KEY_ADDED, NOW, event_id="a", subject="key:a", data=data)
    data["key_id"] = "b"
    assert event.data["key_id"] == "a"
    assert event.company == INSTALLATION
    assert copy.deepcopy(event) == event
    assert pickle.loads(pickle.dumps(event)) == event  # noqa: S301 (our own bytes)


def test_derived_events_name_their_source() -> None:
    """What follows from an event has an id and a time that follow from it, too."""
    event = derived(EventType.REFERRAL_COUNTED, signup(7), {"policy": "p"})
    assert event.id.partition(":")[2] == signup(7).id.partition(":")[2]
    assert event.time == signup(7).time


def test_limits() -> None:
    """Ids, sizes, fields and integers are bounded."""
    with pytest.raises(EventError):
        Event("a.b:" + "x" * 300, EventType.LINK_CLICKED, "aozora", NOW, "", {})
    with pytest.raises(EventError):
        Event("a.b:c", EventType.LINK_CLICKED, "aozora", NOW, "x" * EVENT_SIZE_MAX_BYTES, {})
    many: dict[str, str | int] = {f"f{n}": n for n in range(33)}
    with pytest.raises(EventError):
        Event("a.b:c", EventType.LINK_CLICKED, "aozora", NOW, "", many)
    with pytest.raises(EventError):
        Event("a.b:c", EventType.LINK_CLICKED, "aozora", NOW, "\ud800", {})
    with pytest.raises(EventError):
        derived(EventType.REFERRAL_COUNTED, click(1), {}, name="a b")
    assert person(1) != person(2)


@pytest.mark.parametrize(
    "time",
    [
        datetime(2000, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=9))),
        datetime(2999, 12, 31, 23, 30, tzinfo=timezone(timedelta(hours=-9))),
    ],
)
def test_no_event_is_made_that_could_not_be_read(time: datetime) -> None:
    """The year counts in UTC, in which the event is written."""
    with pytest.raises(EventError, match="out of range"):
        letter_delivered("aozora", "link000000000001", time, 250)
