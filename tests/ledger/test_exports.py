"""The lines of each format say what the entry says, to a reader of that format."""

from __future__ import annotations

import csv
import io
import json
import re
from functools import cache
from importlib import import_module
from typing import Any

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ledger.events import Event, EventType, format_time
from ledger.exports_cef import MAPPING_VERSION, SEVERITIES, encode_cef, id_in_cef
from ledger.exports_csv import COLUMNS, encode_csv, header, id_in_csv
from ledger.exports_json import encode_cloudevent, id_in_cloudevent, id_in_entry
from ledger.exports_ocsf import MAPPINGS, OCSF_VERSION, encode_ocsf, id_in_ocsf
from ledger.exports_text import on_one_line, title
from tests.ledger.parts import NOW, click, issue, signup

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
DATA = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True),
    TEXT | st.integers(-(2**53) + 1, 2**53 - 1),
    max_size=6,
)
NASTY = ["", "=1+1", "@SUM(A1)", "-2", "＝1", "\t=1", 'a"b', "a,b", "a|b=c\\d", "x\r\ny", " k=v "]


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Any event."""
    kind = draw(st.sampled_from(EventType))
    name = draw(st.from_regex(r"[A-Za-z0-9_./-]{1,30}", fullmatch=True))
    subject = draw(TEXT | st.sampled_from(NASTY))
    data = draw(DATA)
    return Event(f"{kind}:{name}", kind, "aozora", NOW, subject, data)


SEQ = st.integers(0, 2**40)


@given(seq=SEQ, event=events())
def test_a_spreadsheet_reads_what_the_entry_says(seq: int, event: Event) -> None:
    """Every cell comes back, one line is one record, and no cell begins a formula."""
    line = encode_csv(seq, event)
    assert line.endswith(b"\r\n")
    assert line.count(b"\n") == line.count(b"\r") == 1
    ((*cells,),) = csv.reader(io.StringIO(line.decode(), newline=""), strict=True)
    row = dict(zip(COLUMNS, cells, strict=True))
    assert not any(cell[:1] in tuple("=+-@\t\r＝＋－＠") for cell in cells if cell)
    subject = row.pop("subject")
    assert subject.removeprefix("'") == on_one_line(event.subject).removeprefix("'")
    assert json.loads(row.pop("data")) == event.data
    assert row == {
        "seq": str(seq),
        "time": "2026-04-01T09:00:00.000Z",
        "log": "aozora",
        "type": event.type,
        "id": event.id,
    }
    assert id_in_csv(line) == event.id


def test_the_csv_columns() -> None:
    """Their names are a contract; the header is a line without an id."""
    assert header() == b'"seq","time","log","type","subject","id","data"\r\n'
    assert id_in_csv(header()) == ""


def read_cef(line: bytes) -> tuple[list[str], dict[str, str]]:
    """Read a line as the format says: escapes in the header, escapes in the extension."""
    parts = re.split(r"(?<!\\)(?:\\\\)*\|", line.decode().removesuffix("\n"), maxsplit=7)
    assert len(parts) == 8
    fields: dict[str, str] = {}
    plain = {"n": "\n", "r": "\r", "\\": "\\", "=": "="}
    for found in re.finditer(r"(\w+)=((?:[^\\=]|\\.)*?)(?= \w+=|$)", parts[7], re.DOTALL):
        fields[found[1]] = re.sub(r"\\(.)", lambda escape: plain[escape[1]], found[2])
    return parts[:7], fields


@given(seq=SEQ, event=events())
def test_a_siem_reads_what_the_entry_says(seq: int, event: Event) -> None:
    """Header and extension come back from CEF, whatever characters are in the entry."""
    line = encode_cef(seq, event)
    assert line.count(b"\n") == 1
    head, fields = read_cef(line)
    severity = str(SEVERITIES.get(event.type, 1))
    assert head[:3] == ["CEF:0", "Career Relay", "careerrelay"]
    assert head[3:] == [MAPPING_VERSION, event.type, title(event.type), severity]
    assert fields["cs1"] == event.id
    assert fields["cn1"] == str(seq)
    assert fields["rt"] == str(int(NOW.timestamp() * 1000))
    assert json.loads(fields["cs4"]) == event.data
    shown = "".join(c if c in "\r\n" else on_one_line(c) for c in event.subject)
    assert fields["cs3"] == shown
    assert id_in_cef(line) == event.id


def test_a_cef_line() -> None:
    """A whole line, as a collector gets it."""
    assert encode_cef(7, click(1)).decode() == (
        "CEF:0|Career Relay|careerrelay|1|link.clicked|Link clicked|1|cs1Label=event_id "
        "cs1=link.clicked:click00000001 rt=1775034000000 cat=link outcome=success cn1Label=seq "
        "cn1=7 cs2Label=log cs2=aozora cs3Label=subject cs3=link:link000000000001 cs4Label=data "
        'cs4={"class":"human","link_id":"link000000000001","signals":""}\n'
    )


@cache
def ocsf_validator(class_uid: int) -> Any:
    """Return the public schema of a class, from the pinned version."""
    library: Any = import_module("ocsf_json_schema")
    schema = library.OcsfJsonSchemaEmbedded(library.get_ocsf_schema(OCSF_VERSION))
    return Draft202012Validator(
        schema.get_class_schema(schema.lookup_class_name_from_uid(class_uid))
    )


@cache
def ocsf_class(class_uid: int) -> dict[str, Any]:
    """Return the definition of a class."""
    library: Any = import_module("ocsf_json_schema")
    classes = library.get_ocsf_schema(OCSF_VERSION)["classes"].values()
    (found,) = [one for one in classes if one["uid"] == class_uid]
    return dict(found)


@pytest.mark.parametrize("kind", EventType)
@pytest.mark.parametrize("subject", ["link:abc", ""])
def test_ocsf_holds_against_the_public_schema(kind: EventType, subject: str) -> None:
    """Every type of event, and its captions are those of the schema."""
    data: dict[str, str | int] = {"link_id": "abc", "reasons": "a b", "count": 3}
    event = Event(f"{kind}:x", kind, "aozora", NOW, subject, data)
    found = json.loads(encode_ocsf(5, event))
    errors = [e.message for e in ocsf_validator(found["class_uid"]).iter_errors(found)]
    assert errors == []
    attributes = ocsf_class(found["class_uid"])["attributes"]
    for number, name in [
        ("activity_id", "activity_name"),
        ("class_uid", "class_name"),
        ("category_uid", "category_name"),
        ("type_uid", "type_name"),
        ("severity_id", "severity"),
        ("status_id", "status"),
    ]:
        assert attributes[number]["enum"][str(found[number])]["caption"] == found[name]


def test_the_ocsf_schema_refuses_what_is_wrong() -> None:
    """The check above can fail: a field too many, one missing, one of another type."""
    good = json.loads(encode_ocsf(5, click(1)))
    validator = ocsf_validator(good["class_uid"])
    assert validator.is_valid(good)
    assert not validator.is_valid({**good, "colour": "red"})
    assert not validator.is_valid({**good, "time": "now"})
    assert not validator.is_valid({key: good[key] for key in good if key != "web_resources"})


@given(seq=SEQ, event=events())
def test_ocsf_loses_nothing(seq: int, event: Event) -> None:
    """Data, id and place come back."""
    line = encode_ocsf(seq, event)
    found = json.loads(line)
    assert found["unmapped"] == event.data
    assert (found["metadata"]["uid"], found["metadata"]["sequence"]) == (event.id, seq)
    assert line.count(b"\n") == 1
    assert id_in_ocsf(line) == event.id


def test_ocsf_knows_the_person_by_reference_alone() -> None:
    """A registration is an account under its reference; letter, click and it share the link."""
    found = json.loads(encode_ocsf(1, signup(1)))
    assert found["user"]["uid"] == signup(1).data["person_ref"]
    links = {
        json.loads(encode_ocsf(1, one))["metadata"]["correlation_uid"]
        for one in (issue(1), click(1), signup(1))
    }
    assert links == {"link000000000001"}
    assert set(MAPPINGS) <= set(EventType)


@given(seq=SEQ, event=events())
def test_the_cloudevents_library_reads_them(seq: int, event: Event) -> None:
    """All attributes, ours among them, by the SDK of the CloudEvents project."""
    line = encode_cloudevent(seq, event)
    read = JSONFormat().read(CloudEvent, line)
    assert read.get_id() == event.id
    assert read.get_source() == "/careerrelay"
    assert read.get_type() == event.type
    assert read.get_time() == event.time
    assert read.get_subject() == (event.subject or None)
    assert read.get_datacontenttype() == "application/json"
    assert read.get_extension("company") == "aozora"
    assert int(str(read.get_extension("sequence"))) == seq
    assert read.get_data() == event.data
    assert line.count(b"\n") == 1
    assert id_in_cloudevent(line) == event.id


@given(low=SEQ, high=SEQ)
def test_sequences_sort_as_text(low: int, high: int) -> None:
    """As the extension of CloudEvents wants it."""

    def sequence(seq: int) -> str:
        return str(json.loads(encode_cloudevent(seq, click(1)))["sequence"])

    assert (sequence(low) < sequence(high)) == (low < high)


@given(event=events())
def test_the_stored_bytes_name_their_event(event: Event) -> None:
    """Of `jsonl` the line is the entry itself."""
    assert id_in_entry(event.body + b"\n") == event.id
    assert format_time(event.time).encode() in event.body


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"{}\n", b"[]\n", b"7\n", b"\xff\n", b"a,b\n", b'"a\n']
)
@pytest.mark.parametrize("id_in", [id_in_csv, id_in_cef, id_in_ocsf, id_in_cloudevent, id_in_entry])
def test_other_lines_are_refused(line: bytes, id_in: Any) -> None:
    """A file of something else is not gone on with."""
    with pytest.raises(ValueError, match=r".*"):
        id_in(line)
