"""Properties of the splice over messages of every build: what is changed comes back, or passes.

The messages are made up from the habits of many mail programs, good and bad: odd boundaries, folds,
comments, charsets, base64 widths, soft line breaks and broken HTML, in up to four levels of parts.
Each must either pass with a reason that is on the list or carry the note once in each alternative,
with every other part as it was, by our own map and by the parser of the standard library.
"""

from __future__ import annotations

import email
import email.policy
import random
import re
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.charset import decode_text
from relay.company import Company
from relay.compare import compare
from relay.inject import Injected, Mark, NotInjected, Rules, inject
from relay.mimemap import MapError, body_of, header_start, map_message
from relay.note import load_templates
from relay.policy import Reason
from relay.undo import NotOurs, restore
from tests.fuzz import mutate
from tests.relay.oddmessages import FIELD_NAMES, LINE_ENDS, TRACE, messages

LINK = "https://r.example.jp/" + "k" * 43
RULES = Rules("https://r.example.jp/", is_own_mark=lambda _mark: False, may_set_aside=True)
MARK = Mark("abcdefghijklmnop", "m" * 26)
COMPANY = Company(id="a", name="株式会社あおぞら", domains=(), contact="hr@aozora.example.jp")
NOTES = load_templates().notes(COMPANY, "ja", LINK)
PROPERTY = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])

MARK_FIELD = re.compile(rb"X-Career-Relay:([^\n]*(?:\n[ \t][^\n]*)*)\n")
SET_ASIDE = b"X-Career-Relay-"
SIGNATURE = re.compile(rb"^dkim-signature:", re.IGNORECASE | re.MULTILINE)


def outcome(message: bytes) -> Injected | str:
    """Return what becomes of a message: changed, or the reason why it is not."""
    try:
        result = inject(map_message(message), NOTES, MARK, RULES)
    except (MapError, NotInjected) as error:
        return Reason(error.reason).value  # A `ValueError` for a reason that is not on the list.
    assert restore(result.message) == message
    return result


def restored(message: bytes) -> bytes | None:
    """Return the message as it was before the change, `None` where it is not ours."""
    try:
        return restore(message)
    except NotOurs:
        return None


def with_line_end(message: bytes, line_end: bytes) -> bytes:
    """Return a message as a program with these line ends saves it."""
    return message.replace(b"\r\n", b"\n").replace(b"\n", line_end)


def check_others_are_as_they_were(message: bytes, result: Injected) -> None:
    """The note stands once in each target, all else is byte for byte as it was."""
    before, after = list(map_message(message).leaves()), list(map_message(result.message).leaves())
    grown = 0
    for old, new in zip(before, after, strict=True):
        header = result.message[new.start : new.body_start].replace(SET_ASIDE, b"")
        assert header.endswith(message[max(old.start, header_start(message)) : old.body_start])
        if message[old.body_start : old.body_end] == result.message[new.body_start : new.body_end]:
            continue
        grown += 1
        was, text = body_of(map_message(message), old), body_of(map_message(result.message), new)
        at = next((i for i, byte in enumerate(was) if text[i] != byte), len(was))
        assert text.endswith(was[at:])
        assert (was.count(LINK.encode()), text.count(LINK.encode())) == (0, 1)
        label = new.parameters.get("charset")
        assert decode_text(text, label).count("PR") == decode_text(was, label).count("PR") + 1
    assert grown == result.parts


def payloads(message: bytes) -> list[object]:
    """Return what the standard library reads: the decoded body of each part that holds no other."""
    found: list[object] = []
    for part in email.message_from_bytes(message, policy=email.policy.default).walk():
        if not part.is_multipart():
            # Its decoder does not know comments, its field does.
            encoding = getattr(part["content-transfer-encoding"], "cte", "7bit")
            del part["content-transfer-encoding"]
            part["content-transfer-encoding"] = encoding
            found.append(part.get_payload(decode=True))
    return found


def check_another_parser_agrees(message: bytes, result: Injected) -> None:
    """A parser of its own sees the same parts, and the link in as many as we say."""
    pairs = list(zip(payloads(message), payloads(result.message), strict=True))
    changed = [text for old, text in pairs if old != text]
    links = [isinstance(text, bytes) and text.count(LINK.encode()) for text in changed]
    assert links == [1] * result.parts


def check_what_relays_do(message: bytes, changed: bytes, line_end: bytes, seed: int) -> None:
    """New fields, new folds and other line ends do not stand in the way back."""
    start = header_start(message)
    front, original = message[:start], message[start:]
    met = MARK_FIELD.match(changed, start)
    assert met is not None
    rest = changed[met.end() :]
    header = message[start : map_message(message).root.body_start]
    assert rest.replace(SET_ASIDE, b"").startswith(header)
    assert rest.count(SET_ASIDE) == len(SIGNATURE.findall(header))
    trace = with_line_end(TRACE, line_end)
    assert restore(front + trace + changed[start:]) == front + trace + original
    assert restore(front + met[0] + trace + rest) == front + trace + original
    chance = random.Random(seed)  # noqa: S311 (folds, no secrets)
    folds = (b" ", b"", line_end + b" ", line_end + b"\t", b" " + line_end + b"   ")
    items = re.findall(rb"[^\s,;]+[,;]?", met[1])
    folded = chance.choice(FIELD_NAMES) + b"".join(chance.choice(folds) + each for each in items)
    assert restore(front + trace + folded + line_end + rest) == front + trace + original
    for other in LINE_ENDS:
        as_file = with_line_end(changed, other)
        assert restore(as_file) == with_line_end(message, other)
        assert restore(with_line_end(as_file, line_end)) == message


def test_every_message_passes_or_comes_back() -> None:
    """Many messages take the note, of all builds; each comes back from what relays do to it."""
    counts = Counter[str]()

    @PROPERTY
    @given(messages(), st.integers(0, 2**32 - 1))
    def check(message: bytes, seed: int) -> None:
        result = outcome(message)
        if isinstance(result, str):
            counts[result] += 1
            return
        counts[f"{result.parts} changed"] += 1
        line_end = b"\r\n" if b"\r\n" in message else b"\n"
        check_others_are_as_they_were(message, result)
        check_another_parser_agrees(message, result)
        check_what_relays_do(message, result.message, line_end, seed)

    check()
    assert counts["1 changed"] + counts["2 changed"] > counts.total() / 3, counts
    assert counts["2 changed"] > counts.total() / 50, counts
    # Blanks behind lines of base64: what else there is can be had back.
    assert counts["not_reversible"] < counts.total() / 25, counts


@PROPERTY
@given(messages(), st.integers(0, 2**32 - 1))
def test_damaged_messages_raise_nothing_else(message: bytes, seed: int) -> None:
    """Cut, doubled, mixed up: only the named errors come out, and the original or nothing."""
    chance = random.Random(seed)  # noqa: S311 (repeatable wounds, no secrets)
    damaged = mutate(chance, message, message)
    outcome(damaged)
    assert compare(damaged, message).same_bytes <= min(len(message), len(damaged))
    result = outcome(message)
    if isinstance(result, str):
        return
    for odd in (mutate(chance, result.message, message), result.message[: chance.randrange(4000)]):
        back = restored(odd)
        body = with_line_end(message[map_message(message).root.body_start :], b"\n")
        assert back is None or with_line_end(back, b"\n").endswith(body)
        assert compare(result.message, odd).after == odd
        outcome(odd)


HEADS = (
    *(
        b"",
        b"\r\n",
        b"X-Career-Relay: v=1; undo=",
        b"Content-Type: multipart/mixed; boundary=-\n\n",
    ),
    b"Content-Type: text/html; charset=shift_jis\nContent-Transfer-Encoding: ",
    b"Content-Transfer-Encoding: base64\r\n\r\n",
    b"Content-Type: text/html; charset=iso-2022-jp\n\n<p>Words of ours",
    b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n",
)


@PROPERTY
@given(st.sampled_from(HEADS), st.binary(max_size=400))
def test_any_bytes_raise_nothing_else(head: bytes, data: bytes) -> None:
    """Bytes that are no message, and bodies and fields of any bytes, pass with a reason."""
    message = head + data
    result = outcome(message)
    changed = message if isinstance(result, str) else result.message
    back = restored(changed)
    assert back in (None, message) or isinstance(result, str)
    shown = compare(data, changed)
    assert shown.same_bytes == len(data) - shown.removed_bytes
    assert compare(None, data).identical is False


HTML = b"Content-Type: text/html; charset=%b\r\n\r\n<p>We regret to tell you that we decline."


def test_one_line_of_iso_2022_jp_with_many_tags() -> None:
    """Whether the text is in ASCII at each of 7,000 gaps is told at once: it once took seconds."""
    assert isinstance(outcome(HTML % b"iso-2022-jp" + b"<br>" * 7_000), Injected)


def test_one_line_of_many_words_in_tags() -> None:
    """A line of 6,000 pieces is not copied for each of them, and is read whole."""
    result = outcome(HTML % b"us-ascii" + b"a " * 150 + b"<b>b</b> " * 6_000 + b"<p>-- <p>Name")
    assert isinstance(result, Injected)
    before, link, behind = result.message.partition(LINK.encode())
    assert (before.count(b"<b>"), bool(link), behind.count(b"<b>")) == (6_000, True, 0)
    assert behind.endswith(b"<p>-- <p>Name")


@pytest.mark.parametrize(("count", "result"), [(10, "injected"), (11, "no_text_part")])
def test_more_buttons_than_a_letter_has(count: int, result: str) -> None:
    """Below each button the end of the letter is looked for again: not for a thousand of them."""
    buttons = b"<p><a class=btn href=x>To our page</a>" * count
    became = outcome(HTML % b"us-ascii" + buttons)
    assert (became if isinstance(became, str) else "injected") == result
