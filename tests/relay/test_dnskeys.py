"""Keys from the DNS: kept, asked for ahead, and never waited for while it is silent."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import dns.message
import dns.rcode
import dns.rrset
import pytest

from relay.dkimsign import check_signatures
from relay.dnskeys import KEPT_WITHOUT_SECONDS, SILENT_SECONDS, WAIT_SECONDS_MAX, DnsKeys
from relay.resign import Resigner
from relay.signaturefields import key_names
from relay.wire import unstuff
from tests.relay.neighbours import Hop
from tests.relay.running import AOZORA, rules, running
from tests.relay.signers import make_key, sign
from tests.relay.test_deliver import REJECTION, send
from tests.serverthread import answering

NAME = b"s1._domainkey.aozora.example.jp."
TTL_SECONDS = 300
# A machine that does much else is slower; the question itself goes on for five seconds.
SOON_SECONDS = 2.0


@dataclass
class Server:
    """A DNS server that counts what it is asked, and answers while `answers` is set."""

    port: int = 0
    asked: list[str] = field(default_factory=list[str])
    answers: threading.Event = field(default_factory=threading.Event)
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    record: str = "v=DKIM1; p=AAAA"
    ttl_seconds: int = TTL_SECONDS


@contextmanager
def serving() -> Generator[Server]:
    """Run a server that holds each question until it may answer."""
    told = Server()

    class Handler(socketserver.BaseRequestHandler):
        """Answers one question."""

        def handle(self) -> None:
            query, sock = self.request
            asked = dns.message.from_wire(query)
            name = asked.question[0].name
            told.asked.append(name.to_text())
            told.answers.wait(20)
            response = dns.message.make_response(asked)
            response.set_rcode(told.rcode)
            if told.rcode == dns.rcode.NOERROR:
                response.answer.append(
                    dns.rrset.from_text(name, told.ttl_seconds, "IN", "TXT", f'"{told.record}"')
                )
            sock.sendto(response.to_wire(), self.client_address)

    server = socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler)
    told.port = server.server_address[1]
    with answering(server):
        try:
            yield told
        finally:
            told.answers.set()


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def until_known(keys: DnsKeys, name: bytes) -> bytes | None:
    """Return what is kept of a name, once it is: an answer comes within milliseconds."""
    ends = time.monotonic() + 10
    while True:
        try:
            return keys(name, 5)
        except TimeoutError:
            if time.monotonic() > ends:
                raise


def seconds_taken(keys: DnsKeys, *names: bytes) -> float:
    """Return how long it takes to be told that nothing is known of any of these names."""
    started = time.monotonic()
    for name in names:
        with pytest.raises(TimeoutError):
            keys(name, 5)
    return time.monotonic() - started


def test_an_answer_is_kept_for_as_long_as_it_says() -> None:
    """One question for many letters; another one once it is over."""
    clock = Clock()
    with serving() as server:
        server.answers.set()
        keys = DnsKeys(("127.0.0.1",), server.port, clock)
        assert keys(NAME, 5) == b"v=DKIM1; p=AAAA"
        assert keys(NAME.rstrip(b".").upper(), 5) == b"v=DKIM1; p=AAAA"
        assert len(server.asked) == 1
        clock.now += TTL_SECONDS
        server.record = "v=DKIM1; p=BBBB"
        assert keys(NAME, 5) == b"v=DKIM1; p=BBBB"
        assert len(server.asked) == 2


def test_a_name_that_does_not_exist_is_kept_for_a_minute() -> None:
    """A key that is published late is found without a restart."""
    clock = Clock()
    with serving() as server:
        server.answers.set()
        server.rcode = dns.rcode.NXDOMAIN
        keys = DnsKeys(("127.0.0.1",), server.port, clock)
        assert keys(NAME, 5) is None
        server.rcode = dns.rcode.NOERROR
        assert keys(NAME, 5) is None
        clock.now += KEPT_WITHOUT_SECONDS
        assert keys(NAME, 5) == b"v=DKIM1; p=AAAA"


@contextmanager
def nearly_over() -> Generator[tuple[Server, DnsKeys, Clock]]:
    """Know a key that holds for one more second."""
    clock = Clock()
    with serving() as server:
        server.answers.set()
        keys = DnsKeys(("127.0.0.1",), server.port, clock)
        assert keys(NAME, 5) == b"v=DKIM1; p=AAAA"
        clock.now += TTL_SECONDS - 1
        yield server, keys, clock


def test_a_key_is_asked_for_anew_before_it_is_over() -> None:
    """The letter that comes then has the kept one at once, the next one the new one."""
    with nearly_over() as (server, keys, _):
        server.answers.clear()
        server.record = "v=DKIM1; p=BBBB"
        assert keys(NAME, 5) == b"v=DKIM1; p=AAAA"
        server.answers.set()
        ends = time.monotonic() + 10
        while keys(NAME, 5) != b"v=DKIM1; p=BBBB":
            assert time.monotonic() < ends
        assert len(server.asked) == 2


def test_a_key_that_still_holds_outlives_a_failure() -> None:
    """A server that fails when it is asked anew takes nothing away before the key's time."""
    with nearly_over() as (server, keys, clock):
        server.rcode = dns.rcode.SERVFAIL
        assert keys(NAME, 5) == b"v=DKIM1; p=AAAA"
        for thread in threading.enumerate():
            if thread.name == "dns":
                thread.join(10)
        assert len(server.asked) > 1
        assert keys(NAME, 5) == b"v=DKIM1; p=AAAA"
        clock.now += 1
        with pytest.raises(TimeoutError):
            keys(NAME, 5)


def test_a_silent_server_is_waited_for_once() -> None:
    """The first letter waits for half a second, however many signatures it has; others do not."""
    clock = Clock()
    names = [b"s%d._domainkey.example.jp." % number for number in range(20)]
    with serving() as server:
        keys = DnsKeys(("127.0.0.1",), server.port, clock)
        assert WAIT_SECONDS_MAX * 0.9 <= seconds_taken(keys, *names) < SOON_SECONDS
        assert seconds_taken(keys, *names, *names) < WAIT_SECONDS_MAX
        # It goes on being asked, but not for every name there is.
        assert len(set(server.asked)) <= 8
        clock.now += SILENT_SECONDS
        assert seconds_taken(keys, *names) < SOON_SECONDS


def test_an_answer_that_comes_late_is_there_for_the_next_letter() -> None:
    """The question goes on, and with its answer the silence is over for all names."""
    with serving() as server:
        keys = DnsKeys(("127.0.0.1",), server.port)
        assert seconds_taken(keys, NAME) < SOON_SECONDS
        server.answers.set()
        assert until_known(keys, NAME) == b"v=DKIM1; p=AAAA"
        assert keys(b"s2._domainkey.example.jp.", 5) == b"v=DKIM1; p=AAAA"


def test_a_kept_key_is_used_while_the_server_is_silent() -> None:
    """What was asked ahead is there at once."""
    with serving() as server:
        server.answers.set()
        keys = DnsKeys(("127.0.0.1",), server.port)
        keys.ask(NAME)
        assert until_known(keys, NAME) == b"v=DKIM1; p=AAAA"
        server.answers.clear()
        assert seconds_taken(keys, b"other._domainkey.example.jp.") < SOON_SECONDS
        assert keys(NAME, 5) == b"v=DKIM1; p=AAAA"


@pytest.mark.parametrize("name", [b"a..b", b"\xff._domainkey.example.jp", b"x" * 300])
def test_a_name_that_is_none_has_no_key(name: bytes) -> None:
    """A hostile signature may name anything: no other letter waits for that."""
    with serving() as server:
        server.answers.set()
        keys = DnsKeys(("127.0.0.1",), server.port)
        try:
            found = keys(name, 5)
        except TimeoutError:
            found = None
        assert found is None
        assert keys(NAME, 5) == b"v=DKIM1; p=AAAA"


def test_a_server_that_fails_is_not_silent() -> None:
    """SERVFAIL for one name keeps no other from being asked for."""
    with serving() as server:
        server.answers.set()
        server.rcode = dns.rcode.SERVFAIL
        keys = DnsKeys(("127.0.0.1",), server.port)
        seconds_taken(keys, NAME)
        server.rcode = dns.rcode.NOERROR
        assert until_known(keys, b"other._domainkey.example.jp.") == b"v=DKIM1; p=AAAA"


def test_no_server_at_all_is_told_at_once() -> None:
    """A closed port answers by ICMP, or not at all; neither holds a letter."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    keys = DnsKeys(("127.0.0.1",), port)
    assert seconds_taken(keys, NAME, NAME, NAME) < SOON_SECONDS


SIGNED = b"".join(
    b"DKIM-Signature: v=1; a=rsa-sha256; d=A%d.Example.jp;\r\n s=S1; h=from; bh=AAAA; b=AAAA\r\n"
    % number
    for number in range(6)
)


def test_a_key_is_kept_for_a_day_at_most() -> None:
    """However long the DNS says: a key that was taken back is not known until a restart."""
    clock = Clock()
    with serving() as server:
        server.answers.set()
        server.ttl_seconds = 2**31 - 1
        keys = DnsKeys(("127.0.0.1",), server.port, clock)
        assert keys(NAME, 5) == b"v=DKIM1; p=AAAA"
        clock.now += 24 * 3600
        server.rcode = dns.rcode.NXDOMAIN
        assert keys(NAME, 5) is None


def test_what_is_too_long_for_a_name_is_neither_asked_nor_remembered() -> None:
    """A signature may hold anything as its selector."""
    with serving() as server:
        keys = DnsKeys(("127.0.0.1",), server.port)
        long = b"s" * 300 + b"._domainkey.aozora.example.jp."
        keys.ask(long)
        assert keys(long, 5) is None
        assert server.asked == []


def test_of_an_endless_header_a_few_signatures_are_looked_at() -> None:
    """So many as are checked, and none behind what a letter's header may have."""
    field = b"DKIM-Signature: s=s1; d=aozora.example.jp\r\n"
    assert key_names(field * 100_000, 4) == [NAME.rstrip(b".")] * 4
    assert key_names(b"X-Filler: x\r\n" * 30_000 + field + b"\r\n", 4) == []


def test_letters_ask_ahead_for_the_keys_of_their_signatures() -> None:
    """Before anybody looks, and without waiting: then a silent server costs one wait in all."""
    with serving() as server:
        keys = DnsKeys(("127.0.0.1",), server.port)
        resigner = Resigner((), keys, keys.ask)
        message = SIGNED + b"From: a@a0.example.jp\r\n\r\nHello.\r\n"
        started = time.monotonic()
        resigner.ask_ahead(message)
        assert time.monotonic() - started < WAIT_SECONDS_MAX
        server.answers.set()
        for number in range(4):
            name = b"s1._domainkey.a%d.example.jp." % number
            assert until_known(keys, name) == b"v=DKIM1; p=AAAA"
        assert sorted(set(server.asked)) == [f"s1._domainkey.a{n}.example.jp." for n in range(4)]


def test_a_letter_with_many_signatures_waits_once() -> None:
    """Four are checked; a silent server holds the letter for half a second, not for each."""
    message = SIGNED + b"From: a@a0.example.jp\r\nDate: x\r\n\r\nHello.\r\n"
    with serving() as server:
        keys = DnsKeys(("127.0.0.1",), server.port)
        started = time.monotonic()
        verdicts = [verdict for verdict, _ in check_signatures(message, keys)]
        assert time.monotonic() - started < SOON_SECONDS
        assert set(verdicts) <= {"temperror", "permerror"}


def test_signed_letters_pass_a_silent_dns_without_delay(next_hop: Hop, tmp_path: Path) -> None:
    """Through a running relay: the first is held for a moment at most, and each arrives as sent."""
    theirs = make_key(tmp_path, "aozora.example.jp", "mail")
    ours = make_key(tmp_path, "aozora.example.jp", "relay1")
    letter = REJECTION.replace(b"chihaya.example.co.jp", b"aozora.example.jp")
    signed = [sign(letter.replace(b"Subject: ", b"Subject: %d " % n), theirs) for n in range(4)]
    with serving() as server:
        keys = DnsKeys(("127.0.0.1",), server.port)
        resigner = Resigner((ours,), keys, keys.ask)
        wanted = replace(rules(replace(AOZORA, dkim="resign")), resigner=resigner)
        with running(next_hop.port, tmp_path, with_rules=wanted) as relay:
            started = time.monotonic()
            assert all(send(relay, each).startswith("250") for each in signed)
            taken = time.monotonic() - started
            assert relay.reasons == {"dkim_not_valid": 4}
    assert taken < len(signed) * WAIT_SECONDS_MAX
    assert [unstuff(wire) for wire in next_hop.heard.wires] == signed
