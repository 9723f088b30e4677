"""DKIM and ARC on letters we change, and on those we do not: checked by programs that are not ours.

The letters are signed as a company's mail system signs them. dkimpy, opendkim and Perl's Mail::DKIM
say what is valid.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from relay.arcseal import ArcSealer
from relay.company import Company
from relay.dkimkeys import DkimKey
from relay.dkimsign import check_arc, check_dkim
from relay.dnskeys import DnsKeys
from relay.envelope import Envelope
from relay.pipeline import Outcome, Rules, process
from relay.policy import Reason
from relay.resign import Resigner
from relay.undo import restore
from relay.wire import unstuff
from tests.relay.neighbours import Hop
from tests.relay.running import AOZORA, rules, running
from tests.relay.signers import (
    OVERSIGNED,
    Records,
    ed25519_pem,
    make_key,
    opendkim_results,
    perl_arc_result,
    published,
    sign,
)
from tests.relay.test_deliver import OFFER, send
from tests.relay.test_deliver import REJECTION as FROM_ELSEWHERE

ENVELOPE = Envelope("recruit@aozora.example.jp", ("yui@mail.example.com",))
REJECTION = FROM_ELSEWHERE.replace(b"chihaya.example.co.jp", b"aozora.example.jp")
SIGNED_NAMES = re.compile(rb"^DKIM-Signature:(?:[^\n]|\n[ \t])*?\bh=([^;]*)", re.MULTILINE)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DkimKey]:
    """Keys of the company's mail system, of ours (two kinds), and of whoever seals."""
    folder = tmp_path_factory.mktemp("keys")
    made = {
        "theirs": make_key(folder, "aozora.example.jp", "mail"),
        "ours": make_key(folder, "aozora.example.jp", "relay1"),
        "ours-ed": make_key(folder, "aozora.example.jp", "relay2", ed25519_pem()),
        "above": make_key(folder, "example.jp", "above"),
        "seal": make_key(folder, "relay.example.jp", "arc1"),
        "first-seal": make_key(folder, "cloud.example.com", "arc"),
    }
    PUBLISHED.update((key.record_name, key.record.encode()) for key in made.values())
    return made


@pytest.fixture(scope="module")
def records(keys: dict[str, DkimKey]) -> Iterator[Records]:
    """Where their public halves are found."""
    with published(*keys.values()) as found:
        yield found


def company(dkim: str) -> Company:
    """Return the company with one way to handle DKIM."""
    return replace(AOZORA, dkim=dkim)


PUBLISHED: dict[str, bytes] = {}


def find(name: bytes, _timeout: int) -> bytes | None:
    """Return the record of a name, as the DNS would."""
    return PUBLISHED.get(name.decode().rstrip("."))


def treat(message: bytes, dkim: str, *signing: DkimKey) -> Outcome:
    """Return what becomes of a letter."""
    return process(message, ENVELOPE, signing_rules(dkim, *signing))


def signing_rules(dkim: str, *signing: DkimKey) -> Rules:
    """Return rules under which these keys sign anew."""
    return replace(rules(company(dkim)), resigner=Resigner(signing, find))


def results(message: bytes, records: Records) -> list[str]:
    """Return what dkimpy says of every signature, from the top."""
    count = len(re.findall(rb"^DKIM-Signature:", message, re.MULTILINE))
    return [check_dkim(message, index, records.find)[0] for index in range(count)]


def on_its_way(message: bytes) -> bytes:
    """Return a message as a later relay hands it on: with trace fields, and a field folded anew."""
    folded = re.sub(rb"; mac=", rb";\r\n\tmac=", message, count=1)
    return b"Received: from a by b; Mon, 2 Mar 2026 10:00:00 +0900\r\nX-Seen: 1\r\n" + folded


def test_pass_leaves_a_signed_letter_alone(keys: dict[str, DkimKey], records: Records) -> None:
    """The default: what is signed stays as it was, and valid."""
    message = sign(REJECTION, keys["theirs"])
    outcome = treat(message, "pass", keys["ours"])
    assert outcome.decision.reason is Reason.DKIM_SIGNED
    assert outcome.message == message
    assert results(outcome.message, records) == ["pass"]


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_strip_sets_the_signature_aside(keys: dict[str, DkimKey], line_end: bytes) -> None:
    """The changed letter has no signature that fails, and the original comes back with it."""
    message = sign(REJECTION, keys["theirs"]).replace(b"\r\n", line_end)
    outcome = treat(message, "strip")
    assert outcome.decision.reason is Reason.INJECTED
    assert not re.search(rb"^DKIM-Signature:", outcome.message, re.MULTILINE | re.IGNORECASE)
    assert restore(outcome.message) == message


def test_an_unsigned_letter_is_not_signed(keys: dict[str, DkimKey]) -> None:
    """Who does not sign has a system behind us that does."""
    for dkim in ("pass", "strip", "resign"):
        outcome = treat(REJECTION, dkim, keys["ours"])
        assert outcome.decision.reason is Reason.INJECTED
        assert b"\nDKIM-Signature:" not in outcome.message


@pytest.mark.parametrize("which", [("ours",), ("ours-ed",), ("ours", "ours-ed"), ("above",)])
def test_resign_puts_ours_in_its_place(
    keys: dict[str, DkimKey], records: Records, tmp_path: Path, which: tuple[str, ...]
) -> None:
    """Every key of the domain signs; dkimpy and opendkim find all signatures valid."""
    message = sign(REJECTION, keys["theirs"])
    outcome = treat(message, "resign", *(keys[name] for name in which))
    assert outcome.decision.reason is Reason.INJECTED
    assert results(outcome.message, records) == ["pass"] * len(which)
    selectors = [f"pass {keys[name].selector}" for name in which]
    assert sorted(opendkim_results(outcome.message, records, tmp_path)) == sorted(selectors)
    assert restore(outcome.message) == message
    after = on_its_way(outcome.message)
    assert restore(after) == after[: after.index(b"X-Career-Relay")] + message


def test_resign_covers_what_the_removed_signature_covered(keys: dict[str, DkimKey]) -> None:
    """Also names that are signed once more than they are there (RFC 6376 §8.15)."""
    outcome = treat(sign(REJECTION, keys["theirs"]), "resign", keys["ours"])
    found = SIGNED_NAMES.search(outcome.message)
    assert found is not None
    assert [name.strip() for name in found[1].split(b":")] == OVERSIGNED


def test_a_second_subject_breaks_the_new_signature(
    keys: dict[str, DkimKey], records: Records
) -> None:
    """What over-signing is for."""
    outcome = treat(sign(REJECTION, keys["theirs"]), "resign", keys["ours"])
    assert results(b"Subject: You won\r\n" + outcome.message, records) == ["fail"]


def test_the_key_of_the_nearest_domain_signs(keys: dict[str, DkimKey]) -> None:
    """The domain's own key, and the parent's only where there is none."""
    message = sign(REJECTION, keys["theirs"])
    outcome = treat(message, "resign", keys["above"], keys["ours"])
    assert re.findall(rb"^DKIM-Signature:.*", outcome.message, re.MULTILINE) != []
    assert b"s=relay1" in outcome.message
    assert b"s=above" not in outcome.message


def test_without_a_key_for_from_a_signed_letter_passes(keys: dict[str, DkimKey]) -> None:
    """A signature of somebody else would not make DMARC pass."""
    signed = sign(REJECTION, keys["theirs"])
    other = sign(b"From: a@other.example\r\n" + REJECTION, keys["theirs"], [b"from"])
    for message, key in ((signed, keys["seal"]), (other, keys["ours"])):
        outcome = treat(message, "resign", key)
        assert outcome.decision.reason is Reason.DKIM_NO_KEY
        assert outcome.message == message


@pytest.mark.parametrize("tag", [b"", b"[no-relay] "])
def test_nothing_false_is_made_true(keys: dict[str, DkimKey], tag: bytes) -> None:
    """Only what was validly signed by the domain in From is signed by us."""
    letter = REJECTION.replace(b"\r\nSubject: ", b"\r\nSubject: " + tag)
    valid = sign(letter, keys["theirs"])
    unknown = replace(keys["theirs"], selector="nobody")
    bogus = (
        b"DKIM-Signature: v=1; a=rsa-sha256; d=aozora.example.jp; s=mail; h=from:subject;\r\n"
        b" bh=AAAA; b=AAAA\r\n"
    )
    for message in (
        valid + b"One line more.\r\n",
        sign(letter, keys["first-seal"]),
        sign(letter, unknown),
        bogus + letter,
    ):
        outcome = treat(message, "resign", keys["ours"])
        assert outcome.message == message
        assert outcome.decision.reason is (Reason.OVERRIDE_KEPT if tag else Reason.DKIM_NOT_VALID)


@pytest.mark.parametrize("tag", [b"", b"[no-relay] "])
def test_nothing_is_signed_while_the_dns_is_silent(
    keys: dict[str, DkimKey], next_hop: Hop, tmp_path: Path, tag: bytes
) -> None:
    """The letter arrives as it was sent, and its reason is counted."""
    letter = REJECTION.replace(b"\r\nSubject: ", b"\r\nSubject: " + tag)
    signed = sign(letter, keys["theirs"])

    def silent(_name: bytes, _timeout: int) -> bytes | None:
        raise TimeoutError

    wanted = replace(rules(company("resign")), resigner=Resigner((keys["ours"],), silent))
    with running(next_hop.port, tmp_path, with_rules=wanted) as relay:
        assert send(relay, signed).startswith("250")
        assert relay.reasons == {("override_kept" if tag else "dkim_not_valid"): 1}
    assert unstuff(next_hop.heard.wires[0]) == signed


def test_another_company_s_name_is_not_signed(keys: dict[str, DkimKey]) -> None:
    """The envelope says whose letter it is, and From must be of the same company."""
    other = replace(AOZORA, id="other", domains=("other.example",), dkim="resign")
    wanted = replace(rules(other, company("pass")), resigner=Resigner((keys["ours"],), find))
    signed = sign(REJECTION, keys["theirs"])
    outcome = process(signed, Envelope("a@other.example", ("yui@mail.example.com",)), wanted)
    assert (outcome.decision.reason, outcome.message) == (Reason.DKIM_NO_KEY, signed)


def test_fields_of_ours_are_never_covered(keys: dict[str, DkimKey], records: Records) -> None:
    """They change after the signature is made; what readers look at is always covered."""
    names = [b"from", b"x-career-relay", b"dkim-signature", b"x-career-relay-dkim-signature"]
    outcome = treat(sign(REJECTION, keys["theirs"], names[:2]), "resign", keys["ours"])
    assert outcome.decision.reason is Reason.INJECTED
    assert results(outcome.message, records) == ["pass"]
    found = SIGNED_NAMES.search(outcome.message)
    assert found is not None
    assert {b"to", b"subject", b"date"} <= {name.strip() for name in found[1].split(b":")}


def test_a_header_that_cannot_be_signed_is_told(keys: dict[str, DkimKey]) -> None:
    """A space before a colon is allowed by RFC 5322 §4.5 alone, and dkimpy reads no such field."""
    for tag in (b"", b"[no-relay] "):
        letter = REJECTION.replace(b"\r\nSubject: ", b"\r\nSubject: " + tag)
        message = b"X-Odd : 1\r\n" + sign(letter, keys["theirs"])
        outcome = treat(message, "resign", keys["ours"])
        assert outcome.message == message
        assert outcome.decision.reason is (Reason.OVERRIDE_KEPT if tag else Reason.DKIM_NOT_VALID)


def test_several_signatures_are_set_aside(keys: dict[str, DkimKey], records: Records) -> None:
    """All that would fail is, whatever its case, and comes back."""
    old = b"DKIM-signature: v=1; a=rsa-sha256; d=x.example; s=x; h=from; bh=AAAA; b=AAAA\r\n"
    message = sign(old + sign(REJECTION, keys["theirs"]), keys["above"])
    outcome = treat(message, "resign", keys["ours"])
    assert results(outcome.message, records) == ["pass"]
    assert len(re.findall(rb"^X-Career-Relay-DKIM-", outcome.message, re.MULTILINE)) == 3
    assert restore(outcome.message) == message


def test_what_was_set_aside_is_not_set_aside_twice(keys: dict[str, DkimKey]) -> None:
    """A field of that name that we have not written could not be told from ours."""
    message = b"X-Career-Relay-DKIM-Signature: v=1\r\n" + sign(REJECTION, keys["theirs"])
    assert treat(message, "strip").decision.reason is Reason.ALREADY_MARKED


def test_unchanged_mail_keeps_its_signatures(
    keys: dict[str, DkimKey], records: Records, next_hop: Hop, tmp_path: Path
) -> None:
    """Through a running relay, for both kinds of key: dkimpy and opendkim agree."""
    signed = sign(sign(OFFER, keys["theirs"]), keys["ours-ed"])
    with running(next_hop.port, tmp_path) as relay:
        assert send(relay, signed).startswith("250")
    arrived = unstuff(next_hop.heard.wires[0])
    assert arrived == signed
    assert results(arrived, records) == ["pass", "pass"]
    assert sorted(opendkim_results(arrived, records, tmp_path)) == ["pass mail", "pass relay2"]


def sealer(keys: dict[str, DkimKey], records: Records) -> ArcSealer:
    """Return one that asks the DNS server of the test."""
    return ArcSealer(keys["seal"], "relay.example.jp", DnsKeys(("127.0.0.1",), records.port))


def test_sealed_letters_verify(
    keys: dict[str, DkimKey], records: Records, next_hop: Hop, tmp_path: Path
) -> None:
    """Through a running relay: the seal says what was found, and two verifiers accept it."""
    signed = sign(REJECTION, keys["theirs"])
    wanted = signing_rules("resign", keys["ours"])
    with running(next_hop.port, tmp_path, with_rules=wanted, sealer=sealer(keys, records)) as relay:
        assert send(relay, signed).startswith("250")
    arrived = unstuff(next_hop.heard.wires[0])
    assert check_arc(arrived, records.find) == "pass"
    assert perl_arc_result(arrived, records) == "pass"
    assert results(arrived, records) == ["pass"]
    assert b"dkim=pass header.d=aozora.example.jp" in arrived
    assert restore(arrived) == signed
    after = on_its_way(arrived)
    assert restore(after) == after[: after.index(b"X-Career-Relay")] + signed


def test_a_chain_goes_on(keys: dict[str, DkimKey], records: Records) -> None:
    """Sets that verify are sealed over; the whole chain verifies, and Perl agrees."""
    first = ArcSealer(keys["first-seal"], "cloud.example.com", records.find)
    marked = treat(REJECTION, "strip").message
    chained = first.sealed(REJECTION, marked)
    start = chained.index(b"ARC-Seal")
    before = chained[start : chained.index(restore(marked)[:20], start)] + restore(marked)
    # The set was made for the changed letter: for its original it does not verify.
    assert check_arc(before, records.find) == "fail"
    assert check_arc(chained, records.find) == "pass"
    again = sealer(keys, records).sealed(chained, chained)
    assert again.count(b"ARC-Seal: i=2; cv=pass") == 1
    assert check_arc(again, records.find) == "pass"
    assert perl_arc_result(again, records) == "pass"


@pytest.mark.parametrize("dkim", ["pass", "strip", "resign"])
def test_a_tag_leaves_a_signed_subject(
    keys: dict[str, DkimKey], records: Records, dkim: str
) -> None:
    """As far as the company lets us touch signatures; what arrives is never signed wrongly."""
    tagged = re.sub(rb"^Subject: ", b"Subject: [no-relay] ", REJECTION, count=1, flags=re.MULTILINE)
    signed = sign(tagged, keys["theirs"])
    outcome = treat(signed, dkim, keys["ours"])
    if dkim == "pass":
        assert outcome.decision.reason is Reason.OVERRIDE_KEPT
        assert outcome.message == signed
    else:
        assert outcome.decision.reason is Reason.OVERRIDE
        assert b"[no-relay]" not in outcome.message
    assert (
        results(outcome.message, records)
        == {"pass": ["pass"], "strip": [], "resign": ["pass"]}[dkim]
    )


def test_a_tag_stays_where_nobody_can_sign(keys: dict[str, DkimKey]) -> None:
    """Without a key the signature that is there is worth more."""
    tagged = re.sub(rb"^Subject: ", b"Subject: [no-relay] ", REJECTION, count=1, flags=re.MULTILINE)
    signed = sign(tagged, keys["theirs"])
    outcome = treat(signed, "resign", keys["seal"])
    assert (outcome.decision.reason, outcome.message) == (Reason.OVERRIDE_KEPT, signed)


def test_no_seal_where_the_dns_is_silent(
    keys: dict[str, DkimKey], next_hop: Hop, tmp_path: Path
) -> None:
    """The letter goes on without one, and its own signature is not called bad."""
    wanted = signing_rules("resign", keys["ours"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        deaf = ArcSealer(
            keys["seal"], "relay.example.jp", DnsKeys(("127.0.0.1",), silent.getsockname()[1])
        )
        with running(next_hop.port, tmp_path, with_rules=wanted, sealer=deaf) as relay:
            assert send(relay, sign(REJECTION, keys["theirs"])).startswith("250")
    arrived = unstuff(next_hop.heard.wires[0])
    assert b"https://r.example.jp/" in arrived
    assert b"dkim=temperror" in arrived


def test_no_seal_on_a_chain_that_does_not_verify(
    keys: dict[str, DkimKey], records: Records, next_hop: Hop, tmp_path: Path
) -> None:
    """There is nothing to vouch for."""
    broken = (
        b"ARC-Seal: i=1; cv=none; a=rsa-sha256; d=cloud.example.com; s=arc; t=1; b=AAAA\r\n"
        b"ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=cloud.example.com;\r\n"
        b" s=arc; t=1; h=from; bh=AAAA; b=AAAA\r\n"
        b"ARC-Authentication-Results: i=1; cloud.example.com; dkim=none\r\n"
    )
    with running(next_hop.port, tmp_path, sealer=sealer(keys, records)) as relay:
        assert send(relay, broken + REJECTION).startswith("250")
    arrived = unstuff(next_hop.heard.wires[0])
    assert b"https://r.example.jp/" in arrived
    assert arrived.count(b"ARC-Seal") == 1
    assert restore(arrived) == broken + REJECTION


def test_a_key_shows_nothing_secret(keys: dict[str, DkimKey]) -> None:
    """Neither in a log nor in a traceback; its public half is what the DNS is given."""
    shown = repr(keys["ours"])
    assert "PRIVATE" not in shown
    assert keys["ours"].secret.decode()[40:60] not in shown
    assert keys["ours-ed"].secret.decode() not in repr(keys["ours-ed"])
    assert keys["ours-ed"].record.startswith("v=DKIM1; k=ed25519; p=")
